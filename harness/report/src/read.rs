//! Results folders read back, of a run, of a grid and of an audit.

pub(crate) mod audit;
pub(crate) mod grid;
pub(crate) mod run;

use std::path::Path;

use crate::error::FolderError;
use crate::folder::{latest, layout};
use crate::results::Results;
use audit::read_audit;
use grid::read_grid;
use run::read_run;

/// Reads the results folder of a run, of a grid or of an audit, or a link to one.
///
/// # Errors
///
/// As [`read_run`]; a grid's cells are read so as well.
pub fn read_results(path: &Path) -> Result<Results, FolderError> {
    let folder = latest::resolve(path);
    if folder.join(layout::GRID).exists() {
        return read_grid(path).map(|grid| Results::Grid(Box::new(grid)));
    }
    if folder.join(layout::AUDIT).exists() {
        return read_audit(&folder).map(|audit| Results::Audit(Box::new(audit)));
    }
    read_run(path).map(|recorded| Results::Run(Box::new(recorded)))
}
