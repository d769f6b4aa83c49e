//! How JSON is written: indented, with a newline at its end.

use serde::Serialize;

/// `value` as JSON.
pub(super) fn pretty(value: &impl Serialize) -> String {
    // Fails only for maps with keys that are no strings, and nothing here has one: every format test would show it.
    let mut text = serde_json::to_string_pretty(value).expect("what is printed is representable in JSON");
    text.push('\n');
    text
}
