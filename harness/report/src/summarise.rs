//! Summaries, as they follow from what was counted: of a run, of a grid, and of a cell beside what is documented.

pub(crate) mod conformance;
pub(crate) mod grid;
pub(crate) mod interval;
mod not_tested;
pub(crate) mod run;
