//! A grid: every text that a user sees of it, and its folder, also after a death of the supervisor half-way.

#[expect(dead_code, reason = "the other test files use the rest")]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{atomic_trials, direct_trials, intact, reset, rows, run, torn};
use crashtest_model::{
    About, Completion, Conditions, Conformance, Documented, Expectation, Expectations, Fault, GridRecord, Loader,
    Metadata, Note, PlannedCell, Rows, RunRecord, Start, TrialRecord, Verdict,
};
use crashtest_report::render::{GridConclusion, GridJudgement, Terminal, json, junit, markdown, text};
use crashtest_report::{
    EvidenceIndex, GridFolder, RecordedCell, RecordedGrid, Results, RunFolder, cell_folders, read_results,
    summarise_grid, summarise_run,
};
use tempfile::tempdir;

/// A cell to be: its run, its trials, how it ended; no trials: not begun.
struct Made {
    run: RunRecord,
    trials: Vec<TrialRecord>,
    notes: Vec<Note>,
    ending: Completion,
}

fn ended(exit_code: u8) -> Completion {
    Completion { complete: true, stopped: None, exit_code: Some(exit_code), elapsed_s: Some(26.0) }
}

fn made(run: RunRecord, trials: Vec<TrialRecord>) -> Made {
    Made { run, trials, notes: Vec::new(), ending: ended(0) }
}

/// Trials with the time that their saves took.
fn timed(trials: Vec<TrialRecord>, save_ns: u64) -> Vec<TrialRecord> {
    trials.into_iter().map(|record| TrialRecord { saving_ns: record.acks * save_ns, ..record }).collect()
}

fn direct() -> Made {
    let mut run = run("direct", "open(f, O_TRUNC) · write × n · close", &[Verdict::Torn, Verdict::Empty]);
    run.strategy.documented[1].expectation.may.push(Verdict::SilentReset);
    made(run, timed(direct_trials(), 500_000))
}

fn atomic() -> Made {
    let run = run("atomic", "open(f.tmp, O_TRUNC) · write × n · close · rename(f.tmp, f)", &[]);
    made(run, timed(atomic_trials(), 620_000))
}

/// A strategy with a long name that accepts garbage with a lenient loader, and keeps little of its file.
fn promote() -> Made {
    let mut run = run("forward-journal-promote", "write f.tmp · unlink f · write f · unlink f.tmp", &[]);
    run.plan.target.loader = Loader::Lenient;
    run.strategy.documented[1].loader = Loader::Lenient;
    run.strategy.documented[1].expectation =
        Expectation { must: vec![Verdict::SilentReset], one_of: vec![], may: vec![Verdict::AcceptedGarbage] };
    let mut trials = timed((0..2000).map(|n| if n % 50 == 1 { reset(n) } else { intact(n) }).collect(), 2_400_000);
    for record in trials.iter_mut().filter(|record| record.trial % 400 == 7) {
        record.outcome = crashtest_model::Outcome::Judged(Verdict::AcceptedGarbage);
    }
    let kept = Metadata { mode: Some(false), owner: None, symlink: Some(false), hard_link: Some(true) };
    let note = Note { fault: trials[0].fault, start: trials[0].start, about: About::Metadata(kept) };
    Made { notes: vec![note], ..made(run, trials) }
}

/// `atomic`, but something tears.
fn surprise() -> Made {
    let mut cell = atomic();
    cell.trials[500] = torn(500);
    cell.ending = ended(1);
    cell
}

fn record(cells: &[Made]) -> GridRecord {
    let folders = cell_folders(cells.iter().map(|cell| &cell.run.plan));
    let planned = cells.iter().zip(folders).map(|(cell, folder)| {
        let expect: Expectations = cell
            .run
            .strategy
            .documented
            .iter()
            .filter(|d| d.start == Start::Again)
            .map(|d| (d.fault, d.expectation.clone()))
            .collect();
        PlannedCell { folder, plan: cell.run.plan.clone(), expect }
    });
    let first = &cells[0].run;
    GridRecord {
        format: first.format.clone(),
        started: first.started.clone(),
        command: vec!["crashtest".into(), "compare".into()],
        name: "compare".into(),
        why: "What each strategy guarantees when its writer is killed, and what that costs.".into(),
        limits: vec![],
        cells: planned.collect(),
        environment: first.environment.clone(),
    }
}

fn rows_of(made: &Made) -> Rows {
    let mut rows = rows(&made.trials);
    made.notes.iter().for_each(|note| rows.note(note));
    rows
}

