//! Which failed calls have lost data that the program acknowledged all the same.
//!
//! A failed fsync(2) is repaired by writing the data anew and syncing that. Another fsync(2) repairs nothing: the kernel has marked the
//! pages clean (fsync(2), NOTES). What happens to another file repairs nothing either.
//!
//! Nothing is lost where nothing was pending: a second sync with nothing written in between, a close after a sync that succeeded, the
//! write-back of what a log holds, a file that has no name any more.

use std::collections::{BTreeMap, BTreeSet};

use crashtest_model::{Action, CallIndex, Durable, FileId, Generation, Operation, Trace};

/// The first call of `trace`, if any, whose error the program has passed over: data that it had handed over may be gone, and it
/// acknowledged the save all the same. That of one file is no loss where whoever restarts overlooks all damage to it, as `is_overlooked`
/// says of its names.
#[must_use]
pub fn passed_over(trace: &Trace, is_overlooked: &dyn Fn(&str) -> bool) -> Option<CallIndex> {
    let operations = &trace.operations;
    let mut lost: Vec<(usize, Option<FileId>)> = Vec::new();
    let failed = operations
        .iter()
        .enumerate()
        .filter(|(_, operation)| operation.errno.is_some_and(|errno| errno != libc::EINTR) && !operation.is_store());
    for (n, operation) in failed {
        let Some(acked) = acked(trace, n) else { continue };
        let is_lost = match &operation.action {
            Action::Sync { durable: Durable::Directory, path, .. } => is_name_lost(trace, n, acked, path),
            Action::Sync { file: Some(file), .. } | Action::Close { file, .. } => {
                is_content_lost(trace, n, acked, *file)
            }
            Action::Sync { file: None, durable: Durable::Everything, .. } => {
                !is_synced_again(&operations[n + 1..acked])
            }
            _ => false,
        };
        let file = match &operation.action {
            Action::Sync { file, .. } => *file,
            Action::Close { file, .. } => Some(*file),
            _ => None,
        };
        lost.extend(is_lost.then_some((n, file)));
    }
    let first = CallIndex(lost.first()?.0 as u32);
    // Of two that are gone one may have been what the other is made from.
    let files: BTreeSet<Option<FileId>> = lost.iter().map(|(_, file)| *file).collect();
    let names = match files.first() {
        Some(Some(file)) if files.len() == 1 => names(trace, *file, operations.len()),
        _ => Vec::new(),
    };
    let is_nobodys = !names.is_empty() && names.iter().all(|name| is_overlooked(name));
    (!is_nobodys).then_some(first)
}

/// How many operations were done when the save was acknowledged that was under way at operation `n`; `None` where it was not.
fn acked(trace: &Trace, n: usize) -> Option<usize> {
    let before = trace.operations[n].before.promise;
    let save = before.begun;
    let in_flight = (1..=save.0).map(Generation).filter(|n| !before.requires(*n) && n.0 > before.gaps.none_to);
    // Of several in flight it may belong to one that was not acknowledged.
    let all_acked = in_flight.clone().all(|n| trace.end.promise.requires(n));
    if before.acked >= save || trace.end.promise.acked < save || (in_flight.count() > 1 && !all_acked) {
        return None;
    }
    let later = trace.operations.iter().skip(n + 1).position(|operation| operation.before.promise.acked >= save);
    Some(later.map_or(trace.operations.len(), |later| n + 1 + later))
}

/// What a successful operation writes to `file`.
fn writes(operation: &Operation, file: FileId) -> bool {
    let (Action::Write { file: written, .. }
    | Action::Resize { file: written, .. }
    | Action::Zero { file: written, .. }) = operation.action
    else {
        return false;
    };
    operation.errno.is_none() && written == file
}

/// Whether a successful operation makes what was written to `file` durable.
fn syncs(operation: &Operation, file: FileId) -> bool {
    let Action::Sync { file: synced, durable, .. } = &operation.action else { return false };
    operation.errno.is_none()
        && match durable {
            Durable::File | Durable::Data | Durable::Mapping => *synced == Some(file),
            Durable::Everything => true,
            Durable::Directory | Durable::Range => false,
        }
}

/// Whether something is changed by `operations`, and everything is synced after that.
fn is_synced_again(operations: &[Operation]) -> bool {
    let everything = |operation: &Operation| {
        matches!(operation.action, Action::Sync { durable: Durable::Everything, .. }) && operation.errno.is_none()
    };
    let changes = |operation: &Operation| operation.errno.is_none() && operation.action.changes_files();
    let mut later = operations.iter().skip_while(|operation| !changes(operation));
    later.any(everything)
}

