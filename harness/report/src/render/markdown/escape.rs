//! Text as it stands in Markdown, whatever it holds: what Markdown or HTML would take for its own is escaped.

/// The longest single text, in characters: paths have no limit of their own.
const LONGEST: usize = 4000;

/// `text` on one line, with what Markdown or HTML would take for its own escaped.
pub(super) fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars().take(LONGEST) {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => escaped.extend(['\\', c]),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// `text` as it stands inside backticks, which nothing can escape there.
pub(super) fn code(text: &str) -> String {
    text.chars().take(LONGEST).map(|c| if c == '`' || c.is_control() { ' ' } else { c }).collect()
}
