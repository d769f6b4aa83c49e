//! Who writes and how: descriptors that stay open, several processes, links, and changes that no call shows.

use std::path::Path;

use crashtest_model::{Action, Damage, FileId, Synced, UnderKill, Way};

use super::super::audit;
use super::run::Run;
use super::{LONG, damages, first};
use crate::Entry;

#[test]
fn a_counter_that_is_kept_open_and_written_in_single_calls_is_whole() {
    let mut run = Run::finding(&[("f", b"41")]);
    run.open(0, false);
    for text in [b"42", b"43", b"44"] {
        run.write(FileId(0), 0, text);
    }
    assert_eq!(first(&run.file("f")), (Way::Rewrite, Synced::Nothing, 3, UnderKill::Whole));
    for text in [b"45", b"46"] {
        run.cut(FileId(0), 0).write(FileId(0), 0, text);
    }
    assert_eq!(damages(&run.file("f")), [Damage::Empty], "and one that is emptied first is not");
}

#[test]
fn a_file_that_is_whole_before_the_last_call_of_its_save_is_whole() {
    let mut run = Run::finding(&[("f", b"old")]);
    run.open(0, false).write(FileId(0), 0, b"newer").cut(FileId(0), 5).close(FileId(0));
    assert_eq!(first(&run.file("f")), (Way::Rewrite, Synced::Nothing, 1, UnderKill::Whole), "it is cut where it ends");
}

#[test]
fn a_descriptor_that_was_duplicated_is_still_writing_after_one_of_them_is_closed() {
    // As a shell does for `cmd > f`.
    let mut run = Run::finding(&[("f", b"old")]);
    run.open(0, true).close(FileId(0)).write(FileId(0), 0, b"new");
    let file = run.file("f");
    assert_eq!((first(&file).0, damages(&file)), (Way::TruncateAndWrite, vec![Damage::Empty]));
}

#[test]
fn a_writer_that_died_with_its_descriptor_open_does_not_hold_the_file() {
    let mut run = Run::finding(&[("f", b"1")]);
    for n in 0..3 {
        run.by_process(n).open(0, false).write(FileId(0), u64::from(n) + 1, b"x");
    }
    assert_eq!(first(&run.file("f")), (Way::Append, Synced::Nothing, 3, UnderKill::Whole));
}

#[test]
fn what_two_processes_write_at_once_is_no_version() {
    let mut run = Run::finding(&[("f", b"old")]);
    run.by_process(0).open(0, true).write(FileId(0), 0, b"one");
    run.by_process(1).open(0, true).write(FileId(0), 0, b"two");
    run.by_process(0).write(FileId(0), 3, b"one");
    assert!(run.file("f").damage[&Damage::Torn] > 2, "{:#?}", run.file("f"));
}

#[test]
fn objects_that_are_linked_into_place_are_whole() {
    let mut run = Run::default();
    run.does(Action::Mkdir { path: "o".into(), mode: 0o755 });
    let object = run.create("o/tmp");
    run.write(object, 0, &[b'x'; LONG]).close(object);
    run.does(Action::Link { file: object, to: "o/abc".into() }).unlink("o/tmp");
    assert_eq!(first(&run.file("o/abc")), (Way::Link, Synced::Nothing, 1, UnderKill::Whole));
    assert_eq!(run.audited().files.len(), 1);
}

#[test]
fn names_below_a_directory_that_is_renamed_go_with_it() {
    let mut run = Run::finding(&[("d/f", b"x")]);
    run.rename("d", "e");
    let audit = run.audited();
    let names: Vec<&str> = audit.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["d/f", "e/f"]);
    assert!(audit.files.iter().all(|file| file.under_kill == UnderKill::Whole), "{audit:#?}");
}

#[test]
fn excluded_files_are_named_with_their_pattern_and_are_beside_nothing() {
    let mut run = Run::finding(&[("f", &[b'o'; 9000]), ("b.log", b"")]);
    run.open(1, false).write(FileId(1), 0, b"x").open(0, false).write(FileId(0), 4096, b"new");
    let by = |path: &Path| path.extension().is_some().then(|| "*.log".to_owned());
    let audit = audit(&run.trace(), &run.before(), &run.after(), &by, &|| false);
    assert_eq!((audit.excluded[0].path.as_str(), audit.excluded[0].pattern.as_str()), ("b.log", "*.log"));
    assert_eq!((audit.files.len(), audit.files[0].under_kill), (1, UnderKill::Whole), "one page, one write, alone");
}

#[test]
fn a_file_that_holds_something_else_than_its_calls_come_to_is_unknown_and_a_mapped_one_needs_a_checker() {
    let mut run = Run::finding(&[("f", b"old"), ("m", b"old")]);
    run.save_by_rename("f", b"new").does(Action::Map { path: "m".into(), file: FileId(1) });
    let other = Entry::File { mode: 0o644, content: b"other".to_vec().into() };
    let after = ["f", "m"].map(|name| (name.into(), other.clone())).into_iter().collect();
    let audit = audit(&run.trace(), &run.before(), &after, &|_| None, &|| false);
    let found: Vec<_> = audit.files.iter().map(|file| (file.path.as_str(), file.under_kill)).collect();
    assert_eq!(found, [("f", UnderKill::Unknown), ("m", UnderKill::NeedsCheck)]);
}

#[test]
fn what_no_call_of_the_program_touched_is_somebody_else_s() {
    let mut run = Run::finding(&[("f", b"old"), ("same", b"same"), ("gone", b"x"), ("b.log", b"1")]);
    run.save_by_rename("f", b"new");
    let entry = |content: &[u8]| Entry::File { mode: 0o644, content: content.to_vec().into() };
    let left = [("f", &b"new"[..]), ("same", b"same"), ("came", b"from outside"), ("b.log", b"2")];
    let after = left.into_iter().map(|(name, content)| (name.into(), entry(content))).collect();
    let by = |path: &Path| path.extension().is_some().then(|| "*.log".to_owned());
    let audit = audit(&run.trace(), &run.before(), &after, &by, &|| false);
    let found: Vec<_> = audit.files.iter().map(|file| (file.path.as_str(), file.under_kill)).collect();
    assert_eq!(found, [("f", UnderKill::Whole)]);
}

#[test]
fn crash_points_that_nobody_waits_for_are_left_out() {
    let mut run = Run::finding(&[("f", b"old")]);
    for _ in 0..5 {
        run.save_by_rename("f", b"new");
    }
    let looked_at = |most: u64| {
        let looks = std::cell::Cell::new(0);
        let enough = || looks.replace(looks.get() + 1) >= most;
        let audit = audit(&run.trace(), &run.before(), &run.after(), &|_| None, &enough);
        (audit.crash_points, audit.left_out)
    };
    let (all, none) = looked_at(u64::MAX);
    let (few, others) = looked_at(3);
    assert_eq!((none, few + others), (0, all));
    assert!(0 < few && few < all / 2, "{few} of {all}");
}

#[test]
fn a_call_that_failed_writes_nothing() {
    let mut run = Run::finding(&[("f", b"old")]);
    run.open(0, true);
    run.operations[0].errno = Some(13);
    assert_eq!(run.audited().files, []);
}
