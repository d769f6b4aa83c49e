//! The machine contract: what `summary.json` holds and `--output-format json` prints. Unknown is `null`, never 0.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Aim, Completion, Coverage, Fault, Loader, Metadata, Sensitivity, Signal, Start, TrialRecord, Verdict};

/// What users of a pattern believe, and a verdict can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// Recovery gives one whole generation, after any crash.
    Atomic,
    /// What was acked is there.
    DurableAtAck,
    /// Saves go through and leave nothing behind.
    Clean,
}

impl Claim {
    /// The claim that `verdict` breaks.
    #[must_use]
    pub fn broken_by(verdict: Verdict) -> Option<Claim> {
        match verdict {
            Verdict::Intact | Verdict::Inconclusive => None,
            Verdict::LostAck | Verdict::FalseAck | Verdict::SilentReset => Some(Claim::DurableAtAck),
            Verdict::Residue | Verdict::Stuck | Verdict::FailedSave => Some(Claim::Clean),
            _ => Some(Claim::Atomic),
        }
    }

    /// The words for it.
    #[must_use]
    pub fn phrase(self) -> &'static str {
        match self {
            Claim::Atomic => "atomic: a restart finds one whole save",
            Claim::DurableAtAck => "durable at ack: an acknowledged save is there after a restart",
            Claim::Clean => "clean: saves go through and leave nothing behind",
        }
    }
}

/// A rate with its exact (Clopper–Pearson) 95 % interval. Where a fault is exhaustive ([`Fault::is_exhaustive`]) it is a share of what
/// was tried, no estimate: both ends are the rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// count / trials.
    pub rate: f64,
    /// The lower end; 0 for no failure.
    pub low: f64,
    /// The upper end; for no failure in n trials the one-sided bound, about 3/n.
    pub high: f64,
}

impl Interval {
    /// A share that is no estimate.
    #[must_use]
    pub fn exactly(rate: f64) -> Interval {
        Interval { rate, low: rate, high: rate }
    }
}

/// One verdict's share of a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictCount {
    /// Trials.
    pub count: u64,
    /// As a rate over the judged trials.
    #[serde(flatten)]
    pub interval: Interval,
}

/// Quantiles of a count over lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// 10 % are at or below.
    pub p10: u64,
    /// Half are at or below.
    pub median: u64,
    /// 90 % are at or below.
    pub p90: u64,
}

/// What is gone of what was acked, over the trials that lost some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostAcksCount {
    /// Trials with the verdict `lost-ack`.
    pub trials: u64,
    /// Acked saves of which recovery did not give everything back, in all of them.
    pub updates: u64,
    /// How old the oldest of them was in each trial; `null` where no trial knows.
    pub age_ns: Option<Ages>,
}

/// From an ack to the end of the life that gave it, in ns; quantiles to one part in sixteen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ages {
    /// 10 % are at or below.
    pub p10: u64,
    /// Half are at or below.
    pub median: u64,
    /// 90 % are at or below.
    pub p90: u64,
    /// The longest.
    pub max: u64,
    /// Trials of which it is only known that theirs is older than what was counted.
    pub older: u64,
}

/// From the begin of a save to its ack, in ns; to one part in sixteen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckLatency {
    /// Half are at or below.
    pub p50: u64,
    /// 99 % are at or below.
    pub p99: u64,
}

/// Whether the row proves anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusiveness {
    /// Passed.
    pub passed: bool,
    /// Why not.
    pub reasons: Vec<String>,
}

/// A consequence in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consequence {
    /// The workload's key.
    pub key: String,
    /// Summed over the campaign.
    pub count: u64,
    /// The words that follow the number.
    pub words: String,
}

/// A class of failures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// target × fault × verdict × phase; also the name of its folder under `failures/`.
    pub signature: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The claim that it breaks.
    pub claim: Claim,
    /// Whether the target is documented to do this.
    pub documented: bool,
    /// Whether recovery noticed the damage.
    pub detected: bool,
    /// Trials.
    pub count: u64,
    /// The command that shows it again.
    pub replay: String,
    /// What happened, in words.
    pub explanation: String,
    /// What would have prevented it.
    pub fix: String,
    /// The folders with the evidence, relative to the run; the first three at most.
    pub evidence: Vec<String>,
    /// The first trial of the class.
    pub first: TrialRecord,
}

impl Finding {
    /// The order in which findings are shown. The worse verdict comes first; then what one kill shows, which is easier to see than
    /// what takes two; then the more frequent.
    #[must_use]
    pub fn order(&self) -> (Verdict, bool, Reverse<u64>) {
        (self.verdict, self.takes_two_kills(), Reverse(self.count))
    }

    /// Returns whether the crash that shows it comes in a life after another crash.
    #[must_use]
    pub fn takes_two_kills(&self) -> bool {
        matches!(self.first.aim, Aim::Twice { .. })
    }
}

