//! The fold over trial records: everything a summary counts, in memory that does not grow with the number of trials.

use std::collections::{BTreeMap, HashSet};

use crate::{
    About, Aim, Consequences, Coverage, CrashPoint, Durations, Fault, LostAcks, MOST_SAVES, Metadata, Note, Observed,
    Outcome, RawState, Sensitivity, Start, Termination, TrialRecord, Verdict,
};

/// Distinct values are counted exactly up to this many; past it the count stays there ("at least").
const DISTINCT_CAP: usize = 1 << 17;

/// A set of digests whose size is all that matters, bounded in memory.
#[derive(Clone, Debug, Default)]
pub struct SeenSet(HashSet<u64>);

impl SeenSet {
    /// Notes a value.
    pub fn insert(&mut self, value: u64) {
        if self.0.len() < DISTINCT_CAP {
            self.0.insert(value);
        }
    }

    /// Returns how many distinct values were noted, at most the cap.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Returns whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A histogram of acks per life: exact up to 255, the rest in one bin.
#[derive(Clone, Debug)]
pub struct AcksPerLife(Vec<u64>);

impl Default for AcksPerLife {
    fn default() -> AcksPerLife {
        AcksPerLife(vec![0; 256])
    }
}

impl AcksPerLife {
    /// Notes one life.
    pub fn insert(&mut self, acks: u64) {
        let bin = usize::try_from(acks).map_or(255, |n| n.min(255));
        self.0[bin] += 1;
    }

    /// The `q` quantile (0 to 1) over lives; `None` without lives.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let lives: u64 = self.0.iter().sum();
        let wanted = (q * lives as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        self.0
            .iter()
            .position(|n| {
                seen += n;
                seen >= wanted
            })
            .filter(|_| lives > 0)
            .map(|bin| bin as u64)
    }
}

/// What failing trials of one signature have in common, with the first of them.
#[derive(Clone, Debug)]
pub struct Group {
    /// The verdict.
    pub verdict: Verdict,
    /// How many.
    pub count: u64,
    /// The one with the lowest number, among those with the calls around the crash if there are any.
    pub first: TrialRecord,
}

/// Trials that nobody but a checker can judge.
#[derive(Clone, Debug)]
pub struct Unclear {
    /// How many.
    pub trials: u64,
    /// The lowest of their numbers.
    pub first: u64,
    /// Why that one is one.
    pub why: String,
}

/// What is gone of what was acked, over all trials that lost some.
#[derive(Clone, Debug, Default)]
pub struct Lost {
    /// Trials.
    pub trials: u64,
    /// Acked saves.
    pub updates: u64,
    /// How old the oldest was in each trial, as far as that is known.
    pub ages: Durations,
    /// Trials of which it is only known that it was older than that.
    pub older: u64,
}

impl Lost {
    fn add(&mut self, lost: LostAcks) {
        self.trials += 1;
        self.updates += lost.updates;
        if let Some(age_ns) = lost.age_ns {
            self.ages.insert(age_ns);
            self.older += u64::from(lost.at_least);
        }
    }
}

/// Which of two failures of one signature is shown: the same one, whichever worker was faster.
fn rank(record: &TrialRecord) -> (bool, u64) {
    (record.detail.as_ref().is_none_or(|detail| detail.calls.is_empty()), record.trial)
}

/// Counts over the trials of one row (one target, one fault, one kind of start).
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Trials, judged or not.
    pub trials: u64,
    /// Lives that our own signal ended.
    pub kills_landed: u64,
    /// Kills that landed inside a save.
    pub kills_in_save: u64,
    /// Of these, past every save that kills are aimed at: the writer outran the clock, and waited.
    pub kills_late: u64,
    /// Trials whose recovery was itself killed.
    pub recovery_killed: u64,
    /// Saves acked.
    pub acked: u64,
    /// The time that these took together, in ns.
    pub saving_ns: u64,
    /// How long they took each.
    pub ack_latency: Durations,
    /// What is gone of them.
    pub lost: Lost,
    /// How often left-over files were counted and held against the count before.
    pub residue_counts: u64,
    /// What a save keeps of its file, if that was tried.
    pub metadata: Option<Metadata>,
    /// How the checker of a program takes planted damage; `None`: not tried.
    pub sensitivity: Option<Sensitivity>,
    /// Trials that nobody but a checker can judge.
    pub unclear: Option<Unclear>,
    /// Lives aimed past recovery, by acks.
    pub acks_per_life: AcksPerLife,
    /// Where the kills landed.
    pub phases: BTreeMap<String, u64>,
    /// In which gaps between file-changing calls.
    pub gaps: BTreeMap<String, u64>,
    /// What is known of the sweep as a whole.
    pub coverage: Option<Coverage>,
    /// Lives after a crash that were swept themselves: each has one crash point before its first call.
    pub nested: u64,
    /// What it came to.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// What the state file was like before recovery.
    pub raw: BTreeMap<RawState, u64>,
    /// Distinct crash states.
    pub crash_states: SeenSet,
    /// Distinct generations that recovery gave, among those that it should.
    pub recovered: SeenSet,
    /// Lives that ended by themselves.
    pub ended: u64,
    /// Recoveries of which nobody said what they gave.
    pub unnamed: u64,
    /// What the failures cost.
    pub consequences: Consequences,
    /// Failures by signature.
    pub groups: BTreeMap<String, Group>,
}

