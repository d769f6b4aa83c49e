//! What results folders hold, as it is read and rendered: a run, a grid of many, an audit, any of them.

use std::path::PathBuf;

use crashtest_model::{AuditRecord, GridRecord, GridSummary, Rows, RunRecord, Summary};

/// A run as its folder tells it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The folder, as it was given; where that was a link, what it points to.
    pub path: PathBuf,
    /// `run.json`.
    pub run: RunRecord,
    /// The trials, counted.
    pub rows: Rows,
    /// The summary of these counts.
    pub summary: Summary,
    /// What a reader should know of the folder, as that its last line was cut off.
    pub notes: Vec<String>,
}

/// A cell as its folder tells it, without the counts that its summary was made of: a grid may have hundreds.
#[derive(Clone, Debug)]
pub struct RecordedCell {
    /// Its `run.json`.
    pub run: RunRecord,
    /// Its summary.
    pub summary: Summary,
    /// What a reader should know of its folder.
    pub notes: Vec<String>,
}

impl From<Recorded> for RecordedCell {
    fn from(recorded: Recorded) -> RecordedCell {
        RecordedCell { run: recorded.run, summary: recorded.summary, notes: recorded.notes }
    }
}

/// A grid as its folder tells it.
#[derive(Clone, Debug)]
pub struct RecordedGrid {
    /// The folder, as it was given; where that was a link, what it points to.
    pub path: PathBuf,
    /// `grid.json`.
    pub grid: GridRecord,
    /// Its cells, in the order of the plan; `None` where one has not been begun.
    pub cells: Vec<Option<RecordedCell>>,
    /// What they come to together.
    pub summary: GridSummary,
    /// What a reader should know of the folder.
    pub notes: Vec<String>,
}

/// An audit as its folder tells it.
#[derive(Clone, Debug)]
pub struct RecordedAudit {
    /// The folder, as it was given; where that was a link, what it points to.
    pub path: PathBuf,
    /// `audit.json`.
    pub record: AuditRecord,
    /// For each of [`AuditRecord::failures`] the folder below it in which it is kept; `None` where it is not.
    pub kept: Vec<Option<PathBuf>>,
}

/// The content of a results folder.
#[derive(Clone, Debug)]
pub enum Results {
    /// One campaign.
    Run(Box<Recorded>),
    /// Many, reported as one.
    Grid(Box<RecordedGrid>),
    /// A program whose files were audited.
    Audit(Box<RecordedAudit>),
}
