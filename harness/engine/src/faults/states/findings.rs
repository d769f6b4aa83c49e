//! A crash point for people: the calls around it, and what it did to the files.

use std::fmt::Write as _;

use crashtest_model::{At, CrashPoint, Trace};
use crashtest_states::{Content, Snapshot, Tree};

/// Lines around the crash point that are shown with a failure.
pub(crate) const AROUND: usize = 12;
/// Bytes around the first difference of a file that are shown.
const CONTEXT: u64 = 48;

/// What marks the point of a kill.
pub(crate) const KILLED: &str = "killed here";

/// The whole trace with `what` happened at the point marked, and each file that the crash left other than it was promised.
pub(crate) fn text(trace: &Trace, point: CrashPoint, what: &str, initial: &Snapshot, crash: &Snapshot) -> String {
    let mut text = lines(trace, point, &format!("← {what}")).join("\n");
    text.push_str("\n\nThe files after the last acknowledged save, and after the crash:\n");
    let promised = acknowledged(trace, point, initial);
    let names = |snapshot: &Snapshot| snapshot.entries().map(|(path, _)| path.to_owned()).collect::<Vec<_>>();
    let mut all = names(&promised);
    all.extend(names(crash));
    all.sort();
    all.dedup();
    for path in all {
        let name = path.to_string_lossy();
        let (before, after) = (promised.content(&name), crash.content(&name));
        if before != after {
            let _ = writeln!(text, "\n{name}");
            difference(&mut text, before, after);
        }
    }
    text
}

fn lines(trace: &Trace, point: CrashPoint, mark_here: &str) -> Vec<String> {
    let at = point.call.0 as usize;
    let mut lines = Vec::new();
    let mut acked = None;
    for (n, operation) in trace.operations.iter().enumerate() {
        if n == at && point.at == At::Before {
            lines.push(format!("      {mark_here}"));
        }
        let now = operation.before.promise.acked;
        if acked.is_some_and(|before| before < now) {
            lines.push(format!("      ack {now}"));
        }
        acked = Some(now);
        let mark = match point.at {
            At::Inside(bytes) if n == at => format!("  {mark_here}, after {bytes} bytes"),
            At::After if n == at => format!("  {mark_here}"),
            _ => String::new(),
        };
        lines.push(format!("{:>4}  {operation}{mark}", n + 1));
    }
    if at >= trace.operations.len() {
        lines.push(format!("      {mark_here}"));
    }
    lines
}

/// The files as they were when the last promise before `point` was made.
fn acknowledged(trace: &Trace, point: CrashPoint, initial: &Snapshot) -> Snapshot {
    let acked = trace.progress(point).promise.acked;
    let mut tree = Tree::new(initial, &trace.files);
    for operation in trace.operations.iter().take(point.call.0 as usize) {
        if operation.before.promise.acked >= acked {
            break;
        }
        tree.apply(operation);
    }
    tree.snapshot()
}

fn difference(out: &mut String, before: Option<&Content>, after: Option<&Content>) {
    let length =
        |content: Option<&Content>| content.map_or("not there".to_owned(), |it| format!("{} bytes", it.length()));
    let _ = writeln!(out, "  before: {}\n  after:  {}", length(before), length(after));
    let (Some(before), Some(after)) = (before, after) else { return };
    let same = before.first_difference(after);
    let _ = writeln!(out, "  the first difference is at byte {same}:");
    let from = same.saturating_sub(CONTEXT / 2);
    for (sign, bytes) in [('-', before), ('+', after)] {
        let _ = writeln!(out, "  {sign} {}", readable(&bytes.range(from, same + CONTEXT)));
    }
}

/// Text as it is, anything else in hexadecimal.
fn readable(bytes: &[u8]) -> String {
    // A character that was cut at either end is no sign of binary data.
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_matches(char::REPLACEMENT_CHARACTER);
    if text.chars().all(|c| c == '\n' || !(c.is_control() || c == char::REPLACEMENT_CHARACTER)) {
        return text.replace('\n', "\\n");
    }
    let word = |word: &[u8]| word.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.chunks(8).map(word).collect::<Vec<_>>().join(" ")
}
