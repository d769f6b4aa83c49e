//! The summary of a run: counts become rates, classes of failures become findings, what was not tested is named.

use std::collections::BTreeMap;
use std::path::Path;

use crashtest_model::{
    AckLatency, Ages, Claim, Completion, Conclusiveness, Consequence, Coverage, FORMAT, Fault, Finding, Group,
    Interval, LostAcksCount, Quantiles, ResultRow, Rows, RunRecord, Signal, Start, Summary, Tally, Verdict,
    VerdictCount, vacuity,
};

use super::interval::exact_interval;
use super::not_tested::not_tested;
use crate::explain::{explanation, fix};
use crate::folder::index::EvidenceIndex;
use crate::folder::layout;

/// The summary of the `rows` of `run`, whose folder is `path` (it goes into replay lines) and holds `evidence`.
#[must_use]
pub fn summarise_run(
    path: &Path,
    run: &RunRecord,
    rows: &Rows,
    completion: &Completion,
    evidence: &EvidenceIndex,
) -> Summary {
    let row = |fault, start, tally: &Tally| result_row(path, run, fault, start, tally, evidence);
    let mut results: Vec<ResultRow> = rows
        .iter()
        .filter(|(fault, _, _)| *fault == Fault::None)
        .map(|(fault, start, tally)| row(fault, start, tally))
        .collect();
    // Where a fault is planned and no trial of it was run, that is what the summary must say.
    let none = Some(Tally::default());
    for fault in Fault::ALL.into_iter().filter(|fault| *fault != Fault::None) {
        let planned = if run.plan.faults.contains(&fault) { none.as_ref() } else { None };
        let again = rows.get(fault, Start::Again).or(planned);
        results.extend(again.map(|tally| row(fault, Start::Again, tally)));
        results.extend(rows.get(fault, Start::First).map(|tally| row(fault, Start::First, tally)));
    }
    Summary { format: FORMAT.to_owned(), completion: completion.rounded(), results, not_tested: not_tested(&run.plan) }
}

fn result_row(
    path: &Path,
    run: &RunRecord,
    fault: Fault,
    start: Start,
    tally: &Tally,
    evidence: &EvidenceIndex,
) -> ResultRow {
    let faulty = fault != Fault::None;
    let target = &run.plan.target;
    let reasons = vacuity(fault, start, tally);
    let judged: u64 = tally.verdicts.values().sum();
    let conclusive = judged - tally.count(Verdict::Inconclusive);
    // A share of the trials that came to a verdict; only the inconclusive ones themselves are a share of all.
    let total = |verdict| if verdict == Verdict::Inconclusive { judged } else { conclusive };
    let verdicts = tally.verdicts.iter().filter_map(|(verdict, count)| {
        let interval = share(fault, *count, total(*verdict))?;
        Some((*verdict, VerdictCount { count: *count, interval }))
    });
    let mut findings: Vec<Finding> =
        tally.groups.iter().map(|(signature, group)| finding(path, run, fault, signature, group, evidence)).collect();
    findings.sort_by(|a, b| a.order().cmp(&b.order()).then_with(|| a.signature.cmp(&b.signature)));
    as_for_the_first_kill(&mut findings);
    ResultRow {
        target: target.strategy.clone(),
        workload: target.workload.clone(),
        loader: target.loader,
        fault,
        signal: signal(run, fault, start),
        start: faulty.then_some(start),
        preset: None,
        trials: tally.trials,
        coverage: tally.coverage.clone().map(|coverage| Coverage { nested: tally.nested, ..coverage }),
        kills_landed: faulty.then_some(tally.kills_landed),
        kills_in_save: faulty.then_some(tally.kills_in_save),
        kills_late: faulty.then_some(tally.kills_late),
        recovery_killed: faulty.then_some(tally.recovery_killed),
        acked: tally.acked,
        saves_per_second: (tally.saving_ns > 0 && tally.acked > 0)
            .then(|| (tally.acked as f64 * 1e9 / tally.saving_ns as f64).round()),
        ack_latency_ns: ack_latency(tally),
        lost_acks: lost_acks(tally),
        residue_counts: tally.residue_counts,
        metadata: tally.metadata,
        unchecked: run.plan.program.as_ref().is_some_and(|program| program.check.is_none()),
        sensitivity: tally.sensitivity.clone(),
        acks_per_life: quantiles(tally),
        distinct_states: faulty.then(|| tally.crash_states.len()),
        distinct_recovered: Some(tally.recovered.len()).filter(|_| tally.trials > 0),
        phases: tally.phases.clone(),
        gaps: tally.gaps.clone(),
        verdicts: verdicts.collect(),
        failure_rate: share(fault, tally.violations(), conclusive),
        raw: tally.raw.iter().map(|(state, count)| (state.name().to_owned(), *count)).collect(),
        consequences: if faulty { consequences(run, tally) } else { Vec::new() },
        conclusiveness: Conclusiveness { passed: reasons.is_empty(), reasons },
        findings,
    }
}

