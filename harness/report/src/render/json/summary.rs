//! What is stored as it is printed: the summary of a run and of a grid, as `summary.json` holds it, and a trace.

use crashtest_model::Trace;

use super::pretty::pretty;
use crate::results::{Recorded, RecordedGrid};

/// The summary of a run as JSON.
#[must_use]
pub fn run(recorded: &Recorded) -> String {
    pretty(&recorded.summary)
}

/// The summary of a grid as JSON.
#[must_use]
pub fn grid(recorded: &RecordedGrid) -> String {
    pretty(&recorded.summary)
}

/// `trace` as JSON.
#[must_use]
pub fn trace(trace: &Trace) -> String {
    pretty(trace)
}
