//! The laws by which a cell stands to its ground truth.

#[expect(dead_code, reason = "the other test files use the rest")]
mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{control, direct, intact, rows};
use crashtest_model::{
    Completion, Conformance, Expectation, Fault, Outcome, Summary, Termination, TrialRecord, Verdict,
};
use crashtest_report::{EvidenceIndex, conformance, overall, summarise_run};
use proptest::prelude::*;
use proptest::sample::subsequence;

/// The summary of a cell whose kills came to `kills` and whose clean stops came to `controls`, each twice.
fn cell(controls: &[Verdict], kills: &[Verdict], complete: bool) -> Summary {
    let with = |verdict: Verdict, record: TrialRecord| TrialRecord { outcome: Outcome::Judged(verdict), ..record };
    let controls = controls.iter().flat_map(|verdict| (0..2).map(|n| with(*verdict, control(n))));
    let kills = kills.iter().flat_map(|verdict| (0..2).map(|n| with(*verdict, intact(n + 1))));
    // Enough intact kills of two generations to pass the gate.
    let enough = (10..230).map(intact);
    let trials: Vec<TrialRecord> = (0..5).map(control).chain(controls).chain(kills).chain(enough).collect();
    let ending = Completion { complete, ..Completion::default() };
    summarise_run(Path::new("results/run"), &direct(), &rows(&trials), &ending, &EvidenceIndex::new())
}

fn stands(expected: &Expectation, summary: &Summary) -> Conformance {
    let expect = BTreeMap::from([(Fault::Kill, expected.clone())]);
    overall(&conformance(&[Fault::Kill], &expect, Some(summary)))
}

fn violations() -> Vec<Verdict> {
    Verdict::ALL.into_iter().filter(|verdict| verdict.is_violation()).collect()
}

prop_compose! {
    fn some_verdicts()(verdicts in subsequence(violations(), 0..=6)) -> Vec<Verdict> { verdicts }
}

prop_compose! {
    fn expectations()(must in some_verdicts(), one_of in some_verdicts(), may in some_verdicts()) -> Expectation {
        Expectation { must, one_of, may }
    }
}

proptest! {
    #[test]
    fn a_verdict_that_is_not_documented_always_differs(expected in expectations(), seen in some_verdicts(), complete: bool) {
        let allowed = |verdict: &Verdict| expected.allows(*verdict);
        prop_assume!(!seen.iter().all(allowed));
        prop_assert_eq!(stands(&expected, &cell(&[], &seen, complete)), Conformance::Differs);
    }

    #[test]
    fn a_verdict_that_must_show_and_does_not_always_differs(expected in expectations(), seen in some_verdicts()) {
        prop_assume!(expected.must.iter().any(|verdict| !seen.contains(verdict)));
        prop_assert_eq!(stands(&expected, &cell(&[], &seen, true)), Conformance::Differs);
    }

    #[test]
    fn what_may_show_need_not(must in some_verdicts(), may in some_verdicts()) {
        let expected = Expectation { must: must.clone(), one_of: vec![], may };
        prop_assert_eq!(stands(&expected, &cell(&[], &must, true)), Conformance::AsDocumented);
    }

    #[test]
    fn one_of_those_of_which_one_must_is_enough(one_of in subsequence(violations(), 1..=6), n in 0usize..6) {
        let expected = Expectation { must: vec![], one_of: one_of.clone(), may: vec![] };
        let seen = one_of[n % one_of.len()];
        prop_assert_eq!(stands(&expected, &cell(&[], &[seen], true)), Conformance::AsDocumented);
        prop_assert_eq!(stands(&expected, &cell(&[], &[], true)), Conformance::Differs);
    }

    #[test]
    fn a_control_that_shows_what_is_not_documented_is_a_failed_control(
        seen in subsequence(violations(), 1..=3), kills in some_verdicts(), expected in expectations(),
    ) {
        prop_assert_eq!(stands(&expected, &cell(&seen, &kills, true)), Conformance::ControlFailed);
    }
}

#[test]
fn a_documented_failure_of_the_control_is_as_documented() {
    let expect =
        BTreeMap::from([(Fault::None, Expectation { must: vec![Verdict::FailedSave], ..Expectation::default() })]);
    let summary = cell(&[Verdict::FailedSave], &[], true);
    assert_eq!(overall(&conformance(&[Fault::Kill], &expect, Some(&summary))), Conformance::AsDocumented);
}

