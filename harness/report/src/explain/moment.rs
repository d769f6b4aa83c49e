//! When the kill came, from the phase that a record names: `save:after-create`, `recovery`, `init:in-rename`.

use crashtest_model::{RawState, Termination, TrialRecord};

/// "killed inside a save, after open(O_TRUNC) had emptied the file and before the first write".
pub(super) fn moment_words(record: &TrialRecord) -> String {
    let phase = record.damaged_in.as_deref().unwrap_or(&record.phase);
    let (activity, moment) = phase.split_once(':').unwrap_or((phase, ""));
    let ended = match record.termination {
        Termination::Stopped => "sent SIGTERM",
        Termination::Abort => "ended by SIGABRT",
        _ => "killed",
    };
    let Some(doing) = doing(activity) else { return format!("{ended} in `{activity}`") };
    let mut text = format!("{ended} {doing}");
    if let Some(moment) = call_words(activity, moment, record) {
        text.push_str(", ");
        text.push_str(&moment);
    }
    if record.damaged_in.as_ref().is_some_and(|damaged_in| *damaged_in != record.phase) {
        text.push_str(" (found after a later kill inside recovery, which changed nothing)");
    }
    if record.termination == Termination::Stopped {
        text.push_str("; it stopped cleanly");
    }
    text
}

/// The activity of a victim in words, by its name; `None` for one that is not known.
pub(super) fn doing(activity: &str) -> Option<&'static str> {
    Some(match activity {
        "save" => "inside a save",
        "init" => "inside the very first start, before init had returned",
        "recovery" => "inside recovery",
        "idle" | "between-saves" => "between two saves",
        "starting" => "before it had opened its state",
        "close-down" => "while it stopped",
        _ => return None,
    })
}

fn call_words(activity: &str, moment: &str, record: &TrialRecord) -> Option<String> {
    let raw = record.raw.as_ref().map(|raw| raw.state);
    if moment == "before-first-call" {
        return Some("before its first file operation".to_owned());
    }
    if let Some(call) = moment.strip_prefix("in-") {
        return Some(format!("at {}", system_call(call)));
    }
    let call = moment.strip_prefix("after-")?;
    Some(match (call, raw) {
        ("create", Some(RawState::Empty)) if activity != "init" => {
            "after open(O_TRUNC) had emptied the file and before the first write".to_owned()
        }
        ("create", _) => "after open(O_CREAT|O_TRUNC) had returned and before the first write".to_owned(),
        ("write", Some(RawState::Partial)) => {
            "after one write(2) had returned and before the content was complete".to_owned()
        }
        ("rename", Some(RawState::Empty | RawState::ZeroFilled | RawState::Partial)) => {
            "after rename(2) had put the new name in place before its content was written".to_owned()
        }
        ("rename", Some(RawState::Missing)) => {
            "after rename(2) had moved the old file away and before a new one was in place".to_owned()
        }
        ("unlink", Some(RawState::Missing)) => {
            "after unlink(2) had removed the old file and before a new one was in place".to_owned()
        }
        (call, _) => format!("after {} had returned", system_call(call)),
    })
}

/// The system call behind the name of an operation.
fn system_call(call: &str) -> String {
    match call {
        "create" => "open(O_CREAT|O_TRUNC)".to_owned(),
        "fsync-dir" => "fsync(2) of the directory".to_owned(),
        "list" => "getdents(2)".to_owned(),
        "lock" => "flock(2)".to_owned(),
        other => format!("{other}(2)"),
    }
}
