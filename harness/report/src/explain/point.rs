//! Where a crash point lies and which call failed, from a record's aim and the calls around it.

use crashtest_model::{Aim, At, CrashPoint, Termination, TrialRecord, marked};

use super::moment;
use super::quote::plain;
use crate::number::thousands;

/// "killed inside call 4, after 8,192 bytes (write fills.json 16384 bytes at 0), inside a save".
pub(super) fn point_words(record: &TrialRecord) -> String {
    let around = record.detail.as_ref().map(|detail| detail.around.as_slice()).unwrap_or_default();
    let call = marked(around).map(|call| format!(" ({})", plain(call))).unwrap_or_default();
    match record.aim {
        Aim::Call(point) => format!("killed {}{call}{}", place(point), doing(record)),
        Aim::Twice { first, then } => {
            format!("killed {}, started again, killed {}{call}{}", place(first), place(then), doing(record))
        }
        Aim::Started(first) => format!("killed {}, started again", place(first)),
        Aim::Failing(injection) => format!("{injection}{call}, and {}", went_on(record)),
        Aim::Together { .. } => record.aim.to_string(),
        aim => format!("killed {aim}"),
    }
}

/// "inside call 4, after 8,192 bytes".
fn place(point: CrashPoint) -> String {
    match point.at {
        At::Inside(bytes) => format!("inside call {}, after {} bytes", point.call, thousands(bytes)),
        At::Before | At::After => point.to_string(),
    }
}

/// The activity of the program, where it said so.
fn doing(record: &TrialRecord) -> String {
    let (activity, _) = record.phase.split_once(':').unwrap_or((&record.phase, ""));
    moment::doing(activity).map(|doing| format!(", {doing}")).unwrap_or_default()
}

/// The behaviour of the program after a call of its own had failed.
fn went_on(record: &TrialRecord) -> String {
    match record.termination {
        Termination::Exit { status: 0 } => "the program ended as if nothing had happened (status 0)".to_owned(),
        Termination::Exit { status } => format!("the program gave up (status {status})"),
        Termination::Signal { signal } => format!("the program died of signal {signal}"),
        Termination::Kill
        | Termination::Abort
        | Termination::Stopped
        | Termination::Forced
        | Termination::Derived
        | Termination::Nothing => "the program went on until it was killed".to_owned(),
    }
}
