//! The machine contract of a grid: its summary, as `summary.json` holds it and `--output-format json` prints it.

use crate::results::RecordedGrid;

/// The summary as JSON, indented, with a newline at its end.
#[must_use]
pub fn json(grid: &RecordedGrid) -> String {
    // Fails only for maps with keys that are no strings, and a summary has none: every format test would show it.
    let mut text = serde_json::to_string_pretty(&grid.summary).expect("a summary is representable in JSON");
    text.push('\n');
    text
}
