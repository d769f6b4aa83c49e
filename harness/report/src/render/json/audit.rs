//! The machine contract of an audit: the record, and beside it what a person is told to do.

use std::collections::BTreeMap;

use crashtest_model::{AuditRecord, AuditedFile, Checked, Environment, ExcludedFile};
use serde::Serialize;

use super::pretty::pretty;
use crate::render::words::audit::{conclusion, file, next_step};

/// The words for a power cut, which no audit tests.
const NOT_TESTED: &str = "not tested";

/// The object that `--output-format json` prints. It reads back as an [`AuditRecord`].
#[derive(Serialize)]
struct Printed<'r> {
    format: u32,
    /// The sentence that it comes to.
    conclusion: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'r Environment>,
    command: &'r [String],
    dir: Option<&'r str>,
    /// The directory of which it worked on a copy; not there where it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_of: Option<&'r str>,
    status: &'r str,
    /// Whether somebody had enough before it was over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    /// Whether crashtest ended the program, as it does not end by itself.
    cut: bool,
    interrupted: bool,
    calls: u64,
    processes: u32,
    crash_points: u64,
    left_out: u64,
    distinct_states: u64,
    files: Vec<File<'r>>,
    temporaries: &'r [String],
    excluded: &'r [ExcludedFile],
    outside: &'r [String],
    unmodelled: &'r BTreeMap<String, u64>,
    concurrent: bool,
    /// What the checker said; `null` without one.
    checked: Option<&'r Checked>,
    /// The command to run next; `null` where there is none.
    next: Option<String>,
}

/// A file, and what to do about it.
#[derive(Serialize)]
struct File<'r> {
    #[serde(flatten)]
    file: &'r AuditedFile,
    /// What keeps a kill from breaking it; `null` where none does.
    fix: Option<String>,
    /// What a power cut leaves: "not tested".
    under_power: &'static str,
    /// The calls that are missing for a power cut, as far as the calls show it.
    missing_for_power: Option<String>,
}

/// The audit as JSON, with a newline at its end.
#[must_use]
pub fn audit(record: &AuditRecord) -> String {
    let AuditRecord {
        format,
        started,
        environment,
        command,
        dir,
        copy_of,
        status,
        cut,
        interrupted,
        audit,
        checked,
        accept_unchecked: _,
    } = record;
    let printed_file = |audited| File {
        file: audited,
        fix: file::fix(audited),
        under_power: NOT_TESTED,
        missing_for_power: file::power(audited),
    };
    let printed = Printed {
        format: *format,
        conclusion: conclusion(record).1,
        started: started.as_deref(),
        environment: environment.as_ref(),
        command,
        dir: dir.as_deref(),
        copy_of: copy_of.as_deref(),
        status,
        cut: *cut,
        interrupted: *interrupted,
        calls: audit.calls,
        processes: audit.processes,
        crash_points: audit.crash_points,
        left_out: audit.left_out,
        distinct_states: audit.distinct_states,
        files: audit.files.iter().map(printed_file).collect(),
        temporaries: &audit.temporaries,
        excluded: &audit.excluded,
        outside: &audit.outside,
        unmodelled: &audit.unmodelled,
        concurrent: audit.concurrent,
        checked: checked.as_ref(),
        next: next_step(record),
    };
    pretty(&printed)
}
