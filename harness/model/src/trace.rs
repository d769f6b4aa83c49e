//! A trace: what a program did to its files, call by call, with the promises it had made in between.
//!
//! Only calls under the state directory are recorded, and only those that can change what a restart finds, or make it durable.
//! Paths are relative to the state directory. Unless only lengths were kept, the data of every write is in it. Each state that a
//! crash can leave then follows from the trace and the files at its start.

mod action;
mod attributes;
mod crash_point;
mod data;
mod error_name;
mod operation;
mod plain_name;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Activity;

pub use action::{Action, Durable, Node};
pub use attributes::Attributes;
pub use crash_point::{At, CrashPoint};
pub use data::Data;
pub use error_name::ErrorName;
pub use operation::{CallIndex, FileId, Operation, Progress, STORE};
pub use plain_name::PlainName;

/// What a program did to its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The names of the files that were there at the start, and which file each is (hard links: the same one).
    pub files: Vec<(String, FileId)>,
    /// Their lengths at the start, in bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lengths: BTreeMap<FileId, u64>,
    /// The calls, in order.
    pub operations: Vec<Operation>,
    /// How far the program was at the end.
    pub end: Progress,
    /// Calls that may change files and that crashtest has no model of, by name, and how often.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unmodelled: BTreeMap<String, u64>,
    /// Paths that were written to outside the state directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
    /// Directories outside from which files were moved into the state directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aside: Vec<String>,
    /// Files of a run that was ended which it had made, and would have renamed or removed as others like them before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<String>,
    /// How many processes made calls.
    pub processes: u32,
    /// Whether one was let into a call while another was still inside of one, as it had waited long enough.
    pub concurrent: bool,
    /// Those calls: the order in which they took effect is known only as far as this says it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlaps: Vec<Overlap>,
}

/// A call during which others were made, or that was made during another: it took effect at some moment in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Which.
    pub call: CallIndex,
    /// When it had not yet taken effect, for certain: as a number among all beginnings and ends of calls.
    pub from: u32,
    /// When it was over.
    pub to: u32,
}

impl Trace {
    /// Forgets the calls from number `calls` on, and what the program has begun since: the run was so far then.
    pub fn cut_to(&mut self, calls: usize) {
        let Some(next) = self.operations.get(calls) else { return };
        let mut end = next.before;
        let begun = calls.checked_sub(1).map_or(end.promise.acked, |last| self.operations[last].after.promise.begun);
        end.promise.begun = begun.max(end.promise.acked);
        if end.promise.begun == end.promise.acked && end.activity.is_some() {
            end.activity = Some(Activity::Idle);
        }
        self.end = end;
        self.operations.truncate(calls);
        self.overlaps.retain(|overlap| (overlap.call.0 as usize) < calls);
    }

    /// Returns how far the program was at `point`.
    #[must_use]
    pub fn progress(&self, point: CrashPoint) -> Progress {
        let operation = self.operations.get(point.call.0 as usize);
        match (operation, point.at) {
            (None, _) => self.end,
            (Some(operation), At::Before | At::Inside(_)) => operation.before,
            (Some(operation), At::After) => operation.after,
        }
    }

    /// Whether the order of all calls up to `point` is known: none of them overlaps another one.
    #[must_use]
    pub fn is_in_order_at(&self, point: CrashPoint) -> bool {
        self.overlaps.iter().all(|overlap| point.call < overlap.call)
    }

    /// The place of `point` in words that are equal for equal failures: "save:in-write", "save:after-create-before-write".
    #[must_use]
    pub fn place(&self, point: CrashPoint) -> String {
        let at = point.call.0 as usize;
        let activity = self.progress(point).activity.map_or_else(String::new, |activity| format!("{activity}:"));
        let word = |n: usize| self.operations.get(n).map(|operation| operation.action.word());
        let between = |before: Option<&str>, after: Option<&str>| match (before, after) {
            (Some(before), Some(after)) => format!("{activity}after-{before}-before-{after}"),
            (Some(before), None) => format!("{activity}after-{before}"),
            (None, Some(after)) => format!("{activity}before-{after}"),
            (None, None) => format!("{activity}no-call"),
        };
        match point.at {
            At::Inside(_) => format!("{activity}in-{}", word(at).unwrap_or("no-call")),
            At::Before => between(at.checked_sub(1).and_then(word), word(at)),
            At::After => between(word(at), word(at + 1)),
        }
    }

    /// The call that `point` lies at, in words.
    #[must_use]
    pub fn call_in_words(&self, point: CrashPoint) -> String {
        self.operations.get(point.call.0 as usize).map_or_else(|| "the end".to_owned(), Operation::in_words)
    }
}
