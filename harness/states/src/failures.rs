//! Which calls of a recorded run can fail, in which ways, and which of these failures lose data that was accepted before.

use crashtest_model::{Action, CallFailure, CallIndex, Durable, Injection, Lasting, Operation, Trace};

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
        Action::Rename { .. }
        | Action::Link { .. }
        | Action::Symlink { .. }
        | Action::Mkdir { .. }
        | Action::Mknod { .. } => NAME,
        Action::Sync { durable: Durable::Range, .. } => &[],
        Action::Sync { .. } => SYNC,
        Action::Unlink { .. } | Action::Rmdir { .. } | Action::Chmod { .. } | Action::Attribute { .. } => ONLY_EIO,
        Action::Close { .. } => ONLY_EIO,
        Action::Map { .. } => &[libc::ENOMEM],
    }
}

/// Returns whether a call that does `action` can fail so.
#[must_use]
pub fn fits(action: &Action, failure: CallFailure) -> bool {
    match failure {
        CallFailure::Errno(errno) => errors(action).contains(&errno),
        CallFailure::Short(_) | CallFailure::Half => matches!(action, Action::Write { .. }),
    }
}

/// Every way in which the calls of a recorded run can fail, one after the other.
#[must_use]
pub fn injections(trace: &Trace) -> Vec<Injection> {
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

/// Returns whether an error of the call that did `action` means that data which was accepted earlier may be gone.
fn loses_data(action: &Action) -> bool {
    matches!(action, Action::Sync { .. } | Action::Close { .. })
}

/// The first call of `trace`, if any, whose error the program has passed over. Data that it had handed over may be gone, and it
/// acknowledged the save all the same.
///
/// A failed fsync(2) is repaired by writing the data anew and syncing that. Another fsync(2) repairs nothing: the kernel has marked
/// the pages clean (fsync(2), NOTES). A failed close(2) after a successful sync of the file has lost nothing.
#[must_use]
pub fn passed_over(trace: &Trace) -> Option<CallIndex> {
    let operations = &trace.operations;
    operations.iter().enumerate().find_map(|(n, failed)| {
        let save = failed.before.promise.begun;
        let later_acked = operations[n..]
            .iter()
            .map(|o| o.after)
            .chain([trace.end])
            .any(|p| p.promise.acked >= save && p.promise.begun >= save);
        let was_acked = failed.before.promise.acked < save && later_acked;
        if failed.errno.is_none_or(|errno| errno == libc::EINTR) || !loses_data(&failed.action) || !was_acked {
            return None;
        }
        let of_save = |o: &&Operation| o.before.promise.begun == save && o.errno.is_none();
        let synced = |o: &Operation| matches!(o.action, Action::Sync { .. });
        // Anew: what the failed call was to make durable is done again, and that is synced.
        let of_names = matches!(failed.action, Action::Sync { durable: Durable::Directory, .. });
        let anew = |o: &&Operation| match o.action {
            Action::Write { .. } => !of_names,
            _ => of_names && o.action.changes_files(),
        };
        let sync_of_it = |o: &Operation| match o.action {
            Action::Sync { durable, .. } => (durable == Durable::Directory) == of_names,
            _ => false,
        };
        let repaired = operations[n + 1..].iter().filter(of_save).skip_while(|o| !anew(o)).any(sync_of_it);
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

#[cfg(test)]
mod tests {
    use crashtest_model::{Data, FileId, Generation, Progress, Promise};
    use proptest::prelude::*;

    use super::*;

    const FILE: FileId = FileId(0);

    fn path() -> String {
        "f".to_owned()
    }

    fn write() -> Action {
        Action::Write { path: path(), file: FILE, offset: 0, data: Data::Length(9), requested: 9 }
    }

    fn fsync() -> Action {
        Action::Sync { path: path(), file: Some(FILE), durable: Durable::File }
    }

    fn close() -> Action {
        Action::Close { path: path(), file: FILE }
    }

    /// A run that makes save 1 by these calls, each with its error, and acknowledges it.
    fn acked(calls: &[(Action, Option<i32>)]) -> Trace {
        let during = |acked| {
            let promise = Promise { acked: Generation(acked), begun: Generation(1), installed: true };
            Progress { promise, ..Progress::default() }
        };
        let operation = |(action, errno): &(Action, Option<i32>)| Operation {
            call: "write".into(),
            action: action.clone(),
            errno: *errno,
            process: 0,
            before: during(0),
            after: during(0),
        };
        Trace { operations: calls.iter().map(operation).collect(), end: during(1), ..Trace::default() }
    }

    #[test]
    fn a_failed_sync_is_repaired_by_writing_anew_and_syncing_and_by_nothing_less() {
        let eio = Some(libc::EIO);
        let runs = [
            (vec![(write(), None), (fsync(), eio)], true),
            (vec![(write(), None), (fsync(), eio), (fsync(), None)], true),
            (vec![(write(), None), (fsync(), eio), (write(), None)], true),
            (vec![(write(), None), (fsync(), eio), (write(), None), (fsync(), None)], false),
            (vec![(write(), None), (fsync(), Some(libc::EINTR)), (fsync(), None)], false),
        ];
        for (calls, lost) in runs {
            let trace = acked(&calls);
            assert_eq!(passed_over(&trace), lost.then_some(CallIndex(1)), "{calls:?}");
        }
    }

    #[test]
    fn a_failed_close_loses_data_only_where_the_file_was_not_synced_before() {
        let failed = (close(), Some(libc::EIO));
        let synced = acked(&[(write(), None), (fsync(), None), failed.clone()]);
        let written_since = acked(&[(write(), None), (fsync(), None), (write(), None), failed.clone()]);
        let never_synced = acked(&[(write(), None), failed]);
        assert_eq!(passed_over(&synced), None);
        assert_eq!(passed_over(&written_since), Some(CallIndex(3)));
        assert_eq!(passed_over(&never_synced), Some(CallIndex(1)));
    }

    #[test]
    fn a_failure_before_a_save_that_nobody_acknowledged_is_not_passed_over() {
        let mut trace = acked(&[(write(), None), (fsync(), Some(libc::EIO))]);
        trace.end.promise.acked = Generation::ZERO;
        assert_eq!(passed_over(&trace), None);
    }

    proptest! {
        #[test]
        fn every_injection_fits_its_call_and_comes_once(requested in 0u64..40, failed in any::<bool>()) {
            let written = Action::Write { path: path(), file: FILE, offset: 0, data: Data::Length(requested), requested };
            let errno = failed.then_some(libc::EIO);
            let trace = acked(&[(written, None), (fsync(), errno), (close(), None)]);
            let all = injections(&trace);
            for (n, injection) in all.iter().enumerate() {
                let operation = &trace.operations[injection.call.0 as usize];
                prop_assert!(fits(&operation.action, injection.failure));
                prop_assert!(operation.errno.is_none(), "what failed by itself is not made to fail");
                prop_assert!(!all[..n].contains(injection));
                if let CallFailure::Short(bytes) = injection.failure {
                    prop_assert!(0 < bytes && bytes < requested);
                }
            }
            prop_assert_eq!(all.iter().any(|injection| injection.call.0 == 1), !failed);
        }
    }
}
