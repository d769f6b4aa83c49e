//! The results folder of a grid while it goes on: the plan of every cell before the first trial, the reports at the end.
//!
//! Each cell writes its own folder below it as any run does, so that what the supervisor's death leaves is readable.

use std::path::{Path, PathBuf};

use crashtest_linux::directory::Directory;
use crashtest_model::{Completion, GridRecord};

use super::reports;
use crate::error::FolderError;
use crate::folder::{files, latest, layout, lock, place};
use crate::results::{RecordedCell, RecordedGrid};
use crate::summarise::grid::summarise_grid;

/// The results folder of a grid that goes on, held exclusively. Dropped without [`finish`](GridFolder::finish) it reads as
/// incomplete.
#[derive(Debug)]
pub struct GridFolder {
    path: PathBuf,
    dir: Directory,
    grid: GridRecord,
    notes: Vec<String>,
    lock: Option<lock::Lock>,
    /// The place of `latest`, and what it is to name.
    latest: Option<(PathBuf, String)>,
}

impl GridFolder {
    /// Makes `<out>/<time>-<name>-<seed>/`, a new folder, writes `grid.json` into it. The seed is that of the first cell.
    ///
    /// # Errors
    ///
    /// When a folder or file cannot be made, or `grid.started` is no RFC 3339 time.
    pub fn create(out: &Path, grid: &GridRecord) -> Result<GridFolder, FolderError> {
        let seed = grid.cells.first().map_or(crashtest_model::Seed(0), |cell| cell.plan.seed);
        let (path, name) = place::new_folder(out, &grid.started, &grid.name, Some(seed))?;
        let made = files::open(&path).and_then(|dir| {
            let lock = lock::Lock::take(&dir)?;
            files::write_json(&dir, layout::GRID, grid)?;
            Ok((dir, lock))
        });
        let (dir, lock) = made.inspect_err(|_| {
            // The folder is ours and holds nothing: without its grid.json it would only mislead.
            let _ = std::fs::remove_dir_all(&path);
        })?;
        let latest = Some((out.to_owned(), name));
        Ok(GridFolder { path, dir, grid: grid.clone(), notes: Vec::new(), lock: Some(lock), latest })
    }

    /// Points `<out>/latest` to it, once it has something to show. That the link cannot be made is a [note](GridFolder::notes).
    pub fn point_latest(&mut self) {
        let note = self.latest.take().and_then(|(out, name)| latest::point(&out, &name));
        self.notes.extend(note);
    }

    /// Removes it: no cell has started. `latest` must not point to it yet.
    pub fn discard(self) {
        // What cannot be removed reads as a grid without a cell, which it is.
        let _ = files::remove(&self.dir);
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The notes about the folder itself, as that `latest` does not point to it.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Summarises the grid from `cells`, which are in the order of the plan.
    #[must_use]
    pub fn recorded(&self, cells: Vec<Option<RecordedCell>>, completion: &Completion) -> RecordedGrid {
        let summary = summarise_grid(&self.grid, &cells, completion);
        RecordedGrid { path: self.path.clone(), grid: self.grid.clone(), cells, summary, notes: Vec::new() }
    }

    /// Writes `summary.md`, `junit.xml` and `summary.json` of `recorded` and releases the lock.
    ///
    /// # Errors
    ///
    /// When a file cannot be written. The folder stays readable, and reads as incomplete; the lock is released.
    pub fn finish(mut self, recorded: &RecordedGrid) -> Result<(), FolderError> {
        let written = reports::write_grid(&self.dir, recorded);
        let unlocked = self.lock.take().map_or(Ok(()), |lock| lock.remove(&self.dir));
        written.and(unlocked)
    }
}
