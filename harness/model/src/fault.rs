//! What breaks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is done to a victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Nothing: the control.
    None,
    /// A real SIGKILL at a random moment. The page cache survives.
    Kill,
    /// A SIGKILL before and after every file-changing call and inside every write, and again in the recovery from each.
    Sweep,
    /// Each call in turn fails or falls short.
    Io,
}

impl Fault {
    /// Every fault that this version can inject.
    pub const ALL: [Fault; 4] = [Fault::None, Fault::Kill, Fault::Sweep, Fault::Io];

    /// The name that reports, files and the command line use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fault::None => "none",
            Fault::Kill => "kill",
            Fault::Sweep => "sweep",
            Fault::Io => "io",
        }
    }

    /// One line for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Fault::None => "nothing: the control, always run first, with clean stops",
            Fault::Kill => "a real SIGKILL at a random moment; the page cache survives",
            Fault::Sweep => "SIGKILL before and after every call and inside every write, and again during recovery",
            Fault::Io => {
                "each call in turn fails (no space, an I/O error, interrupted) or writes less than it was asked to"
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which start of the program the crash precedes: reported as rows of their own, as their promises differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// The very first start, in an empty directory: killed inside `init`. Until `init` has returned, a fresh state is intact.
    First,
    /// A start with a state installed.
    Again,
}
