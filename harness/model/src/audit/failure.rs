//! A failure of an audit, and how it is kept beside its crash state.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{CheckedExample, Example};
use crate::{Check, CrashPoint};

/// A failure that an audit found, with the crash state that shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditFailure {
    /// A file is none of its versions.
    File {
        /// Its name below the directory.
        path: String,
        /// The worst crash point.
        example: Example,
    },
    /// The checker does not accept the crash state.
    Checker(CheckedExample),
}

impl AuditFailure {
    /// Returns where the crash comes.
    #[must_use]
    pub fn point(&self) -> CrashPoint {
        match self {
            AuditFailure::File { example, .. } => example.point,
            AuditFailure::Checker(example) => example.point,
        }
    }

    /// Returns the name of the failure: "state.json.torn", "checker.wont-open".
    #[must_use]
    pub fn signature(&self) -> String {
        match self {
            AuditFailure::File { path, example } => format!("{path}.{}", example.damage),
            AuditFailure::Checker(example) => format!("checker.{}", example.verdict),
        }
    }
}

/// A failure of an audit as it is kept beside its crash state: all that is needed to look at that again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAuditFailure {
    /// The program and its arguments, as they were typed.
    pub command: Vec<String>,
    /// The failure.
    pub failure: AuditFailure,
    /// What judges crash states, if there is a checker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck: Option<Recheck>,
}

/// A checker, and where it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recheck {
    /// The checker.
    pub check: Check,
    /// The directory in which the program was started.
    pub cwd: PathBuf,
    /// The state directory; `None` for a temporary one.
    pub dir: Option<PathBuf>,
    /// Whether all of it worked on a copy of these directories.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copied: bool,
    /// How long an answer may take, in ms.
    pub limit_ms: u64,
}
