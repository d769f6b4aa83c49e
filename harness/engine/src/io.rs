//! Fault `io`: which calls can fail in which way, and whether a program that acknowledged a save after a failure was right to.

use crashtest_model::{Action, CallFailure, CallIndex, Durable, Injection, Lasting, Trace};

/// How an open that makes a file can fail.
const CREATE: &[i32] = &[libc::ENOSPC, libc::EDQUOT, libc::EMFILE, libc::EIO, libc::EINTR];
const OPEN: &[i32] = &[libc::EMFILE, libc::EIO, libc::EINTR];
const WRITE: &[i32] = &[libc::ENOSPC, libc::EIO, libc::EDQUOT, libc::EINTR];
const RESIZE: &[i32] = &[libc::EIO, libc::ENOSPC, libc::EINTR];
const NAME: &[i32] = &[libc::ENOSPC, libc::EIO, libc::EDQUOT];
const SYNC: &[i32] = &[libc::EIO, libc::ENOSPC, libc::EDQUOT];
const ONLY_EIO: &[i32] = &[libc::EIO];

/// The errors that fit an action, by the ERRORS sections of the manual pages. EINTR of close(2) is left out: Linux has closed the
/// descriptor by then, and says EINTR never.
fn errors(action: &Action) -> &'static [i32] {
    match action {
        Action::Open { created: true, .. } => CREATE,
        Action::Open { .. } => OPEN,
        Action::Write { .. } => WRITE,
        Action::Resize { .. } | Action::Zero { .. } => RESIZE,
        Action::Rename { .. } | Action::Link { .. } | Action::Symlink { .. } | Action::Mkdir { .. } | Action::Mknod { .. } => {
            NAME
        }
        Action::Sync { durable: Durable::Range, .. } => &[],
        Action::Sync { .. } => SYNC,
        Action::Unlink { .. } | Action::Rmdir { .. } | Action::Chmod { .. } | Action::Attribute { .. } => ONLY_EIO,
        Action::Close { .. } => ONLY_EIO,
        Action::Map { .. } => &[libc::ENOMEM],
    }
}

/// Whether a call that does `action` can fail so.
pub(crate) fn fits(action: &Action, failure: CallFailure) -> bool {
    match failure {
        CallFailure::Errno(errno) => errors(action).contains(&errno),
        CallFailure::Short(_) | CallFailure::Half => matches!(action, Action::Write { .. }),
    }
}

/// Every way in which the calls of a recorded run can fail, one after the other.
pub(crate) fn injections(trace: &Trace) -> Vec<Injection> {
    let mut all = Vec::new();
    for (n, operation) in trace.operations.iter().enumerate().filter(|(_, operation)| operation.errno.is_none()) {
        let call = CallIndex(n as u32);
        let mut add = |failure, lasting| all.push(Injection { call, failure, lasting });
        for errno in errors(&operation.action) {
            add(CallFailure::Errno(*errno), Lasting::Once);
            // A call that is interrupted for ever is a program that rightly tries for ever.
            if *errno != libc::EINTR {
                add(CallFailure::Errno(*errno), Lasting::FromThenOn);
            }
        }
        if let Action::Write { requested, .. } = operation.action
            && requested > 1
        {
            let mut lengths = vec![1, requested / 2, requested - 1];
            lengths.dedup();
            lengths.into_iter().for_each(|bytes| add(CallFailure::Short(bytes), Lasting::Once));
            add(CallFailure::Half, Lasting::FromThenOn);
        }
    }
    all
}

/// Whether an error of the call that did `action` means that data which was accepted earlier may be gone.
fn loses_data(action: &Action) -> bool {
    matches!(action, Action::Sync { .. } | Action::Close { .. })
}

/// The first call of `trace`, if any, whose error the program has passed over: data that it had handed over may be gone, and it
/// acknowledged the save all the same.
///
/// A failed fsync(2) is repaired by writing the data anew and syncing that. Another fsync(2) repairs nothing: the kernel has marked
/// the pages clean (fsync(2), NOTES). A failed close(2) after a successful sync of the file has lost nothing.
pub(crate) fn passed_over(trace: &Trace) -> Option<CallIndex> {
    let operations = &trace.operations;
    operations.iter().enumerate().find_map(|(n, failed)| {
        let save = failed.before.promise.begun;
        let later_acked =
            operations[n..].iter().map(|o| o.after).chain([trace.end]).any(|p| p.promise.acked >= save && p.promise.begun >= save);
        let was_acked = failed.before.promise.acked < save && later_acked;
        if failed.errno.is_none_or(|errno| errno == libc::EINTR) || !loses_data(&failed.action) || !was_acked {
            return None;
        }
        let of_save = |o: &&crashtest_model::Operation| o.before.promise.begun == save && o.errno.is_none();
        let synced = |o: &crashtest_model::Operation| matches!(o.action, Action::Sync { .. });
        let repaired = operations[n + 1..]
            .iter()
            .filter(of_save)
            .skip_while(|o| !o.action.changes_files())
            .any(synced);
        let harmless = match &failed.action {
            Action::Close { file, .. } => operations[..n]
                .iter()
                .rev()
                .find(|o| match &o.action {
                    Action::Write { file: written, .. } => written == file,
                    Action::Sync { file: Some(synced), .. } => synced == file,
                    _ => false,
                })
                .is_some_and(|last| synced(last) && last.errno.is_none()),
            _ => false,
        };
        (!repaired && !harmless).then_some(CallIndex(n as u32))
    })
}
