//! Which calls of a recorded run can fail, and in which ways.

use crashtest_model::{Action, CallFailure, CallIndex, Durable, Injection, Lasting, Trace};

/// How an open that makes a file can fail.
const CREATE: &[i32] = &[libc::ENOSPC, libc::EDQUOT, libc::EMFILE, libc::EIO, libc::EINTR];
const OPEN: &[i32] = &[libc::EMFILE, libc::EIO, libc::EINTR];
const WRITE: &[i32] = &[libc::ENOSPC, libc::EIO, libc::EDQUOT, libc::EINTR];
const RESIZE: &[i32] = &[libc::EIO, libc::ENOSPC, libc::EINTR];
const NAME: &[i32] = &[libc::ENOSPC, libc::EIO, libc::EDQUOT];
const SYNC: &[i32] = &[libc::EIO, libc::ENOSPC, libc::EDQUOT];
const ONLY_EIO: &[i32] = &[libc::EIO];
const OPEN_TO_READ: &[i32] = &[libc::EIO, libc::EMFILE, libc::EACCES];

/// The size of a page in bytes: a disk has room for whole ones.
const PAGE: u64 = 4096;
/// Pages of one write at which a disk fills up, at most.
const PAGES: usize = 16;

/// The errors that fit an action, by the ERRORS sections of the manual pages. EINTR of close(2) is left out: Linux has closed the
/// descriptor by then, and says EINTR never.
fn errors(action: &Action) -> &'static [i32] {
    match action {
        Action::Open { created: true, .. } => CREATE,
        Action::Open { .. } => OPEN,
        Action::Write { .. } => WRITE,
        Action::Resize { .. } | Action::Zero { .. } => RESIZE,
        Action::Rename { .. }
        | Action::Arrive { .. }
        | Action::Link { .. }
        | Action::Symlink { .. }
        | Action::Mkdir { .. }
        | Action::Mknod { .. } => NAME,
        Action::Sync { durable: Durable::Range, .. } => &[],
        Action::Sync { .. } => SYNC,
        Action::Unlink { .. } | Action::Rmdir { .. } | Action::Chmod { .. } | Action::Attribute { .. } => ONLY_EIO,
        Action::Close { .. } => ONLY_EIO,
        Action::Read { opens: true, .. } => OPEN_TO_READ,
        Action::Read { .. } => ONLY_EIO,
        Action::Map { .. } => &[libc::ENOMEM],
    }
}

/// Returns whether a call that does `action` can fail so.
#[must_use]
pub fn fits(action: &Action, failure: CallFailure) -> bool {
    match failure {
        CallFailure::Errno(errno) => errors(action).contains(&errno),
        CallFailure::Short(_) | CallFailure::Half | CallFailure::Full { .. } => matches!(action, Action::Write { .. }),
    }
}

/// Returns whether a call that does `action` needs room on a disk that is full.
#[must_use]
pub fn needs_room(action: &Action) -> bool {
    match action {
        Action::Open { created, .. } => *created,
        Action::Write { .. } => true,
        // How long it was is not known: one that makes a file shorter needs none.
        Action::Resize { length, .. } => *length > 0,
        other => errors(other) == NAME,
    }
}

/// Every way in which the calls of a recorded run can fail, one after the other. What is stored through a mapping is no call.
#[must_use]
pub fn injections(trace: &Trace) -> Vec<Injection> {
    let mut all = Vec::new();
    let calls = trace.operations.iter().enumerate();
    for (n, operation) in calls.filter(|(_, operation)| operation.errno.is_none() && !operation.is_store()) {
        let call = CallIndex(n as u32);
        let mut add = |failure, lasting| all.push(Injection { call, failure, lasting, reading: false });
        for errno in errors(&operation.action) {
            add(CallFailure::Errno(*errno), Lasting::Once);
            // A call that is interrupted for ever is a program that rightly tries for ever.
            if *errno != libc::EINTR {
                add(CallFailure::Errno(*errno), Lasting::FromThenOn);
            }
        }
        if let Action::Write { requested, offset, .. } = operation.action
            && requested > 1
        {
            let mut lengths = vec![1, requested / 2, requested - 1];
            lengths.dedup();
            lengths.into_iter().for_each(|bytes| add(CallFailure::Short(bytes), Lasting::Once));
            add(CallFailure::Half, Lasting::FromThenOn);
            let pages = fills_up_at(offset, requested);
            for bytes in &pages {
                add(CallFailure::Full { bytes: *bytes, errno: libc::ENOSPC }, Lasting::FromThenOn);
            }
            if let Some(middle) = pages.get(pages.len() / 2) {
                // Room comes back; the others are limits of a user and of a file.
                add(CallFailure::Full { bytes: *middle, errno: libc::ENOSPC }, Lasting::Once);
                for errno in [libc::EDQUOT, libc::EFBIG] {
                    add(CallFailure::Full { bytes: *middle, errno }, Lasting::FromThenOn);
                }
            }
        }
    }
    all
}

/// Every way in which the calls of a recorded run that read can fail.
#[must_use]
pub fn reading_injections(trace: &Trace) -> Vec<Injection> {
    let reads = |injection: &Injection| {
        let operation = trace.operations.get(injection.call.0 as usize);
        operation.is_some_and(|operation| matches!(operation.action, Action::Read { .. }))
    };
    injections(trace).into_iter().filter(reads).map(|injection| Injection { reading: true, ..injection }).collect()
}

/// After how many of `requested` bytes that are written at `offset` a disk can be full: at the pages, evenly where these are many; inside
/// the only one in its middle.
fn fills_up_at(offset: u64, requested: u64) -> Vec<u64> {
    let first = PAGE - offset % PAGE;
    let pages: Vec<u64> =
        (0..).map(|n| first + n * PAGE).take_while(|bytes| *bytes < requested).take(1 << 20).collect();
    match pages.len() {
        0 => vec![requested / 2],
        few if few <= PAGES => pages,
        many => (0..PAGES).map(|n| pages[n * (many - 1) / (PAGES - 1)]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use crashtest_model::Data;
    use proptest::prelude::*;

    use super::*;
    use crate::acked::{FILE, acked, close, fsync, path, write};

    proptest! {
        #[test]
        fn every_injection_fits_its_call_and_comes_once(requested in 0u64..40_000, failed in any::<bool>()) {
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
                if let CallFailure::Full { bytes, .. } = injection.failure {
                    prop_assert!(0 < bytes && bytes < requested);
                }
            }
            prop_assert_eq!(all.iter().any(|injection| injection.call.0 == 1), !failed);
        }
    }

    #[test]
    fn a_disk_fills_up_at_each_page_and_evenly_where_there_are_many() {
        assert_eq!(fills_up_at(0, 10_000), [4096, 8192]);
        assert_eq!(fills_up_at(4000, 10_000), [96, 4192, 8288]);
        assert_eq!(fills_up_at(0, 100), [50]);
        let many = fills_up_at(0, 1 << 20);
        assert_eq!((many.len(), many[0], many[PAGES - 1]), (PAGES, 4096, (1 << 20) - 4096));
    }

    #[test]
    fn what_is_stored_through_a_mapping_cannot_fail() {
        let mut trace = acked(&[(write(), None)]);
        trace.operations[0].call = crashtest_model::STORE.into();
        assert_eq!(injections(&trace), []);
    }
}
