//! The findings of a run, in the order and the words that every format shares.

use crashtest_model::{Finding, Promise, RawState, ResultRow};

use crate::number::thousands;
use crate::results::Recorded;

/// Traced calls that a finding shows.
const MOST_CALLS: usize = 12;
/// The longest line of these, in characters: paths have no limit of their own.
const LONGEST_CALL: usize = 400;

/// All findings, worst first over all rows, each with its row.
pub(crate) fn worst_first(recorded: &Recorded) -> Vec<(&ResultRow, &Finding)> {
    let mut findings: Vec<_> = recorded
        .summary
        .results
        .iter()
        .flat_map(|row| row.findings.iter().map(move |finding| (row, finding)))
        .collect();
    // Stable: what is equal stays in the order of its rows and signatures.
    findings.sort_by_key(|(_, finding)| finding.order());
    findings
}

/// "detected, as documented".
pub(crate) fn detection(row: &ResultRow, finding: &Finding) -> String {
    let documented = if finding.documented { "as documented" } else { "not documented" };
    let detected = match finding.detected {
        _ if row.unchecked => return "seen in its files".to_owned(),
        true => "detected",
        false => "undetected",
    };
    format!("{detected}, {documented}")
}

/// "trial 17: save 3 acknowledged, save 4 in flight; 24,576 of 61,433 bytes, first difference at byte 24,576".
pub(crate) fn first_words(finding: &Finding) -> String {
    let record = &finding.first;
    let mut words = format!("trial {}: ", thousands(record.trial));
    if record.writers.is_empty() {
        words.push_str(&promised(&record.promise));
    } else {
        let each = (0..).zip(&record.writers).map(|(n, promise)| format!("writer {n}: {}", promised(promise)));
        words.push_str(&each.collect::<Vec<_>>().join("; "));
    }
    if let Some(raw) = record.raw.as_ref().filter(|raw| raw.state != RawState::Whole) {
        if let (Some(length), Some(whole)) = (raw.length, raw.whole_length) {
            words.push_str(&format!("; {} of {} bytes", thousands(length), thousands(whole)));
        }
        // Where a file was only cut off, its length says the same.
        if let Some(offset) = raw.tear_offset.filter(|offset| Some(*offset) != raw.length) {
            words.push_str(&format!(", first difference at byte {}", thousands(offset)));
        }
    }
    words
}

/// "save 3 acknowledged, save 4 in flight".
fn promised(promise: &Promise) -> String {
    let mut words = match promise.acked.0 {
        0 if promise.installed => "no save acknowledged since init".to_owned(),
        0 => "init had not returned".to_owned(),
        n => format!("save {} acknowledged", thousands(n)),
    };
    if promise.begun > promise.acked {
        words.push_str(&format!(", save {} in flight", thousands(promise.begun.0)));
    }
    words
}

/// The number of trials that a finding counts: "3,150 trials", "31 crash points".
pub(crate) fn count_words(finding: &Finding) -> String {
    let [one, many] = finding.first.fault.trial_words();
    format!("{} {}", thousands(finding.count), if finding.count == 1 { one } else { many })
}

/// The traced calls around the first crash of a finding, a line each; none where nothing was traced.
pub(crate) fn around(finding: &Finding) -> Vec<String> {
    let lines = finding.first.detail.iter().flat_map(|detail| &detail.around).take(MOST_CALLS);
    lines.map(|line| line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_CALL).collect()).collect()
}

/// The place where the files of a finding lie, before recovery and after it; `None` where they were not kept.
pub(crate) fn kept_words(finding: &Finding) -> Option<&'static str> {
    let kept = !finding.evidence.is_empty() && !around(finding).is_empty();
    kept.then_some("crash-state/ before recovery, after-recovery/ after it: in each trial's folder, where replay looks")
}