/// Whether the failure of operation `n`, which was to make the content of `file` durable or gave it up, has lost some of it.
fn is_content_lost(trace: &Trace, n: usize, acked: usize, file: FileId) -> bool {
    let operations = &trace.operations;
    let opened_synchronous = |operation: &Operation| matches!(operation.action, Action::Open { file: opened, synchronous: true, .. } if opened == file);
    let last_sync = operations[..n].iter().rposition(|operation| syncs(operation, file)).map_or(0, |at| at + 1);
    let is_mapped =
        |operation: &Operation| matches!(operation.action, Action::Map { file: mapped, .. } if mapped == file);
    // Memory that processes share is not made durable by closing it, nor meant to be.
    let closes = matches!(operations[n].action, Action::Close { .. });
    if closes && operations[..n].iter().any(is_mapped) {
        return false;
    }
    let pending: Vec<&Operation> =
        operations[last_sync..n].iter().filter(|operation| writes(operation, file)).collect();
    if pending.is_empty() || operations[..n].iter().any(opened_synchronous) {
        return false;
    }
    let mut written_anew = operations[n + 1..acked].iter().skip_while(|operation| !writes(operation, file));
    let is_repaired = written_anew.any(|operation| syncs(operation, file));
    !is_repaired
        && has_name(trace, file, acked)
        && !is_in_a_log(trace, n, file, &pending)
        && !is_left_for_another(trace, n, acked, file, &pending)
}

/// Whether `file` has a name once so many operations are done.
fn has_name(trace: &Trace, file: FileId, done: usize) -> bool {
    // Names below a directory that was moved are not followed: such a file counts as named.
    !names(trace, file, done).is_empty() || was_in_a_moved_directory(trace, file)
}

/// The names of `file` once so many operations are done.
fn names(trace: &Trace, file: FileId, done: usize) -> Vec<&str> {
    let mut names: BTreeMap<&str, FileId> = trace.files.iter().map(|(name, file)| (name.as_str(), *file)).collect();
    for operation in trace.operations[..done].iter().filter(|operation| operation.errno.is_none()) {
        match &operation.action {
            Action::Open { path, file, created: true, .. }
            | Action::Link { file, to: path }
            | Action::Arrive { path, file, .. } => drop(names.insert(path, *file)),
            Action::Unlink { path } => drop(names.remove(path.as_str())),
            Action::Rename { from, to, exchange } => {
                let (moved, replaced) = (names.remove(from.as_str()), names.remove(to.as_str()));
                if moved.is_none() && replaced.is_none() {
                    names.retain(|name, _| !name.strip_prefix(from.as_str()).is_some_and(|rest| rest.starts_with('/')));
                }
                names.extend(moved.map(|file| (to.as_str(), file)));
                if *exchange {
                    names.extend(replaced.map(|file| (from.as_str(), file)));
                }
            }
            _ => {}
        }
    }
    names.into_iter().filter(|(_, named)| *named == file).map(|(name, _)| name).collect()
}