fn cell(path: &Path, folder: &str, made: &Made) -> Option<RecordedCell> {
    let path = path.join(folder);
    let summary = summarise_run(&path, &made.run, &rows_of(made), &made.ending, &EvidenceIndex::new());
    let cell = RecordedCell { run: made.run.clone(), summary, notes: vec![] };
    (!made.trials.is_empty()).then_some(cell)
}

fn grid(cells: &[Made], ending: &Completion) -> RecordedGrid {
    let path = PathBuf::from("results/20261121T025246Z-compare-12345");
    let grid = record(cells);
    let cells: Vec<_> =
        grid.cells.iter().zip(cells).map(|(planned, made)| cell(&path, &planned.folder, made)).collect();
    let summary = summarise_grid(&grid, &cells, ending);
    RecordedGrid { path, grid, cells, summary, notes: vec![] }
}

fn two() -> RecordedGrid {
    grid(&[direct(), atomic()], &ended(0))
}

fn three() -> RecordedGrid {
    grid(&[direct(), surprise(), promote()], &ended(1))
}

/// Under every fault; the second cell without io.
fn every_fault() -> RecordedGrid {
    let mut first = direct();
    first.run.plan.faults = vec![Fault::Kill, Fault::Sweep, Fault::Io];
    first.trials = common::broken_everywhere();
    first.notes = vec![common::note_of_broken_everywhere()];
    let documented = |fault, must| Documented {
        loader: Loader::Strict,
        fault,
        start: Start::Again,
        conditions: Conditions::default(),
        expectation: Expectation { must, ..Expectation::default() },
    };
    first.run.strategy.documented.push(documented(Fault::Sweep, vec![Verdict::Torn]));
    first.run.strategy.documented.push(documented(Fault::Io, vec![Verdict::FalseAck]));
    let mut second = promote();
    second.run.plan.faults = vec![Fault::Kill, Fault::Sweep];
    second.run.plan.target.loader = Loader::Strict;
    second.trials = common::clean_in_part().into_iter().filter(|record| record.fault != Fault::Io).collect();
    second.trials.extend((0..2000).map(intact));
    second.notes = vec![common::swept_note(common::recording(8968))];
    grid(&[first, second], &ended(0))
}

/// One cell a fault, as scenarios have them.
fn a_cell_a_fault() -> RecordedGrid {
    let cell = |fault: Fault| {
        let mut made = atomic();
        made.run.plan.faults = vec![fault];
        made.trials.retain(|record| record.fault == Fault::None);
        made.trials.extend(common::clean_in_part().into_iter().filter(|record| record.fault == fault));
        if fault == Fault::Sweep {
            made.notes = vec![common::swept_note(common::recording(8968))];
        }
        made
    };
    grid(&[cell(Fault::Sweep), cell(Fault::Io)], &ended(0))
}

/// Interrupted in the second of three cells.
fn interrupted() -> RecordedGrid {
    let stopped =
        Completion { complete: false, stopped: Some("interrupted".into()), exit_code: Some(130), elapsed_s: Some(3.0) };
    let mut second = atomic();
    second.trials.truncate(700);
    second.ending = stopped.clone();
    let mut third = promote();
    third.trials.clear();
    grid(&[direct(), second, third], &stopped)
}

#[test]
fn a_terminal_shows_the_worst_under_each_fault_and_what_was_not_tested() {
    insta::assert_snapshot!(text::grid(&every_fault(), Terminal::plain(80)));
}

#[test]
fn markdown_shows_the_worst_under_each_fault_and_what_was_not_tested() {
    insta::assert_snapshot!(markdown::grid(&every_fault()));
}

#[test]
fn cells_that_differ_in_their_fault_share_a_line() {
    let text = text::grid(&a_cell_a_fault(), Terminal::plain(80));
    assert!(text.contains("strategy  none      sweep     io\natomic    0 of 400  0 of 412  0 of 96\n"), "{text}");
    assert!(!text.contains("What a restart found after SIGKILL"), "nothing was killed at random: {text}");
    assert!(text.contains("atomic, under io"), "{text}");
}

#[test]
fn a_terminal_of_80_columns_compares_two() {
    insta::assert_snapshot!(text::grid(&two(), Terminal::plain(80)));
}

#[test]
fn a_terminal_of_160_columns_compares_two() {
    insta::assert_snapshot!(text::grid(&two(), Terminal::plain(160)));
}

#[test]
fn a_terminal_of_80_columns_shows_what_is_not_documented() {
    insta::assert_snapshot!(text::grid(&three(), Terminal::plain(80)));
}

#[test]
fn a_terminal_of_160_columns_shows_what_is_not_documented() {
    insta::assert_snapshot!(text::grid(&three(), Terminal::plain(160)));
}