/// One target under one fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultRow {
    /// The strategy.
    pub target: String,
    /// The workload.
    pub workload: String,
    /// The loader.
    pub loader: Loader,
    /// What broke.
    pub fault: Fault,
    /// By which signal lives were ended; `null` where none is sent at random moments.
    #[serde(default)]
    pub signal: Option<Signal>,
    /// Which start the crashes precede; `null` for the control.
    pub start: Option<Start>,
    /// The persistence model; `null` where the fault has none.
    pub preset: Option<String>,
    /// Trials.
    pub trials: u64,
    /// Lives that our own signal ended; `null` for the control.
    pub kills_landed: Option<u64>,
    /// Of these, inside a save.
    pub kills_in_save: Option<u64>,
    /// Of those that landed, so late that the writer, past every save that kills are aimed at, waited for them.
    #[serde(default)]
    pub kills_late: Option<u64>,
    /// Trials whose recovery was itself killed.
    pub recovery_killed: Option<u64>,
    /// Saves acked.
    pub acked: u64,
    /// Acked saves per second of saving, with every start, kill and pause left out; `null` without any.
    #[serde(default)]
    pub saves_per_second: Option<f64>,
    /// How long a save takes until it is acked; `null` where that is not known.
    #[serde(default)]
    pub ack_latency_ns: Option<AckLatency>,
    /// What is gone of what was acked; `null` where nothing is.
    #[serde(default)]
    pub lost_acks: Option<LostAcksCount>,
    /// How often left-over files were counted, each time after 20 more crashes; 0: nothing is known of residue.
    #[serde(default)]
    pub residue_counts: u64,
    /// What is known of a sweep as a whole; `null` for other faults.
    #[serde(default, rename = "swept")]
    pub coverage: Option<Coverage>,
    /// What a save keeps of its file; `null` where it was not tried.
    #[serde(default)]
    pub metadata: Option<Metadata>,
    /// Whether nobody was asked what the program makes of its files: it has no checker, and they were only looked at.
    #[serde(default)]
    pub unchecked: bool,
    /// How the checker of a program takes planted damage; `null` where it was not tried.
    #[serde(default, rename = "tried")]
    pub sensitivity: Option<Sensitivity>,
    /// Per life aimed past recovery.
    pub acks_per_life: Option<Quantiles>,
    /// Distinct crash states (exact up to 131,072); `null` for the control.
    pub distinct_states: Option<u64>,
    /// Distinct generations that recovery gave, among those that it should (exact up to 131,072).
    pub distinct_recovered: Option<u64>,
    /// Where the kills landed.
    pub phases: BTreeMap<String, u64>,
    /// In which gaps between two successive file-changing calls of a save.
    pub gaps: BTreeMap<String, u64>,
    /// What it came to.
    pub verdicts: BTreeMap<Verdict, VerdictCount>,
    /// All violations together; with none, `high` is the bound on the failure rate.
    pub failure_rate: Option<Interval>,
    /// What the state file was like before recovery.
    pub raw: BTreeMap<String, u64>,
    /// What the failures cost.
    pub consequences: Vec<Consequence>,
    /// Whether the row proves anything.
    #[serde(rename = "gate")]
    pub conclusiveness: Conclusiveness,
    /// Failures by class, worst first.
    pub findings: Vec<Finding>,
}

/// `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`FORMAT`](crate::FORMAT).
    pub format: String,
    /// How the campaign ended; its fields stand among these.
    #[serde(flatten)]
    pub completion: Completion,
    /// The rows.
    pub results: Vec<ResultRow>,
    /// Faults that this run did not inject: no statement is made about them.
    pub not_tested: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{At, CallIndex, CrashPoint, Seed};

    #[test]
    fn what_one_kill_shows_is_told_before_what_takes_two_and_that_before_a_lesser_verdict() {
        let point = CrashPoint { call: CallIndex(1), at: At::After };
        let finding = |signature: &str, verdict, aim, count| Finding {
            signature: signature.to_owned(),
            verdict,
            claim: Claim::Atomic,
            documented: false,
            detected: true,
            count,
            replay: String::new(),
            explanation: String::new(),
            fix: String::new(),
            evidence: Vec::new(),
            first: TrialRecord::planned(1, Fault::Sweep, Start::Again, Seed(1), aim),
        };
        let (once, twice) = (Aim::Call(point), Aim::Twice { first: point, then: point });
        let mut findings = [
            finding("lesser", Verdict::Empty, once, 900),
            finding("twice", Verdict::Torn, twice, 90),
            finding("seldom", Verdict::Torn, once, 7),
            finding("often", Verdict::Torn, once, 8),
        ];
        findings.sort_by_key(Finding::order);
        assert_eq!(findings.map(|finding| finding.signature), ["often", "seldom", "twice", "lesser"]);
    }
}
