//! Terminal text under construction: width, colour, wrapping. Knows nothing of what it says.

use crate::render::format::{Color, Terminal};

/// The look of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Bold,
    Dim,
    Good,
    Bad,
    Warn,
}

impl Style {
    /// Appends `text` in this style to `line`.
    pub(super) fn paint(self, line: &mut String, text: &str, color: Color) {
        let code = match self {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "1;32",
            Style::Bad => "1;31",
            Style::Warn => "1;33",
        };
        match color {
            Color::Always => line.extend(["\u{1b}[", code, "m", text, "\u{1b}[0m"]),
            Color::Never => line.push_str(text),
        }
    }
}

/// Terminal text of `width` columns.
#[derive(Debug)]
pub(super) struct TerminalText {
    pub(super) width: usize,
    pub(super) color: Color,
    text: String,
}

impl TerminalText {
    pub(super) fn new(Terminal { width, color }: Terminal) -> TerminalText {
        TerminalText { width: usize::from(width).max(40), color, text: String::new() }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    /// One line as it is: never wrapped, so that a command can be copied.
    pub(super) fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    /// Lines that `write` appends piece by piece, without a text of their own in between: of texts with very many lines.
    pub(super) fn compose(&mut self, write: impl FnOnce(&mut String, Color)) {
        write(&mut self.text, self.color);
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A blank line and a title, with `aside` dimmed after it.
    pub(super) fn heading(&mut self, title: &str, aside: &str) {
        self.blank();
        let title = self.styled(title, Style::Bold);
        let aside = if aside.is_empty() { String::new() } else { self.styled(&format!("  {aside}"), Style::Dim) };
        self.line(&format!("{title}{aside}"));
    }

    /// `text` wrapped to the width: `label` before the first line, as much room before the others.
    pub(super) fn wrapped(&mut self, label: &str, text: &str) {
        self.wrapped_in(label, text, None);
    }

    /// Does as [`wrapped`](TerminalText::wrapped), with the text in `style`.
    pub(super) fn wrapped_in(&mut self, label: &str, text: &str, style: Option<Style>) {
        let indent = label.chars().count();
        for (n, line) in wrap(text, self.width.saturating_sub(indent)).iter().enumerate() {
            let before = if n == 0 { label.to_owned() } else { " ".repeat(indent) };
            let line = style.map_or_else(|| line.clone(), |style| self.styled(line, style));
            self.line(&format!("{before}{line}"));
        }
    }

    /// `label` and `text` on one line, cut where the width ends.
    pub(super) fn cut(&mut self, label: &str, text: &str) {
        let line = format!("{label}{text}");
        match line.char_indices().nth(self.width) {
            Some(_) => self.line(&format!("{}…", line.chars().take(self.width - 1).collect::<String>())),
            None => self.line(&line),
        }
    }

    /// An entry of a numbered list: "  1. head: text", with the head in `style`.
    pub(super) fn entry(&mut self, number: usize, head: &str, style: Style, text: &str) {
        let head = format!("{head}:");
        for (n, line) in wrap(&format!("{head} {text}"), self.width.saturating_sub(5)).iter().enumerate() {
            match line.strip_prefix(&head).filter(|_| n == 0) {
                Some(rest) => self.line(&format!("{number:>3}. {}{rest}", self.styled(&head, style))),
                None => self.line(&format!("     {line}")),
            }
        }
    }

    pub(super) fn styled(&self, text: &str, style: Style) -> String {
        let mut styled = String::new();
        style.paint(&mut styled, text, self.color);
        styled
    }
}

/// `text` in lines of at most `width` characters; a longer word (a path) gets a line of its own and is not broken.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let line = lines.last_mut().expect("there is always a line");
        let room = width.saturating_sub(line.chars().count());
        if line.is_empty() {
            line.push_str(word);
        } else if word.chars().count() < room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
