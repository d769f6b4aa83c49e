//! What breaks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// By which signal a life is ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// SIGKILL: nothing can be done about it.
    #[default]
    Kill,
    /// SIGTERM, and time to stop cleanly.
    Term,
    /// SIGABRT: as a panic or a failed assertion ends a program.
    Abort,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Signal; 3] = [Signal::Kill, Signal::Term, Signal::Abort];

    /// The name that reports, files and the command line use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Signal::Kill => "kill",
            Signal::Term => "term",
            Signal::Abort => "abort",
        }
    }

    /// The name that the system uses.
    #[must_use]
    pub fn system_name(self) -> &'static str {
        match self {
            Signal::Kill => "SIGKILL",
            Signal::Term => "SIGTERM",
            Signal::Abort => "SIGABRT",
        }
    }

    /// One line for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Signal::Kill => "SIGKILL: nothing can be done about it",
            Signal::Term => "SIGTERM, and time to finish the save and stop cleanly",
            Signal::Abort => "SIGABRT: as a panic or a failed assertion ends a program",
        }
    }
}

/// What is done to a victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Nothing: the control.
    None,
    /// A real SIGKILL, or another [`Signal`], at a random moment. The page cache survives.
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

    /// Returns whether its trials are all that there are, or are counted out, rather than drawn at random. Their failures are then
    /// a share of them, never the estimate of a probability.
    #[must_use]
    pub fn is_exhaustive(self) -> bool {
        matches!(self, Fault::Sweep | Fault::Io)
    }

    /// Returns what one of its trials is called, and several.
    #[must_use]
    pub fn trial_words(self) -> [&'static str; 2] {
        match self {
            Fault::None | Fault::Kill => ["trial", "trials"],
            Fault::Sweep => ["crash point", "crash points"],
            Fault::Io => ["failing call", "failing calls"],
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// `--tears`: inside which bytes of a write a kill counts.
///
/// A kill inside write(2) stops it at page multiples of the file offset. Any other byte is a legal short write that SIGKILL does
/// not produce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tears {
    /// Those that a kernel leaves: at page multiples of the file offset.
    #[default]
    Kernel,
    /// Those that POSIX allows: after any byte.
    Posix,
}

impl Tears {
    /// Both.
    pub const ALL: [Tears; 2] = [Tears::Kernel, Tears::Posix];

    /// The name that files and the command line use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Tears::Kernel => "kernel",
            Tears::Posix => "posix",
        }
    }

    /// One line for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Tears::Kernel => "where a killed kernel stops: at page multiples of the file offset",
            Tears::Posix => "after any byte, as a short write may: legal, but SIGKILL does not do it",
        }
    }
}

/// `--confirm`: which crash points of a sweep are reached by a real SIGKILL as well, to see that it leaves the derived files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confirm {
    /// Those at which a claim is broken, and one in sixteen of the others; in the lives after the first, one in 128.
    #[default]
    Sample,
    /// Every one; and kills at random moments of the same life must leave none but derived states.
    All,
}

impl Confirm {
    /// Both.
    pub const ALL: [Confirm; 2] = [Confirm::Sample, Confirm::All];

    /// The name that files and the command line use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Confirm::Sample => "sample",
            Confirm::All => "all",
        }
    }

    /// One line for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Confirm::Sample => {
                "where a claim is broken, and one in sixteen of the others (one in 128 where it is killed twice)"
            }
            Confirm::All => {
                "every crash point, and 1,000 kills at random moments must leave nothing else: slower, the same verdicts"
            }
        }
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
