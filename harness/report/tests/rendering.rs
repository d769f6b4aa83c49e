//! Every text a user sees, for the same constructed runs in each format.

mod common;

use std::path::{Path, PathBuf};

use common::{atomic, atomic_trials, broken_everywhere, clean_in_part, direct, direct_trials, intact, rows, torn};
use crashtest_model::{
    Completion, Coverage, Fault, LostAcks, Note, Outcome, Rows, RunRecord, Termination, TrialRecord, Verdict,
};
use crashtest_report::render::{Color, Conclusion, Judgement, Terminal, json, junit, markdown, text};
use crashtest_report::{EvidenceIndex, Recorded, summarise_run};

fn ended(exit_code: u8) -> Completion {
    Completion { complete: true, stopped: None, exit_code: Some(exit_code), elapsed_s: Some(52.13) }
}

fn recorded(run: RunRecord, trials: &[TrialRecord], ending: &Completion, evidence: &[&str]) -> Recorded {
    recorded_with(run, trials, &[], ending, evidence)
}

fn recorded_with(
    run: RunRecord,
    trials: &[TrialRecord],
    notes: &[Note],
    ending: &Completion,
    evidence: &[&str],
) -> Recorded {
    let path = PathBuf::from(format!("results/20261121T025246Z-{}-fills-12345", run.strategy.name));
    let mut rows: Rows = rows(trials);
    notes.iter().for_each(|note| rows.note(note));
    let evidence: EvidenceIndex =
        evidence.iter().map(|name| ((*name).to_owned(), vec![format!("failures/{name}/trial-0")])).collect();
    let summary = summarise_run(&path, &run, &rows, ending, &evidence);
    Recorded { path, run, rows, summary, notes: vec![] }
}

fn broken() -> Recorded {
    let kept = ["direct-fills-strict.kill.torn.save-in-write", "direct-fills-strict.kill.empty.save-after-create"];
    recorded(direct(), &direct_trials(), &ended(1), &kept)
}

fn clean() -> Recorded {
    recorded(atomic(), &atomic_trials(), &ended(0), &[])
}

fn inconclusive() -> Recorded {
    let trials: Vec<TrialRecord> = (0..100)
        .map(|n| TrialRecord {
            termination: Termination::Signal { signal: 9 },
            in_save: false,
            outcome: Outcome::Judged(Verdict::Inconclusive),
            observed: None,
            ..intact(n)
        })
        .collect();
    recorded(atomic(), &trials, &ended(3), &[])
}

fn interrupted() -> Recorded {
    let ending =
        Completion { complete: false, stopped: Some("interrupted".into()), exit_code: Some(130), elapsed_s: Some(3.2) };
    recorded(atomic(), &atomic_trials()[..1400], &ending, &[])
}

fn control_failed() -> Recorded {
    let mut trials: Vec<TrialRecord> = (0..20).map(common::control).collect();
    trials[3].outcome = Outcome::Judged(Verdict::LostAck);
    let ending = Completion { stopped: Some("the control failed".into()), exit_code: Some(4), ..Completion::default() };
    recorded(atomic(), &trials, &ending, &[])
}

/// `direct` under every fault.
fn swept() -> Recorded {
    let mut run = direct();
    run.plan.faults = vec![Fault::Kill, Fault::Sweep, Fault::Io];
    let kept = ["direct-fills-strict.sweep.torn.save-in-write"];
    recorded_with(run, &broken_everywhere(), &[common::note_of_broken_everywhere()], &ended(1), &kept)
}

/// `atomic`, swept in part and made to fail.
fn swept_in_part() -> Recorded {
    let mut run = atomic();
    run.plan.faults = vec![Fault::Sweep, Fault::Io];
    recorded_with(run, &clean_in_part(), &[common::swept_note(common::recording(8968))], &ended(0), &[])
}

#[test]
fn a_terminal_shows_a_sweep_and_failing_calls() {
    insta::assert_snapshot!(text::run(&swept(), Terminal::plain(80)));
    insta::assert_snapshot!("a_terminal_of_160_columns_shows_a_sweep", text::run(&swept(), Terminal::plain(160)));
}

#[test]
fn a_terminal_shows_a_sweep_in_part_that_broke_nothing() {
    insta::assert_snapshot!(text::run(&swept_in_part(), Terminal::plain(80)));
}

#[test]
fn markdown_shows_a_sweep_and_failing_calls() {
    insta::assert_snapshot!(markdown::run(&swept()));
}

#[test]
fn junit_shows_a_sweep_and_failing_calls() {
    insta::assert_snapshot!(junit::run(&swept()));
}

