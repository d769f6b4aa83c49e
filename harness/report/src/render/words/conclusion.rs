//! The one sentence that a run comes to. In every format the same words, in the order of the exit codes.

use crashtest_model::{Claim, Fault, ResultRow, Start, Summary};

use super::row;
use crate::number::{Rounding, percent, thousands};
use crate::results::Recorded;

/// The kind of what a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// A clean stop already broke a claim that the target does not document: kills prove nothing then.
    ControlFailed,
    /// It did not come to its planned end.
    Incomplete,
    /// A claim is broken.
    Broken,
    /// The run proves nothing.
    Inconclusive,
    /// No claim was seen broken.
    Unbroken,
}

/// The conclusion of a run, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// The kind.
    pub judgement: Judgement,
    /// The sentence, without its full stop.
    pub sentence: String,
}

impl Conclusion {
    /// The conclusion of `recorded`.
    #[must_use]
    pub fn new(recorded: &Recorded) -> Conclusion {
        let summary = &recorded.summary;
        let judgement = judge(summary);
        let sentence = match judgement {
            Judgement::ControlFailed => control_sentence(summary),
            Judgement::Incomplete => incomplete_sentence(summary),
            Judgement::Broken => broken_sentence(summary),
            Judgement::Inconclusive => format!("INCONCLUSIVE: {}", gate_reasons(summary).join("; ")),
            Judgement::Unbroken => unbroken_sentence(summary),
        };
        Conclusion { judgement, sentence }
    }
}

fn judge(summary: &Summary) -> Judgement {
    if summary.completion.exit_code == Some(4) || control_failures(summary).next().is_some() {
        Judgement::ControlFailed
    } else if !summary.completion.complete {
        Judgement::Incomplete
    } else if broken_rows(summary).next().is_some() {
        Judgement::Broken
    } else if summary.results.iter().any(|row| !row.conclusiveness.passed) {
        Judgement::Inconclusive
    } else {
        Judgement::Unbroken
    }
}

/// The controls with failures that nobody documented.
fn control_failures(summary: &Summary) -> impl Iterator<Item = &ResultRow> {
    let controls = summary.results.iter().filter(|row| row.fault == Fault::None);
    controls.filter(|row| row.findings.iter().any(|finding| !finding.documented))
}

fn broken_rows(summary: &Summary) -> impl Iterator<Item = &ResultRow> {
    summary.results.iter().filter(|row| row::violations(row) > 0)
}

fn gate_reasons(summary: &Summary) -> Vec<String> {
    summary.results.iter().flat_map(row::gate_words).collect()
}

fn control_sentence(summary: &Summary) -> String {
    // Without an undocumented finding it is the run's own exit status that says so: a canary's control.
    let undocumented = control_failures(summary).next().is_some();
    let controls = summary.results.iter().filter(|row| row.fault == Fault::None);
    let parts: Vec<String> = controls
        .filter(|row| !undocumented || row.findings.iter().any(|finding| !finding.documented))
        .map(|control| format!("{} of {}", thousands(row::violations(control)), row::judged_words(control)))
        .collect();
    format!("CONTROL FAILED: {} broke a claim though nothing was injected: no kill can be judged", parts.join(", "))
}

fn incomplete_sentence(summary: &Summary) -> String {
    let why = summary.completion.stopped.as_deref().unwrap_or("it did not come to its end");
    if broken_rows(summary).next().is_some() {
        return format!("INCOMPLETE ({why}), and {}", broken_sentence(summary));
    }
    let faulty = summary.results.iter().filter(|row| row.fault != Fault::None && row.start != Some(Start::First));
    let failures = faulty.map(row::failures_words).collect::<Vec<_>>().join("; ");
    format!("INCOMPLETE ({why}): {failures}")
}

/// "BROKEN, as documented: direct is not atomic: 6,301 of 10,000 kills broke a claim, 0 of them undetected".
fn broken_sentence(summary: &Summary) -> String {
    let findings = || summary.results.iter().flat_map(|row| &row.findings);
    let target = summary.results.first().map_or("the target", |row| row.target.as_str());
    let claims = [(Claim::Atomic, "atomic"), (Claim::DurableAtAck, "durable at ack"), (Claim::Clean, "clean")];
    let broken: Vec<&str> = claims
        .iter()
        .filter(|(claim, _)| findings().any(|finding| finding.claim == *claim))
        .map(|(_, words)| *words)
        .collect();
    let counts: Vec<String> = broken_rows(summary)
        .map(|row| {
            let count = format!("{} of {}", thousands(row::violations(row)), row::judged_words(row));
            // Of kills the words themselves say so.
            let first = row.start == Some(Start::First) && row.fault.is_exhaustive();
            if first { format!("{count} of the first start") } else { count }
        })
        .collect();
    let undetected: u64 = summary.results.iter().map(row::undetected).sum();
    let documented = if findings().all(|finding| finding.documented) { ", as documented" } else { "" };
    let noticed = match summary.results.iter().any(|row| row.unchecked) {
        true => row::UNCHECKED.to_owned(),
        false => format!("{} of them undetected", thousands(undetected)),
    };
    format!(
        "BROKEN{documented}: {target} is not {}: {} broke a claim, {noticed}",
        broken.join(" and not "),
        counts.join(" and "),
    )
}

fn unbroken_sentence(summary: &Summary) -> String {
    if summary.results.iter().all(|row| row.fault == Fault::None) {
        let stops: Vec<String> = summary.results.iter().map(row::judged_words).collect();
        return format!("NO BROKEN CLAIM in {}; nothing was killed", stops.join(" and "));
    }
    let parts: Vec<String> = summary
        .results
        .iter()
        .filter(|row| row.fault != Fault::None)
        .filter_map(|row| Some((row, row.failure_rate?)))
        .map(|(row, rate)| {
            if row.fault.is_exhaustive() {
                let first = row.start == Some(Start::First);
                return row::tried_words(row) + if first { " of the first start" } else { "" };
            }
            let bound = percent(rate.high, Rounding::Up);
            let kills = row::judged_words(row);
            if row.start == Some(Start::First) {
                format!("{kills} (below {bound} %)")
            } else {
                format!("{kills} (failure rate below {bound} %, 95 %)")
            }
        })
        .collect();
    format!("NO BROKEN CLAIM in {}", parts.join(" and "))
}
