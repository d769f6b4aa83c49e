//! What an audit rests on: what was tested, what was not, and what was passed over.

use crashtest_model::{AuditRecord, PlainName};

use crate::number::thousands;
use crate::render::words::coverage::listed;

/// One line of it: a word, and what is to be said under that.
pub(crate) struct Line {
    pub(crate) label: &'static str,
    pub(crate) words: String,
    /// Whether it takes away from what the audit proves.
    pub(crate) is_doubt: bool,
}

/// What an audit rests on, in the order in which it is said.
pub(crate) fn basis(record: &AuditRecord) -> Vec<Line> {
    let audit = &record.audit;
    let mut lines = Vec::new();
    let mut say = |label, words: String| lines.push(Line { label, words, is_doubt: label == "ended" });
    if !record.ended_well() {
        say("ended", "a run that fails, or is ended, may not do all that it does otherwise".to_owned());
    }
    if let Some(original) = &record.copy_of {
        say("copy", format!("the program worked on a copy of {}, which is gone", PlainName(original)));
    }
    say("tested", tested(record));
    let untested = match record.checked {
        Some(_) => "power cuts; other inputs; a second kill, while the program recovers",
        None => "power cuts; other inputs; whether files fit together; what the program makes of what it finds",
    };
    say("not tested", untested.to_owned());
    let mut name = |label, names: &[String], words: &str| {
        if !names.is_empty() {
            say(label, format!("{}{words}", listed(names)));
        }
    };
    let excluded: Vec<String> = audit.excluded.iter().map(|file| format!("{} ({})", file.path, file.pattern)).collect();
    name("excluded", &excluded, ": not judged; --include GLOB brings a file back");
    name("temporary", &audit.temporaries, ": there only while the program ran, not judged");
    let unmodelled: Vec<String> =
        audit.unmodelled.iter().map(|(call, n)| format!("{call} × {}", thousands(*n))).collect();
    name("unmodelled", &unmodelled, ": calls that may change files, and that crashtest has no model of");
    name("outside", &audit.outside, ": written outside the state directory, not judged");
    if audit.concurrent {
        let words = "calls overlap, as one waits inside the kernel while others are made: each order in which they can have taken effect is judged";
        say("order", words.to_owned());
    }
    lines
}

/// How much was looked at.
fn tested(record: &AuditRecord) -> String {
    let audit = &record.audit;
    let processes = match audit.processes {
        0 | 1 => String::new(),
        n => format!(" of {} processes", thousands(n.into())),
    };
    let mut tested = format!(
        "one recorded run: {} calls{processes}, {} crash points (before and after each call, and at each page inside a write), {} distinct states, derived and not reached by a kill",
        thousands(audit.calls),
        thousands(audit.crash_points),
        thousands(audit.distinct_states)
    );
    if audit.left_out > 0 {
        let which = if record.interrupted { "some as it was interrupted" } else { "most of them inside long writes" };
        tested += &format!("; {} more crash points were left out, {which}", thousands(audit.left_out));
    }
    tested
}