impl Tally {
    /// Takes down what is known of all its trials together.
    pub fn note(&mut self, about: &About) {
        match about {
            About::Coverage(coverage) => self.coverage = Some(coverage.with(self.coverage.as_ref())),
            About::Sensitivity(sensitivity) => self.sensitivity = Some(sensitivity.clone()),
            About::Metadata(metadata) => self.metadata = Some(*metadata),
        }
    }

    /// Counts one trial.
    pub fn add(&mut self, record: &TrialRecord) {
        self.trials += 1;
        self.acked += record.acks;
        self.saving_ns += record.saving_ns;
        record.ack_latencies_ns.iter().for_each(|ns| self.ack_latency.insert(*ns));
        record.lost.into_iter().for_each(|lost| self.lost.add(lost));
        self.residue_counts += u64::from(record.left_over.is_some());
        if let Some(Observed::Unclear { why }) = &record.observed {
            let unclear =
                self.unclear.get_or_insert_with(|| Unclear { trials: 0, first: record.trial, why: why.clone() });
            unclear.trials += 1;
            if record.trial < unclear.first {
                (unclear.first, unclear.why) = (record.trial, why.clone());
            }
        }
        let nested = matches!(record.aim, Aim::Twice { then, .. } if then == CrashPoint::FIRST);
        self.nested += u64::from(nested);
        if record.termination.by_us() || record.termination == Termination::Derived {
            self.kills_landed += u64::from(record.termination.by_us());
            self.kills_late += u64::from(record.fault == Fault::Kill && record.acks > MOST_SAVES);
            self.kills_in_save += u64::from(record.in_save);
            *self.phases.entry(record.phase.clone()).or_default() += 1;
            if let Some(gap) = &record.gap {
                *self.gaps.entry(gap.clone()).or_default() += 1;
            }
        }
        if matches!(record.aim, Aim::Save(_) | Aim::Gap(_) | Aim::Idle(_)) {
            self.acks_per_life.insert(record.acks);
        }
        if let Some(raw) = &record.raw {
            *self.raw.entry(raw.state).or_default() += 1;
        }
        if let Some(digest) = record.crash_state {
            self.crash_states.insert(digest.0);
        }
        match &record.observed {
            Some(Observed::State { generation: Some(generation), .. }) if recovered_as_it_should(record) => {
                self.recovered.insert(generation.0);
            }
            // Nothing yet is a state as well, and no save's.
            Some(Observed::Fresh) if recovered_as_it_should(record) => self.recovered.insert(u64::MAX),
            _ => {}
        }
        self.ended += u64::from(matches!(record.termination, Termination::Exit { .. }));
        self.unnamed += u64::from(record.observed == Some(Observed::Opened));
        self.consequences.add(&record.consequences);
        match record.outcome {
            Outcome::RecoveryKilled => self.recovery_killed += 1,
            Outcome::Unreached => {}
            Outcome::Judged(verdict) => *self.verdicts.entry(verdict).or_default() += 1,
        }
        if let (Some(signature), Some(verdict)) = (record.signature(), record.verdict()) {
            match self.groups.get_mut(&signature) {
                Some(group) => {
                    group.count += 1;
                    if rank(record) < rank(&group.first) {
                        group.first = record.clone();
                    }
                }
                None => drop(self.groups.insert(signature, Group { verdict, count: 1, first: record.clone() })),
            }
        }
    }