fn was_in_a_moved_directory(trace: &Trace, file: FileId) -> bool {
    let mut paths: BTreeSet<&str> =
        trace.files.iter().filter(|(_, known)| *known == file).map(|(name, _)| name.as_str()).collect();
    paths.extend(trace.operations.iter().filter_map(|operation| match &operation.action {
        Action::Open { path, file: opened, created: true, .. } if *opened == file => Some(path.as_str()),
        _ => None,
    }));
    let is_above =
        |dir: &str| paths.iter().any(|path| path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/')));
    trace.operations.iter().any(|operation| match &operation.action {
        Action::Rename { from, to, exchange } => is_above(from) || (*exchange && is_above(to)),
        _ => false,
    })
}

/// Whether another file holds all of `pending`, the writes to `file` before operation `n`, was synced with it before they were made, and
/// keeps it until they are made once more and synced: a log.
fn is_in_a_log(trace: &Trace, n: usize, file: FileId, pending: &[&Operation]) -> bool {
    let operations = &trace.operations;
    let Some(first) = operations.iter().position(|operation| std::ptr::eq(operation, pending[0])) else { return false };
    let again = operations[n + 1..].iter().position(|operation| writes(operation, file));
    let synced_again = again.and_then(|again| {
        let from = n + 1 + again;
        operations[from..].iter().position(|operation| syncs(operation, file)).map(|at| from + at)
    });
    let until = synced_again.unwrap_or(operations.len());
    let others: BTreeSet<FileId> = operations[..first]
        .iter()
        .filter_map(|operation| match operation.action {
            Action::Write { file: other, .. } if other != file && operation.errno.is_none() => Some(other),
            _ => None,
        })
        .collect();
    others.into_iter().any(|log| {
        let Some(synced) = operations[..first].iter().rposition(|operation| syncs(operation, log)) else {
            return false;
        };
        let mut logged: Vec<u8> = Vec::new();
        for operation in operations[..synced].iter().filter(|operation| writes(operation, log)) {
            match &operation.action {
                Action::Write { offset, data, .. } => {
                    let at = usize::try_from(*offset).unwrap_or(usize::MAX);
                    let end = at.saturating_add(data.bytes().len());
                    if end > MOST_LOGGED {
                        return false;
                    }
                    logged.resize(logged.len().max(end), 0);
                    logged[at..end].copy_from_slice(data.bytes());
                }
                Action::Resize { length, .. } => logged.truncate(usize::try_from(*length).unwrap_or(usize::MAX)),
                _ => {}
            }
        }
        let holds = |operation: &&Operation| match &operation.action {
            // Of what was not kept nobody knows.
            Action::Write { data, .. } if data.bytes().is_empty() => data.length() == 0,
            Action::Write { data, .. } => memchr::memmem::find(&logged, data.bytes()).is_some(),
            // How long a file is follows from what is in the log.
            _ => true,
        };
        let end = logged.len() as u64;
        let is_kept = !operations[n + 1..until].iter().any(|operation| match operation.action {
            Action::Write { file, offset, .. } => file == log && offset < end,
            Action::Resize { file, length, .. } => file == log && length < end,
            Action::Open { file, truncated: true, .. } => file == log,
            _ => false,
        });
        is_kept && has_name(trace, log, until) && pending.iter().all(holds)
    })
}

/// Whether `file`, a temporary that got no other name before the save was acknowledged, was given up for another one: all of `pending`
/// was written anew to that, and synced.
fn is_left_for_another(trace: &Trace, n: usize, acked: usize, file: FileId, pending: &[&Operation]) -> bool {
    let operations = &trace.operations;
    let made = operations[..n].iter().enumerate().find_map(|(at, operation)| match &operation.action {
        Action::Open { path, file: made, created: true, .. } if *made == file => Some((at, path)),
        _ => None,
    });
    let Some((since, made)) = made else { return false };
    let is_renamed = operations[since..acked].iter().any(|operation| match &operation.action {
        Action::Rename { from, to, .. } => operation.errno.is_none() && (from == made || to == made),
        Action::Link { file: linked, .. } => operation.errno.is_none() && *linked == file,
        _ => false,
    });
    let later = &operations[n + 1..acked];
    let is_in = |other: FileId, wanted: &Operation| {
        let Action::Write { data, .. } = &wanted.action else { return true };
        let mut written: Vec<u8> = Vec::new();
        for operation in later.iter().filter(|operation| writes(operation, other)) {
            if let Action::Write { data, .. } = &operation.action {
                written.extend_from_slice(data.bytes());
            }
        }
        !data.bytes().is_empty() && memchr::memmem::find(&written, data.bytes()).is_some()
    };
    let others: BTreeSet<FileId> = later
        .iter()
        .filter_map(|operation| match operation.action {
            Action::Write { file: other, .. } if other != file && operation.errno.is_none() => Some(other),
            _ => None,
        })
        .collect();
    !is_renamed
        && others.into_iter().any(|other| {
            later.iter().any(|operation| syncs(operation, other)) && pending.iter().all(|wanted| is_in(other, wanted))
        })
}

/// Longer logs are not looked through, in bytes.
const MOST_LOGGED: usize = 64 << 20;

/// Whether the failed sync of the directory `dir` by operation `n` has lost a name that the save under way has made there.
fn is_name_lost(trace: &Trace, n: usize, acked: usize, dir: &str) -> bool {
    let operations = &trace.operations;
    let syncs_it = |operation: &Operation| {
        operation.errno.is_none()
            && match &operation.action {
                Action::Sync { durable: Durable::Directory, path, .. } => path == dir,
                Action::Sync { durable: Durable::Everything, .. } => true,
                _ => false,
            }
    };
    if operations[n + 1..acked].iter().any(syncs_it) {
        return false;
    }
    // What was pending when an earlier save was acknowledged was no part of that promise.
    let of_save = operations[n].before.promise.begun;
    let last_sync = operations[..n].iter().rposition(syncs_it).map_or(0, |at| at + 1);
    let pending = operations[last_sync..n].iter().enumerate().map(|(at, operation)| (last_sync + at, operation));
    pending.filter(|(_, operation)| operation.errno.is_none() && operation.before.promise.begun == of_save).any(
        |(at, operation)| match &operation.action {
            Action::Rename { from, to, .. } => lies_in(to, dir) || lies_in(from, dir),
            // With the first sync of a new file its name is durable as well.
            Action::Open { path, file, created: true, .. } => {
                lies_in(path, dir)
                    && !operations[at..n].iter().any(|later| syncs(later, *file))
                    && has_name(trace, *file, acked)
            }
            Action::Arrive { path, .. } | Action::Link { to: path, .. } | Action::Symlink { path, .. } => {
                lies_in(path, dir)
            }
            Action::Mkdir { path, .. } => lies_in(path, dir),
            // That a name is still there after a crash is no save that is gone.
            _ => false,
        },
    )
}

/// Whether the name `path` is one in the directory `dir`.
fn lies_in(path: &str, dir: &str) -> bool {
    match path.rsplit_once('/') {
        Some((parent, _)) => parent == dir,
        None => dir == ".",
    }
}

#[cfg(test)]
mod tests;
