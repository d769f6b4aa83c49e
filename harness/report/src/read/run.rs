//! A run's folder read back: the trials are folded again, so that a report needs nothing that the supervisor did last.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crashtest_model::{Rows, RunRecord, Start, Summary, TrialRecord, Verdict};

use crate::error::FolderError;
use crate::folder::{index, json, latest, layout, lock, place, trials};
use crate::results::Recorded;
use crate::summarise::run::summarise_run;

/// Reads a results folder, or a link to one. Streams: memory does not grow with the number of trials.
///
/// A folder whose run goes on, or whose supervisor was killed, is read as far as it goes and is marked incomplete.
///
/// # Errors
///
/// When it is no results folder, is of another major version, cannot be read, or has a malformed line before its last one.
pub fn read_run(path: &Path) -> Result<Recorded, FolderError> {
    let path = latest::resolve(path);
    let run = read_plan(&path)?;
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
    let written: Option<Summary> = json::read_summary(&path)?;
    let mut completion = written.as_ref().map_or_else(|| lock::unfinished(&path), |written| written.completion.clone());
    if let Some(lost) = written.and_then(|written| difference(&written, &rows)) {
        completion.complete = false;
        completion.stopped = Some(lost);
    }
    let summary = summarise_run(&path, &run, &rows, &completion, &index::evidence_in(&path)?);
    Ok(Recorded { path, run, rows, summary, notes })
}

/// The trials of a results folder that have this number, one for each fault that was run with it. Streams.
///
/// # Errors
///
/// As [`read_run`].
pub fn find_trials(path: &Path, start: Start, trial: u64) -> Result<Vec<TrialRecord>, FolderError> {
    let path = latest::resolve(path);
    read_plan(&path)?;
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

/// `run.json`, or what is wrong with the folder.
fn read_plan(path: &Path) -> Result<RunRecord, FolderError> {
    let file = path.join(layout::RUN);
    match fs::read(&file) {
        Ok(text) => {
            json::check_format(&file, &text)?;
            json::parse(&file, &text)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.join(layout::AUDIT).is_file() => {
            Err(FolderError::NoTrials { path: path.to_owned() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_dir() => {
            Err(FolderError::NoRun { path: path.to_owned(), below: runs_below(path) })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FolderError::io("read", path)(error)),
        Err(error) => Err(FolderError::io("read", &file)(error)),
    }
}

/// The difference between the trials and what the summary counted, as when lines of trials.jsonl were lost since.
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

/// The results folders in `path`, newest first, as their names begin with their time; or the cells of the grid that it is.
fn runs_below(path: &Path) -> Vec<PathBuf> {
    let cells = path.join(layout::CELLS);
    let parent = if path.join(layout::GRID).is_file() { &cells } else { path };
    let mut names = index::names_in(parent).unwrap_or_default();
    names.reverse();
    names.into_iter().map(|name| parent.join(name)).filter(|folder| place::is_results(folder)).collect()
}
