//! One row of a summary in words: its name, what was counted, how many trials failed.

use crashtest_model::{AckLatency, Fault, Interval, ResultRow, Signal, Start, Verdict};

use crate::number::{Rounding, duration, percent, thousands};

/// The words in place of how much a program has noticed, where nobody has asked it.
pub(crate) const UNCHECKED: &str = "whether the program notices was not tested (--check)";

/// `none`, `kill`, `kill by SIGTERM`, `kill, first start`.
pub(crate) fn name(row: &ResultRow) -> String {
    let fault = row.fault;
    match (row.start, other_signal(row)) {
        (Some(Start::First), _) => format!("{fault}, first start"),
        (_, Some(signal)) => format!("{fault} by {signal}"),
        (Some(Start::Again) | None, None) => fault.to_string(),
    }
}

/// The system's name of the signal that ended the lives of a row, where that is not SIGKILL.
fn other_signal(row: &ResultRow) -> Option<&'static str> {
    row.signal.filter(|signal| *signal != Signal::Kill).map(Signal::system_name)
}

/// Trials that came to a verdict about the target.
pub(crate) fn judged(row: &ResultRow) -> u64 {
    row.verdicts.iter().filter(|(verdict, _)| **verdict != Verdict::Inconclusive).map(|(_, n)| n.count).sum()
}

/// Trials that broke a claim.
pub(crate) fn violations(row: &ResultRow) -> u64 {
    row.verdicts.iter().filter(|(verdict, _)| verdict.is_violation()).map(|(_, n)| n.count).sum()
}

/// Trials that broke a claim without recovery noticing.
pub(crate) fn undetected(row: &ResultRow) -> u64 {
    row.verdicts.iter().filter(|(verdict, _)| verdict.detected() == Some(false)).map(|(_, n)| n.count).sum()
}

/// "10,000 kills": what was judged.
pub(crate) fn judged_words(row: &ResultRow) -> String {
    let n = judged(row);
    let (one, many) = match row.fault {
        Fault::None => ("clean stop", "clean stops"),
        Fault::Kill if row.start == Some(Start::First) => ("kill in the first start", "kills in the first start"),
        // Where a recovery was killed, the next trial is judged in its place: fewer verdicts than kills.
        Fault::Kill if row.kills_landed == Some(n) => ("kill", "kills"),
        Fault::Kill => ("judged kill", "judged kills"),
        Fault::Sweep | Fault::Io => row.fault.trial_words().into(),
    };
    let signal = other_signal(row).map(|name| format!(" by {name}")).unwrap_or_default();
    format!("{} {}{signal}", thousands(n), if n == 1 { one } else { many })
}

/// "all 212 crash points", or "412 of 9,380 crash points": of an exhaustive fault, what was tried of what there is.
pub(crate) fn tried_words(row: &ResultRow) -> String {
    match left_out(row) {
        0 => format!("all {}", judged_words(row)),
        left_out => {
            let (judged, [_, many]) = (judged(row), row.fault.trial_words());
            format!("{} of {} {many}", thousands(judged), thousands(judged + left_out))
        }
    }
}

/// "exhaustive", "8,968 left out", or "those of one run" where another run has others.
pub(crate) fn extent_words(row: &ResultRow) -> String {
    match left_out(row) {
        0 if row.coverage.as_ref().is_some_and(|coverage| coverage.differs) => "those of one run".to_owned(),
        0 => "exhaustive".to_owned(),
        left_out if left_out == unasked(row) => format!("{} not asked", thousands(left_out)),
        left_out if left_out == unreached(row) => format!("{} not reached", thousands(left_out)),
        left_out => format!("{} left out", thousands(left_out)),
    }
}

/// Whether some of what there is was left out.
pub(crate) fn is_cut(row: &ResultRow) -> bool {
    left_out(row) > 0
}

/// Crash points of the recorded run to which no run came again.
fn unreached(row: &ResultRow) -> u64 {
    let of_a_verdict: u64 = row.verdicts.values().map(|n| n.count).sum();
    if row.fault.is_exhaustive() { row.trials.saturating_sub(of_a_verdict) } else { 0 }
}

/// What an interrupted run had still to go through, of the lives that it had begun.
pub(crate) fn unasked(row: &ResultRow) -> u64 {
    let planned = row.coverage.as_ref().map_or(0, |coverage| coverage.points + coverage.points_again);
    if row.fault.is_exhaustive() { planned.saturating_sub(row.trials) } else { 0 }
}

