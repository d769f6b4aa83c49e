//! The results folder, and its rendering.
//!
//! [`RunFolder`] writes a run down while it goes on; [`read`] folds a folder into a [`Recorded`], which the functions of
//! [`render`] turn into text. A report follows from the folder alone: it works on a year-old run and on one whose supervisor
//! was killed. Nothing here prints, reads the environment or asks the clock; only the command line prints.

mod error;
mod explain;
mod folder;
mod grid;
mod number;
mod read;
pub mod render;
mod summarise;

pub use error::FolderError;
pub use explain::{explanation, fix};
pub use folder::RunFolder;
pub use folder::evidence::{EVIDENCE_CAP_BYTES, EvidenceIndex, KEPT_PER_SIGNATURE};
pub use folder::failure::{Failure, read_failure};
pub use grid::agreement::{agreement, standing};
pub use grid::folder::GridFolder;
pub use grid::summarise::summarise_grid;
pub use grid::{RecordedCell, RecordedGrid, cell_folders};
pub use number::{Rounding, percent, thousands};
pub use read::{Recorded, Results, find_trials, read, read_results};
pub use summarise::interval::exact_interval;
pub use summarise::{NOT_TESTED, summarise};