#[test]
fn what_is_exhaustive_has_a_share_and_no_interval() {
    let recorded = swept_in_part();
    let json: serde_json::Value = serde_json::from_str(&json::run(&recorded)).unwrap();
    let sweep = &json["results"][1];
    assert_eq!((&sweep["fault"], &sweep["swept"]["left_out"]), (&"sweep".into(), &8968.into()));
    assert_eq!(sweep["failure_rate"], serde_json::json!({"rate": 0.0, "low": 0.0, "high": 0.0}));
    let sentence = Conclusion::new(&recorded).sentence;
    assert_eq!(sentence, "NO BROKEN CLAIM in 412 of 9,380 crash points and all 96 failing calls");
    for text in [text::run(&recorded, Terminal::plain(80)), markdown::run(&recorded), junit::run(&recorded)] {
        let said = text.lines().filter(|line| line.contains("sweep") || line.contains("crash point"));
        assert!(said.clone().count() > 0);
        said.for_each(|line| assert!(!line.contains("at most") && !line.contains("95 %)"), "{line}"));
    }
}

#[test]
fn an_interrupted_sweep_counts_what_it_had_still_to_ask() {
    let mut run = atomic();
    run.plan.faults = vec![Fault::Sweep];
    let ending = Completion { complete: false, stopped: Some("interrupted".into()), ..ended(130) };
    let known = Coverage { points: 1_000, points_again: 200, ..common::recording(0) };
    let recorded = recorded_with(run, &clean_in_part(), &[common::swept_note(known)], &ending, &[]);
    let said = text::run(&recorded, Terminal::plain(80));
    assert!(said.contains("0 of 412 crash points broke a claim; 788 not asked"), "{said}");
}

#[test]
fn lost_acks_are_counted_among_the_trials_that_were_judged() {
    let trials = (0..10).map(|n| match n {
        0..3 => TrialRecord {
            lost: Some(LostAcks { updates: 2, age_ns: None, at_least: false }),
            outcome: Outcome::Judged(Verdict::LostAck),
            ..common::swept(n)
        },
        3..5 => TrialRecord { outcome: Outcome::Unreached, ..common::swept(n) },
        _ => common::swept(n),
    });
    let recorded = recorded(atomic(), &trials.collect::<Vec<_>>(), &ended(1), &[]);
    for text in [text::run(&recorded, Terminal::plain(80)), markdown::run(&recorded)] {
        assert!(text.contains("3 of 8 crash points broke a claim"), "{text}");
        assert!(text.contains("lost acks: 6 acknowledged updates in 3 of 8 crash points"), "{text}");
    }
}

#[test]
fn a_fault_that_was_planned_and_not_run_proves_nothing() {
    let mut run = atomic();
    run.plan.faults = vec![Fault::Sweep];
    let recorded = recorded(run, &(0..20).map(common::control).collect::<Vec<_>>(), &ended(3), &[]);
    assert_eq!(Conclusion::new(&recorded).sentence, "INCONCLUSIVE: sweep: no trial was run");
}

#[test]
fn a_terminal_of_80_columns_shows_the_broken_run() {
    insta::assert_snapshot!(text::run(&broken(), Terminal::plain(80)));
}

#[test]
fn a_terminal_of_160_columns_shows_the_broken_run() {
    insta::assert_snapshot!(text::run(&broken(), Terminal::plain(160)));
}

#[test]
fn a_terminal_of_80_columns_shows_the_clean_run() {
    insta::assert_snapshot!(text::run(&clean(), Terminal::plain(80)));
}

#[test]
fn a_terminal_of_160_columns_shows_the_clean_run() {
    insta::assert_snapshot!(text::run(&clean(), Terminal::plain(160)));
}

#[test]
fn a_terminal_shows_the_inconclusive_run() {
    insta::assert_snapshot!(text::run(&inconclusive(), Terminal::plain(80)));
}

#[test]
fn a_terminal_shows_the_interrupted_run() {
    insta::assert_snapshot!(text::run(&interrupted(), Terminal::plain(80)));
}

#[test]
fn a_terminal_shows_the_run_whose_control_failed() {
    insta::assert_snapshot!(text::run(&control_failed(), Terminal::plain(80)));
}

#[test]
fn markdown_shows_the_broken_run() {
    insta::assert_snapshot!(markdown::run(&broken()));
}

#[test]
fn markdown_shows_the_clean_run() {
    insta::assert_snapshot!(markdown::run(&clean()));
}

#[test]
fn junit_shows_the_broken_run() {
    insta::assert_snapshot!(junit::run(&broken()));
}

#[test]
fn junit_shows_the_clean_run() {
    insta::assert_snapshot!(junit::run(&clean()));
}

#[test]
fn junit_shows_the_inconclusive_run() {
    insta::assert_snapshot!(junit::run(&inconclusive()));
}

#[test]
fn junit_shows_the_interrupted_run() {
    insta::assert_snapshot!(junit::run(&interrupted()));
}

