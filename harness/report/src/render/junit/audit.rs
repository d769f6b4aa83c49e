//! The report of an audit for CI test views: one case per file, one for the checker, and one for what the audit rests on.
//!
//! What was not judged is not passed: a file that only a checker can judge is skipped, and an audit that proves nothing is an error.

use std::fmt::Write as _;

use crashtest_model::{AuditJudgement, AuditRecord, AuditedFile, Checked, UnderKill};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::number::thousands;
use crate::render::words::audit::{conclusion, file};
use crate::results::RecordedAudit;

/// The class of every case.
const CLASS: &str = "crashtest.audit";

/// The report in JUnit's XML.
#[must_use]
pub fn audit(recorded: &RecordedAudit) -> String {
    let record = &recorded.record;
    let mut suite = TestSuite::new("audit");
    for (name, value) in [("started", record.started.clone()), ("command", Some(record.command.join(" ")))] {
        suite.add_property(Property::new(name, value.unwrap_or_default()));
    }
    let mut add = |name: String, status: TestCaseStatus| {
        let mut case = TestCase::new(name, status);
        case.set_classname(CLASS);
        suite.add_test_case(case);
    };
    add("the audit proves something".to_owned(), proves(record));
    if let Some(checked) = &record.checked {
        add("the checker accepts every crash state".to_owned(), of_the_checker(checked));
    }
    for audited in &record.audit.files {
        add(audited.path.clone(), of_a_file(record, audited));
    }
    let mut report = Report::new("crashtest");
    report.add_test_suite(suite);
    // Fails only when its writer does, and this one writes to memory.
    report.to_string().expect("XML can be written to memory")
}

fn proves(record: &AuditRecord) -> TestCaseStatus {
    match record.judgement() {
        AuditJudgement::Inconclusive => error("inconclusive", conclusion(record).1),
        AuditJudgement::Broken | AuditJudgement::Unbroken => TestCaseStatus::success(),
    }
}

fn of_the_checker(checked: &Checked) -> TestCaseStatus {
    match (&checked.example, checked.left_out) {
        (Some(example), _) => failure(
            &example.verdict.to_string(),
            format!("{} crash points: {}", thousands(checked.violations()), example.why),
            format!("killed: {}: {}\n", example.place, example.call),
        ),
        (None, 0) if checked.sensitivity.is_blind() => error(
            "blind",
            "it accepts files that are torn, empty or missing: what it accepts proves nothing".to_owned(),
        ),
        (None, 0) => TestCaseStatus::success(),
        (None, left_out) => error("incomplete", format!("it was not asked about {} states", thousands(left_out))),
    }
}

fn of_a_file(record: &AuditRecord, audited: &AuditedFile) -> TestCaseStatus {
    let words = || file::under_kill(audited, record.audit.crash_points, record.checked.is_some());
    let is_broken = record.broken().any(|broken| broken.path == audited.path);
    match audited.under_kill {
        UnderKill::Broken if is_broken => {
            let kinds: Vec<String> = audited.damage.keys().map(ToString::to_string).collect();
            let mut text = String::new();
            if let Some(example) = &audited.example {
                let _ = writeln!(text, "killed: {}: {}", example.place, example.call);
            }
            if let Some(fix) = file::fix(audited) {
                let _ = writeln!(text, "fix:    {fix}");
            }
            failure(&kinds.join(", "), words(), text)
        }
        UnderKill::Whole | UnderKill::WrittenOnce if record.interrupted => {
            error("incomplete", "the audit was interrupted".to_owned())
        }
        // The checker would have noticed this damage, and gets over it.
        UnderKill::Broken | UnderKill::Whole | UnderKill::WrittenOnce => TestCaseStatus::success(),
        UnderKill::Unknown => error("unknown", words()),
        UnderKill::NeedsCheck if is_checked(record, audited) => TestCaseStatus::success(),
        UnderKill::NeedsCheck => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(words());
            status
        }
    }
}

/// Whether a checker was asked about every state of this file, and notices damage to it.
fn is_checked(record: &AuditRecord, audited: &AuditedFile) -> bool {
    let is_mapped = record.mapped().any(|mapped| mapped.path == audited.path);
    record.checked.as_ref().is_some_and(|checked| {
        let sensitivity = &checked.sensitivity;
        checked.left_out == 0 && !is_mapped && sensitivity.judges(&audited.path)
    })
}

fn error(kind: &str, message: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type(kind).set_message(message);
    status
}

fn failure(kind: &str, message: String, text: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(kind).set_message(message).set_description(text);
    status
}
