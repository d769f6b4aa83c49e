//! A results folder read back: the trials are folded again, so that a report needs nothing that the supervisor did last.

pub(crate) mod trials;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crashtest_model::{Completion, FORMAT, Rows, RunRecord, Start, Summary, TrialRecord, Verdict};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::folder::{evidence, latest, layout, lock};
use crate::grid::RecordedGrid;
use crate::grid::read::read_grid;
use crate::{FolderError, summarise};

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

/// What a results folder holds.
#[derive(Clone, Debug)]
pub enum Results {
    /// One campaign.
    Run(Box<Recorded>),
    /// Many, reported as one.
    Grid(Box<RecordedGrid>),
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
    let tail = trials::for_each(&path.join(layout::TRIALS), |line| {
        match line {
            trials::Line::Trial(record) => rows.add(&record),
            trials::Line::Note(note) => rows.note(&note),
        }
        trials::Next::Go
    })?;
    notes.extend(tail.note());
    let written: Option<Summary> = read_summary(&path)?;
    let mut completion = written.as_ref().map_or_else(|| unfinished(&path), |written| written.completion.clone());
    if let Some(lost) = written.and_then(|written| difference(&written, &rows)) {
        completion.complete = false;
        completion.stopped = Some(lost);
    }
    let summary = summarise(&path, &run, &rows, &completion, &evidence::index(&path)?);
    Ok(Recorded { path, run, rows, summary, notes })
}

/// The trials of a results folder that have this number, one for each fault that was run with it. Streams.
///
/// # Errors
///
/// As [`read`].
pub fn find_trials(path: &Path, start: Start, trial: u64) -> Result<Vec<TrialRecord>, FolderError> {
    let path = latest::resolve(path);
    read_run(&path)?;
    let mut found = Vec::new();
    trials::for_each(&path.join(layout::TRIALS), |line| {
        if let trials::Line::Trial(record) = line
            && (record.start, record.trial) == (start, trial)
        {
            found.push(*record);
        }
        trials::Next::Go
    })?;
    Ok(found)
}

/// Reads the results folder of a run or of a grid, or a link to one.
///
/// # Errors
///
/// As [`read`]; a grid's cells are read so as well.
pub fn read_results(path: &Path) -> Result<Results, FolderError> {
    if latest::resolve(path).join(layout::GRID).exists() {
        return read_grid(path).map(|grid| Results::Grid(Box::new(grid)));
    }
    read(path).map(|recorded| Results::Run(Box::new(recorded)))
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

/// `summary.json` of a run or a grid; `None` where it has not come to writing it.
pub(crate) fn read_summary<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FolderError> {
    let file = path.join(layout::SUMMARY);
    match fs::read(&file) {
        Ok(text) => {
            check_format(&file, &text)?;
            parse(&file, &text).map(Some)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::io("read", &file)(error)),
    }
}

/// The ending of a run without a summary.
pub(crate) fn unfinished(path: &Path) -> Completion {
    let stopped = if lock::is_held(path) { "still running" } else { "the supervisor ended without a report" };
    Completion { stopped: Some(stopped.to_owned()), ..Completion::default() }
}

/// How the trials differ from what the summary counted, as when lines of trials.jsonl were lost since.
fn difference(written: &Summary, rows: &Rows) -> Option<String> {
    let counted: u64 = written.results.iter().map(|row| row.trials).sum();
    let found: u64 = rows.iter().map(|(.., tally)| tally.trials).sum();
    let verdicts = |verdict| -> (u64, u64) {
        let counted = written.results.iter().filter_map(|row| row.verdicts.get(&verdict)).map(|n| n.count).sum();
        (counted, rows.iter().map(|(.., tally)| tally.count(verdict)).sum())
    };
    let same = counted == found && Verdict::ALL.into_iter().map(verdicts).all(|(counted, found)| counted == found);
    (!same).then(|| format!("{} and {} disagree: {found} trials, {counted} counted", layout::TRIALS, layout::SUMMARY))
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

pub(crate) fn parse<T: DeserializeOwned>(file: &Path, text: &[u8]) -> Result<T, FolderError> {
    serde_json::from_slice(text).map_err(|error| FolderError::malformed(file, None, &error))
}

/// The results folders in `path`, newest first, as their names begin with their time; or the cells of the grid that it is.
fn runs_below(path: &Path) -> Vec<PathBuf> {
    let cells = path.join(layout::CELLS);
    let parent = if path.join(layout::GRID).is_file() { &cells } else { path };
    let mut names = evidence::names_in(parent).unwrap_or_default();
    names.reverse();
    let is_results = |folder: &PathBuf| [layout::RUN, layout::GRID].iter().any(|name| folder.join(name).is_file());
    names.into_iter().map(|name| parent.join(name)).filter(is_results).collect()
}
