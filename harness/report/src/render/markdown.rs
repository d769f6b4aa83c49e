//! GitHub Markdown for a CI job summary: the report of a run, of a grid and of an audit.

mod audit;
mod escape;
mod grid;
mod run;

pub use audit::audit;
pub use grid::grid;
pub use run::run;

use super::format::Format;

pub(super) const FORMAT: Format = Format {
    name: "markdown",
    purpose: "For a CI job summary",
    file: Some("summary.md"),
    run: |recorded, _| run(recorded),
    grid: |recorded, _| grid(recorded),
    audit: |recorded, _| audit(recorded),
};