#[test]
fn a_terminal_shows_the_interrupted_grid() {
    insta::assert_snapshot!(text::grid(&interrupted(), Terminal::plain(80)));
}

#[test]
fn markdown_compares_two() {
    insta::assert_snapshot!(markdown::grid(&two()));
}

#[test]
fn markdown_shows_what_is_not_documented_first() {
    insta::assert_snapshot!(markdown::grid(&three()));
}

#[test]
fn junit_passes_what_fails_as_documented_and_fails_what_is_not() {
    insta::assert_snapshot!(junit::grid(&three()));
}

#[test]
fn junit_of_an_interrupted_grid_passes_nothing_that_was_not_shown() {
    insta::assert_snapshot!(junit::grid(&interrupted()));
}

#[test]
fn the_summary_has_the_rows_of_every_cell_and_how_it_stands() {
    let summary: serde_json::Value = serde_json::from_str(&json::grid(&three())).unwrap();
    assert_eq!(summary["results"].as_array().unwrap().len(), 3 + 3 + 1);
    let rows: Vec<String> = summary["cells"].as_array().unwrap().iter().map(|cell| cell["rows"].to_string()).collect();
    assert_eq!(rows, ["[0,1,2]", "[3,4,5]", "[6]"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&summary["cells"]).unwrap());
}

#[test]
fn only_paths_and_replay_lines_are_wider_than_the_terminal() {
    for grid in [two(), three(), interrupted(), every_fault(), a_cell_a_fault()] {
        for width in [60, 80, 100, 120, 160, 200] {
            for line in text::grid(&grid, Terminal::plain(width)).lines() {
                let free = line.starts_with("results: ") || line.starts_with("  replay  ");
                assert!(free || line.chars().count() <= usize::from(width), "{width}: {line}");
            }
        }
    }
}

#[test]
fn a_wide_terminal_has_one_table_and_a_narrow_one_two_with_the_same_rows() {
    let costs = |width| text::grid(&three(), Terminal::plain(width)).matches("What that rests on").count();
    assert_eq!((costs(80), costs(160)), (1, 0));
}

#[test]
fn no_format_calls_a_strategy_safe() {
    for text in
        [text::grid(&two(), Terminal::plain(80)), markdown::grid(&two()), junit::grid(&two()), json::grid(&two())]
    {
        assert!(!text.to_lowercase().contains("safe"), "{text}");
    }
}

#[test]
fn each_kind_of_grid_comes_to_its_own_judgement() {
    let judgement = |grid: &RecordedGrid| GridConclusion::new(grid).judgement;
    assert_eq!(judgement(&two()), GridJudgement::AsDocumented);
    assert_eq!(judgement(&three()), GridJudgement::Differs);
    assert_eq!(judgement(&interrupted()), GridJudgement::Incomplete);
    let mut control = atomic();
    control.trials[3].outcome = crashtest_model::Outcome::Judged(Verdict::LostAck);
    assert_eq!(judgement(&grid(&[direct(), control], &ended(4))), GridJudgement::ControlFailed);
    let mut vacuous = atomic();
    vacuous.trials.retain(|record| record.fault == Fault::None);
    assert_eq!(judgement(&grid(&[direct(), vacuous], &ended(3))), GridJudgement::Inconclusive);
}

#[test]
fn a_job_summary_of_a_thousand_failing_cells_stays_below_one_mebibyte() {
    let mut cells = Vec::new();
    for n in 0..1000u64 {
        let mut made = made(run(&format!("strategy-{n}-{}", "x".repeat(100)), &"<|".repeat(3000), &[]), vec![]);
        made.trials = (0..4).map(torn).collect();
        made.trials[0].observed = Some(crashtest_model::Observed::Refused { why: "|<".repeat(5000), damage: None });
        (0..40).for_each(|key| made.trials[0].consequences.count(&format!("{key} {}", "_".repeat(5000)), 1));
        cells.push(made);
    }
    let text = markdown::grid(&grid(&cells, &ended(1)));
    assert!(text.len() < 1 << 20, "{}", text.len());
}

#[test]
fn cells_of_one_name_have_folders_of_their_own() {
    let plans = [direct().run.plan, atomic().run.plan, direct().run.plan];
    let folders = cell_folders(&plans);
    assert_eq!(folders, ["cells/direct-fills-strict", "cells/atomic-fills-strict", "cells/direct-fills-strict-2"]);
}