    /// Trials with this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }

    /// Trials that broke a claim.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.verdicts.iter().filter(|(v, _)| v.is_violation()).map(|(_, n)| n).sum()
    }
}

/// The tallies of a campaign: one for each fault and kind of start.
#[derive(Clone, Debug, Default)]
pub struct Rows(BTreeMap<(Fault, Start), Tally>);

impl Rows {
    /// Counts one trial in its row.
    pub fn add(&mut self, record: &TrialRecord) {
        self.0.entry((record.fault, record.start)).or_default().add(record);
    }

    /// Takes down what is known of a row as a whole, before or after its trials.
    pub fn note(&mut self, note: &Note) {
        self.0.entry((note.fault, note.start)).or_default().note(&note.about);
    }

    /// The rows that have trials, control first.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, Start, &Tally)> {
        let with_trials = self.0.iter().filter(|(_, tally)| tally.trials > 0);
        with_trials.map(|((fault, start), tally)| (*fault, *start, tally))
    }

    /// One row; `None` while it has no trial.
    #[must_use]
    pub fn get(&self, fault: Fault, start: Start) -> Option<&Tally> {
        self.0.get(&(fault, start)).filter(|tally| tally.trials > 0)
    }

    /// Trials over all rows that broke a claim.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.0.values().map(Tally::violations).sum()
    }
}

/// Returns whether recovery gave what it should. Of several processes it may have, though a reader beside it saw what it should
/// not.
fn recovered_as_it_should(record: &TrialRecord) -> bool {
    match record.outcome {
        Outcome::Judged(Verdict::Intact) => true,
        Outcome::Judged(Verdict::Torn | Verdict::Empty | Verdict::Missing | Verdict::SilentReset) => {
            !record.writers.is_empty()
        }
        _ => false,
    }
}

