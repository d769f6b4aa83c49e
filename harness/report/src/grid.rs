//! A grid: many results folders, the cells, below one, and what they come to together.

pub(crate) mod agreement;
pub(crate) mod folder;
pub(crate) mod read;
pub(crate) mod summarise;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crashtest_model::{GridRecord, GridSummary, Plan, RunRecord, Summary};

use crate::Recorded;
use crate::folder::layout;

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

/// The folders of the cells of `plans`, relative to the grid's: `cells/direct-fills-strict`; no two are the same.
#[must_use]
pub fn cell_folders<'p>(plans: impl IntoIterator<Item = &'p Plan>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let folder = |plan: &Plan| {
        let target = &plan.target;
        let lives = layout::lives(plan);
        let name = layout::file_name(&format!("{}-{}-{}{lives}", target.strategy, target.workload, target.loader));
        let numbered = (2u64..).map(|n| format!("{name}-{n}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| taken.insert(name.clone()));
        format!("{}/{}", layout::CELLS, free.unwrap_or(name))
    };
    plans.into_iter().map(folder).collect()
}
