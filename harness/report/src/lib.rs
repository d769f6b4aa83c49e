//! The results folder, and its rendering.
//!
//! [`RunFolder`] writes a run down while it goes on; [`read_run`] folds a folder into a [`Recorded`], which the functions of
//! [`render`] turn into text. A report follows from the folder alone: it works on a year-old run and on one whose supervisor
//! was killed. Nothing here prints, reads the environment or asks the clock; only the command line prints.

mod error;
mod explain;
mod folder;
mod number;
mod read;
pub mod render;
mod results;
mod summarise;
mod write;

pub use error::FolderError;
pub use explain::{explanation, fix};
pub use folder::evidence::{EVIDENCE_CAP_BYTES, KEPT_PER_SIGNATURE};
pub use folder::failure::{AuditedFailure, Failure, KeptFailure, read_failure};
pub use folder::index::EvidenceIndex;
pub use folder::layout::cell_folders;
pub use number::{Rounding, percent, thousands};
pub use read::read_results;
pub use read::run::{find_trials, read_run};
pub use results::{Recorded, RecordedAudit, RecordedCell, RecordedGrid, Results};
pub use summarise::conformance::{conformance, overall};
pub use summarise::grid::summarise_grid;
pub use summarise::interval::exact_interval;
pub use summarise::run::summarise_run;
pub use write::audit::{AuditOut, CrashStates};
pub use write::grid::GridFolder;
pub use write::run::RunFolder;
