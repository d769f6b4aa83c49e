//! Each way to write a file, as a trace, and what the oracle makes of it; and laws that hold whatever is written.

use std::path::Path;

use crashtest_model::{
    Action, Audit, AuditedFile, CallIndex, Damage, Data, Durable, FileId, Operation, Progress, Synced, Trace,
    UnderKill, Way,
};
use proptest::prelude::*;

use super::audit;
use crate::{Entry, Snapshot, Tree};

/// A page and a half: a kill can tear a write of it.
const LONG: usize = 6000;

/// A run that is made up, call by call, by process 0 unless it is said otherwise.
#[derive(Default)]
struct Run {
    before: Vec<(&'static str, Vec<u8>)>,
    operations: Vec<Operation>,
    next: u32,
    process: u32,
}

impl Run {
    /// A run that finds these files, numbered in this order.
    fn on(files: &[(&'static str, &[u8])]) -> Run {
        let before: Vec<_> = files.iter().map(|(name, content)| (*name, content.to_vec())).collect();
        Run { next: before.len() as u32, before, ..Run::default() }
    }

    fn does(&mut self, action: Action) -> &mut Run {
        let [before, after] = [Progress::default(); 2];
        let call = action.word().into();
        self.operations.push(Operation { process: self.process, call, action, errno: None, before, after });
        self
    }

    fn by(&mut self, process: u32) -> &mut Run {
        self.process = process;
        self
    }

    /// Makes a file; gives its number.
    fn create(&mut self, path: &str) -> FileId {
        let file = FileId(self.next);
        self.next += 1;
        let path = path.to_owned();
        self.does(Action::Open { path, file, created: true, truncated: false, synchronous: false, mode: 0o644 });
        file
    }

    fn open(&mut self, file: u32, truncated: bool) -> &mut Run {
        let (path, file) = (String::new(), FileId(file));
        self.does(Action::Open { path, file, created: false, truncated, synchronous: false, mode: 0 })
    }

    fn write(&mut self, file: FileId, offset: u64, data: &[u8]) -> &mut Run {
        let (path, requested) = (String::new(), data.len() as u64);
        self.does(Action::Write { path, file, offset, data: Data::Kept(data.to_vec()), requested })
    }

    fn close(&mut self, file: FileId) -> &mut Run {
        self.does(Action::Close { path: String::new(), file })
    }

    fn cut(&mut self, file: FileId, length: u64) -> &mut Run {
        self.does(Action::Resize { path: String::new(), file, length });
        // By its descriptor, not by its name.
        self.operations.last_mut().expect("it was just made").call = "ftruncate".into();
        self
    }

    fn fsync(&mut self, file: FileId) -> &mut Run {
        self.does(Action::Sync { path: String::new(), file: Some(file), durable: Durable::File })
    }

    fn fsync_directory(&mut self, path: &str) -> &mut Run {
        self.does(Action::Sync { path: path.into(), file: None, durable: Durable::Directory })
    }

    fn rename(&mut self, from: &str, to: &str) -> &mut Run {
        self.does(Action::Rename { from: from.into(), to: to.into(), exchange: false })
    }

    fn unlink(&mut self, path: &str) -> &mut Run {
        self.does(Action::Unlink { path: path.into() })
    }

    /// `open(path, "w").write(data)` over the file that is numbered `file`.
    fn save_direct(&mut self, file: u32, data: &[u8]) -> &mut Run {
        self.open(file, true).write(FileId(file), 0, data).close(FileId(file))
    }

    /// Writes a temporary and renames it to `path`.
    fn save_by_rename(&mut self, path: &str, data: &[u8]) -> &mut Run {
        let temporary = format!("{path}.tmp");
        let file = self.create(&temporary);
        self.write(file, 0, data).close(file).rename(&temporary, path)
    }

    fn before(&self) -> Snapshot {
        let entry = |content: &Vec<u8>| Entry::File { mode: 0o644, content: content.clone().into() };
        self.before.iter().map(|(name, content)| ((*name).into(), entry(content))).collect()
    }

    fn trace(&self) -> Trace {
        let files = (0u32..).zip(&self.before).map(|(n, (name, _))| ((*name).to_owned(), FileId(n))).collect();
        Trace { files, operations: self.operations.clone(), processes: 1, ..Trace::default() }
    }

    fn after(&self) -> Snapshot {
        let mut tree = Tree::new(&self.before(), &self.trace().files);
        self.operations.iter().for_each(|operation| tree.apply(operation));
        tree.snapshot()
    }

    fn audited(&self) -> Audit {
        audit(&self.trace(), &self.before(), &self.after(), &|_| None)
    }

    /// What it comes to for `path`.
    fn file(&self, path: &str) -> AuditedFile {
        let audit = self.audited();
        audit.files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{audit:#?}")).clone()
    }
}

/// The first way in which a file is written, and what a kill does to it.
fn first(file: &AuditedFile) -> (Way, Synced, u64, UnderKill) {
    let written = file.written.first().unwrap_or_else(|| panic!("{file:#?}"));
    (written.way, written.synced, written.count, file.under_kill)
}

fn damages(file: &AuditedFile) -> Vec<Damage> {
    file.damage.keys().copied().collect()
}

#[test]
fn a_file_that_is_emptied_and_written_is_found_empty_and_torn() {
    let mut run = Run::on(&[("f", b"old")]);
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
        let mut run = Run::on(&[("f", b"old")]);
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
    let mut run = Run::on(&[("f", b"old")]);
    run.unlink("f");
    let new = run.create("f");
    run.write(new, 0, b"new").close(new);
    let file = run.file("f");
    assert_eq!(first(&file), (Way::DeleteThenWrite, Synced::Nothing, 1, UnderKill::Broken));
    assert_eq!(damages(&file), [Damage::Empty, Damage::Missing]);

    let mut run = Run::on(&[("f", b"old")]);
    let new = run.create("t");
    run.write(new, 0, b"new").close(new).unlink("f").rename("t", "f");
    let file = run.file("f");
    assert_eq!(first(&file), (Way::DeleteThenRename, Synced::Nothing, 1, UnderKill::Broken));
    assert_eq!(file.example.unwrap().copy.as_deref(), Some("t"), "the new version is under the other name");
}

#[test]
fn a_backup_that_is_removed_before_the_file_is_moved_to_it_is_missing_and_the_file_is_its_copy() {
    let mut run = Run::on(&[("f", b"two"), ("f.bak", b"one")]);
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
    let mut run = Run::on(&[("f", b"old"), ("clean", b"yes"), ("g", b"1")]);
    run.unlink("f").unlink("clean").save_by_rename("g", b"2");
    let marker = run.create("clean");
    run.write(marker, 0, b"yes").close(marker);
    assert_eq!(first(&run.file("f")), (Way::Remove, Synced::Nothing, 1, UnderKill::Whole));
    let marker = run.file("clean");
    assert_eq!((marker.under_kill, damages(&marker)), (UnderKill::WrittenOnce, vec![Damage::Empty]), "{marker:#?}");
}

#[test]
fn a_rename_before_the_content_is_there_is_found_empty() {
    let mut run = Run::on(&[("f", b"old")]);
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
    let mut alone = Run::on(&[("f", b"1\n")]);
    alone.open(0, false).write(FileId(0), 2, b"2\n").close(FileId(0));
    assert_eq!(first(&alone.file("f")), (Way::Append, Synced::Nothing, 1, UnderKill::Whole));
    let mut torn = Run::on(&[("f", b"1\n")]);
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
    let mut run = Run::on(&[("a.db", &[0; 8192]), ("other", b"")]);
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
    let mut alone = Run::on(&[("f", &[b'o'; 7000])]);
    rewriting(&mut alone);
    let file = alone.file("f");
    assert_eq!(
        (first(&file).0, file.under_kill, damages(&file)),
        (Way::Rewrite, UnderKill::Broken, vec![Damage::Torn])
    );
    let mut beside = Run::on(&[("f", &[b'o'; 7000])]);
    beside.save_by_rename("g", b"1");
    rewriting(&mut beside);
    assert_eq!(beside.file("f").under_kill, UnderKill::NeedsCheck);
    let mut parts = Run::on(&[("f", &[b'o'; 9000])]);
    parts.open(0, false).write(FileId(0), 4096, b"new").write(FileId(0), 0, b"new").close(FileId(0));
    assert_eq!(first(&parts.file("f")), (Way::InPlace, Synced::Nothing, 1, UnderKill::NeedsCheck));
}

#[test]
fn a_counter_that_is_kept_open_and_written_in_single_calls_is_whole() {
    let mut run = Run::on(&[("f", b"41")]);
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
    let mut run = Run::on(&[("f", b"old")]);
    run.open(0, false).write(FileId(0), 0, b"newer").cut(FileId(0), 5).close(FileId(0));
    assert_eq!(first(&run.file("f")), (Way::Rewrite, Synced::Nothing, 1, UnderKill::Whole), "it is cut where it ends");
}

#[test]
fn a_descriptor_that_was_duplicated_is_still_writing_after_one_of_them_is_closed() {
    // As a shell does for `cmd > f`.
    let mut run = Run::on(&[("f", b"old")]);
    run.open(0, true).close(FileId(0)).write(FileId(0), 0, b"new");
    let file = run.file("f");
    assert_eq!((first(&file).0, damages(&file)), (Way::TruncateAndWrite, vec![Damage::Empty]));
}

#[test]
fn a_writer_that_died_with_its_descriptor_open_does_not_hold_the_file() {
    let mut run = Run::on(&[("f", b"1")]);
    for n in 0..3 {
        run.by(n).open(0, false).write(FileId(0), u64::from(n) + 1, b"x");
    }
    assert_eq!(first(&run.file("f")), (Way::Append, Synced::Nothing, 3, UnderKill::Whole));
}

#[test]
fn what_two_processes_write_at_once_is_no_version() {
    let mut run = Run::on(&[("f", b"old")]);
    run.by(0).open(0, true).write(FileId(0), 0, b"one");
    run.by(1).open(0, true).write(FileId(0), 0, b"two");
    run.by(0).write(FileId(0), 3, b"one");
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
    let mut run = Run::on(&[("d/f", b"x")]);
    run.rename("d", "e");
    let audit = run.audited();
    let names: Vec<&str> = audit.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["d/f", "e/f"]);
    assert!(audit.files.iter().all(|file| file.under_kill == UnderKill::Whole), "{audit:#?}");
}

#[test]
fn excluded_files_are_named_with_their_pattern_and_are_beside_nothing() {
    let mut run = Run::on(&[("f", &[b'o'; 9000]), ("b.log", b"")]);
    run.open(1, false).write(FileId(1), 0, b"x").open(0, false).write(FileId(0), 4096, b"new");
    let by = |path: &Path| path.extension().is_some().then(|| "*.log".to_owned());
    let audit = audit(&run.trace(), &run.before(), &run.after(), &by);
    assert_eq!((audit.excluded[0].path.as_str(), audit.excluded[0].pattern.as_str()), ("b.log", "*.log"));
    assert_eq!((audit.files.len(), audit.files[0].under_kill), (1, UnderKill::Whole), "one page, one write, alone");
}

#[test]
fn a_file_that_holds_something_else_than_its_calls_come_to_is_unknown_and_a_mapped_one_needs_a_checker() {
    let mut run = Run::on(&[("f", b"old"), ("m", b"old")]);
    run.save_by_rename("f", b"new").does(Action::Map { path: "m".into(), file: FileId(1) });
    let other = Entry::File { mode: 0o644, content: b"other".to_vec().into() };
    let after = ["f", "m"].map(|name| (name.into(), other.clone())).into_iter().collect();
    let audit = audit(&run.trace(), &run.before(), &after, &|_| None);
    let found: Vec<_> = audit.files.iter().map(|file| (file.path.as_str(), file.under_kill)).collect();
    assert_eq!(found, [("f", UnderKill::Unknown), ("m", UnderKill::NeedsCheck)]);
}

#[test]
fn what_is_changed_without_a_call_that_was_seen_is_unknown() {
    let mut run = Run::on(&[("f", b"old"), ("same", b"same"), ("gone", b"x"), ("b.log", b"1")]);
    run.save_by_rename("f", b"new");
    let entry = |content: &[u8]| Entry::File { mode: 0o644, content: content.to_vec().into() };
    let left = [("f", &b"new"[..]), ("same", b"same"), ("came", b"from outside"), ("b.log", b"2")];
    let after = left.into_iter().map(|(name, content)| (name.into(), entry(content))).collect();
    let by = |path: &Path| path.extension().is_some().then(|| "*.log".to_owned());
    let audit = audit(&run.trace(), &run.before(), &after, &by);
    let found: Vec<_> = audit.files.iter().map(|file| (file.path.as_str(), file.under_kill)).collect();
    assert_eq!(found, [("came", UnderKill::Unknown), ("gone", UnderKill::Unknown), ("f", UnderKill::Whole)]);
}

#[test]
fn a_call_that_failed_writes_nothing() {
    let mut run = Run::on(&[("f", b"old")]);
    run.open(0, true);
    run.operations[0].errno = Some(13);
    assert_eq!(run.audited().files, []);
}

/// One save of one of two files, in a way that keeps it whole or in one that does not.
#[derive(Clone, Debug)]
enum Save {
    Rename(bool, Vec<u8>),
    Direct(bool, Vec<u8>),
}

fn save() -> impl Strategy<Value = Save> {
    let data = || prop::collection::vec(any::<u8>(), 0..300).prop_map(|data| data.repeat(40));
    prop_oneof![
        (any::<bool>(), data()).prop_map(|(which, data)| Save::Rename(which, data)),
        (any::<bool>(), data()).prop_map(|(which, data)| Save::Direct(which, data)),
    ]
}

/// A run of these saves, every file there from the start.
fn run_of(saves: &[Save]) -> Run {
    let mut run = Run::on(&[("a", b"first"), ("b", b"first")]);
    let mut numbers = [0, 1];
    for save in saves {
        let (Save::Rename(which, data) | Save::Direct(which, data)) = save;
        let (name, number) = if *which { ("a", &mut numbers[0]) } else { ("b", &mut numbers[1]) };
        match save {
            Save::Rename(..) => {
                *number = run.next;
                run.save_by_rename(name, data);
            }
            // A write in pieces, as a buffer is flushed.
            Save::Direct(..) => {
                let file = FileId(*number);
                run.open(*number, true);
                for (n, piece) in data.chunks(5000).enumerate() {
                    run.write(file, n as u64 * 5000, piece);
                }
                run.close(file);
            }
        }
    }
    run
}

proptest! {
    #[test]
    fn a_file_is_broken_exactly_if_it_was_ever_emptied_to_be_written(saves in prop::collection::vec(save(), 0..8)) {
        let audit = run_of(&saves).audited();
        for (which, name) in [(true, "a"), (false, "b")] {
            let of = |save: &&Save| matches!(save, Save::Rename(w, _) | Save::Direct(w, _) if *w == which);
            let Some(file) = audit.files.iter().find(|file| file.path == name) else {
                prop_assert!(!saves.iter().any(|save| of(&save)));
                continue;
            };
            let mut before: &[u8] = b"first";
            let mut breaks = 0;
            for save in saves.iter().filter(of) {
                let (Save::Rename(_, data) | Save::Direct(_, data)) = save;
                // From nothing to something there is an empty file in between, which is what was there before.
                let torn = data.len() > 4096;
                breaks += usize::from(matches!(save, Save::Direct(..)) && !data.is_empty() && (!before.is_empty() || torn));
                before = data;
            }
            prop_assert_eq!(file.under_kill == UnderKill::Broken, breaks > 0, "{:#?}", file);
            prop_assert_eq!(file.under_kill == UnderKill::Whole, breaks == 0, "{:#?}", file);
        }
    }

    #[test]
    fn no_state_that_a_finished_save_left_is_damage(saves in prop::collection::vec(save(), 0..8)) {
        let run = run_of(&saves);
        let whole: u64 = run.audited().files.iter().flat_map(|file| file.damage.values()).sum();
        // Each direct save is damaged at most between its open and its last write, at and inside each piece.
        let most: usize = saves.iter().map(|save| match save {
            Save::Rename(..) => 0,
            Save::Direct(_, data) => 2 * data.len().div_ceil(5000) + data.len() / 4096,
        }).sum();
        prop_assert!(whole <= most as u64, "{whole} of {most}");
    }

    #[test]
    fn every_crash_point_counts_once(saves in prop::collection::vec(save(), 0..8)) {
        let run = run_of(&saves);
        let trace = run.trace();
        let points = crate::crash_points(&trace, crashtest_model::Tears::Kernel, usize::MAX, crashtest_model::Seed(0)).points;
        let all = super::grouped(&trace, &points);
        prop_assert_eq!(all.iter().map(std::ops::Range::len).sum::<usize>(), points.len());
        let states = crate::distinct(crate::crash_states(&trace, &run.before(), &points));
        prop_assert_eq!(states, crate::audited_states(&trace, &run.before()), "no state, and no point, is passed over");
    }

    #[test]
    fn each_save_leaves_one_version(mut saves in prop::collection::vec(save(), 1..6)) {
        // What is emptied and emptied again was saved once.
        saves.retain(|(Save::Rename(_, data) | Save::Direct(_, data))| !data.is_empty());
        let run = run_of(&saves);
        let known = super::state_files(&run.trace(), &run.before(), true, &|_| true);
        for (name, which) in [("a", true), ("b", false)] {
            let written = saves.iter().filter_map(|(Save::Rename(w, data) | Save::Direct(w, data))| (*w == which).then_some(&data[..]));
            let versions = known.get(Path::new(name)).map_or(&[][..], |file| &file.versions);
            prop_assert_eq!(versions.iter().map(|content| &content[..]).collect::<Vec<_>>(), written.collect::<Vec<_>>());
        }
    }

    #[test]
    fn of_a_run_that_was_killed_the_save_under_way_is_no_version(saves in prop::collection::vec(save(), 1..6), at in any::<prop::sample::Index>()) {
        let run = run_of(&saves);
        let mut trace = run.trace();
        let whole = super::state_files(&trace, &run.before(), true, &|_| true);
        trace.operations.truncate(at.index(trace.operations.len()) + 1);
        for (path, file) in super::state_files(&trace, &run.before(), false, &|_| true) {
            // A temporary that is left is a file like others as far as anybody can tell then.
            let Some(all) = whole.get(&path) else { continue };
            prop_assert!(file.versions.iter().all(|version| all.versions.contains(version)), "{path:?}");
        }
    }
}

#[test]
fn of_a_run_that_writes_to_very_long_files_points_are_left_out_evenly_and_it_is_said_how_many() {
    let mut run = Run::on(&[("f", b"")]);
    run.open(0, false);
    for n in 0..100 {
        run.write(FileId(0), n, b"x");
    }
    let trace = run.trace();
    let points = crate::crash_points(&trace, crashtest_model::Tears::Kernel, 9, crashtest_model::Seed(0)).points;
    let all = super::grouped(&trace, &points);
    let bounded = |most| super::bounded(&trace, &run.before(), &points, all.clone(), most);
    // 1 + 2 + … + 100 bytes.
    assert_eq!(bounded(5050), (all.clone(), 0));
    let (some, left_out) = bounded(550);
    assert_eq!((some.first(), some.last(), some.len()), (all.first(), all.last(), 11));
    assert_eq!(some.iter().map(|group| group.len() as u64).sum::<u64>() + left_out, points.len() as u64);
}