/// Gives a failure after two kills the fix of the same after one: what prevents the one prevents the other.
fn as_for_the_first_kill(findings: &mut [Finding]) {
    let first: BTreeMap<Verdict, String> = findings
        .iter()
        .rev()
        .filter(|finding| !finding.takes_two_kills())
        .map(|finding| (finding.verdict, finding.fix.clone()))
        .collect();
    // What a recovery does is none of that.
    let in_recovery = |finding: &Finding| finding.first.phase.starts_with("again:recovery");
    for finding in findings.iter_mut().filter(|finding| finding.takes_two_kills() && !in_recovery(finding)) {
        if let Some(fix) = first.get(&finding.verdict) {
            finding.fix.clone_from(fix);
        }
    }
}

/// The interval of `count` in `trials`: an estimate where these were drawn, the share itself where they are all there are.
fn share(fault: Fault, count: u64, trials: u64) -> Option<Interval> {
    let estimate = exact_interval(count, trials)?;
    Some(if fault.is_exhaustive() { Interval::exactly(estimate.rate) } else { estimate })
}

/// The signal that ended the lives of a row, where that was at a random moment.
fn signal(run: &RunRecord, fault: Fault, start: Start) -> Option<Signal> {
    (fault == Fault::Kill).then_some(match start {
        // Before anything was promised there is nothing to stop cleanly for.
        Start::First => Signal::Kill,
        Start::Again => run.plan.signal,
    })
}

fn ack_latency(tally: &Tally) -> Option<AckLatency> {
    let at = |q| tally.ack_latency.quantile(q);
    Some(AckLatency { p50: at(0.5)?, p99: at(0.99)? })
}

fn lost_acks(tally: &Tally) -> Option<LostAcksCount> {
    let lost = &tally.lost;
    let ages = || {
        let at = |q| lost.ages.quantile(q);
        Some(Ages { p10: at(0.1)?, median: at(0.5)?, p90: at(0.9)?, max: lost.ages.longest()?, older: lost.older })
    };
    (lost.trials > 0).then(|| LostAcksCount { trials: lost.trials, updates: lost.updates, age_ns: ages() })
}

fn quantiles(tally: &Tally) -> Option<Quantiles> {
    let at = |q| tally.acks_per_life.quantile(q);
    Some(Quantiles { p10: at(0.1)?, median: at(0.5)?, p90: at(0.9)? })
}

/// The costs of the failures, in the order of the workload's phrases. Those without a phrase go last, under their keys.
fn consequences(run: &RunRecord, tally: &Tally) -> Vec<Consequence> {
    let counts = &tally.consequences.0;
    let phrases = &run.workload.phrases;
    let said = phrases.iter().filter_map(|phrase| {
        let count = *counts.get(&phrase.key)?;
        Some(Consequence { key: phrase.key.clone(), count, words: phrase.words.clone() })
    });
    let unsaid = counts.iter().filter(|(key, _)| phrases.iter().all(|phrase| phrase.key != **key));
    let unsaid = unsaid.map(|(key, count)| Consequence { key: key.clone(), count: *count, words: key.clone() });
    said.chain(unsaid).filter(|consequence| consequence.count > 0).collect()
}

fn finding(
    path: &Path,
    run: &RunRecord,
    fault: Fault,
    signature: &str,
    group: &Group,
    evidence: &EvidenceIndex,
) -> Finding {
    let signature = layout::finding_signature(run, signature);
    let expectation = run.strategy.expectation_of(&run.plan, fault, group.first.start);
    let evidence = evidence.get(&signature).cloned().unwrap_or_default();
    let replay = if evidence.is_empty() {
        replay_of_trial(path, group)
    } else {
        format!("crashtest replay {}", shell_word(&path.join(layout::FAILURES).join(&signature)))
    };
    Finding {
        verdict: group.verdict,
        claim: Claim::broken_by(group.verdict).unwrap_or(Claim::Atomic),
        documented: expectation.is_some_and(|expectation| expectation.allows(group.verdict)),
        detected: group.verdict.detected().unwrap_or(false),
        count: group.count,
        replay,
        explanation: explanation(&group.first),
        fix: fix(&group.first, run.strategy.shape),
        evidence,
        first: group.first.clone(),
        signature,
    }
}

/// The replay line of a trial whose files were not kept. Trials are numbered per fault and kind of start.
fn replay_of_trial(path: &Path, group: &Group) -> String {
    let fault = match group.first.fault {
        Fault::Kill => String::new(),
        fault => format!(" --fault {fault}"),
    };
    let start = match group.first.start {
        Start::First => " --start first",
        Start::Again => "",
    };
    format!("crashtest replay {} --trial {}{fault}{start}", shell_word(path), group.first.trial)
}

/// A path as a POSIX shell reads it back.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
