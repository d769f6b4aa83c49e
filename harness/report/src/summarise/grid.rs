//! The summary of a grid: the rows of its cells in one list, and how each cell stands to what is documented.

use std::collections::BTreeSet;

use crashtest_model::{CellSummary, Completion, FORMAT, GridRecord, GridSummary, PlannedCell};

use super::conformance::{conformance, overall};
use super::not_tested::without_a_fault;
use crate::results::RecordedCell;

/// The summary of `cells`, which are in the order of the plan in `grid`.
#[must_use]
pub fn summarise_grid(grid: &GridRecord, cells: &[Option<RecordedCell>], completion: &Completion) -> GridSummary {
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
        None => without_a_fault(),
    };
    GridSummary { format: FORMAT.to_owned(), completion: completion.rounded(), results, cells: summaries, not_tested }
}

fn cell_summary(planned: &PlannedCell, cell: Option<&RecordedCell>, rows: Vec<usize>) -> CellSummary {
    let summary = cell.map(|cell| &cell.summary);
    let completion = summary.map(|summary| summary.completion.clone()).unwrap_or_default();
    let by_fault = conformance(&planned.plan.faults, &planned.expect, summary);
    CellSummary {
        folder: planned.folder.clone(),
        complete: completion.complete,
        stopped: completion.stopped,
        exit_code: completion.exit_code,
        rows,
        conformance: overall(&by_fault),
        by_fault,
    }
}
