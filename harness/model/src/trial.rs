//! The record of one trial: one crash, one recovery, one verdict. One line of `trials.jsonl`.

use serde::{Deserialize, Serialize};

use crate::{Aim, CallMark, Consequences, Damage, Digest, FailedCall, Fault, Generation, Phase, Seed, Start, Verdict};

/// What the victim has promised when it died: recovery must give a generation from `acked` to `begun`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// The last generation whose save has returned, or that an earlier recovery gave.
    pub acked: Generation,
    /// The last generation whose save was begun.
    pub begun: Generation,
    /// Whether `init` had returned: before that, a fresh state is intact.
    pub installed: bool,
    /// Which saves up to `acked` are not promised, where saves are independent of each other and acknowledged in another order.
    #[serde(default, skip_serializing_if = "Gaps::is_none")]
    pub gaps: Gaps,
}

impl Promise {
    /// Returns whether save `n` by itself is promised.
    #[must_use]
    pub fn requires(&self, n: Generation) -> bool {
        if n > self.acked || n.0 <= self.gaps.none_to {
            return false;
        }
        match self.acked.0 - n.0 {
            behind @ 1..=64 => self.gaps.unacked >> (behind - 1) & 1 == 0,
            _ => true,
        }
    }
}

/// The saves up to the last acknowledged one that are not: of the 64 before it each by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gaps {
    /// Bit i: save `acked` - 1 - i is not acknowledged.
    pub unacked: u64,
    /// No save up to this one was begun.
    pub none_to: u64,
}

impl Gaps {
    /// All are.
    pub const NONE: Gaps = Gaps { unacked: 0, none_to: 0 };

    /// Returns whether all are.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Gaps::NONE
    }
}

/// A part of a state that is kept in several files, and the save that left it so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOf {
    /// Its name.
    pub part: String,
    /// The last save that left it as it is; `None` for a part that follows from the others and that no save left so.
    pub generation: Option<Generation>,
}

/// What a start of the program on a crash state gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "gave", rename_all = "kebab-case")]
pub enum Observed {
    /// It opened with a state; `generation` is the one whose content it is, if it is one that was begun.
    State {
        /// By content, never by what the file says of itself.
        generation: Option<Generation>,
        /// The digest of the state that it opened with.
        digest: Digest,
        /// The generations whose operations are not in it: holes in a log.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        missing: Vec<Generation>,
        /// Where its parts, each of which some save left, were left by different ones: which. `generation` is the oldest of them then.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mixed: Vec<PartOf>,
    },
    /// It opened as new and empty.
    Fresh,
    /// It opened; with which state nobody said.
    Opened,
    /// It opened with a content that, as it says itself, no save made.
    Garbage {
        /// Its own words.
        why: String,
    },
    /// It noticed damage and said so.
    Refused {
        /// Its own words.
        why: String,
        /// What it found its file to be, where it can tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        damage: Option<Damage>,
    },
    /// Nobody was asked, and a file is not as any save leaves it.
    Damaged {
        /// How.
        damage: Damage,
        /// Which.
        why: String,
    },
    /// Nobody can tell: no checker was asked, and what is in the files does not say it.
    Unclear {
        /// What would have to be known.
        why: String,
    },
    /// It ended by a panic, a signal or an exit.
    Crashed {
        /// How.
        how: String,
    },
    /// Somebody else ended it: a SIGKILL that we did not send (the OOM killer?). Says nothing about the target.
    Shot,
    /// It did not come back within the limit.
    Hung {
        /// The limit in milliseconds.
        limit_ms: u64,
    },
}

/// What the state file was like before recovery touched it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RawState {
    /// Byte for byte the last acked or the in-flight generation.
    Whole,
    /// A proper prefix of the last acked or the in-flight generation.
    Partial,
    /// 0 bytes.
    Empty,
    /// Some length, all zeros.
    ZeroFilled,
    /// Not there.
    Missing,
    /// Anything else: mixed, older or foreign content.
    Other,
}

impl RawState {
    /// The name that reports use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RawState::Whole => "whole",
            RawState::Partial => "partial",
            RawState::Empty => "empty",
            RawState::ZeroFilled => "zero-filled",
            RawState::Missing => "missing",
            RawState::Other => "other",
        }
    }
}

/// The state file before recovery, measured against the in-flight generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawFile {
    /// The class.
    pub state: RawState,
    /// Its length in bytes; `None` when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// The offset of the first byte that differs from the generation it is closest to, when it is damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tear_offset: Option<u64>,
    /// The length in bytes of that generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_length: Option<u64>,
}

/// How the victim of this trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Termination {
    /// Our own SIGKILL.
    Kill,
    /// Our own SIGABRT.
    Abort,
    /// It stopped cleanly after our SIGTERM.
    Stopped,
    /// Our own SIGKILL, as another signal of ours had not ended it within the limit.
    Forced,
    /// It exited before the kill.
    Exit {
        /// Its exit status.
        status: i32,
    },
    /// A signal that we did not send (the OOM killer?).
    Signal {
        /// The signal's number.
        signal: i32,
    },
    /// Nobody: the crash state was derived from a recorded run.
    Derived,
    /// The harness never killed it.
    Nothing,
}

impl Termination {
    /// Returns whether it was we who ended it.
    #[must_use]
    pub fn by_us(&self) -> bool {
        matches!(self, Termination::Kill | Termination::Abort | Termination::Stopped | Termination::Forced)
    }
}

/// What is gone of what was acked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostAcks {
    /// Acked saves of which recovery did not give everything back.
    pub updates: u64,
    /// From the ack of the oldest of them to the end of the life that acked it, in ns. `None` where nobody saw the time of its ack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ns: Option<u64>,
    /// Whether that ack is older than all whose time is known: `age_ns` is then that of the oldest one known.
    #[serde(default, skip_serializing_if = "is_false")]
    pub at_least: bool,
}

