//! The results folder: what is written is what is read_run, also after a death of the supervisor at any byte.

#[expect(dead_code, reason = "the other test file uses the rest")]
mod common;
mod folders;

use std::fs;
use std::path::{Path, PathBuf};

use common::{atomic, direct, direct_trials, empty, intact, recording, reset, rows, torn};
use crashtest_model::{Completion, Fault, Start, TrialRecord};
use crashtest_report::render::{json, junit, markdown};
use crashtest_report::{FolderError, RunFolder, find_trials, read_run};
use folders::{create, evidence, names};
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

fn ended() -> Completion {
    Completion { complete: true, stopped: None, exit_code: Some(1), elapsed_s: Some(1.0 / 3.0) }
}

fn abandoned(out: &TempDir, trials: &[TrialRecord]) -> PathBuf {
    let mut folder = create(out);
    for record in trials {
        folder.record(record, None).unwrap();
    }
    folder.path().to_owned()
}

#[test]
fn a_finished_folder_reads_as_it_was_written() {
    let out = tempdir().unwrap();
    let mut folder = create(&out);
    let trials = direct_trials();
    for record in &trials {
        let kept = record.signature().map(|_| evidence(&folder, record.trial));
        folder.record(record, kept.as_deref()).unwrap();
    }
    let finished = folder.finish(&rows(&trials), &ended()).unwrap();
    let again = read_run(folder.path()).unwrap();

    assert_eq!(finished.run, again.run);
    assert_eq!(finished.summary, again.summary);
    assert_eq!(again.notes, [""; 0]);
    let stored = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(stored("summary.md"), markdown::run(&again));
    assert_eq!(stored("junit.xml"), junit::run(&again));
    assert_eq!(stored("summary.json"), json::run(&again));
    assert_eq!(
        names(folder.path()),
        ["failures", "junit.xml", "run.json", "summary.json", "summary.md", "trials.jsonl"]
    );
}

#[test]
fn the_folder_is_named_by_time_name_and_seed_and_never_used_twice() {
    let out = tempdir().unwrap();
    let mut folders: Vec<RunFolder> = (0..3).map(|_| create(&out)).collect();
    let stem = "20261121T025246Z-direct-fills-12345";
    let made: Vec<_> = folders.iter().map(|f| f.path().file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(made, [stem.to_owned(), format!("{stem}-2"), format!("{stem}-3")]);
    assert!(!fs::exists(out.path().join("latest")).unwrap(), "none has anything to show");
    folders[1].point_latest();
    assert_eq!(fs::read_link(out.path().join("latest")).unwrap(), Path::new(&format!("{stem}-2")));
}

#[test]
fn a_discarded_folder_is_gone_with_its_spool_and_what_has_its_place_is_left_alone() {
    let out = tempdir().unwrap();
    create(&out).discard();
    assert_eq!(names(out.path()), [""; 0]);

    let folder = create(&out);
    let path = folder.path().to_owned();
    fs::rename(&path, out.path().join("moved")).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("mine"), "mine").unwrap();
    folder.discard();
    assert_eq!(fs::read_to_string(path.join("mine")).unwrap(), "mine");
}

#[test]
fn run_json_is_there_before_the_first_trial() {
    let out = tempdir().unwrap();
    let folder = create(&out);
    let recorded = read_run(folder.path()).unwrap();
    assert_eq!(recorded.run, direct());
    assert_eq!(recorded.summary.results[0].trials, 0);
}

#[test]
fn a_latest_that_is_a_directory_is_left_alone_and_noted() {
    let out = tempdir().unwrap();
    fs::create_dir(out.path().join("latest")).unwrap();
    fs::write(out.path().join("latest/mine"), "mine").unwrap();
    let mut folder = create(&out);
    folder.point_latest();
    assert!(folder.notes()[0].contains("no symbolic link"), "{:?}", folder.notes());
    assert_eq!(fs::read_to_string(out.path().join("latest/mine")).unwrap(), "mine");
}

#[test]
fn a_report_through_latest_names_the_run_itself() {
    let out = tempdir().unwrap();
    let path = abandoned(&out, &[torn(0)]);
    std::os::unix::fs::symlink(&path, out.path().join("latest")).unwrap();
    let recorded = read_run(&out.path().join("latest/")).unwrap();
    assert_eq!(recorded.path, path);
    assert!(!recorded.summary.results[0].findings[0].replay.contains("latest"));
}

#[test]
fn a_failing_trial_is_on_disk_at_once() {
    let out = tempdir().unwrap();
    let mut folder = create(&out);
    folder.record(&intact(0), None).unwrap();
    folder.record(&torn(1), None).unwrap();
    let recorded = read_run(folder.path()).unwrap();
    assert_eq!(recorded.summary.results[0].trials, 2);
    assert_eq!(recorded.summary.completion.stopped.as_deref(), Some("still running"));
    assert_eq!((recorded.summary.completion.complete, recorded.summary.completion.exit_code), (false, None));
}

