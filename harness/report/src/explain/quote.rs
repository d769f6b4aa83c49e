//! A target's own words, as a sentence quotes them.

/// The longest quotation, in characters.
const LONGEST_QUOTE: usize = 160;

/// A target's own words on one line, without what would steer a terminal, and not too many of them.
pub(super) fn plain(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