/// Writes the first `whole` of `cells`, and `trials` of the next; gives the folder and what was recorded.
fn written(out: &Path, cells: &[Made], whole: usize, trials: usize) -> (GridFolder, Vec<Option<RecordedCell>>) {
    let grid = record(cells);
    let folder = GridFolder::create(out, &grid).unwrap();
    let mut recorded = Vec::new();
    for (made, planned) in cells.iter().zip(&grid.cells).take(whole + 1) {
        let mut run = RunFolder::create_at(&folder.path().join(&planned.folder), &made.run).unwrap();
        if recorded.len() == whole {
            made.trials.iter().take(trials).for_each(|record| run.record(record, None).unwrap());
            break;
        }
        made.notes.iter().for_each(|note| run.note(note).unwrap());
        made.trials.iter().for_each(|record| run.record(record, None).unwrap());
        recorded.push(Some(run.finish(&rows_of(made), &made.ending).unwrap().into()));
    }
    (folder, recorded)
}

fn read_grid(path: &Path) -> RecordedGrid {
    match read_results(path).unwrap() {
        Results::Grid(grid) => *grid,
        Results::Run(run) => panic!("{} is a run", run.path.display()),
        Results::Audit(audit) => panic!("{} is an audit", audit.path.display()),
    }
}

#[test]
fn a_finished_grid_reads_as_it_was_written() {
    let out = tempdir().unwrap();
    let (mut folder, cells) = written(out.path(), &[direct(), promote()], 2, 0);
    let path = folder.path().to_owned();
    assert!(!fs::exists(out.path().join("latest")).unwrap(), "it has nothing to show yet");
    folder.point_latest();
    let recorded = folder.recorded(cells, &ended(0));
    folder.finish(&recorded).unwrap();
    let again = read_grid(&out.path().join("latest"));
    assert_eq!((&again.path, &again.grid, &again.summary), (&path, &recorded.grid, &recorded.summary));
    let stored = |name: &str| fs::read_to_string(path.join(name)).unwrap();
    assert_eq!(stored("summary.md"), markdown::grid(&again));
    assert_eq!(stored("junit.xml"), junit::grid(&again));
    assert_eq!(stored("summary.json"), json::grid(&again));
    let mut names: Vec<_> =
        fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["cells", "grid.json", "junit.xml", "summary.json", "summary.md"]);
    assert!(matches!(read_results(&path.join("cells/direct-fills-strict")).unwrap(), Results::Run(_)));
}

#[test]
fn a_grid_whose_supervisor_died_shows_what_there_is() {
    let out = tempdir().unwrap();
    let (folder, _) = written(out.path(), &[direct(), atomic(), promote()], 1, 700);
    let path = folder.path().to_owned();
    assert_eq!(read_grid(&path).summary.completion.stopped.as_deref(), Some("still running"));
    drop(folder);
    let grid = read_grid(&path);
    assert_eq!(grid.summary.completion.stopped.as_deref(), Some("the supervisor ended without a report"));
    assert_eq!((grid.summary.completion.complete, grid.summary.completion.exit_code), (false, None));
    let standings: Vec<Conformance> = grid.summary.cells.iter().map(|cell| cell.conformance).collect();
    assert_eq!(standings, [Conformance::AsDocumented, Conformance::Incomplete, Conformance::NotRun]);
    assert_eq!(grid.summary.results.iter().map(|row| row.trials).sum::<u64>(), 1070 + 700);
    let text = text::grid(&grid, Terminal::plain(80));
    assert!(text.contains("INCOMPLETE (the supervisor ended without a report): 1 of 3 cells"), "{text}");
}

#[test]
fn a_grid_that_lost_a_cell_since_is_incomplete() {
    let out = tempdir().unwrap();
    let (folder, cells) = written(out.path(), &[direct(), promote()], 2, 0);
    let recorded = folder.recorded(cells, &ended(0));
    let path = folder.path().to_owned();
    folder.finish(&recorded).unwrap();
    fs::remove_dir_all(path.join("cells/direct-fills-strict")).unwrap();
    let grid = read_grid(&path);
    assert!(!grid.summary.completion.complete);
    assert_eq!(grid.summary.completion.stopped.as_deref(), Some("the cells and summary.json disagree"));
}

#[test]
fn what_an_override_expects_replaces_what_is_documented() {
    let mut recorded = two();
    let torn = Expectation { must: vec![Verdict::Torn], ..Expectation::default() };
    recorded.grid.cells[1].expect = BTreeMap::from([(Fault::Kill, torn)]);
    let summary = summarise_grid(&recorded.grid, &recorded.cells, &ended(1));
    assert_eq!(summary.cells[1].conformance, Conformance::Differs);
    assert_eq!(summary.cells[1].by_fault[1].missing, [Verdict::Torn]);
}
