//! Where a crash comes: at which call, and where in it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::CallIndex;

/// Where in a call a crash comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// Before it does anything.
    Before,
    /// Inside a write, after so many bytes.
    Inside(u64),
    /// After it has done everything.
    After,
}

/// Where a crash comes: at a call. Before the call past the last one: after everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CrashPoint {
    /// The call.
    pub call: CallIndex,
    /// Where in it.
    pub at: At,
}

impl CrashPoint {
    /// Before everything.
    pub const FIRST: CrashPoint = CrashPoint { call: CallIndex(0), at: At::Before };
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            At::Before => write!(f, "before call {}", self.call),
            At::Inside(bytes) => write!(f, "inside call {}, after {bytes} bytes", self.call),
            At::After => write!(f, "after call {}", self.call),
        }
    }
}
