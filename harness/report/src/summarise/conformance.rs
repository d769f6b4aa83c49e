//! Whether a cell shows what is documented: each verdict that must show, at least one of those of which one must, nothing else.
//!
//! A positive control that stops failing is as bad as a claim that starts to: both are `Differs`. The ground truth speaks of a
//! state that was installed, so what *must* show is looked for there. What is not documented is looked for in every row, and first
//! starts have their own documentation. Each fault has its own, and a sweep that does not show what must has missed nothing: it differs.

use std::collections::BTreeSet;

use crashtest_model::{Conformance, Expectations, Fault, FaultConformance, ResultRow, Start, Summary, Verdict};

/// The fewest judged kills that say something by not showing what shows in one of a hundred.
const ENOUGH: u64 = 200;
/// The exit status of a run whose control failed.
const CONTROL_FAILED: u8 = 4;

/// The conformance of a cell, fault by fault: `planned` are its faults (the control is always among them).
///
/// `summary` is what it came to; `None` where it has not been run.
#[must_use]
pub fn conformance(planned: &[Fault], expect: &Expectations, summary: Option<&Summary>) -> Vec<FaultConformance> {
    let faults: BTreeSet<Fault> = [Fault::None].into_iter().chain(planned.iter().copied()).collect();
    faults.into_iter().map(|fault| conformance_under(fault, expect, summary)).collect()
}

/// The worst of a cell's faults, which is the conformance of the cell.
#[must_use]
pub fn overall(conformance: &[FaultConformance]) -> Conformance {
    conformance.iter().map(|fault| fault.conformance).min().unwrap_or(Conformance::NotRun)
}

fn conformance_under(fault: Fault, expect: &Expectations, summary: Option<&Summary>) -> FaultConformance {
    let expected = expect.get(&fault).cloned().unwrap_or_default();
    let rows: Vec<&ResultRow> =
        summary.iter().flat_map(|summary| &summary.results).filter(|row| row.fault == fault).collect();
    let violations = |rows: &[&ResultRow]| -> BTreeSet<Verdict> {
        rows.iter().flat_map(|row| row.verdicts.keys().copied()).filter(|verdict| verdict.is_violation()).collect()
    };
    let installed: Vec<&ResultRow> = rows.iter().copied().filter(|row| row.start != Some(Start::First)).collect();
    let shown = violations(&installed);
    let first_starts = rows.iter().filter(|row| row.start == Some(Start::First)).flat_map(|row| &row.findings);
    let undocumented = first_starts.filter(|finding| !finding.documented).map(|finding| finding.verdict);
    // An inconclusive trial is no statement about a target, so none can be asked for.
    let wanted = |verdicts: &[Verdict]| -> Vec<Verdict> {
        verdicts.iter().copied().filter(|verdict| verdict.is_violation()).collect()
    };
    let unexpected: BTreeSet<Verdict> =
        shown.iter().copied().filter(|verdict| !expected.allows(*verdict)).chain(undocumented).collect();
    let unexpected: Vec<Verdict> = unexpected.into_iter().collect();
    let missing: Vec<Verdict> = wanted(&expected.must).into_iter().filter(|verdict| !shown.contains(verdict)).collect();
    let mut none_of = wanted(&expected.one_of);
    if none_of.iter().any(|verdict| shown.contains(verdict)) {
        none_of.clear();
    }
    let judged: u64 = installed
        .iter()
        .flat_map(|row| &row.verdicts)
        .filter(|(verdict, _)| **verdict != Verdict::Inconclusive)
        .map(|(_, n)| n.count)
        .sum();
    // What was drawn at random may have been missed; of what is exhaustive nothing was.
    let too_few = fault == Fault::Kill && judged < ENOUGH;
    let mut reasons: Vec<String> = rows.iter().flat_map(|row| row.conclusiveness.reasons.clone()).collect();
    if rows.is_empty() && summary.is_some() {
        reasons.push("no trial was run".to_owned());
    }
    if (!missing.is_empty() || !none_of.is_empty()) && too_few {
        reasons.push(format!("what must show did not in {judged} judged trials, too few to miss it"));
    }
    let control_failed =
        fault == Fault::None && summary.is_some_and(|s| s.completion.exit_code == Some(CONTROL_FAILED));
    let gated = !reasons.is_empty() || rows.iter().any(|row| !row.conclusiveness.passed);
    let conformance = match summary {
        None => Conformance::NotRun,
        Some(_) if control_failed || (fault == Fault::None && !unexpected.is_empty()) => Conformance::ControlFailed,
        Some(_) if !unexpected.is_empty() => Conformance::Differs,
        Some(summary) if !summary.completion.complete && !is_over(fault, summary) => Conformance::Incomplete,
        Some(_) if gated => Conformance::Inconclusive,
        Some(_) if (!missing.is_empty() || !none_of.is_empty()) && too_few => Conformance::Inconclusive,
        Some(_) if !missing.is_empty() || !none_of.is_empty() => Conformance::Differs,
        Some(_) => Conformance::AsDocumented,
    };
    FaultConformance {
        fault,
        conformance,
        expected,
        seen: shown.into_iter().collect(),
        unexpected,
        missing,
        none_of,
        reasons,
    }
}

/// Whether all of `fault` was run though the cell did not come to its end: the control is over before anything else begins.
fn is_over(fault: Fault, summary: &Summary) -> bool {
    fault == Fault::None && summary.results.iter().any(|row| row.fault != Fault::None && row.trials > 0)
}
