//! A results folder read back: the trials are folded again, so that a report needs nothing that the supervisor did last.

pub(crate) mod trials;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crashtest_model::{FORMAT, Fault, Rows, RunRecord, Start, Summary, TrialRecord};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::folder::{evidence, latest, layout, lock};
use crate::{Ending, FolderError, summarise};

/// A run as its folder tells it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The folder, as it was given; where that was a link, what it points to.
    pub path: PathBuf,
    /// `run.json`.
    pub run: RunRecord,
    /// The trials, counted.
    pub rows: Rows,
    /// The summary of these counts.
    pub summary: Summary,
    /// What a reader should know of the folder, as that its last line was cut off.
    pub notes: Vec<String>,
}

/// Reads a results folder, or a link to one. Streams: memory does not grow with the number of trials.
///
/// A folder whose run goes on, or whose supervisor was killed, is read as far as it goes and is marked incomplete.
///
/// # Errors
///
/// When it is no results folder, is of another major version, cannot be read, or has a malformed line before its last one.
pub fn read(path: &Path) -> Result<Recorded, FolderError> {
    let path = latest::resolve(path);
    let run = read_run(&path)?;
    let mut notes = Vec::new();
    let mut rows = Rows::default();
    let tail = trials::for_each(&path.join(layout::TRIALS), |record| {
        rows.add(&record);
        trials::Next::Go
    })?;
    notes.extend(tail.note());
    let ending = read_ending(&path)?;
    let summary = summarise(&path, &run, &rows, &ending, &evidence::index(&path)?);
    Ok(Recorded { path, run, rows, summary, notes })
}

/// The record of one trial of a results folder; `None` where it was not run. Streams.
///
/// # Errors
///
/// As [`read`].
pub fn find_trial(path: &Path, fault: Fault, start: Start, trial: u64) -> Result<Option<TrialRecord>, FolderError> {
    let path = latest::resolve(path);
    read_run(&path)?;
    let mut found = None;
    trials::for_each(&path.join(layout::TRIALS), |record| {
        if (record.fault, record.start, record.trial) == (fault, start, trial) {
            found = Some(record);
            return trials::Next::Stop;
        }
        trials::Next::Go
    })?;
    Ok(found)
}

/// `run.json`, or what is wrong with the folder.
fn read_run(path: &Path) -> Result<RunRecord, FolderError> {
    let file = path.join(layout::RUN);
    match fs::read(&file) {
        Ok(text) => {
            check_format(&file, &text)?;
            parse(&file, &text)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_dir() => {
            Err(FolderError::NoRun { path: path.to_owned(), below: runs_below(path) })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FolderError::io("read", path)(error)),
        Err(error) => Err(FolderError::io("read", &file)(error)),
    }
}

/// How the run ended, by its `summary.json`, or by the lack of one.
fn read_ending(path: &Path) -> Result<Ending, FolderError> {
    let file = path.join(layout::SUMMARY);
    match fs::read(&file) {
        Ok(text) => {
            check_format(&file, &text)?;
            parse::<Summary>(&file, &text).map(|summary| Ending::from(&summary))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let stopped = if lock::is_held(path) { "still running" } else { "the supervisor ended without a report" };
            Ok(Ending { stopped: Some(stopped.to_owned()), ..Ending::default() })
        }
        Err(error) => Err(FolderError::io("read", &file)(error)),
    }
}

/// Refuses a file that another major version wrote; asked before the rest is parsed, which may have changed.
pub(crate) fn check_format(file: &Path, text: &[u8]) -> Result<(), FolderError> {
    #[derive(Deserialize)]
    struct Versioned {
        format: String,
    }
    let Versioned { format } = parse(file, text)?;
    let major = |format: &str| format.split('.').next().map(str::to_owned);
    if major(&format) == major(FORMAT) {
        return Ok(());
    }
    Err(FolderError::Format { path: file.to_owned(), found: format })
}

fn parse<T: DeserializeOwned>(file: &Path, text: &[u8]) -> Result<T, FolderError> {
    serde_json::from_slice(text).map_err(|error| FolderError::malformed(file, None, &error))
}

/// The results folders in `path`, newest first: their names begin with their time.
fn runs_below(path: &Path) -> Vec<PathBuf> {
    let mut names = evidence::names_in(path).unwrap_or_default();
    names.reverse();
    names.into_iter().map(|name| path.join(name)).filter(|run| run.join(layout::RUN).is_file()).collect()
}
