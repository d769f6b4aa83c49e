//! Where a kill is aimed: a dimensionless position, so that the same seed gives the same plan on any machine.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CallIndex, CrashPoint, ErrorName};

/// `--kill-at`: which part of a life the kills are aimed at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KillAt {
    /// Everywhere: saves, the time between them, and one life in ten inside recovery.
    #[default]
    Any,
    /// Inside saves only.
    Save,
    /// Every second life inside recovery (the others die in a save: a recovery needs a crash to recover from).
    Recovery,
}

impl KillAt {
    /// Every part of a life that can be aimed at.
    pub const ALL: [KillAt; 3] = [KillAt::Any, KillAt::Save, KillAt::Recovery];

    /// The name that files and the command line use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KillAt::Any => "any",
            KillAt::Save => "save",
            KillAt::Recovery => "recovery",
        }
    }
}

/// Where one kill is aimed. The engine turns it into a delay by calibrated durations; both are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aim {
    /// Inside the very first `init`, after this fraction of its duration.
    Init(f64),
    /// Inside recovery, after this fraction of its duration.
    Recovery(f64),
    /// Inside recovery, between two of its calls: after this fraction of them.
    RecoveryGap(f64),
    /// Inside a save: 2.37 is 37 % into the third save after recovery.
    Save(f64),
    /// Between two file-changing calls of a save: 2.37 is the gap after 37 % of those of the third save after recovery.
    Gap(f64),
    /// Between two saves of a writer that idles: 2.37 is 37 % into the idle time after the third save.
    Idle(f64),
    /// At a call of the recorded run.
    Call(CrashPoint),
    /// At a call of the recorded run; then, started again on what that left, at a call of recovery or the first save.
    Twice {
        /// In the recorded run.
        first: CrashPoint,
        /// In the life after it.
        then: CrashPoint,
    },
    /// At a call of the recorded run; then it is started again on what that left, and runs to its end.
    Started(CrashPoint),
    /// Two writers of one state: so many calls of a save of the first, so many of the second, and then.
    Together {
        /// Calls of the first writer.
        first: u32,
        /// Calls of the second, while the first is held.
        then: u32,
        /// What comes then.
        ending: Ending,
    },
    /// So far into the usual run of a program: 0 is its readiness, where it says so, or else its start; 1 is its end.
    Run(f64),
    /// Not a kill: a call that fails; the kill comes when the program has given up, or has gone on.
    Failing(Injection),
}

/// How two writers end that were held in their saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Both finish, the first one first.
    Finish,
    /// Both are killed.
    KillAll,
    /// The first is killed, the second finishes.
    KillFirst,
    /// The second is killed, the first finishes.
    KillSecond,
    /// The first goes on to the end of its save, then the process that both are threads of is killed.
    FirstThenKill,
    /// The second goes on to the end of its save, then the process that both are threads of is killed.
    SecondThenKill,
}

impl Ending {
    /// The words for it.
    #[must_use]
    pub fn phrase(self) -> &'static str {
        match self {
            Ending::Finish => "both go on",
            Ending::KillAll => "both are killed",
            Ending::KillSecond => "the second is killed, the first goes on",
            Ending::KillFirst => "the first is killed, the second goes on",
            Ending::FirstThenKill => "the first goes on, then both are killed",
            Ending::SecondThenKill => "the second goes on, then both are killed",
        }
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallFailure {
    /// It does nothing and returns this error number; close(2) closes all the same.
    Errno(i32),
    /// It writes so many bytes, fewer than it was asked to, and says so.
    Short(u64),
    /// It writes half of what it was asked to, and says so.
    Half,
    /// The disk fills up inside of it: it writes so many bytes and says so, and what needs room after that returns this error number.
    Full {
        /// How many bytes it still writes.
        bytes: u64,
        /// The error number: ENOSPC, EDQUOT or EFBIG.
        errno: i32,
    },
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallFailure::Errno(errno) => write!(f, "fails with {}", ErrorName(*errno)),
            CallFailure::Short(bytes) => write!(f, "writes only {bytes} bytes"),
            CallFailure::Half => write!(f, "writes only half"),
            CallFailure::Full { bytes, errno } => {
                write!(f, "writes {bytes} bytes, and the next one fails with {}", ErrorName(*errno))
            }
        }
    }
}

/// How long a failure lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lasting {
    /// That one call.
    Once,
    /// That call and every later one that can fail so.
    FromThenOn,
}

/// A call of the recorded run that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Injection {
    /// The call.
    pub call: CallIndex,
    /// How it fails.
    pub failure: CallFailure,
    /// For how long.
    pub lasting: Lasting,
    /// Whether the run begins on what a whole one has left, and the calls that read are counted as well: one of them fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reading: bool,
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} {}", self.call, self.failure)?;
        match self.lasting {
            Lasting::Once => Ok(()),
            Lasting::FromThenOn if matches!(self.failure, CallFailure::Full { .. }) => {
                write!(f, ", and so does all that needs room")
            }
            Lasting::FromThenOn => write!(f, ", and so does every later one that can"),
        }
    }
}

impl Aim {
    /// Returns whether it is aimed into a recovery.
    #[must_use]
    pub fn into_recovery(self) -> bool {
        matches!(self, Aim::Recovery(_) | Aim::RecoveryGap(_))
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aim::Init(at) => write!(f, "{:.0} % into init", at * 100.0),
            Aim::Recovery(at) => write!(f, "{:.0} % into recovery", at * 100.0),
            Aim::RecoveryGap(at) => write!(f, "after {:.0} % of the calls of recovery", at * 100.0),
            Aim::Save(at) => write!(f, "{at:.2} saves after recovery"),
            Aim::Gap(at) => {
                let calls = at.fract() * 100.0;
                write!(f, "the gap after {calls:.0} % of the calls of save {:.0} after recovery", at.floor() + 1.0)
            }
            Aim::Idle(at) => write!(f, "idle, {at:.2} saves after recovery"),
            Aim::Call(point) => write!(f, "{point}"),
            Aim::Twice { first, then } => write!(f, "{first}; after the restart {then}"),
            Aim::Started(first) => write!(f, "{first}; started again"),
            Aim::Together { first, then, ending } => write!(
                f,
                "the first writer after {first} calls of its save, the second after {then} of its own; {}",
                ending.phrase()
            ),
            Aim::Run(at) => write!(f, "{:.0} % into its run", at * 100.0),
            Aim::Failing(injection) => write!(f, "{injection}"),
        }
    }
}
