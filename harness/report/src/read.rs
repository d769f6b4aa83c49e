//! Results folders read back, of a run and of a grid.

pub(crate) mod grid;
pub(crate) mod run;

use std::path::Path;

use crate::error::FolderError;
use crate::folder::{latest, layout};
use crate::results::Results;
use grid::read_grid;
use run::read_run;

/// Reads the results folder of a run or of a grid, or a link to one.
///
/// # Errors
///
/// As [`read_run`]; a grid's cells are read so as well.
pub fn read_results(path: &Path) -> Result<Results, FolderError> {
    if latest::resolve(path).join(layout::GRID).exists() {
        return read_grid(path).map(|grid| Results::Grid(Box::new(grid)));
    }
    read_run(path).map(|recorded| Results::Run(Box::new(recorded)))
}