#[test]
fn a_folder_whose_supervisor_died_is_read_as_far_as_it_goes() {
    let out = tempdir().unwrap();
    let path = abandoned(&out, &[torn(0), intact(1), reset(2)]);
    let recorded = read_run(&path).unwrap();
    assert_eq!(recorded.summary.completion.stopped.as_deref(), Some("the supervisor ended without a report"));
    assert_eq!(recorded.rows.violations(), 2);
    assert_eq!(recorded.summary.results[0].trials, 3);
}

#[test]
fn trials_that_were_lost_since_the_summary_are_missed() {
    let out = tempdir().unwrap();
    let mut folder = create(&out);
    let trials = direct_trials();
    for record in &trials {
        folder.record(record, None).unwrap();
    }
    folder.finish(&rows(&trials), &ended()).unwrap();
    let path = folder.path().join("trials.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let (kept, _last) = text.trim_end().rsplit_once('\n').unwrap();
    fs::write(&path, format!("{kept}\n")).unwrap();
    let recorded = read_run(folder.path()).unwrap();
    let n = trials.len();
    let lost = format!("trials.jsonl and summary.json disagree: {} trials, {n} counted", n - 1);
    assert_eq!((recorded.summary.completion.complete, recorded.summary.completion.stopped), (false, Some(lost)));
}

#[test]
fn a_folder_that_is_given_up_reads_as_incomplete_and_holds_no_rubbish() {
    let out = tempdir().unwrap();
    let mut folder = create(&out);
    folder.record(&torn(0), None).unwrap();
    evidence(&folder, 1);
    let path = folder.path().to_owned();
    let ending = Completion { stopped: Some("failed to write".to_owned()), ..Completion::default() };
    let given_up = folder.abandon(&rows(&[torn(0), intact(1)]), &ending);
    assert_eq!((given_up.rows.violations(), given_up.summary.completion.stopped), (1, ending.stopped));
    assert_eq!(names(&path), ["run.json", "trials.jsonl"]);
    assert_eq!(
        read_run(&path).unwrap().summary.completion.stopped.as_deref(),
        Some("the supervisor ended without a report")
    );
}

#[test]
fn a_malformed_line_in_the_middle_is_an_error_with_its_place() {
    let out = tempdir().unwrap();
    let path = abandoned(&out, &[torn(0)]);
    let trials = path.join("trials.jsonl");
    let line = fs::read_to_string(&trials).unwrap();
    fs::write(&trials, format!("{line}{{\"trial\": 1}}\n{line}")).unwrap();
    let error = read_run(&path).unwrap_err().to_string();
    assert!(error.contains("trials.jsonl`, line 2, column 12: missing field"), "{error}");
}

#[test]
fn what_is_known_of_a_fault_as_a_whole_is_a_line_of_its_own_and_read_back() {
    let out = tempdir().unwrap();
    let (mut folder, trials) = (create(&out), common::clean_in_part());
    let notes = [recording(8968), recording(12)].map(common::swept_note);
    folder.note(&notes[0]).unwrap();
    trials.iter().for_each(|record| folder.record(record, None).unwrap());
    folder.note(&notes[1]).unwrap();
    folder.flush().unwrap();
    let lines = fs::read_to_string(folder.path().join("trials.jsonl")).unwrap();
    assert_eq!(lines.lines().filter(|line| line.starts_with("{\"note\":")).count(), 2);
    assert_eq!(lines.lines().count(), trials.len() + 2);
    let read = read_run(folder.path()).unwrap();
    let sweep = read.rows.get(Fault::Sweep, Start::Again).unwrap();
    assert_eq!(sweep.coverage, Some(recording(8968)), "two workers' notes are joined");
    assert_eq!(sweep.trials, 412, "and are no trials");
}

#[test]
fn a_malformed_run_json_is_an_error_with_its_place() {
    let out = tempdir().unwrap();
    let path = abandoned(&out, &[]);
    fs::write(path.join("run.json"), "{\n  \"format\": nonsense\n}").unwrap();
    let error = read_run(&path).unwrap_err().to_string();
    assert!(error.contains("run.json`, line 2, column"), "{error}");
}

#[test]
fn another_major_version_is_refused_by_both_names() {
    let out = tempdir().unwrap();
    let path = abandoned(&out, &[]);
    fs::write(path.join("run.json"), r#"{"format": "crashtest-results/1", "everything": "else"}"#).unwrap();
    let error = read_run(&path).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`crashtest-results/1`") && text.contains("`crashtest-results/2`"), "{text}");
    assert!(error.hint().is_some());
}

#[test]
fn a_later_minor_version_is_read() {
    let out = tempdir().unwrap();
    let path = abandoned(&out, &[]);
    let run =
        fs::read_to_string(path.join("run.json")).unwrap().replace("crashtest-results/2", "crashtest-results/2.4");
    fs::write(path.join("run.json"), run).unwrap();
    assert!(read_run(&path).is_ok());
}

#[test]
fn a_folder_of_runs_is_refused_with_a_hint_at_the_newest() {
    let out = tempdir().unwrap();
    let (_, second) = (abandoned(&out, &[]), abandoned(&out, &[]));
    let error = read_run(out.path()).unwrap_err();
    assert!(error.to_string().contains("it has no run.json"), "{error}");
    assert!(error.hint().unwrap().contains(second.to_str().unwrap()), "{:?}", error.hint());
    assert!(read_run(&out.path().join("nothing")).unwrap_err().hint().is_some());
}

#[test]
fn an_unwritable_place_is_an_error_with_a_hint() {
    let out = tempdir().unwrap();
    let file = out.path().join("file");
    fs::write(&file, "").unwrap();
    let error = RunFolder::create(&file.join("results"), &direct(), "x").unwrap_err();
    assert!(error.hint().unwrap().contains("not a directory"), "{error}");
    let mut run = atomic();
    run.started = "yesterday".into();
    assert!(matches!(RunFolder::create(out.path(), &run, "x").unwrap_err(), FolderError::Started { .. }));
}

#[test]
fn a_name_cannot_leave_the_results() {
    let out = tempdir().unwrap();
    let folder = RunFolder::create(out.path(), &direct(), "../../etc/x y").unwrap();
    assert_eq!(folder.path().parent().unwrap(), out.path());
}

#[test]
fn one_trial_is_found_again() {
    let out = tempdir().unwrap();
    let path = abandoned(&out, &direct_trials());
    assert_eq!(find_trials(&path, Start::Again, 6).unwrap(), [common::control(6), empty(6)], "of each fault");
    assert_eq!(find_trials(&path, Start::Again, 5000).unwrap(), []);
}

fn any_record() -> impl Strategy<Value = TrialRecord> {
    (0u64..1_000_000, 0usize..6, any::<f64>(), ".{0,40}").prop_map(|(trial, kind, at, why)| {
        let make = [intact, torn, empty, reset, common::recovery_killed, common::first_start][kind];
        let mut record = make(trial);
        record.aim = crashtest_model::Aim::Save(if at.is_finite() { at } else { 0.5 });
        if let Some(detail) = &mut record.detail {
            detail.why = why;
        }
        record
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn records_survive_the_file_exactly(records in proptest::collection::vec(any_record(), 1..20)) {
        let out = tempdir().unwrap();
        let path = abandoned(&out, &records);
        let mut seen = std::collections::BTreeSet::new();
        for record in &records {
            // The first of a number is the one that is found.
            if seen.insert((record.start, record.trial)) {
                let found = find_trials(&path, record.start, record.trial).unwrap();
                prop_assert_eq!(found.first(), Some(record));
            }
        }
    }

    #[test]
    fn a_folder_cut_off_at_any_byte_is_readable_and_counts_no_more_than_the_whole(
        records in proptest::collection::vec(any_record(), 1..6),
        cuts in proptest::collection::vec(0.0f64..=1.0, 12),
    ) {
        let out = tempdir().unwrap();
        let path = abandoned(&out, &records);
        let trials = path.join("trials.jsonl");
        let whole = fs::read(&trials).unwrap();
        for cut in cuts {
            let length = (cut * whole.len() as f64) as usize;
            fs::write(&trials, &whole[..length]).unwrap();
            let recorded = read_run(&path).unwrap();
            let counted: u64 = recorded.summary.results.iter().map(|row| row.trials).sum();
            let lines = whole[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
            // A record without its newline is whole, if it parses.
            prop_assert!(counted == lines || counted == lines + 1);
            prop_assert!(counted <= records.len() as u64);
            let mid_line = length > 0 && whole[length - 1] != b'\n';
            prop_assert_eq!(recorded.notes.is_empty(), !mid_line || counted == lines + 1);
        }
    }
}

#[test]
fn a_folder_cut_off_at_every_byte_is_readable() {
    let out = tempdir().unwrap();
    let path = abandoned(&out, &[empty(0), intact(1)]);
    let trials = path.join("trials.jsonl");
    let whole = fs::read(&trials).unwrap();
    for length in (0..=whole.len()).rev() {
        fs::File::options().write(true).open(&trials).unwrap().set_len(length as u64).unwrap();
        assert!(read_run(&path).is_ok(), "{length}");
    }
}
