//! Results folders while what they record goes on, of a run and of a grid.

pub(crate) mod audit;
pub(crate) mod grid;
mod reports;
pub(crate) mod run;
