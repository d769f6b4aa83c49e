//! Tests of which failures lose data: of contents, of names, of what a log holds.

use crashtest_model::{Data, FileId, Generation};

use super::*;
use crate::acked::{acked, close, fsync, path, write};

/// The call whose error is passed over, where whoever restarts looks at every file.
fn loses(trace: &Trace) -> Option<CallIndex> {
    passed_over(trace, &|_| false)
}

#[test]
fn a_failed_sync_is_repaired_by_writing_anew_and_syncing_and_by_nothing_less() {
    let eio = Some(libc::EIO);
    let of_another = Action::Sync { path: "g".into(), file: Some(FileId(5)), durable: Durable::File };
    let runs = [
        (vec![(write(), None), (fsync(), eio), (write(), None), (of_another, None)], true),
        (vec![(write(), None), (fsync(), eio)], true),
        (vec![(write(), None), (fsync(), eio), (fsync(), None)], true),
        (vec![(write(), None), (fsync(), eio), (write(), None)], true),
        (vec![(write(), None), (fsync(), eio), (write(), None), (fsync(), None)], false),
        (vec![(write(), None), (fsync(), Some(libc::EINTR)), (fsync(), None)], false),
    ];
    for (calls, lost) in runs {
        let trace = acked(&calls);
        assert_eq!(loses(&trace), lost.then_some(CallIndex(1)), "{calls:?}");
    }
}

#[test]
fn a_failed_close_loses_data_only_where_the_file_was_not_synced_before() {
    let failed = (close(), Some(libc::EIO));
    let synced = acked(&[(write(), None), (fsync(), None), failed.clone()]);
    let written_since = acked(&[(write(), None), (fsync(), None), (write(), None), failed.clone()]);
    let never_synced = acked(&[(write(), None), failed]);
    assert_eq!(loses(&synced), None);
    assert_eq!(loses(&written_since), Some(CallIndex(3)));
    assert_eq!(loses(&never_synced), Some(CallIndex(1)));
}

#[test]
fn what_is_shared_in_memory_is_not_lost_by_a_close_that_fails() {
    let map = Action::Map { path: path(), file: crate::acked::FILE };
    assert_eq!(loses(&acked(&[(map, None), (write(), None), (close(), Some(libc::EIO))])), None);
}

#[test]
fn a_failure_before_a_save_that_nobody_acknowledged_is_not_passed_over() {
    let mut trace = acked(&[(write(), None), (fsync(), Some(libc::EIO))]);
    trace.end.promise.acked = Generation::ZERO;
    assert_eq!(loses(&trace), None);
}

/// A save of a new file that is renamed to its name, whose sync fails, and of another one behind it.
fn of_two_files(fails: usize) -> Trace {
    let of = |path: &str, file: u32| {
        let (path, file) = (path.to_owned(), FileId(file));
        let write = Action::Write { path: path.clone(), file, offset: 0, data: Data::Length(9), requested: 9 };
        let open =
            Action::Open { path: path.clone(), file, created: true, truncated: true, synchronous: false, mode: 0 };
        [open, write, Action::Sync { path, file: Some(file), durable: Durable::File }]
    };
    let rename = |from: &str, to: &str| Action::Rename { from: from.into(), to: to.into(), exchange: false };
    let calls = of("t", 1).into_iter().chain([rename("t", "f")]).chain(of("u", 2)).chain([rename("u", "g")]);
    let calls: Vec<_> = calls.enumerate().map(|(n, call)| (call, (n == fails).then_some(libc::EIO))).collect();
    acked(&calls)
}

#[test]
fn what_happens_to_another_file_repairs_nothing() {
    assert_eq!(loses(&of_two_files(2)), Some(CallIndex(2)), "the first, though the second is synced");
    assert_eq!(loses(&of_two_files(6)), Some(CallIndex(6)));
}

#[test]
fn what_nobody_looks_at_is_no_loss_where_it_is_all_that_is_lost() {
    let of = |fails: &[usize], overlooked: &str| {
        let mut trace = of_two_files(2);
        for n in fails {
            trace.operations[*n].errno = Some(libc::EIO);
        }
        passed_over(&trace, &|name| overlooked.contains(name))
    };
    assert_eq!((of(&[], "f"), of(&[], "g")), (None, Some(CallIndex(2))));
    assert_eq!(of(&[6], "fg"), Some(CallIndex(2)), "of two, one may be made from the other");
}

