//! One failing trial, or one failure of an audit, as it is kept: everything that a replay needs, without the rest of the run.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crashtest_linux::directory::Directory;
use crashtest_model::{FORMAT, KeptAuditFailure, RunRecord, TrialRecord};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::{files, index, json, layout};
use crate::error::FolderError;

const REPLAY_SCRIPT: &str = r#"#!/bin/sh
# Shows this failure again. Exits 1 when it shows, 0 when it does not.
exec crashtest replay "$(dirname "$0")" "$@"
"#;

/// A failing trial that was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The run that it is from.
    pub run: RunRecord,
    /// The trial.
    pub record: TrialRecord,
    /// Its folder.
    pub path: PathBuf,
    /// The folder with the files after the crash and before recovery: `None` where they were not kept.
    pub crash_state: Option<PathBuf>,
}

/// A failure of an audit that was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditedFailure {
    /// What it is.
    pub kept: KeptAuditFailure,
    /// The folder with the files after the crash.
    pub crash_state: PathBuf,
    /// The calls around the crash, one a line.
    pub calls: String,
}

/// Whatever a `failure.json` is about.
#[derive(Clone, Debug, PartialEq)]
pub enum KeptFailure {
    /// A trial of a run.
    Trial(Box<Failure>),
    /// A crash state of an audit.
    Audit(Box<AuditedFailure>),
}

/// `failure.json` of a trial, as it is written.
#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    run: &'a RunRecord,
    record: &'a TrialRecord,
}

/// `failure.json` of an audit, as it is written.
#[derive(Serialize)]
struct WrittenAudit<'a> {
    format: &'a str,
    audit: &'a KeptAuditFailure,
}

/// `failure.json` of a trial, as it is read.
#[derive(Deserialize)]
struct Stored {
    run: RunRecord,
    record: TrialRecord,
}

/// `failure.json` of an audit, as it is read.
#[derive(Deserialize)]
struct StoredAudit {
    audit: KeptAuditFailure,
}

/// Writes `failure.json` and `replay.sh` into `folder`, and `trace.txt` unless who was there knew more: every call, where that was traced.
pub(crate) fn write(folder: &Directory, run: &RunRecord, record: &TrialRecord) -> Result<(), FolderError> {
    let put = |name: &str, mode, content: &[u8]| folder.write(Path::new(name), mode, content).map(drop);
    let failed =
        |error: serde_json::Error| FolderError::io("write", &folder.path().join(layout::FAILURE))(error.into());
    let json = serde_json::to_vec_pretty(&Written { format: FORMAT, run, record }).map_err(failed)?;
    put(layout::FAILURE, 0o666, &json)?;
    if folder.kind(Path::new(layout::TRACE))?.is_none() {
        put(layout::TRACE, 0o666, trace(record).as_bytes())?;
    }
    Ok(put(layout::REPLAY, 0o777, REPLAY_SCRIPT.as_bytes())?)
}

/// Writes `failure.json`, `replay.sh` and `trace.txt`, the calls around the crash, into `folder`.
pub(crate) fn write_audited(
    folder: &Directory,
    failure: &KeptAuditFailure,
    calls: &[String],
) -> Result<(), FolderError> {
    files::write_json(folder, layout::FAILURE, &WrittenAudit { format: FORMAT, audit: failure })?;
    let mut trace = calls.join("\n");
    trace.push('\n');
    folder.write(Path::new(layout::TRACE), 0o666, trace.as_bytes())?;
    folder.write(Path::new(layout::REPLAY), 0o777, REPLAY_SCRIPT.as_bytes())?;
    Ok(())
}

/// The victim's last calls, one a line.
fn trace(record: &TrialRecord) -> String {
    let calls = record.detail.as_ref().map_or(&[][..], |detail| &detail.calls);
    let mut text = match calls.len() {
        0 => format!("No call of the victim of trial {} was recorded.\n", record.trial),
        n => format!("The last {n} calls of the victim of trial {}, oldest first, as it marked them:\n", record.trial),
    };
    for call in calls {
        let _ = writeln!(text, "{call}");
    }
    text
}

/// Reads a kept failure: `path` is the folder of one trial, or of a signature, of which the first trial is taken; or that of a failure of
/// an audit.
///
/// # Errors
///
/// When neither has a `failure.json`, or it is malformed or of another major version.
pub fn read_failure(path: &Path) -> Result<KeptFailure, FolderError> {
    let folder = find(path)?;
    let file = folder.join(layout::FAILURE);
    let text = fs::read(&file).map_err(FolderError::io("read", &file))?;
    json::check_format(&file, &text)?;
    let crash_state = folder.join(layout::CRASH_STATE);
    if is_of_an_audit(&text) {
        let StoredAudit { audit } = json::parse(&file, &text)?;
        let calls = fs::read_to_string(folder.join(layout::TRACE)).unwrap_or_default();
        return Ok(KeptFailure::Audit(Box::new(AuditedFailure { kept: audit, crash_state, calls })));
    }
    let Stored { run, record } = json::parse(&file, &text)?;
    let crash_state = Some(crash_state).filter(|path| path.is_dir());
    Ok(KeptFailure::Trial(Box::new(Failure { run, record, path: folder, crash_state })))
}

/// Whether `text`, a `failure.json`, is about an audit.
fn is_of_an_audit(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Kind {
        audit: Option<IgnoredAny>,
    }
    serde_json::from_slice::<Kind>(text).is_ok_and(|kind| kind.audit.is_some())
}

/// The folder with a `failure.json`: `path` itself, or its first trial.
fn find(path: &Path) -> Result<PathBuf, FolderError> {
    let has_failure = |folder: &Path| folder.join(layout::FAILURE).is_file();
    if has_failure(path) {
        return Ok(path.to_owned());
    }
    if !path.exists() {
        return Err(FolderError::io("read the failure", path)(io::ErrorKind::NotFound.into()));
    }
    let mut trials: Vec<(u64, PathBuf)> = index::names_in(path)?
        .iter()
        .filter_map(|name| Some((layout::trial_of(name)?, path.join(name))))
        .filter(|(_, folder)| has_failure(folder))
        .collect();
    trials.sort_unstable();
    match trials.into_iter().next() {
        Some((_, folder)) => Ok(folder),
        None => Err(FolderError::NoFailure { path: path.to_owned() }),
    }
}
