//! What the calls of a recorded run are for.

use std::collections::BTreeSet;
use std::path::Path;

use crashtest_model::{Action, CallIndex, Durable, FailedCall, FileId, Trace};

use crate::{Snapshot, Tree};

/// What `call` of `trace` is for; the files were as in `before` at its start. `None` of a call that is not there.
#[must_use]
pub fn failed_call(trace: &Trace, before: &Snapshot, call: CallIndex) -> Option<FailedCall> {
    let at = call.0 as usize;
    let is_appended = |file: FileId| appended(trace, before, at).contains(&file);
    Some(match &trace.operations.get(at)?.action {
        Action::Open { .. } => FailedCall::Open,
        Action::Write { path, file, .. } | Action::Resize { path, file, .. } | Action::Zero { path, file, .. } => {
            if is_moved(trace, at, path, *file) {
                FailedCall::WriteAside
            } else if is_appended(*file) {
                FailedCall::Append
            } else {
                FailedCall::WriteInPlace
            }
        }
        Action::Sync { durable: Durable::Directory, .. } => FailedCall::SyncDirectory,
        Action::Sync { file: Some(file), .. } if is_appended(*file) => FailedCall::SyncAppended,
        Action::Sync { .. } => FailedCall::Sync,
        Action::Rename { .. }
        | Action::Arrive { .. }
        | Action::Link { .. }
        | Action::Symlink { .. }
        | Action::Mkdir { .. }
        | Action::Mknod { .. } => FailedCall::Name,
        Action::Unlink { .. } | Action::Rmdir { .. } => FailedCall::Remove,
        Action::Close { .. } => FailedCall::Close,
        Action::Read { .. } => FailedCall::Read,
        Action::Chmod { .. } | Action::Attribute { .. } | Action::Map { .. } => FailedCall::Other,
    })
}

/// Whether the file gets another name after the call.
fn is_moved(trace: &Trace, at: usize, path: &str, file: FileId) -> bool {
    trace.operations[at..].iter().filter(|operation| operation.errno.is_none()).any(|operation| {
        match &operation.action {
            Action::Rename { from, exchange, to } => from == path || (*exchange && to == path),
            Action::Link { file: linked, .. } => *linked == file,
            _ => false,
        }
    })
}

/// The files that have only been appended to, with something in them before, up to the call and including it.
fn appended(trace: &Trace, before: &Snapshot, at: usize) -> BTreeSet<FileId> {
    let mut tree = Tree::new(before, &trace.files);
    let (mut appended, mut changed) = (BTreeSet::new(), BTreeSet::new());
    for operation in trace.operations.iter().take(at + 1).filter(|operation| operation.errno.is_none()) {
        match &operation.action {
            Action::Write { file, offset, .. } => {
                let length = tree.content(*file).map_or(0, crate::Content::length);
                let is_behind = *offset == length && length > 0;
                if is_behind {
                    appended.insert(*file)
                } else {
                    changed.insert(*file)
                };
            }
            Action::Open { path, file, truncated: true, .. } if tree.entry(Path::new(path)).is_some() => {
                changed.insert(*file);
            }
            // A log that is cut back before it is appended to is a log.
            _ => {}
        }
        tree.apply(operation);
    }
    &appended - &changed
}

#[cfg(test)]
mod tests {
    use crashtest_model::{Data, Operation, Progress};

    use super::*;
    use crate::Entry;

    const LOG: FileId = FileId(0);
    const NEW: FileId = FileId(1);

    fn write(path: &str, file: FileId, offset: u64) -> Action {
        Action::Write { path: path.into(), file, offset, data: Data::Kept(b"xx".to_vec()), requested: 2 }
    }

    fn sync(path: &str, file: FileId) -> Action {
        Action::Sync { path: path.into(), file: Some(file), durable: Durable::File }
    }

    #[test]
    fn a_call_is_told_by_what_it_is_for() {
        let open = |path: &str, file, created| Action::Open {
            path: path.into(),
            file,
            created,
            truncated: created,
            synchronous: false,
            mode: 0o644,
        };
        let rename = Action::Rename { from: "new".into(), to: "f".into(), exchange: false };
        let actions = [
            open("new", NEW, true),
            write("new", NEW, 0),
            write("new", NEW, 2),
            sync("new", NEW),
            rename,
            open("log", LOG, false),
            write("log", LOG, 3),
            sync("log", LOG),
            write("log", LOG, 0),
            sync("log", LOG),
            Action::Unlink { path: "f".into() },
        ];
        let operation = |action: Action| Operation {
            call: "x".into(),
            action,
            errno: None,
            process: 0,
            before: Progress::default(),
            after: Progress::default(),
            left: None,
        };
        let trace = Trace {
            files: vec![("log".into(), LOG)],
            operations: actions.into_iter().map(operation).collect(),
            ..Trace::default()
        };
        let log = Entry::File { mode: 0o644, content: b"abc".to_vec().into() };
        let before = Snapshot::from_iter([("log".into(), log)]);
        let found: Vec<_> = (0..11).map(|n| failed_call(&trace, &before, CallIndex(n)).unwrap()).collect();
        use FailedCall::*;
        let expected =
            [Open, WriteAside, WriteAside, Sync, Name, Open, Append, SyncAppended, WriteInPlace, Sync, Remove];
        assert_eq!(found, expected);
        assert_eq!(failed_call(&trace, &before, CallIndex(11)), None);
    }
}
