//! Text for a terminal: the report of a run, of a grid, of a trace and of an audit.

mod audit;
mod grid;
mod histogram;
mod run;
mod terminal_text;
mod trace;

pub use audit::{audit, recorded_audit};
pub use grid::grid;
pub use run::run;
pub use trace::trace;

use super::format::Format;

pub(super) const FORMAT: Format =
    Format { name: "text", purpose: "For a terminal", file: None, run, grid, audit: recorded_audit };
