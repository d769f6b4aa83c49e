//! The machine contract: the summary, as `summary.json` holds it and `--output-format json` prints it.

use crate::results::Recorded;

/// The summary as JSON, indented, with a newline at its end.
#[must_use]
pub fn json(recorded: &Recorded) -> String {
    // Fails only for maps with keys that are no strings, and a summary has none: every format test would show it.
    let mut text = serde_json::to_string_pretty(&recorded.summary).expect("a summary is representable in JSON");
    text.push('\n');
    text
}