#[test]
fn a_cell_that_proves_nothing_is_inconclusive_whatever_must_show() {
    let trials: Vec<TrialRecord> =
        (0..10).map(|n| TrialRecord { termination: Termination::Signal { signal: 9 }, ..intact(n) }).collect();
    let trials: Vec<TrialRecord> = (0..5).map(control).chain(trials).collect();
    let ending = Completion { complete: true, ..Completion::default() };
    let summary = summarise_run(Path::new("run"), &direct(), &rows(&trials), &ending, &EvidenceIndex::new());
    let must = Expectation { must: vec![Verdict::Torn], ..Expectation::default() };
    assert_eq!(stands(&must, &summary), Conformance::Inconclusive);
    assert_eq!(stands(&Expectation::default(), &summary), Conformance::Inconclusive);
}

#[test]
fn what_must_show_is_not_missed_by_a_cell_without_an_end() {
    let must = Expectation { must: vec![Verdict::Torn], ..Expectation::default() };
    assert_eq!(stands(&must, &cell(&[], &[], false)), Conformance::Incomplete);
    assert_eq!(overall(&conformance(&[Fault::Kill], &BTreeMap::new(), None)), Conformance::NotRun);
}

#[test]
fn a_first_start_has_its_own_documentation_and_shows_nothing_that_must() {
    let summary = |verdict| {
        let mut trials: Vec<TrialRecord> = (0..5).map(control).chain((10..230).map(intact)).collect();
        trials.push(TrialRecord { outcome: Outcome::Judged(verdict), ..common::first_start(0) });
        let ending = Completion { complete: true, ..Completion::default() };
        summarise_run(Path::new("run"), &direct(), &rows(&trials), &ending, &EvidenceIndex::new())
    };
    let nothing = Expectation::default();
    let must = Expectation { must: vec![Verdict::Torn], ..Expectation::default() };
    assert_eq!(stands(&nothing, &summary(Verdict::Torn)), Conformance::AsDocumented);
    assert_eq!(stands(&must, &summary(Verdict::Torn)), Conformance::Differs, "what must show, must show in restarts");
    assert_eq!(stands(&nothing, &summary(Verdict::LostAck)), Conformance::Differs);
}

#[test]
fn a_sweep_that_misses_what_must_show_differs_however_small_it_is() {
    let with = |records: Vec<TrialRecord>| {
        let trials: Vec<TrialRecord> = (0..5).map(control).chain(records).collect();
        let ending = Completion { complete: true, ..Completion::default() };
        summarise_run(Path::new("run"), &direct(), &rows(&trials), &ending, &EvidenceIndex::new())
    };
    let reached = |n| TrialRecord { termination: Termination::Kill, ..common::swept(n) };
    let must = |verdict| Expectation { must: vec![verdict], ..Expectation::default() };
    let expect = BTreeMap::from([(Fault::Sweep, must(Verdict::Torn)), (Fault::Kill, must(Verdict::Empty))]);
    let stands = |summary: &Summary| overall(&conformance(&[Fault::Sweep], &expect, Some(summary)));
    let whole: Vec<TrialRecord> = (10..30).map(reached).collect();
    assert_eq!(stands(&with(whole.clone())), Conformance::Differs, "20 crash points are all there are");
    let torn = whole.iter().cloned().chain([common::swept_torn(3)]).collect();
    assert_eq!(
        stands(&with(torn)),
        Conformance::AsDocumented,
        "and what is documented of kills is not asked of a sweep"
    );
    let derived: Vec<TrialRecord> = (10..30).map(common::swept).collect();
    assert_eq!(stands(&with(derived)), Conformance::Inconclusive, "nothing was really killed");
}

#[test]
fn too_few_trials_to_miss_what_must_show_prove_nothing() {
    let trials: Vec<TrialRecord> = (0..5).map(control).chain((10..60).map(intact)).collect();
    let ending = Completion { complete: true, ..Completion::default() };
    let summary = summarise_run(Path::new("run"), &direct(), &rows(&trials), &ending, &EvidenceIndex::new());
    let must = Expectation { must: vec![Verdict::Torn], ..Expectation::default() };
    assert_eq!(stands(&must, &summary), Conformance::Inconclusive);
    assert_eq!(stands(&Expectation::default(), &summary), Conformance::AsDocumented);
}
