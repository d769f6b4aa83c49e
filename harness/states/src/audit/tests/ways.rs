//! Each way to write a file, as a trace, and what the audit makes of it.

use crashtest_model::{CallIndex, Damage, FileId, Synced, UnderKill, Way};

use super::run::Run;
use super::{LONG, damages, first};

#[test]
fn a_file_that_is_emptied_and_written_is_found_empty_and_torn() {
    let mut run = Run::finding(&[("f", b"old")]);
    run.save_direct(0, &[b'x'; LONG]);
    let file = run.file("f");
    assert_eq!(first(&file), (Way::TruncateAndWrite, Synced::Nothing, 1, UnderKill::Broken));
    // After the open and before the write; inside the write.
    assert_eq!(file.damage, [(Damage::Torn, 1), (Damage::Empty, 2)].into());
    let example = file.example.unwrap();
    assert_eq!((example.before, example.found, example.after), (Some(3), Some(4096), Some(LONG as u64)));
    assert_eq!((example.damage, example.point.call), (Damage::Torn, CallIndex(1)));
    assert_eq!(run.audited().crash_points, 3 * 2 + 1 + 1);
    assert_eq!(run.audited().distinct_states, 4, "old, empty, torn, new");
}

#[test]
fn a_file_that_is_made_once_under_its_own_name_is_accepted_and_one_that_is_written_again_is_not() {
    let mut run = Run::default();
    let file = run.create("f");
    run.write(file, 0, &[b'x'; LONG]).close(file);
    assert_eq!(first(&run.file("f")), (Way::Create, Synced::Nothing, 1, UnderKill::WrittenOnce));
    assert_eq!(damages(&run.file("f")), [Damage::Torn, Damage::Empty], "which is said");
    run.save_direct(0, &[b'y'; LONG]).save_direct(0, &[b'z'; LONG]);
    assert_eq!(first(&run.file("f")), (Way::TruncateAndWrite, Synced::Nothing, 2, UnderKill::Broken));
    assert_eq!(run.file("f").damage[&Damage::Torn], 3, "the making of it counts as well");
}

#[test]
fn a_rename_replaces_a_file_in_one_step_and_what_was_synced_is_told() {
    let cases = [
        (false, None, Synced::Nothing),
        (true, None, Synced::File),
        (false, Some("."), Synced::Directory),
        (true, Some("."), Synced::Both),
        (true, Some("elsewhere"), Synced::File),
    ];
    for (file_synced, directory, synced) in cases {
        let mut run = Run::finding(&[("f", b"old")]);
        for _ in 0..2 {
            let new = run.create("f.tmp");
            run.write(new, 0, &[b'x'; LONG]);
            if file_synced {
                run.fsync(new);
            }
            run.close(new).rename("f.tmp", "f");
            if let Some(directory) = directory {
                run.fsync_directory(directory);
            }
        }
        let file = run.file("f");
        assert_eq!(first(&file), (Way::Rename, synced, 2, UnderKill::Whole), "{synced:?}");
        assert_eq!((damages(&file), run.audited().temporaries), (vec![], vec!["f.tmp".to_owned()]));
    }
}

#[test]
fn what_is_deleted_and_then_written_is_missing_in_between() {
    let mut run = Run::finding(&[("f", b"old")]);
    run.unlink("f");
    let new = run.create("f");
    run.write(new, 0, b"new").close(new);
    let file = run.file("f");
    assert_eq!(first(&file), (Way::DeleteThenWrite, Synced::Nothing, 1, UnderKill::Broken));
    assert_eq!(damages(&file), [Damage::Empty, Damage::Missing]);

    let mut run = Run::finding(&[("f", b"old")]);
    let new = run.create("t");
    run.write(new, 0, b"new").close(new).unlink("f").rename("t", "f");
    let file = run.file("f");
    assert_eq!(first(&file), (Way::DeleteThenRename, Synced::Nothing, 1, UnderKill::Broken));
    assert_eq!(file.example.unwrap().copy.as_deref(), Some("t"), "the new version is under the other name");
}

#[test]
fn a_backup_that_is_removed_before_the_file_is_moved_to_it_is_missing_and_the_file_is_its_copy() {
    let mut run = Run::finding(&[("f", b"two"), ("f.bak", b"one")]);
    run.unlink("f.bak").rename("f", "f.bak");
    let new = run.create("f");
    run.write(new, 0, b"three").close(new);
    let backup = run.file("f.bak");
    assert_eq!((first(&backup).0, damages(&backup)), (Way::DeleteThenRename, vec![Damage::Missing]));
    assert_eq!(backup.example.unwrap().copy.as_deref(), Some("f"));
    let file = run.file("f");
    assert_eq!((first(&file).0, damages(&file)), (Way::DeleteThenWrite, vec![Damage::Empty, Damage::Missing]));
    assert_eq!(file.example.unwrap().copy.as_deref(), Some("f.bak"));
}