/// Returns why the row of `fault` and `start` proves nothing; empty when it passes the vacuity gate.
///
/// A run in which nothing was really killed must never look like a pass.
#[must_use]
pub fn vacuity(fault: Fault, start: Start, tally: &Tally) -> Vec<String> {
    let mut reasons = Vec::new();
    if tally.trials == 0 {
        return vec!["no trial was run".to_owned()];
    }
    if tally.coverage.as_ref().is_some_and(|coverage| coverage.calls == 0) && start == Start::Again {
        let why = "the recorded run changed no file in the state directory, which `{dir}` and CRASHTEST_DIR name";
        return vec![why.to_owned()];
    }
    let unclear = tally.unclear.as_ref().map_or(0, |unclear| unclear.trials);
    if let Some(Unclear { trials: count, why, .. }) = &tally.unclear {
        let [one, many] = fault.trial_words();
        let trials = if *count == 1 { one } else { many };
        reasons.push(format!("{count} {trials} cannot be judged: {why}"));
    }
    let inconclusive = tally.count(Verdict::Inconclusive).saturating_sub(unclear);
    if inconclusive * 100 > tally.trials {
        reasons.push(format!("{inconclusive} of {} trials are inconclusive (more than 1 %)", tally.trials));
    }
    if let Some(coverage) = &tally.coverage {
        if coverage.first_looked < coverage.first_look {
            reasons.push(format!(
                "it was over before one crash state of each place and file was looked at: {} of {}",
                coverage.first_looked, coverage.first_look
            ));
        }
        if let Some(first) = coverage.missed.first() {
            let more = coverage.missed.len() - 1;
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            reasons.push(format!("calls of the program were missed: {first}{more}"));
        }
        if let Some(first) = coverage.lost.first() {
            reasons.push(format!("a run does not begin on the state that it is to: {first}"));
        }
        if let Some(first) = coverage.disproved.first() {
            reasons.push(format!("what was derived is not what a kill leaves: {first}"));
        }
        if !coverage.stored.is_empty() {
            let files = coverage.stored.iter().map(|file| format!("`{}`", crate::PlainName(file))).collect::<Vec<_>>();
            reasons.push(format!(
                "{} is written through a shared mapping: what a kill leaves of it between two calls is not known",
                files.join(", ")
            ));
        }
    }
    let unmodelled = tally.coverage.as_ref().map_or(&[][..], |coverage| &coverage.unmodelled);
    if !unmodelled.is_empty() {
        let what = if fault == Fault::Io { "what their failure does" } else { "what a kill there leaves" };
        reasons.push(format!("crashtest has no model of {}: {what} is not known", unmodelled.join(", ")));
    }
    if fault == Fault::None {
        reasons.extend(tally.sensitivity.as_ref().filter(|sensitivity| sensitivity.is_blind()).map(|sensitivity| {
            match sensitivity.planted {
                true => "the checker accepts files that are torn, empty or missing: it notices nothing".to_owned(),
                false => "whether the checker notices damage is not known: the run leaves no file with anything in it"
                    .to_owned(),
            }
        }));
        return reasons;
    }
    // A program whose call has failed may have ended before anybody could kill it.
    if tally.kills_landed == 0 && !(fault == Fault::Io && tally.ended > 0) {
        reasons.push(format!("no kill landed in {} trials", tally.trials));
    }
    // Of a program that promises nothing, no more is known than what it did to its files.
    let silent = tally.acked == 0 && (tally.unnamed > 0 || unclear > 0);
    if (fault == Fault::Sweep || silent) && tally.crash_states.len() < 2 {
        reasons.push("the crash states are all the same".to_owned());
    }
    if start == Start::First {
        return reasons;
    }
    if tally.acked == 0 && !silent {
        reasons.push("no save was ever acknowledged: there was nothing to lose".to_owned());
    }
    if tally.kills_in_save == 0 && fault != Fault::Io && !silent {
        reasons.push("no kill landed inside a save".to_owned());
    }
    let passed = tally.count(Verdict::Intact);
    if passed > tally.unnamed && tally.recovered.len() < 2 {
        reasons.push("recovery never gave two different generations".to_owned());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_of_the_recorded_run_makes_a_sweep_prove_nothing() {
        let reasons = |coverage: Coverage| {
            let coverage = Some(Coverage { calls: 9, ..coverage });
            vacuity(Fault::Sweep, Start::Again, &Tally { trials: 9, kills_landed: 9, coverage, ..Tally::default() })
                .join("; ")
        };
        let all = || vec!["this".to_owned()];
        for (coverage, why) in [
            (
                Coverage { first_look: 9, first_looked: 4, ..Coverage::default() },
                "it was over before one crash state of each",
            ),
            (Coverage { missed: all(), ..Coverage::default() }, "calls of the program were missed: this"),
            (Coverage { lost: all(), ..Coverage::default() }, "a run does not begin on the state that it is to: this"),
            (Coverage { disproved: all(), ..Coverage::default() }, "what was derived is not what a kill leaves: this"),
            (Coverage { stored: all(), ..Coverage::default() }, "`this` is written through a shared mapping"),
            (Coverage { unmodelled: all(), ..Coverage::default() }, "crashtest has no model of this"),
        ] {
            assert!(reasons(coverage).contains(why), "{why}");
        }
        let all_of_it = Coverage { first_look: 9, first_looked: 9, ..Coverage::default() };
        assert!(["this", "it was over"].iter().all(|words| !reasons(all_of_it.clone()).contains(words)));
    }
}
