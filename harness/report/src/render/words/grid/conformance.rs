//! The conformance of a cell to what is documented, in words that every format shares.

use crashtest_model::{CellSummary, Conformance, Expectation, FaultConformance, Verdict};

/// "empty, torn" or "nothing but intact".
fn names(verdicts: &[Verdict]) -> String {
    verdicts.iter().map(|verdict| verdict.name()).collect::<Vec<_>>().join(", ")
}

/// The conformance of a cell in words, without its name: "as documented: empty, torn under kill".
pub(crate) fn conformance_words(cell: &CellSummary) -> String {
    let head = cell.standing.phrase();
    let parts: Vec<String> = match cell.standing {
        Conformance::AsDocumented => cell.agreement.iter().filter_map(shown).collect(),
        Conformance::NotRun | Conformance::Incomplete => Vec::new(),
        _ => cell.agreement.iter().filter_map(departure).collect(),
    };
    match (parts.is_empty(), cell.standing) {
        (false, _) => format!("{head}: {}", parts.join("; ")),
        (true, Conformance::AsDocumented) => format!("{head}: intact only"),
        (true, Conformance::Incomplete) => match &cell.stopped {
            Some(why) => format!("{head} ({why})"),
            None => head.to_owned(),
        },
        (true, _) => head.to_owned(),
    }
}

/// The difference of a cell from its documentation, fault by fault; `None` where there is none.
#[must_use]
pub fn difference(cell: &CellSummary) -> Option<String> {
    let differs = matches!(cell.standing, Conformance::ControlFailed | Conformance::Differs);
    differs.then(|| cell.agreement.iter().filter_map(departure).collect::<Vec<_>>().join("; "))
}

/// The verdicts that were seen, where some were.
fn shown(agreement: &FaultConformance) -> Option<String> {
    (!agreement.seen.is_empty()).then(|| format!("{} under {}", names(&agreement.seen), agreement.fault))
}

/// The departure of a fault from what is documented.
fn departure(agreement: &FaultConformance) -> Option<String> {
    let mut parts = Vec::new();
    if !agreement.unexpected.is_empty() {
        let documented = documented(&agreement.expected);
        parts.push(format!("{} showed, documented is {documented}", names(&agreement.unexpected)));
    }
    // What must show is only missed by a campaign that could have shown it.
    if agreement.standing == Conformance::Differs {
        parts.extend(agreement.missing.iter().map(|verdict| format!("{verdict} must show and did not")));
        if !agreement.none_of.is_empty() {
            parts.push(format!("one of {} must show and none did", names(&agreement.none_of)));
        }
    }
    if agreement.standing != Conformance::AsDocumented {
        parts.extend(agreement.reasons.iter().cloned());
    }
    if parts.is_empty() && agreement.standing == Conformance::ControlFailed {
        parts.push(format!("{} showed though nothing was injected", names(&agreement.seen)));
    }
    (!parts.is_empty()).then(|| format!("under {}: {}", agreement.fault, parts.join(", ")))
}

/// The ground truth in words.
fn documented(expected: &Expectation) -> String {
    let mut parts = Vec::new();
    if !expected.must.is_empty() {
        parts.push(names(&expected.must));
    }
    if !expected.one_of.is_empty() {
        parts.push(format!("one of {}", names(&expected.one_of)));
    }
    if !expected.may.is_empty() {
        parts.push(format!("perhaps {}", names(&expected.may)));
    }
    if parts.is_empty() { "intact only".to_owned() } else { parts.join(", ") }
}