#[test]
fn nothing_is_lost_where_nothing_was_pending_or_the_file_is_gone() {
    let eio = Some(libc::EIO);
    let again = [(write(), None), (fsync(), None), (fsync(), eio)];
    assert_eq!(loses(&acked(&again)), None, "a second sync with nothing written in between");
    let gone = [(write(), None), (fsync(), eio), (Action::Unlink { path: path() }, None)];
    assert_eq!(loses(&acked(&gone)), None);
    let closed = [(write(), None), (Action::Unlink { path: path() }, None), (close(), eio)];
    assert_eq!(loses(&acked(&closed)), None);
}

#[test]
fn what_a_log_holds_can_be_written_once_more_as_long_as_the_log_is_there() {
    let page = Data::Kept(vec![7; 64]);
    let to = |path: &str, file: u32, offset: u64| Action::Write {
        path: path.into(),
        file: FileId(file),
        offset,
        data: page.clone(),
        requested: 64,
    };
    let sync =
        |path: &str, file: u32| Action::Sync { path: path.into(), file: Some(FileId(file)), durable: Durable::File };
    let of = |last: &[(Action, Option<i32>)]| {
        let calls =
            [(to("log", 1, 8), None), (sync("log", 1), None), (to("f", 0, 0), None), (sync("f", 0), Some(libc::EIO))];
        let mut trace = acked(&[&calls, last].concat());
        trace.files.push(("log".into(), FileId(1)));
        trace
    };
    assert_eq!(loses(&of(&[])), None);
    assert_eq!(loses(&of(&[(Action::Unlink { path: "log".into() }, None)])), Some(CallIndex(3)));
    assert_eq!(loses(&of(&[(to("log", 1, 0), None)])), Some(CallIndex(3)), "it is written over");
}

#[test]
fn a_failed_sync_of_a_directory_loses_the_names_of_its_save() {
    let eio = Some(libc::EIO);
    let sync = || Action::Sync { path: ".".into(), file: None, durable: Durable::Directory };
    let rename = || Action::Rename { from: "f".into(), to: "g".into(), exchange: false };
    assert_eq!(loses(&acked(&[(rename(), None), (sync(), eio)])), Some(CallIndex(1)));
    assert_eq!(loses(&acked(&[(rename(), None), (sync(), eio), (sync(), None)])), None, "made once more");
    assert_eq!(loses(&acked(&[(sync(), eio)])), None, "nothing was pending");
}

#[test]
fn a_temporary_that_was_given_up_for_another_one_has_lost_nothing() {
    let open = |path: &str, file: u32| Action::Open {
        path: path.into(),
        file: FileId(file),
        created: true,
        truncated: true,
        synchronous: false,
        mode: 0,
    };
    let to = |path: &str, file: u32, content: &[u8]| Action::Write {
        path: path.into(),
        file: FileId(file),
        offset: 0,
        data: Data::Kept(content.to_vec()),
        requested: content.len() as u64,
    };
    let sync =
        |path: &str, file: u32| Action::Sync { path: path.into(), file: Some(FileId(file)), durable: Durable::File };
    let rename = |from: &str| Action::Rename { from: from.into(), to: "f".into(), exchange: false };
    let of = |second: &[u8], renamed: &str| {
        let first = [(open("a", 1), None), (to("a", 1, b"saved"), None), (sync("a", 1), Some(libc::EIO))];
        let again = [(open("b", 2), None), (to("b", 2, second), None), (sync("b", 2), None), (rename(renamed), None)];
        loses(&acked(&[&first[..], &again[..]].concat()))
    };
    assert_eq!(of(b"saved", "b"), None);
    assert_eq!(of(b"other", "b"), Some(CallIndex(2)), "it was not written anew");
    assert_eq!(of(b"saved", "a"), Some(CallIndex(2)), "it is the one that got the name");
}
