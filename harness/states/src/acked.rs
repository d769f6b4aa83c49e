//! For tests: runs that make one save and acknowledge it.

use crashtest_model::{Action, Data, Durable, FileId, Gaps, Generation, Operation, Progress, Promise, Trace};

/// The file that is saved.
pub(crate) const FILE: FileId = FileId(0);

pub(crate) fn path() -> String {
    "f".to_owned()
}

pub(crate) fn write() -> Action {
    Action::Write { path: path(), file: FILE, offset: 0, data: Data::Length(9), requested: 9 }
}

pub(crate) fn fsync() -> Action {
    Action::Sync { path: path(), file: Some(FILE), durable: Durable::File }
}

pub(crate) fn close() -> Action {
    Action::Close { path: path(), file: FILE }
}

/// A run that makes save 1 by these calls, each with its error, and acknowledges it.
pub(crate) fn acked(calls: &[(Action, Option<i32>)]) -> Trace {
    let during = |acked| {
        let promise = Promise { acked: Generation(acked), begun: Generation(1), installed: true, gaps: Gaps::NONE };
        Progress { promise, ..Progress::default() }
    };
    let operation = |(action, errno): &(Action, Option<i32>)| Operation {
        call: "write".into(),
        action: action.clone(),
        errno: *errno,
        process: 0,
        before: during(0),
        after: during(0),
        left: None,
    };
    let files = vec![(path(), FILE)];
    Trace { files, operations: calls.iter().map(operation).collect(), end: during(1), ..Trace::default() }
}
