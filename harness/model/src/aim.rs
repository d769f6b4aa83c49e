//! Where a kill is aimed: a dimensionless position, so that the same seed gives the same plan on any machine.

use std::fmt;

use serde::{Deserialize, Serialize};

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
}

impl Aim {
    /// Whether it is aimed into a recovery.
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
        }
    }
}