#[test]
fn what_is_removed_and_left_so_is_not_missing() {
    let mut run = Run::finding(&[("f", b"old"), ("clean", b"yes"), ("g", b"1")]);
    run.unlink("f").unlink("clean").save_by_rename("g", b"2");
    let marker = run.create("clean");
    run.write(marker, 0, b"yes").close(marker);
    assert_eq!(first(&run.file("f")), (Way::Remove, Synced::Nothing, 1, UnderKill::Whole));
    let marker = run.file("clean");
    assert_eq!((marker.under_kill, damages(&marker)), (UnderKill::WrittenOnce, vec![Damage::Empty]), "{marker:#?}");
}

#[test]
fn a_rename_before_the_content_is_there_is_found_empty() {
    let mut run = Run::finding(&[("f", b"old")]);
    let new = run.create("t");
    run.rename("t", "f").write(new, 0, b"new").close(new);
    let file = run.file("f");
    assert_eq!(
        (first(&file).0, file.under_kill, damages(&file)),
        (Way::RenameEarly, UnderKill::Broken, vec![Damage::Empty])
    );
}

#[test]
fn a_log_is_never_broken_and_needs_a_checker_where_records_can_be_cut_or_others_refer_to_it() {
    let mut alone = Run::finding(&[("f", b"1\n")]);
    alone.open(0, false).write(FileId(0), 2, b"2\n").close(FileId(0));
    assert_eq!(first(&alone.file("f")), (Way::Append, Synced::Nothing, 1, UnderKill::Whole));
    let mut torn = Run::finding(&[("f", b"1\n")]);
    torn.open(0, false).write(FileId(0), 2, &[b'x'; LONG]).fsync(FileId(0));
    let file = torn.file("f");
    assert_eq!(first(&file), (Way::Append, Synced::File, 1, UnderKill::NeedsCheck));
    assert_eq!((damages(&file), file.example, file.beside.len()), (vec![Damage::Torn], None, 0));
    alone.save_by_rename("refs", b"2");
    let beside = alone.file("f");
    assert_eq!((beside.under_kill, &beside.beside[..]), (UnderKill::NeedsCheck, &["refs".to_owned()][..]));
    let made = Run::default();
    for sync in [false, true] {
        let mut run = Run { before: made.before.clone(), ..Run::default() };
        let log = run.create("f");
        for n in 0..3 {
            run.write(log, n * 2, b"x\n");
            if sync {
                run.fsync(log);
            }
        }
        assert!(run.file("f").under_kill > UnderKill::NeedsCheck, "a new log is made once, and appended to");
    }
}

#[test]
fn a_database_beside_its_journal_needs_a_checker() {
    let mut run = Run::finding(&[("a.db", &[0; 8192]), ("other", b"")]);
    run.open(0, false);
    let journal = run.create("a.db-journal");
    run.write(journal, 0, &[1; LONG]).fsync(journal);
    run.write(FileId(0), 0, &[2; 4096]).write(FileId(0), 4096, &[2; 4096]).fsync(FileId(0));
    run.close(journal).unlink("a.db-journal").close(FileId(0));
    let file = run.file("a.db");
    assert_eq!((file.under_kill, file.beside), (UnderKill::NeedsCheck, vec!["a.db-journal".to_owned()]));
    assert_eq!(run.audited().temporaries, ["a.db-journal"]);
}

#[test]
fn a_document_that_is_rewritten_in_place_is_judged_where_nothing_is_beside_it() {
    let rewriting = |run: &mut Run| {
        run.open(0, false).write(FileId(0), 0, &[b'n'; LONG]).fsync(FileId(0)).cut(FileId(0), LONG as u64);
        run.close(FileId(0));
    };
    let mut alone = Run::finding(&[("f", &[b'o'; 7000])]);
    rewriting(&mut alone);
    let file = alone.file("f");
    assert_eq!(
        (first(&file).0, file.under_kill, damages(&file)),
        (Way::Rewrite, UnderKill::Broken, vec![Damage::Torn])
    );
    let mut beside = Run::finding(&[("f", &[b'o'; 7000])]);
    beside.save_by_rename("g", b"1");
    rewriting(&mut beside);
    assert_eq!(beside.file("f").under_kill, UnderKill::NeedsCheck);
    let mut parts = Run::finding(&[("f", &[b'o'; 9000])]);
    parts.open(0, false).write(FileId(0), 4096, b"new").write(FileId(0), 0, b"new").close(FileId(0));
    assert_eq!(first(&parts.file("f")), (Way::InPlace, Synced::Nothing, 1, UnderKill::NeedsCheck));
}
