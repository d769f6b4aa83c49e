//! Explanations and fixes, over verdicts and phases: what they say, and that they always say something.

#[expect(dead_code, reason = "the other test files use the rest")]
mod common;

use std::collections::BTreeSet;

use common::{control, empty, intact, reset, torn};
use crashtest_model::{Digest, Generation, Observed, Outcome, RawState, Shape, Termination, TrialRecord, Verdict};
use crashtest_report::{explanation, fix};

fn with(mut record: TrialRecord, verdict: Verdict, phase: &str, raw: RawState) -> TrialRecord {
    record.outcome = Outcome::Judged(verdict);
    record.phase = phase.into();
    if let Some(file) = &mut record.raw {
        file.state = raw;
        file.length = file.length.filter(|_| raw != RawState::Missing);
    }
    record
}

#[test]
fn failures_are_explained_in_plain_words() {
    let observed = |record: TrialRecord, observed| TrialRecord { observed: Some(observed), ..record };
    let older = Observed::State { generation: Some(Generation(1)), digest: Digest(1), missing: vec![], mixed: vec![] };
    let damaged_earlier = TrialRecord { damaged_in: Some("save:in-write".into()), ..torn(4) };
    let records = [
        reset(4),
        torn(4),
        empty(4),
        with(empty(4), Verdict::Empty, "init:after-create", RawState::Empty),
        with(empty(4), Verdict::Empty, "save:after-rename", RawState::Empty),
        with(torn(4), Verdict::Torn, "save:after-write", RawState::Partial),
        with(torn(4), Verdict::Torn, "save:in-write", RawState::ZeroFilled),
        with(torn(4), Verdict::AcceptedGarbage, "save:in-write", RawState::Other),
        with(torn(4), Verdict::Missing, "save:after-unlink", RawState::Missing),
        observed(with(intact(4), Verdict::LostAck, "save:in-rename", RawState::Whole), older.clone()),
        observed(with(control(4), Verdict::LostAck, "close-down", RawState::Whole), older),
        observed(torn(4), Observed::Crashed { how: "panic: index out of bounds".into() }),
        observed(with(torn(4), Verdict::WontOpen, "recovery", RawState::Whole), Observed::Hung { limit_ms: 2000 }),
        with(intact(4), Verdict::Residue, "idle", RawState::Whole),
        with(damaged_earlier, Verdict::Torn, "recovery:in-read", RawState::Partial),
    ];
    let mut text = String::new();
    for record in records {
        let phase = record.damaged_in.as_ref().unwrap_or(&record.phase);
        let verdict = record.verdict().unwrap();
        text.push_str(&format!(
            "{verdict}, {phase}\n  {}\n  fix: {}\n",
            explanation(&record),
            fix(&record, crashtest_model::Shape::Document)
        ));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn crash_points_and_failing_calls_are_explained_in_plain_words() {
    let gave_up = TrialRecord { termination: Termination::Exit { status: 1 }, ..common::short_write(3) };
    let records = [common::swept_torn(7), common::swept_twice(211), common::short_write(3), gave_up];
    let said = records.map(|record| format!("{}\n  fix: {}\n", explanation(&record), fix(&record, Shape::Document)));
    insta::assert_snapshot!(said.concat());
}

#[test]
fn every_verdict_in_every_phase_has_an_explanation_and_a_fix() {
    let phases =
        ["starting", "init:in-mkdir", "recovery:after-lock", "idle", "save:in-fsync-dir", "close-down", "new:in-x", ""];
    let files = [RawState::Whole, RawState::Partial, RawState::Empty, RawState::Missing, RawState::Other];
    // An explanation is: when; what the file was like, where it was damaged; what came of it.
    let (mut moments, mut said) = (BTreeSet::new(), String::new());
    for verdict in Verdict::ALL.into_iter().filter(|verdict| verdict.is_violation()) {
        let mut lines = BTreeSet::new();
        for phase in phases {
            for raw in files {
                for base in [intact(0), control(0), torn(0)] {
                    let record = with(base, verdict, phase, raw);
                    let explanation = explanation(&record);
                    let (moment, rest) = explanation.split_once(": ").expect("it says when");
                    let outcome = rest.rsplit("; ").next().unwrap_or_default();
                    moments.insert(moment.to_owned());
                    lines.extend([format!("  {outcome}\n"), format!("  fix: {}\n", fix(&record, Shape::Document))]);
                }
            }
        }
        said.push_str(&format!("{verdict}\n"));
        said.extend(lines);
    }
    insta::assert_snapshot!(format!("{}\n\n{said}", Vec::from_iter(moments).join("\n")));
}

#[test]
fn a_whole_file_is_never_called_damaged() {
    let record = with(intact(0), Verdict::SilentReset, "save:after-create", RawState::Whole);
    let text = explanation(&record);
    assert!(!text.contains("emptied") && !text.contains("the file held"), "{text}");
    assert!(
        !fix(&record, crashtest_model::Shape::Document).contains("temporary"),
        "{}",
        fix(&record, crashtest_model::Shape::Document)
    );
}

#[test]
fn the_fix_for_a_call_that_failed_is_about_that_call() {
    use crashtest_model::FailedCall::*;
    let mut said = String::new();
    for call in
        [Open, WriteAside, Append, WriteInPlace, SyncAppended, Sync, SyncDirectory, Name, Remove, Close, Read, Other]
    {
        for verdict in [Verdict::FalseAck, Verdict::SilentReset, Verdict::Torn] {
            let mut record = common::short_write(3);
            record.outcome = Outcome::Judged(verdict);
            record.detail.as_mut().unwrap().failed_call = Some(call);
            said.push_str(&format!("{call:?}, {verdict}: {}\n", fix(&record, Shape::Document)));
        }
    }
    insta::assert_snapshot!(said);
}
