//! The conformance of a cell to what is documented, in words that every format shares.

use crashtest_model::{CellSummary, Conformance, Expectation, FaultConformance, Verdict};

/// "empty, torn" or "nothing but intact".
fn names(verdicts: &[Verdict]) -> String {
    verdicts.iter().map(|verdict| verdict.name()).collect::<Vec<_>>().join(", ")
}

/// The conformance of a cell in words, without its name: "as documented: empty, torn under kill".
pub(crate) fn conformance_words(cell: &CellSummary) -> String {
    let head = cell.conformance.phrase();
    let parts: Vec<String> = match cell.conformance {
        Conformance::AsDocumented => cell.by_fault.iter().filter_map(shown).collect(),
        Conformance::NotRun | Conformance::Incomplete => Vec::new(),
        _ => cell.by_fault.iter().filter_map(departure).collect(),
    };
    match (parts.is_empty(), cell.conformance) {
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
    let differs = matches!(cell.conformance, Conformance::ControlFailed | Conformance::Differs);
    differs.then(|| cell.by_fault.iter().filter_map(departure).collect::<Vec<_>>().join("; "))
}

/// The verdicts that were seen, where some were.
fn shown(under_fault: &FaultConformance) -> Option<String> {
    (!under_fault.seen.is_empty()).then(|| format!("{} under {}", names(&under_fault.seen), under_fault.fault))
}

/// The departure of a fault from what is documented.
fn departure(under_fault: &FaultConformance) -> Option<String> {
    let mut parts = Vec::new();
    if !under_fault.unexpected.is_empty() {
        let documented = documented(&under_fault.expected);
        parts.push(format!("{} showed, documented is {documented}", names(&under_fault.unexpected)));
    }
    // What must show is only missed by a campaign that could have shown it.
    if under_fault.conformance == Conformance::Differs {
        parts.extend(under_fault.missing.iter().map(|verdict| format!("{verdict} must show and did not")));
        if !under_fault.none_of.is_empty() {
            parts.push(format!("one of {} must show and none did", names(&under_fault.none_of)));
        }
    }
    if under_fault.conformance != Conformance::AsDocumented {
        parts.extend(under_fault.reasons.iter().cloned());
    }
    if parts.is_empty() && under_fault.conformance == Conformance::ControlFailed {
        parts.push(format!("{} showed though nothing was injected", names(&under_fault.seen)));
    }
    (!parts.is_empty()).then(|| format!("under {}: {}", under_fault.fault, parts.join(", ")))
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