#[test]
fn json_shows_the_broken_run() {
    insta::assert_snapshot!(json::run(&broken()));
}

#[test]
fn json_shows_the_clean_run() {
    insta::assert_snapshot!(json::run(&clean()));
}

#[test]
fn only_paths_and_replay_lines_are_wider_than_the_terminal() {
    for recorded in [broken(), clean(), inconclusive(), interrupted(), control_failed(), swept(), swept_in_part()] {
        for width in [60, 80, 100, 120, 160, 200] {
            for line in text::run(&recorded, Terminal::plain(width)).lines() {
                let free = line.starts_with("results: ") || line.starts_with("     replay  ");
                assert!(free || line.chars().count() <= usize::from(width), "{width}: {line}");
            }
        }
    }
}

#[test]
fn colours_change_nothing_but_the_colours() {
    let coloured = text::run(&broken(), Terminal { width: 80, color: Color::Always });
    assert!(coloured.contains("\u{1b}["));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    let trimmed = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(trimmed(&plain), trimmed(&text::run(&broken(), Terminal::plain(80))));
}

#[test]
fn each_kind_of_run_comes_to_its_own_judgement() {
    let judgement = |recorded: &Recorded| Conclusion::new(recorded).judgement;
    assert_eq!(judgement(&broken()), Judgement::Broken);
    assert_eq!(judgement(&clean()), Judgement::Unbroken);
    assert_eq!(judgement(&inconclusive()), Judgement::Inconclusive);
    assert_eq!(judgement(&interrupted()), Judgement::Incomplete);
    assert_eq!(judgement(&control_failed()), Judgement::ControlFailed);
    assert_eq!(judgement(&recorded(atomic(), &[], &ended(3), &[])), Judgement::Inconclusive);
}

#[test]
fn no_format_calls_a_run_safe() {
    for text in
        [text::run(&clean(), Terminal::plain(80)), markdown::run(&clean()), junit::run(&clean()), json::run(&clean())]
    {
        assert!(!text.to_lowercase().contains("safe"), "{text}");
    }
}

#[test]
fn the_words_of_a_target_cannot_steer_a_terminal_or_break_the_formats() {
    let hostile = "\u{1b}[2J</failure>]]>&\u{0}|`<script>\n\n# title".repeat(40);
    let mut record = torn(0);
    record.observed = Some(crashtest_model::Observed::Refused { why: hostile, damage: None });
    let recorded = recorded(direct(), &[record], &ended(1), &[]);
    assert!(!text::run(&recorded, Terminal::plain(80)).contains('\u{1b}'));
    let markdown = markdown::run(&recorded);
    assert!(!markdown.contains("<script>") && !markdown.contains("\n# title"));
    let junit = junit::run(&recorded);
    assert!(!junit.contains('\u{1b}') && !junit.contains('\u{0}'));
    assert_eq!(junit.matches("</failure>").count(), 1);
}

#[test]
fn a_job_summary_of_a_run_with_thousands_of_classes_stays_below_one_mebibyte() {
    let trials: Vec<TrialRecord> = (0..3000)
        .map(|n| {
            let mut record = torn(n);
            record.phase = format!("save:in-write-{n}-{}", "x".repeat(300));
            record.gap = Some(format!("gap {n} {}", "|".repeat(300)));
            record.observed = Some(crashtest_model::Observed::Refused { why: "<|".repeat(5000), damage: None });
            record.consequences.count(&format!("key {n} {}", "_".repeat(5000)), 1);
            record
        })
        .collect();
    let recorded = recorded(direct(), &trials, &ended(1), &[]);
    assert!(markdown::run(&recorded).len() < 1 << 20, "{}", markdown::run(&recorded).len());
}

#[test]
fn junit_has_one_case_per_claim_with_unique_names() {
    let text = junit::run(&broken());
    let names: Vec<&str> =
        text.split("<testcase name=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!((names.len(), unique.len()), (9, 9), "{names:?}");
}

#[test]
fn replay_lines_can_be_pasted_into_a_shell() {
    let rows = rows(&[torn(3)]);
    let summary = summarise_run(Path::new("my results/it's"), &direct(), &rows, &ended(1), &EvidenceIndex::new());
    assert_eq!(summary.results[0].findings[0].replay, r"crashtest replay 'my results/it'\''s' --trial 3");
}

#[test]
fn an_undocumented_verdict_is_marked_in_the_finding() {
    let documented: Vec<(Verdict, bool)> =
        broken().summary.results[1].findings.iter().map(|finding| (finding.verdict, finding.documented)).collect();
    assert_eq!(documented, [(Verdict::SilentReset, false), (Verdict::Torn, true), (Verdict::Empty, true)]);
}
