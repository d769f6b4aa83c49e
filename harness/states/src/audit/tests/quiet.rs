//! Where a run that somebody has ended counts up to.

use crashtest_model::{Activity, FileId, Gaps, Generation, Progress, Promise};

use super::super::quiet_moment;
use super::run::Run;

#[test]
fn a_save_that_is_under_way_at_the_end_does_not_count() {
    let mut run = Run::finding(&[("s", b"old")]);
    for _ in 0..2 {
        let file = run.create("s.tmp");
        run.write(file, 0, b"new").fsync(file).close(file).rename("s.tmp", "s");
    }
    let quiet = |run: &Run, pauses: &[usize]| quiet_moment(&run.trace(), &run.before(), pauses).calls;
    assert_eq!(quiet(&run, &[]), 10, "after the last rename");
    let file = run.create("s.tmp");
    run.write(file, 0, b"ne");
    assert_eq!(quiet(&run, &[]), 10);
    assert_eq!(quiet(&run, &[5]), 5, "it did nothing for a while there");
    assert_eq!(quiet(&run, &[7]), 10, "in the middle of a save it may wait as well");
    run.fsync(file).close(file);
    assert_eq!(quiet(&run, &[]), 10, "it is whole, and has yet to get its name");
}

#[test]
fn a_run_that_paused_at_its_start_alone_counts_to_its_end() {
    let mut run = Run::finding(&[("s", b"old"), ("other", b"old")]);
    let file = run.create("s.tmp");
    run.write(file, 0, b"new").rename("s.tmp", "s");
    for content in [b"1", b"2", b"3"] {
        run.save_direct(1, content);
    }
    assert_eq!(quiet_moment(&run.trace(), &run.before(), &[3]).calls, 12, "the other file is written over behind it");
    assert_eq!(quiet_moment(&run.trace(), &run.before(), &[3, 6]).calls, 6, "half of it is before the second pause");
    run.open(1, true).write(FileId(1), 0, b"4");
    assert_eq!(quiet_moment(&run.trace(), &run.before(), &[3]).calls, 12, "what is not closed may be half of a save");
}

#[test]
fn what_a_shell_has_emptied_and_closed_is_not_whole_before_somebody_has_written_it() {
    let mut run = Run::finding(&[("s", b"old")]);
    run.save_direct(0, b"new").open(0, true).close(FileId(0));
    assert_eq!(quiet_moment(&run.trace(), &run.before(), &[]).calls, 3);
}

#[test]
fn a_temporary_that_is_there_all_the_time_is_none_of_the_state_files() {
    // Two threads: one of them is always inside a save.
    let mut run = Run::finding(&[("a", b"old"), ("b", b"old")]);
    let mut files = [run.create("a.tmp"); 2];
    for _ in 0..2 {
        for (one, other, n) in [("b", "a", 1), ("a", "b", 0)] {
            files[n] = run.create(&format!("{one}.tmp"));
            run.write(files[n], 0, b"new").write(files[1 - n], 0, b"new").rename(&format!("{other}.tmp"), other);
        }
    }
    let quiet = quiet_moment(&run.trace(), &run.before(), &[]);
    assert_eq!((quiet.calls, &quiet.temporary[..]), (run.operations.len(), &["a.tmp".to_owned()][..]));
    let mut trace = run.trace();
    trace.unfinished = quiet.temporary;
    let audit = crate::audit(&trace, &run.before(), &run.after(), &|_| None, &|| false);
    let mut files: Vec<&str> = audit.files.iter().map(|file| file.path.as_str()).collect();
    files.sort_unstable();
    assert_eq!(files, ["a", "b"]);
    assert!(audit.temporaries.iter().any(|name| name == "a.tmp"), "{:?}", audit.temporaries);
}

#[test]
fn a_log_that_is_held_open_counts_record_by_record() {
    let mut run = Run::finding(&[]);
    let file = run.create("log.txt");
    run.write(file, 0, b"a").close(file);
    run.open(0, false);
    for n in 1..4 {
        run.write(file, n, b"b");
    }
    assert_eq!(quiet_moment(&run.trace(), &run.before(), &[]).calls, run.operations.len());
}

#[test]
fn a_save_that_is_acknowledged_before_the_next_call_counts_though_the_next_one_has_begun() {
    let mut run = Run::finding(&[("s", b"old")]);
    for n in 1..=2 {
        let file = run.create("t");
        run.write(file, 0, b"new").close(file).rename("t", "s");
        let promise = |acked, begun| Progress {
            activity: Some(Activity::Save),
            promise: Promise { acked: Generation(acked), begun: Generation(begun), installed: true, gaps: Gaps::NONE },
            opened: true,
        };
        let made = run.operations.len() - 4;
        run.operations[made..].iter_mut().for_each(|call| {
            (call.before, call.after) = (promise(n - 1, n), promise(n - 1, n));
        });
    }
    let mut trace = run.trace();
    trace.end = run.operations[7].after;
    assert_eq!(quiet_moment(&trace, &run.before(), &[]).calls, 4, "the second one was not acknowledged");
    trace.cut_to(4);
    assert_eq!((trace.end.promise.acked, trace.end.promise.begun), (Generation(1), Generation(1)));
    assert_eq!((trace.operations.len(), trace.end.activity), (4, Some(Activity::Idle)));
}
