//! One call of a trace: who made it, what it did, and how far the program was.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Action, Attributes, ErrorName};
use crate::{Activity, Promise};

/// The number of an operation in its trace, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallIndex(pub u32);

impl fmt::Display for CallIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // People count from one.
        (self.0 + 1).fmt(f)
    }
}

/// Which file: the same file under all its names and descriptors. Files that are there at the start are numbered first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileId(pub u32);

/// How far the program was, as it told outside its files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What it was doing, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// Whether its recovery had come to an end.
    pub opened: bool,
    /// What it had promised.
    pub promise: Promise,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The process that made it, numbered from 0 in the order of their first calls.
    pub process: u32,
    /// The system call's name.
    pub call: Cow<'static, str>,
    /// What it did. A failed call did nothing; this is what it would have done.
    pub action: Action,
    /// The error number with which it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// How far the program was when it made the call.
    pub before: Progress,
    /// How far it was when the call returned.
    pub after: Progress,
    /// What its file has afterwards besides its content, where that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Attributes>,
}

/// What stands in place of a system call's name where a file was changed through a shared mapping.
pub const STORE: &str = "store";

impl Operation {
    /// Returns whether it is no call: what was stored through a shared mapping since the call before.
    #[must_use]
    pub fn is_store(&self) -> bool {
        self.call == STORE
    }

    /// The call in a sentence: its parts one space apart, where a list of calls has columns.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        match self.errno {
            Some(errno) => write!(f, "  = {}", ErrorName(errno)),
            None => Ok(()),
        }
    }
}
