//! A grid's folder read back: each cell is read as the run that it is, and what they come to is worked out again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crashtest_model::{GridRecord, GridSummary, Verdict, VerdictCount};

use super::run::read_run;
use crate::error::FolderError;
use crate::folder::{json, latest, layout, lock};
use crate::results::{RecordedCell, RecordedGrid};
use crate::summarise::grid::summarise_grid;

/// Reads the results folder of a grid, or a link to one. A cell that has not been begun has no folder.
///
/// # Errors
///
/// When it is no grid's, is of another major version, or one of its cells cannot be read.
pub(crate) fn read_grid(path: &Path) -> Result<RecordedGrid, FolderError> {
    let path = latest::resolve(path);
    let file = path.join(layout::GRID);
    let text = fs::read(&file).map_err(FolderError::io("read", &file))?;
    json::check_format(&file, &text)?;
    let grid: GridRecord = json::parse(&file, &text)?;
    let mut notes = Vec::new();
    let mut cells = Vec::new();
    for planned in &grid.cells {
        let folder = path.join(&planned.folder);
        // Made in this order: the folder, its run.json, the rest.
        let begun = folder.join(layout::RUN).exists();
        let cell = begun.then(|| read_run(&folder)).transpose()?.map(RecordedCell::from);
        notes.extend(cell.iter().flat_map(|cell| &cell.notes).map(|note| format!("{}: {note}", planned.folder)));
        cells.push(cell);
    }
    let written: Option<GridSummary> = json::read_summary(&path)?;
    let completion = written.as_ref().map_or_else(|| lock::unfinished(&path), |written| written.completion.clone());
    let mut summary = summarise_grid(&grid, &cells, &completion);
    if written.is_some_and(|written| counts(&written) != counts(&summary)) {
        summary.completion.complete = false;
        summary.completion.stopped = Some(format!("the cells and {} disagree", layout::SUMMARY));
    }
    Ok(RecordedGrid { path, grid, cells, summary, notes })
}

/// The counts, which must not change between writing and reading. Replay lines may: they name the folder, which may have been moved.
fn counts(summary: &GridSummary) -> Vec<(u64, &BTreeMap<Verdict, VerdictCount>)> {
    summary.results.iter().map(|row| (row.trials, &row.verdicts)).collect()
}
