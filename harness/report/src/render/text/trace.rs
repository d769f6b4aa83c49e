//! A trace for people, as `crashtest trace` prints it: a readable strace for persistence. Each call with what it left un-synced, the
//! promises in between, and at the end what a crash could have taken.

mod ways;

use std::fmt::Write as _;

use crashtest_model::{Operation, Progress, Trace};
use crashtest_states::{Durability, Persisted};

use self::ways::Ways;
use super::terminal_text::{Style, TerminalText};
use crate::number::thousands;
use crate::render::format::Terminal;
use crate::render::words::coverage::listed;

/// The longest word for how a call left its file: "name un-synced".
const STATE_WIDTH: usize = 14;

/// A call, in words.
struct Row {
    /// Where they end in the text of all of them.
    end: usize,
    /// In characters.
    width: usize,
    /// How it left its file.
    state: Option<Persisted>,
}

/// `trace` for a terminal of `width` columns; `status` says how the program ended. Only calls with long paths may be wider.
#[must_use]
pub fn trace(trace: &Trace, status: &str, terminal: Terminal) -> String {
    let mut out = TerminalText::new(terminal);
    let mut files = Durability::at_start(trace);
    let mut ways = Ways::at_start(trace);
    // One text for all: there may be very many.
    let mut texts = String::new();
    let row = |operation: &Operation| {
        ways.observe(operation, &files);
        let begin = texts.len();
        let _ = write!(texts, "{operation}");
        Row { end: texts.len(), width: texts[begin..].chars().count(), state: files.apply(operation) }
    };
    let rows: Vec<Row> = trace.operations.iter().map(row).collect();
    let number = trace.operations.len().to_string().len();
    let process = if trace.processes > 1 { trace.processes.to_string().len() + 3 } else { 0 };
    let most = out.width.saturating_sub(number + 2 + process + 2 + STATE_WIDTH);
    // One column for all states, no further to the right than the calls need.
    let column = rows.iter().map(|row| row.width).filter(|width| *width <= most).max().unwrap_or(0);
    let room = " ".repeat(column);
    let mut so_far = Progress::default();
    let mut begin = 0;
    for (n, (operation, row)) in trace.operations.iter().zip(&rows).enumerate() {
        promises(&mut out, number, so_far, operation.before);
        out.compose(|line, color| {
            let _ = write!(line, "{:>number$}  ", n + 1);
            if process > 0 {
                let _ = write!(line, "p{:<room$}", operation.process + 1, room = process - 1);
            }
            line.push_str(&texts[begin..row.end]);
            let Some(state) = row.state else { return };
            match room.get(row.width..) {
                Some(rest) => line.push_str(rest),
                // A long one: the state stands below.
                None => {
                    let _ = write!(line, "\n{:indent$}{room}", "", indent = number + 2 + process);
                }
            }
            line.push_str("  ");
            let style = if state == Persisted::Whole { Style::Good } else { Style::Warn };
            style.paint(line, state_words(state), color);
        });
        promises(&mut out, number, operation.before, operation.after);
        so_far = operation.after;
        begin = row.end;
    }
    promises(&mut out, number, so_far, trace.end);
    summary(&mut out, trace, status, &files, &ways.end(&files));
    out.finish()
}

/// The words for how a call left its file.
fn state_words(state: Persisted) -> &'static str {
    match state {
        Persisted::Whole => "durable",
        Persisted::NotItsData => "un-synced",
        Persisted::NotItsName => "name un-synced",
    }
}

/// A line for each promise that the program made between two moments.
fn promises(out: &mut TerminalText, number: usize, before: Progress, after: Progress) {
    let mut say = |text: String| {
        let text = out.styled(&text, Style::Bold);
        out.line(&format!("{:number$}  {text}", ""));
    };
    if after.promise.installed && !before.promise.installed {
        say("init returned".to_owned());
    }
    if after.opened && !before.opened {
        say("ready".to_owned());
    }
    if after.promise.acked != before.promise.acked {
        say(format!("ack {}", after.promise.acked));
    }
    if after.promise.begun != before.promise.begun && after.promise.begun > after.promise.acked {
        say(format!("begin {}", after.promise.begun));
    }
}

/// Writes what it came to.
fn summary(out: &mut TerminalText, trace: &Trace, status: &str, files: &Durability, written: &[(String, String)]) {
    let calls = trace.operations.len() as u64;
    let processes = match trace.processes {
        0 | 1 => String::new(),
        n => format!(" of {n} processes"),
    };
    out.heading(&format!("{} calls{processes}", thousands(calls)), status);
    if written.is_empty() {
        out.wrapped("  ", "no file below the state directory was written, or none that is still there");
    }
    let widths = written.iter().map(|(path, _)| path.chars().count());
    let width = widths.filter(|n| *n <= out.width / 2).max().unwrap_or(0);
    for (path, how) in written {
        if path.chars().count() <= width {
            out.wrapped(&format!("  {path:<width$}  "), how);
        } else {
            out.line(&format!("  {path}"));
            out.wrapped("    ", how);
        }
    }
    let mut note = |label: &str, names: &[String], words: &str| {
        if !names.is_empty() {
            out.wrapped_in(label, &format!("{}: {words}", listed(names)), Some(Style::Warn));
        }
    };
    note("  un-synced   ", &files.unsynced_files(), "a power cut after the last call may take what was written");
    note(
        "  names       ",
        &files.unsynced_names(),
        "a power cut may undo the name, as its directory was not synced since",
    );
    let unmodelled: Vec<String> =
        trace.unmodelled.iter().map(|(call, n)| format!("{call} × {}", thousands(*n))).collect();
    note("  unmodelled  ", &unmodelled, "calls that may change files, and that crashtest has no model of");
    note("  mapped      ", &files.mapped(), "written through a shared mapping: which bytes, and when, is not seen");
    note("  outside     ", &trace.outside, "written outside the state directory: not shown here");
    if trace.concurrent {
        out.wrapped(
            "  order       ",
            "calls overlap, as one waited inside the kernel while others were made: shown in the order of their beginnings",
        );
    }
}