/// What a trial came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Recovery completed, or failed, and was judged.
    Judged(Verdict),
    /// Its recovery was itself killed; the trial of that kill is judged instead, with this one's promises carried over.
    RecoveryKilled,
    /// Nothing: the crash point is one of the recorded run, and no run came there again.
    Unreached,
}

/// Evidence that only failing and inconclusive trials carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureDetail {
    /// One sentence.
    pub why: String,
    /// The digest of the last acked generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked_digest: Option<Digest>,
    /// The digest of the in-flight generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_digest: Option<Digest>,
    /// The victim's last calls, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallMark>,
    /// The traced calls around the crash point, one a line, the crash point marked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub around: Vec<String>,
    /// What the call was for that was made to fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_call: Option<FailedCall>,
    /// The trials before this one whose recoveries were killed, oldest first: what they were promised was looked for here as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried_from: Vec<u64>,
}

/// One trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Its number: from 0, per fault and kind of start.
    pub trial: u64,
    /// What broke; `none` is the control.
    pub fault: Fault,
    /// Which start the crash precedes.
    pub start: Start,
    /// Its seed.
    pub seed: Seed,
    /// The series of trials that shared one directory.
    pub series: u64,
    /// The seed of the operations that were persisted: with a generation's number, its content.
    pub stream: Seed,
    /// Where the kill was aimed.
    pub aim: Aim,
    /// The delay from the end of recovery (or the start of it, for kills inside recovery and init) to the kill, in ns.
    pub delay_ns: u64,
    /// The calibrated duration of what was aimed into, in ns.
    pub calibrated_ns: u64,
    /// The generation from which this life started saving.
    pub base: Generation,
    /// What had been promised at the kill.
    pub promise: Promise,
    /// Saves acked in this life.
    pub acks: u64,
    /// The time that these saves took together, in ns.
    #[serde(default)]
    pub saving_ns: u64,
    /// What each of several writers that share the state was promised; `promise` is their sum then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writers: Vec<Promise>,
    /// How long its last saves took, each from its begin to its ack, in ns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ack_latencies_ns: Vec<u64>,
    /// How the victim ended.
    #[serde(rename = "landed")]
    pub termination: Termination,
    /// Where in its work the victim was (see `Phase`).
    pub phase: String,
    /// Whether that was inside a save.
    pub in_save: bool,
    /// The gap between two file-changing calls in which the kill landed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
    /// The phase of the kill that last changed the files: differs from `phase` when a recovery that only reads was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged_in: Option<String>,
    /// The state file before recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawFile>,
    /// The digest of the whole crash state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_state: Option<Digest>,
    /// What recovery gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// What it came to.
    pub outcome: Outcome,
    /// The left-over files at this trial, where they were counted and held against the count before: every 20 crashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_over: Option<u64>,
    /// What is gone of what was acked, where the verdict is `lost-ack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostAcks>,
    /// What the failure cost.
    #[serde(default, skip_serializing_if = "Consequences::is_empty")]
    pub consequences: Consequences,
    /// More, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<FailureDetail>,
}

/// What is added to the numbers of trials in each other order of a run whose calls overlap, once for the first of them and so on.
pub const INTERLEAVED: u64 = 1_000_000_000_000;

impl TrialRecord {
    /// Whether its crash state is one that the calls of a run come to in another order than they were seen in.
    #[must_use]
    pub fn is_interleaved(&self) -> bool {
        self.fault == Fault::Sweep && (INTERLEAVED..1_000 * INTERLEAVED).contains(&self.trial)
    }

    /// A planned trial of which nothing is known yet: inconclusive until somebody fills it in.
    #[must_use]
    pub fn planned(trial: u64, fault: Fault, start: Start, seed: Seed, aim: Aim) -> TrialRecord {
        TrialRecord {
            trial,
            fault,
            start,
            seed,
            series: 0,
            stream: Seed(0),
            aim,
            delay_ns: 0,
            calibrated_ns: 0,
            base: Generation::ZERO,
            promise: Promise::default(),
            acks: 0,
            saving_ns: 0,
            writers: Vec::new(),
            ack_latencies_ns: Vec::new(),
            termination: Termination::Nothing,
            phase: "unknown".to_owned(),
            in_save: false,
            gap: None,
            damaged_in: None,
            raw: None,
            crash_state: None,
            observed: None,
            outcome: Outcome::Judged(Verdict::Inconclusive),
            left_over: None,
            lost: None,
            consequences: Consequences::default(),
            detail: None,
        }
    }

    /// The verdict; `None` where recovery was killed.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        match self.outcome {
            Outcome::Judged(verdict) => Some(verdict),
            Outcome::RecoveryKilled | Outcome::Unreached => None,
        }
    }

    /// The class by which failures are grouped, fit for a file name: fault, verdict and phase (the target is the campaign's).
    #[must_use]
    pub fn signature(&self) -> Option<String> {
        let verdict = self.verdict().filter(|v| v.is_violation())?;
        let phase = self.damaged_in.as_deref().unwrap_or(&self.phase);
        Some(signature(self.fault, self.start, verdict, phase))
    }
}

/// Returns what is not written down.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

/// `kill.empty.save-after-create`; `kill.first-start.torn.init-in-write`.
fn signature(fault: Fault, start: Start, verdict: Verdict, phase: &str) -> String {
    let first = match start {
        Start::First => "first-start.",
        Start::Again => "",
    };
    format!("{fault}.{first}{verdict}.{}", phase.replace(':', "-"))
}

/// The phase as records write it.
impl From<Phase> for String {
    fn from(phase: Phase) -> String {
        phase.to_string()
    }
}