/// The number of what was not judged: to stay within a bound, as somebody interrupted the run, or as no run came there again.
fn left_out(row: &ResultRow) -> u64 {
    unreached(row)
        + unasked(row)
        + row.coverage.as_ref().map_or(0, |coverage| coverage.left_out + coverage.left_out_again)
}

/// The interval of a count in words; where there is no estimate, how much was tried.
pub(crate) fn certainty_words(row: &ResultRow, interval: &Interval) -> String {
    if row.fault.is_exhaustive() { extent_words(row) } else { interval_words(interval) }
}

/// "6,301 failures in 10,000 kills: 63.0 % (62.1 to 64.0 %); 6,301 detected, 0 undetected". Never "safe": a bound. Where all there is
/// was tried, "31 of 212 crash points broke a claim; 31 detected, 0 undetected; exhaustive".
pub(crate) fn failures_words(row: &ResultRow) -> String {
    let Some(interval) = row.failure_rate else { return "no trial was judged".to_owned() };
    let count = violations(row);
    let failures = format!("{} failure{}", thousands(count), if count == 1 { "" } else { "s" });
    let judged = judged_words(row);
    let undetected = undetected(row);
    let damage = match row.unchecked {
        true => UNCHECKED.to_owned(),
        false => format!("{} detected, {} undetected", thousands(count - undetected), thousands(undetected)),
    };
    if row.fault.is_exhaustive() {
        let damage = if count == 0 { String::new() } else { format!("; {damage}") };
        return format!("{} of {judged} broke a claim{damage}; {}", thousands(count), extent_words(row));
    }
    if count == 0 {
        return format!("{failures} in {judged}: at most {} % (95 %)", percent(interval.high, Rounding::Up));
    }
    format!(
        "{failures} in {judged}: {} % ({} %, 95 %); {damage}",
        percent(interval.rate, Rounding::Nearest),
        interval_words(&interval),
    )
}

/// The interval in per cent, without the sign: "62.1 to 64.0", "at most 0.030", "at least 98.5".
pub(crate) fn interval_words(interval: &Interval) -> String {
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

/// The heading of the histogram of a row's phases: a title and its counts.
pub(crate) fn places_words(row: &ResultRow) -> (&'static str, String) {
    let [kills, in_save] = [row.kills_landed, row.kills_in_save].map(|n| thousands(n.unwrap_or(0)));
    let counted = thousands(row.phases.values().sum());
    match row.fault {
        Fault::None | Fault::Kill => {
            let signal = other_signal(row).map(|name| format!(" by {name}")).unwrap_or_default();
            ("Where the kills landed", format!("{kills} kills{signal}, {in_save} inside a save"))
        }
        Fault::Sweep => ("Where the crash points lie", format!("{counted} in all, {in_save} inside a save")),
        Fault::Io => ("Where calls failed", format!("{counted} in all")),
    }
}

/// "1,234 acknowledged updates in 432 of 2,000 trials; age of the oldest: median 0.4 ms, P90 1.9 ms, longest 7.2 ms".
///
/// Says what is gone of what was acked, and from when; `None` where nothing is.
pub(crate) fn lost_words(row: &ResultRow) -> Option<String> {
    let lost = row.lost_acks?;
    let mut words = format!(
        "{} acknowledged update{} in {} of {} {}",
        thousands(lost.updates),
        if lost.updates == 1 { "" } else { "s" },
        thousands(lost.trials),
        thousands(judged(row)),
        row.fault.trial_words()[1],
    );
    if let Some(age) = lost.age_ns {
        let [median, p90, max] = [age.median, age.p90, age.max].map(duration);
        words += &format!("; age of the oldest: median {median}, P90 {p90}, longest {max}");
        if age.older > 0 {
            words += &format!(" (lower bounds: {})", thousands(age.older));
        }
    }
    Some(words)
}

/// "p50 12 µs, p99 80 µs": from the begin of a save to its ack; nothing where that is not known.
pub(crate) fn latency_words(row: &ResultRow) -> Option<String> {
    let AckLatency { p50, p99 } = row.ack_latency_ns?;
    Some(format!("p50 {}, p99 {}", duration(p50), duration(p99)))
}

/// The reasons for which the row proves nothing, each with the row's name.
pub(crate) fn gate_words(row: &ResultRow) -> Vec<String> {
    row.conclusiveness.reasons.iter().map(|reason| format!("{}: {reason}", name(row))).collect()
}
