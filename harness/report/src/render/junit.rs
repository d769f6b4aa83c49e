//! JUnit's XML for CI test views: one case per target × fault × claim, of an audit one per file.

mod audit;
mod claims;
mod grid;
mod run;

pub use audit::audit;
pub use grid::grid;
pub use run::run;

use super::format::Format;

pub(super) const FORMAT: Format = Format {
    name: "junit",
    purpose: "For a CI's test view: one case per target, fault and claim, or per audited file",
    file: Some("junit.xml"),
    run: |recorded, _| run(recorded),
    grid: |recorded, _| grid(recorded),
    audit: |recorded, _| audit(recorded),
};
