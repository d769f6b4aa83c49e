//! JSON, the machine contract: the summary of a run and of a grid, a trace, an audit.

mod audit;
mod pretty;
mod summary;

pub use audit::audit;
pub use summary::{grid, run, trace};

use super::format::Format;
use crate::folder::layout;

pub(super) const FORMAT: Format = Format {
    name: "json",
    purpose: "The object of summary.json, or of audit.json",
    file: Some(layout::SUMMARY),
    run: |recorded, _| run(recorded),
    grid: |recorded, _| grid(recorded),
    audit: |recorded, _| audit(&recorded.record),
};
