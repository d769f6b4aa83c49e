//! The record of a run: what `run.json` holds, written before the first trial.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Plan, StrategyInfo, WorkloadInfo};

/// The format of the results folder. A reader refuses another major version.
pub const FORMAT: &str = "crashtest-results/2";

/// Where a path lies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// `ext4`, `xfs`, `tmpfs`, …
    pub kind: String,
    /// Its mount options.
    pub options: String,
}

/// The machine and the program of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// crashtest's version.
    pub version: String,
    /// The digest of the binary that ran.
    pub binary: String,
    /// Where that binary is, if it is not crashtest itself but somebody's targets: a replay asks it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<PathBuf>,
    /// `uname -srm`.
    pub kernel: String,
    /// Processors that the run could use.
    pub processors: usize,
    /// The file system of the sandbox.
    pub file_system: FileSystem,
}

/// `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`FORMAT`].
    pub format: String,
    /// When it started, UTC, RFC 3339.
    pub started: String,
    /// The command line.
    pub command: Vec<String>,
    /// What was planned.
    pub plan: Plan,
    /// The strategy, with its ground truth at that time.
    pub strategy: StrategyInfo,
    /// The workload, with its words.
    pub workload: WorkloadInfo,
    /// Where it ran.
    pub environment: Environment,
}
