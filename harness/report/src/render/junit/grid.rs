//! The report of a grid for CI test views: one case per target × fault × claim, never one per trial.
//!
//! A case passes when the cell shows what is documented of that claim: `direct` must fail, and a nightly grid is green when it does.

use std::time::Duration;

use crashtest_model::{Claim, Conformance, FaultConformance, Verdict};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::claims::CLAIMS;
use crate::render::words::grid::variant::{self, Variant};
use crate::results::RecordedGrid;

/// The report in JUnit's XML: a suite a cell.
#[must_use]
pub fn grid(grid: &RecordedGrid) -> String {
    let mut report = Report::new(format!("crashtest {}", grid.grid.name));
    if let Some(time) = grid.summary.completion.elapsed_s.and_then(|s| Duration::try_from_secs_f64(s).ok()) {
        report.set_time(time);
    }
    for cell in variant::all(grid) {
        report.add_test_suite(suite(grid, &cell));
    }
    // Fails only when its writer does, and this one writes to memory.
    report.to_string().expect("XML can be written to memory")
}

fn suite(grid: &RecordedGrid, cell: &Variant<'_>) -> TestSuite {
    let name = cell.planned.folder.trim_start_matches("cells/").to_owned();
    let mut suite = TestSuite::new(name.clone());
    suite.add_property(Property::new("started", grid.grid.started.as_str()));
    suite.add_property(Property::new("seed", cell.planned.plan.seed.0.to_string()));
    for under_fault in &cell.summary.by_fault {
        for (claim, words) in CLAIMS {
            let mut case = TestCase::new(format!("{}: {words}", under_fault.fault), status(cell, under_fault, claim));
            // GitLab shows only the first of equal names.
            case.set_classname(format!("crashtest.{name}"));
            suite.add_test_case(case);
        }
    }
    suite
}

fn status(cell: &Variant<'_>, under_fault: &FaultConformance, claim: Claim) -> TestCaseStatus {
    let of_claim = |verdicts: &[Verdict]| -> Vec<&'static str> {
        let mine = verdicts.iter().filter(|verdict| Claim::broken_by(**verdict) == Some(claim));
        mine.map(|verdict| verdict.name()).collect()
    };
    let unexpected = of_claim(&under_fault.unexpected);
    if !unexpected.is_empty() {
        let message = format!("{} showed and is not documented", unexpected.join(", "));
        return non_success(NonSuccessKind::Failure, "not-documented", message, details(cell, &under_fault.unexpected));
    }
    let error = |kind: &str, message: String| non_success(NonSuccessKind::Error, kind, message, String::new());
    match under_fault.conformance {
        Conformance::NotRun => return error("not-run", "this cell was not run".to_owned()),
        Conformance::Incomplete => {
            let why = cell.summary.stopped.as_deref().unwrap_or("it did not come to its end");
            return error("incomplete", format!("the cell is incomplete: {why}"));
        }
        Conformance::Inconclusive => {
            return error("inconclusive", format!("this proves nothing: {}", under_fault.reasons.join("; ")));
        }
        Conformance::ControlFailed => return error("control-failed", "the control failed".to_owned()),
        Conformance::Differs | Conformance::AsDocumented => {}
    }
    let missing = [of_claim(&under_fault.missing), of_claim(&under_fault.none_of)].concat();
    if missing.is_empty() {
        return TestCaseStatus::success();
    }
    let message = format!("{} must show and did not", missing.join(", "));
    non_success(NonSuccessKind::Failure, "not-shown", message, String::new())
}

/// The findings of `verdicts` in words, with their replay lines.
fn details(cell: &Variant<'_>, verdicts: &[Verdict]) -> String {
    let findings = cell.rows().flat_map(|row| &row.findings).filter(|finding| verdicts.contains(&finding.verdict));
    let lines = findings.take(20).map(|finding| {
        format!("{}\n  what:   {}\n  replay: {}\n", finding.verdict, finding.explanation, finding.replay)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn non_success(kind: NonSuccessKind, type_: &str, message: String, description: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(type_).set_message(message);
    if !description.is_empty() {
        status.set_description(description);
    }
    status
}
