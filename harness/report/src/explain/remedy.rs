//! What would have prevented a failure.
//!
//! A rule of thumb for the class of the failure, not a proof: whether it helps this target is what another run shows.

use crashtest_model::{Aim, Fault, RawState, Shape, Termination, TrialRecord, Verdict};

use crate::explain::failing;

const REPLACE_WHOLE: &str =
    "write to a temporary file in the same directory, fsync it, rename it over the target, then fsync the directory";
const CONTENT_FIRST: &str = "write and fsync the whole content under the temporary name, and only then rename it";
const NEVER_AWAY: &str =
    "never remove or move the old file first: a rename of the new one over it replaces it in one step";
pub(super) const REFUSE: &str = "let the loader refuse what it cannot read; an empty default is for a first start only";
const FRAMES: &str =
    "put a length and a checksum before each record, and cut off what does not match them when the log is opened";
const EVERY_RESULT: &str = "check what write returned and write the rest; after a failed fsync the data may be gone: write it anew, \
     never fsync again";
const BACK_FIRST: &str =
    "let recovery write the file back before anything else, and remove what it came from only after that";
const GO_ON: &str = "let a start go on where the last one was killed: use locks that die with their holder (flock(2) on an open file), believe \
     no pid file, and clear away what was left half done";
const CHECKSUM: &str = "store a length and a checksum with the state, and refuse what does not match";

const BY_HAND: &str = "nothing was injected: run the set-up, the program and the checker by hand, one after the other, and mend what fails";
const DRAIN: &str = "write whatever waits, in the order in which it was acknowledged, before the program stops: let it wait for its writers";

/// The remedy for the failure of `record`, as an instruction without its full stop. Empty where nothing failed.
#[must_use]
pub fn fix(record: &TrialRecord, shape: Shape) -> String {
    let Some(verdict) = record.verdict() else { return String::new() };
    if record.fault == Fault::None && matches!(record.aim, Aim::Run(_)) && verdict.is_violation() {
        return BY_HAND.to_owned();
    }
    if !record.writers.is_empty()
        && let Some(fix) = together(verdict)
    {
        return fix.to_owned();
    }
    let failed_call = record.detail.as_ref().and_then(|detail| detail.failed_call);
    if let Some(fix) = failed_call.and_then(|call| failing::fix(call, verdict)) {
        return fix.to_owned();
    }
    if shape == Shape::Log && matches!(verdict, Verdict::Torn | Verdict::LostAck | Verdict::AcceptedGarbage) {
        return FRAMES.to_owned();
    }
    let file = file_fix(record);
    let and_the_file = |first: &str| file.map_or_else(|| first.to_owned(), |file| format!("{first}; and {file}"));
    // What the kill before it has left keeps the next start out.
    if matches!(record.aim, Aim::Started(_)) && verdict == Verdict::WontOpen {
        return GO_ON.to_owned();
    }
    // A second kill finds the recovery from the first one not finished.
    if matches!(record.aim, Aim::Twice { .. }) && verdict.is_violation() {
        return and_the_file(BACK_FIRST);
    }
    match verdict {
        Verdict::SilentReset => and_the_file(REFUSE),
        Verdict::AcceptedGarbage => and_the_file(CHECKSUM),
        Verdict::Torn | Verdict::Empty => file.unwrap_or(REPLACE_WHOLE).to_owned(),
        Verdict::Missing => file.unwrap_or(NEVER_AWAY).to_owned(),
        // It was stopped cleanly.
        Verdict::LostAck if record.fault == Fault::None || record.termination == Termination::Stopped => DRAIN.to_owned(),
        Verdict::LostAck => {
            "acknowledge only after the save has returned, and let the loader take the newest whole state".into()
        }
        Verdict::FalseAck => EVERY_RESULT.into(),
        Verdict::WontOpen => {
            and_the_file("let recovery report damage as an error, within a time limit, and never crash on it")
        }
        Verdict::Stuck if record.termination == Termination::Forced => {
            "let SIGTERM set a flag, look at it after each save and wherever the program waits, and never block the signal".into()
        }
        Verdict::Stuck => {
            "use locks that die with their holder: flock(2) on an open file, never a lock file that exists".into()
        }
        Verdict::FailedSave => "find out why the save failed: nothing was injected".into(),
        Verdict::BrokenInvariant => {
            "save what belongs together in one file, so that one rename replaces all of it".into()
        }
        Verdict::Residue => "remove left-over temporary files when the program starts".into(),
        Verdict::Intact | Verdict::Inconclusive => String::new(),
    }
}

/// The remedy for several writers in each other's way; `None` where that is not what failed.
fn together(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Torn | Verdict::Empty | Verdict::AcceptedGarbage | Verdict::FailedSave | Verdict::Missing => Some(
            "give every save a temporary file of its own (O_EXCL, a unique name), sweep only those whose writer is dead, and hold a lock where two must not save at once",
        ),
        Verdict::BrokenInvariant | Verdict::LostAck => Some(
            "read, decide and save under one lock, flock(2) on an open file: what was read before it was taken may be out of date",
        ),
        Verdict::Stuck => Some(
            "take the lock once and hand it down: flock(2) belongs to the open file, so a second descriptor of the same process waits for the first",
        ),
        _ => None,
    }
}

/// The remedy that keeps the state file whole; `None` where it was whole, or is not known not to have been.
fn file_fix(record: &TrialRecord) -> Option<&'static str> {
    let phase = record.damaged_in.as_deref().unwrap_or(&record.phase);
    match record.raw.as_ref()?.state {
        RawState::Whole => None,
        RawState::Missing => Some(if phase.starts_with("init") { REPLACE_WHOLE } else { NEVER_AWAY }),
        _ if phase.ends_with("rename") => Some(CONTENT_FIRST),
        RawState::Partial | RawState::Empty | RawState::ZeroFilled | RawState::Other => Some(REPLACE_WHOLE),
    }
}
