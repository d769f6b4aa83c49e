//! One row of a summary in words: its name, what was counted, how many trials failed.

use crashtest_model::{Fault, Interval, ResultRow, Start, Verdict};

use crate::number::{Rounding, percent, thousands};

/// `none`, `kill`, `kill, first start`.
pub(super) fn name(row: &ResultRow) -> String {
    match row.start {
        Some(Start::First) => format!("{}, first start", row.fault),
        Some(Start::Again) | None => row.fault.to_string(),
    }
}

/// Trials that came to a verdict about the target.
pub(super) fn judged(row: &ResultRow) -> u64 {
    row.verdicts.iter().filter(|(verdict, _)| **verdict != Verdict::Inconclusive).map(|(_, n)| n.count).sum()
}

/// Trials that broke a claim.
pub(super) fn violations(row: &ResultRow) -> u64 {
    row.verdicts.iter().filter(|(verdict, _)| verdict.is_violation()).map(|(_, n)| n.count).sum()
}

/// Trials that broke a claim without recovery noticing.
pub(super) fn undetected(row: &ResultRow) -> u64 {
    row.verdicts.iter().filter(|(verdict, _)| verdict.detected() == Some(false)).map(|(_, n)| n.count).sum()
}

/// "10,000 kills": what was judged.
pub(super) fn judged_words(row: &ResultRow) -> String {
    let n = judged(row);
    let (one, many) = match row.fault {
        Fault::None => ("clean stop", "clean stops"),
        Fault::Kill if row.start == Some(Start::First) => ("kill in the first start", "kills in the first start"),
        // Where a recovery was killed, the next trial is judged in its place: fewer verdicts than kills.
        Fault::Kill if row.kills_landed == Some(n) => ("kill", "kills"),
        Fault::Kill => ("judged kill", "judged kills"),
        Fault::Sweep => ("crash point", "crash points"),
        Fault::Io => ("failing call", "failing calls"),
    };
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

/// "6,301 failures in 10,000 kills: 63.0 % (62.1 to 64.0 %); 6,301 detected, 0 undetected". Never "safe": a bound.
pub(super) fn failures_words(row: &ResultRow) -> String {
    let Some(interval) = row.failure_rate else { return "no trial was judged".to_owned() };
    let count = violations(row);
    let failures = format!("{} failure{}", thousands(count), if count == 1 { "" } else { "s" });
    let judged = judged_words(row);
    if count == 0 {
        return format!("{failures} in {judged}: at most {} % (95 %)", percent(interval.high, Rounding::Up));
    }
    let undetected = undetected(row);
    format!(
        "{failures} in {judged}: {} % ({} %, 95 %); {} detected, {} undetected",
        percent(interval.rate, Rounding::Nearest),
        interval_words(&interval),
        thousands(count - undetected),
        thousands(undetected),
    )
}

/// The interval in per cent, without the sign: "62.1 to 64.0", "at most 0.030", "at least 98.5".
pub(super) fn interval_words(interval: &Interval) -> String {
    let low = percent(interval.low, Rounding::Down);
    let high = percent(interval.high, Rounding::Up);
    if interval.low <= 0.0 {
        format!("at most {high}")
    } else if interval.high >= 1.0 {
        format!("at least {low}")
    } else {
        format!("{low} to {high}")
    }
}

/// The reasons for which the row proves nothing, each with the row's name.
pub(super) fn gate_words(row: &ResultRow) -> Vec<String> {
    row.gate.reasons.iter().map(|reason| format!("{}: {reason}", name(row))).collect()
}
