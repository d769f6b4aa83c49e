//! The report for CI test views: one case per target × fault × claim, never one per trial.
//!
//! What was not shown is not passed: a row that proves nothing, and one of a run without an end, is an error.

use std::fmt::Write as _;
use std::time::Duration;

use crashtest_model::{Claim, Fault, Finding, ResultRow, Summary};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::claims::CLAIMS;
use crate::number::thousands;
use crate::render::words::findings::{self, count_words};
use crate::render::words::row;
use crate::results::Recorded;

/// Findings that one failure's text holds.
const MOST_FINDINGS: usize = 20;

/// The report in JUnit's XML.
#[must_use]
pub fn run(recorded: &Recorded) -> String {
    let target = &recorded.run.plan.target;
    let mut suite = TestSuite::new(format!("{}-{}-{}", target.strategy, target.workload, target.loader));
    suite.add_property(Property::new("started", recorded.run.started.as_str()));
    suite.add_property(Property::new("seed", recorded.run.plan.seed.0.to_string()));
    let class = format!("crashtest.{}.{}.{}", target.strategy, target.workload, target.loader);
    for row in &recorded.summary.results {
        for (claim, name) in CLAIMS {
            let mut case = TestCase::new(format!("{}: {name}", row::name(row)), status(&recorded.summary, row, claim));
            case.set_classname(class.as_str());
            suite.add_test_case(case);
        }
    }
    let mut report = Report::new("crashtest");
    if let Some(time) = recorded.summary.completion.elapsed_s.and_then(|s| Duration::try_from_secs_f64(s).ok()) {
        report.set_time(time);
    }
    report.add_test_suite(suite);
    // Fails only when its writer does, and this one writes to memory.
    report.to_string().expect("XML can be written to memory")
}

fn status(summary: &Summary, row: &ResultRow, claim: Claim) -> TestCaseStatus {
    let broken: Vec<&Finding> = row.findings.iter().filter(|finding| finding.claim == claim).collect();
    if !broken.is_empty() {
        return failure(row, claim, &broken);
    }
    if !row.conclusiveness.passed {
        return error("inconclusive", format!("this proves nothing: {}", row.conclusiveness.reasons.join("; ")));
    }
    // The control is over once kills have begun.
    let over =
        row.fault == Fault::None && summary.results.iter().any(|other| other.fault != Fault::None && other.trials > 0);
    if !summary.completion.complete && !over {
        let why = summary.completion.stopped.as_deref().unwrap_or("it did not come to its end");
        return error("incomplete", format!("the run is incomplete ({why}): {}", row::failures_words(row)));
    }
    TestCaseStatus::success()
}

fn error(kind: &str, message: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type(kind).set_message(message);
    status
}

fn failure(row: &ResultRow, claim: Claim, broken: &[&Finding]) -> TestCaseStatus {
    let count: u64 = broken.iter().map(|finding| finding.count).sum();
    let mut verdicts: Vec<&str> = broken.iter().map(|finding| finding.verdict.name()).collect();
    verdicts.dedup();
    let mut text = format!("claim: {}\n", claim.phrase());
    for finding in broken.iter().take(MOST_FINDINGS) {
        let _ = write!(
            text,
            "\n{} in {}\n  what:   {}\n  fix:    {}\n  replay: {}\n",
            finding.verdict,
            count_words(finding),
            finding.explanation,
            finding.fix,
            finding.replay,
        );
        findings::around(finding).iter().for_each(|line| text += &format!("  {line}\n"));
    }
    if broken.len() > MOST_FINDINGS {
        let _ = writeln!(text, "\nnot shown: {} of {} classes", broken.len() - MOST_FINDINGS, broken.len());
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status
        .set_type(verdicts.join(", "))
        .set_message(format!("{} of {}: {}", thousands(count), row::judged_words(row), verdicts.join(", ")))
        .set_description(text);
    status
}
