//! The summary of a grid: the rows of its cells in one list, and how each cell stands to what is documented.

use std::collections::BTreeSet;

use crashtest_model::{CellSummary, FORMAT, GridRecord, GridSummary, PlannedCell};

use super::agreement::{agreement, standing};
use crate::summarise::NOT_TESTED;
use crate::{Ending, RecordedCell};

/// The summary of `cells`, which are in the order of the plan in `grid`.
#[must_use]
pub fn summarise_grid(grid: &GridRecord, cells: &[Option<RecordedCell>], ending: &Ending) -> GridSummary {
    let mut results = Vec::new();
    let mut summaries = Vec::new();
    for (planned, cell) in grid.cells.iter().zip(cells) {
        let first = results.len();
        results.extend(cell.iter().flat_map(|cell| cell.summary.results.iter().cloned()));
        summaries.push(cell_summary(planned, cell.as_ref(), (first..results.len()).collect()));
    }
    // What any cell did not inject; where none has been begun, nothing was.
    let said: BTreeSet<&String> = cells.iter().flatten().flat_map(|cell| &cell.summary.not_tested).collect();
    let not_tested = match cells.iter().flatten().next() {
        Some(first) => {
            let mut words = first.summary.not_tested.clone();
            words.extend(said.into_iter().filter(|line| !first.summary.not_tested.contains(line)).cloned());
            words
        }
        None => NOT_TESTED.iter().map(|(fault, words)| format!("{fault}: {words}")).collect(),
    };
    GridSummary {
        format: FORMAT.to_owned(),
        complete: ending.complete,
        stopped: ending.stopped.clone(),
        exit_code: ending.exit_code,
        elapsed_s: ending.elapsed_s.map(|seconds| (seconds * 1000.0).round() / 1000.0),
        results,
        cells: summaries,
        not_tested,
    }
}

fn cell_summary(planned: &PlannedCell, cell: Option<&RecordedCell>, rows: Vec<usize>) -> CellSummary {
    let summary = cell.map(|cell| &cell.summary);
    let agreement = agreement(&planned.plan.faults, &planned.expect, summary);
    CellSummary {
        folder: planned.folder.clone(),
        complete: summary.is_some_and(|summary| summary.complete),
        stopped: summary.and_then(|summary| summary.stopped.clone()),
        exit_code: summary.and_then(|summary| summary.exit_code),
        rows,
        standing: standing(&agreement),
        agreement,
    }
}
