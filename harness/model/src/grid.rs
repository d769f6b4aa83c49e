//! The record of a grid: many campaigns, the cells, run one after the other and reported as one. What `grid.json` and a grid's
//! `summary.json` hold.
//!
//! The ground truth of each cell is written down before its first trial: a grid is judged by what was known when it was run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Completion, Environment, Expectation, Fault, Plan, ResultRow, Verdict};

/// What a cell is expected to show, by fault; a fault that is not named is expected to show nothing but intact.
pub type Expectations = BTreeMap<Fault, Expectation>;

/// One campaign of a grid, as it was planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedCell {
    /// Its folder, relative to the grid's.
    pub folder: String,
    /// What was planned.
    pub plan: Plan,
    /// What it must and may show.
    pub expect: Expectations,
}

/// `grid.json`, written before the first trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GridRecord {
    /// [`FORMAT`](crate::FORMAT).
    pub format: String,
    /// When it started, UTC, RFC 3339.
    pub started: String,
    /// The command line.
    pub command: Vec<String>,
    /// Its name: `compare`, or the scenario's.
    pub name: String,
    /// What it is for, in a sentence.
    pub why: String,
    /// What it cannot show, beyond what no such test can.
    pub limits: Vec<String>,
    /// The cells, in the order in which they are run and shown.
    pub cells: Vec<PlannedCell>,
    /// Where it ran.
    pub environment: Environment,
}

/// How what was seen stands to what is documented, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conformance {
    /// Without any fault, something showed that is not documented.
    ControlFailed,
    /// Something showed that is not documented, or did not show though it must.
    Differs,
    /// It proves nothing.
    Inconclusive,
    /// It did not come to its planned end: what must show may not have had the time to.
    Incomplete,
    /// It has not been run.
    NotRun,
    /// Everything that must show did, and nothing else.
    AsDocumented,
}

impl Conformance {
    /// The words that reports use.
    #[must_use]
    pub fn phrase(self) -> &'static str {
        match self {
            Conformance::ControlFailed => "CONTROL FAILED",
            Conformance::Differs => "NOT as documented",
            Conformance::Inconclusive => "inconclusive",
            Conformance::Incomplete => "incomplete",
            Conformance::NotRun => "not run",
            Conformance::AsDocumented => "as documented",
        }
    }
}

/// One fault of one cell beside its ground truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultConformance {
    /// The fault.
    pub fault: Fault,
    /// How it compares to what was expected.
    #[serde(rename = "standing")]
    pub conformance: Conformance,
    /// What was expected.
    pub expected: Expectation,
    /// Violations that showed.
    pub seen: Vec<Verdict>,
    /// Violations that showed and are not documented.
    pub unexpected: Vec<Verdict>,
    /// Violations that must show and did not.
    pub missing: Vec<Verdict>,
    /// Violations of which at least one must show, where none did.
    pub none_of: Vec<Verdict>,
    /// Why it proves nothing, where it does not.
    pub reasons: Vec<String>,
}

/// What one cell came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellSummary {
    /// Its folder, relative to the grid's: a results folder of its own.
    pub folder: String,
    /// Whether it came to its planned end.
    pub complete: bool,
    /// Why it did not, or what went wrong.
    pub stopped: Option<String>,
    /// The exit status that `crashtest run` would have had; `null` while it is not known.
    pub exit_code: Option<u8>,
    /// Which of the grid's `results` are its rows.
    pub rows: Vec<usize>,
    /// How it compares to what was expected: the worst of its faults.
    #[serde(rename = "standing")]
    pub conformance: Conformance,
    /// The same, fault by fault.
    #[serde(rename = "agreement")]
    pub by_fault: Vec<FaultConformance>,
}

/// A grid's `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GridSummary {
    /// [`FORMAT`](crate::FORMAT).
    pub format: String,
    /// How the grid ended; its fields stand among these. It is complete where every cell is.
    #[serde(flatten)]
    pub completion: Completion,
    /// All rows of all cells, in the order of the cells.
    pub results: Vec<ResultRow>,
    /// What each cell came to.
    pub cells: Vec<CellSummary>,
    /// Faults that were not injected: no statement is made about them.
    pub not_tested: Vec<String>,
}
