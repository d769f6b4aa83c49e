//! A trace for people, as `crashtest trace` prints it: a readable strace for persistence. Each call with what it left un-synced, the
//! promises in between, and at the end what a crash could have taken.

mod durability;
mod ways;

use crashtest_model::{Operation, Progress, Trace};

use self::durability::Files;
use self::ways::Ways;
use super::page::{Color, Page, Style};
use super::swept::listed;
use crate::number::thousands;

/// The longest word for how a call left its file: "name un-synced".
const STATE_WIDTH: usize = 14;

/// `trace` for a terminal of `width` columns; `status` says how the program ended. Only calls with long paths may be wider.
#[must_use]
pub fn terminal(trace: &Trace, status: &str, width: u16, color: Color) -> String {
    let mut page = Page::new(width, color);
    let mut files = Files::at_start(trace);
    let mut ways = Ways::default();
    let rows: Vec<(String, &'static str)> = trace
        .operations
        .iter()
        .map(|operation| {
            ways.observe(operation, &files);
            (operation.to_string(), files.after(operation))
        })
        .collect();
    let number = trace.operations.len().to_string().len();
    let process = if trace.processes > 1 { trace.processes.to_string().len() + 3 } else { 0 };
    let room = page.width.saturating_sub(number + 2 + process + 2 + STATE_WIDTH);
    // One column for all states, no further to the right than the calls need.
    let column = rows.iter().map(|(text, _)| text.chars().count()).filter(|n| *n <= room).max().unwrap_or(0);
    let mut so_far = Progress::default();
    for (n, (operation, (text, state))) in trace.operations.iter().zip(&rows).enumerate() {
        told(&mut page, number, so_far, operation.before);
        let head = format!("{:>number$}  {}", n + 1, process_words(operation, process));
        let state = match *state {
            "" => String::new(),
            durability::DURABLE => page.styled(state, Style::Good),
            state => page.styled(state, Style::Warn),
        };
        if state.is_empty() || text.chars().count() <= column {
            page.line(&format!("{head}{text:<column$}  {state}"));
        } else {
            page.line(&format!("{head}{text}"));
            page.line(&format!("{:indent$}  {state}", "", indent = head.chars().count() + column));
        }
        told(&mut page, number, operation.before, operation.after);
        so_far = operation.after;
    }
    told(&mut page, number, so_far, trace.end);
    summary(&mut page, trace, status, &files, &ways.end(&files));
    page.finish()
}

/// `trace` as JSON, with a newline at its end.
#[must_use]
pub fn json(trace: &Trace) -> String {
    // Fails only for maps with keys that are no strings, and a trace has none.
    let mut text = serde_json::to_string_pretty(trace).expect("a trace is representable in JSON");
    text.push('\n');
    text
}

/// "p2 ", as wide as the column of processes; nothing where there is only one.
fn process_words(operation: &Operation, width: usize) -> String {
    if width == 0 { String::new() } else { format!("{:<width$}", format!("p{}", operation.process + 1)) }
}

/// A line for each thing that the program told between two moments.
fn told(page: &mut Page, number: usize, before: Progress, after: Progress) {
    let mut say = |text: String| {
        let text = page.styled(&text, Style::Bold);
        page.line(&format!("{:number$}  {text}", ""));
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

/// What it came to.
fn summary(page: &mut Page, trace: &Trace, status: &str, files: &Files, written: &[(String, String)]) {
    let calls = trace.operations.len() as u64;
    let processes = match trace.processes {
        0 | 1 => String::new(),
        n => format!(" of {n} processes"),
    };
    page.heading(&format!("{} calls{processes}", thousands(calls)), status);
    if written.is_empty() {
        page.wrapped("  ", "no file below the state directory was written, or none that is still there");
    }
    let widths = written.iter().map(|(path, _)| path.chars().count());
    let width = widths.filter(|n| *n <= page.width / 2).max().unwrap_or(0);
    for (path, how) in written {
        if path.chars().count() <= width {
            page.wrapped(&format!("  {path:<width$}  "), how);
        } else {
            page.line(&format!("  {path}"));
            page.wrapped("    ", how);
        }
    }
    let mut note = |label: &str, names: &[String], words: &str| {
        if !names.is_empty() {
            page.wrapped_in(label, &format!("{}: {words}", listed(names)), Some(Style::Warn));
        }
    };
    note("  un-synced   ", &files.dirty_files(), "a power cut after the last call may take what was written");
    note(
        "  names       ",
        &files.dirty_names(),
        "a power cut may undo the name, as its directory was not synced since",
    );
    let unmodelled: Vec<String> =
        trace.unmodelled.iter().map(|(call, n)| format!("{call} × {}", thousands(*n))).collect();
    note("  unmodelled  ", &unmodelled, "calls that may change files, and that crashtest has no model of");
    note("  mapped      ", &files.mapped(), "written through a shared mapping: which bytes, and when, is not seen");
    note("  outside     ", &trace.outside, "written outside the state directory: not shown here");
    if trace.concurrent {
        page.wrapped(
            "  order       ",
            "threads or processes ran side by side: the order of calls may differ in another run",
        );
    }
}
