//! A results folder while its run goes on: the plan before the first trial, each trial as it ends, the reports at the end.
//!
//! Everything that a later reader needs is on disk before it is needed. `run.json` comes first, a failing trial's line as soon as it is
//! reported, its files before anything is cleaned. What the supervisor's death leaves is therefore a readable folder.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crashtest_linux::directory::Directory;
use crashtest_linux::scratch::Scratch;
use crashtest_model::{Completion, Note, Rows, RunRecord, TrialRecord};

use super::reports;
use crate::error::FolderError;
use crate::folder::{evidence, files, index, latest, layout, lock, place, trials};
use crate::results::Recorded;
use crate::summarise::run::summarise_run;

/// The results folder of a run that goes on. Held exclusively: another process cannot write to it. Dropping it without
/// [`finish`](RunFolder::finish) hands what is in memory to the system and releases the lock; the folder then reads as incomplete.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    dir: Directory,
    /// `None` once the run is over.
    spool: Option<Scratch>,
    run: RunRecord,
    trials: BufWriter<File>,
    keeper: evidence::Keeper,
    notes: Vec<String>,
    lock: Option<lock::Lock>,
    /// The place of `latest`, and what it is to name.
    latest: Option<(PathBuf, String)>,
}

impl RunFolder {
    /// Makes `<out>/<time>-<name>-<seed>/`, a new folder that is never one of an earlier run, and writes `run.json` into it.
    ///
    /// # Errors
    ///
    /// When a folder or file cannot be made, or `run.started` is no RFC 3339 time.
    pub fn create(out: &Path, run: &RunRecord, name: &str) -> Result<RunFolder, FolderError> {
        let (path, run_name) = place::new_folder(out, &run.started, name, Some(run.plan.seed))?;
        let folder = RunFolder::fill(path.clone(), run).inspect_err(|_| {
            // The folder is ours and holds nothing: without its run.json it would only mislead.
            let _ = fs::remove_dir_all(&path);
        })?;
        Ok(RunFolder { latest: Some((out.to_owned(), run_name)), ..folder })
    }

    /// Points `<out>/latest` to it, where it is no cell of a grid: once it has something to show. That the link cannot be made is a
    /// [note](RunFolder::notes), as the run is worth more than the link.
    pub fn point_latest(&mut self) {
        let note = self.latest.take().and_then(|(out, name)| latest::point(&out, &name));
        self.notes.extend(note);
    }

    /// Removes it: the run has not started. `latest` must not point to it yet.
    pub fn discard(self) {
        // What cannot be removed reads as a run without a trial, which it is.
        let _ = files::remove(&self.dir);
    }

    /// Makes the folder `path` itself, which must not exist yet, with `run.json` in it: a cell of a grid.
    ///
    /// # Errors
    ///
    /// When a folder or file cannot be made.
    pub fn create_at(path: &Path, run: &RunRecord) -> Result<RunFolder, FolderError> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(FolderError::io("create the folder", parent))?;
        }
        fs::create_dir(path).map_err(FolderError::io("create the folder", path))?;
        RunFolder::fill(path.to_owned(), run)
    }

    fn fill(path: PathBuf, run: &RunRecord) -> Result<RunFolder, FolderError> {
        let dir = files::open(&path)?;
        let lock = lock::Lock::take(&dir)?;
        // On the file system of the folder, so that what is kept is renamed and not copied.
        let spool = Scratch::make(
            path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")),
            layout::SPOOL,
        )?;
        files::write_json(&dir, layout::RUN, run)?;
        let trials = dir.create(Path::new(layout::TRIALS), 0o666)?;
        Ok(RunFolder {
            keeper: evidence::Keeper::default(),
            path,
            dir,
            spool: Some(spool),
            run: run.clone(),
            trials: BufWriter::with_capacity(1 << 16, trials),
            notes: Vec::new(),
            lock: Some(lock),
            latest: None,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory where the engine leaves evidence: a folder a trial, with `crash-state/` and, if recovery ran, `after-recovery/`. It lies beside
    /// the run's own folder, and is gone with the run.
    #[must_use]
    pub fn spool(&self) -> &Path {
        self.spool.as_ref().map_or_else(|| Path::new(""), Scratch::path)
    }

    /// The notes about the folder itself, as that `latest` does not point to it.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Writes down one trial. A failing trial's line reaches the file at once, others with the next [`flush`](RunFolder::flush).
    ///
    /// The files in `evidence`, a folder in the [spool](RunFolder::spool), are kept under `failures/` for the first
    /// [three](crate::KEPT_PER_SIGNATURE) trials of a signature. Beyond these, and beyond [a total](crate::EVIDENCE_CAP_BYTES), they are deleted.
    ///
    /// # Errors
    ///
    /// When the line or the evidence cannot be written, or `evidence` does not lie in the spool.
    pub fn record(&mut self, record: &TrialRecord, evidence: Option<&Path>) -> Result<(), FolderError> {
        serde_json::to_writer(&mut self.trials, record)
            .map_err(io::Error::from)
            .and_then(|()| self.trials.write_all(b"\n"))
            .map_err(FolderError::io("write", &self.path.join(layout::TRIALS)))?;
        if record.signature().is_some() {
            self.flush()?;
        }
        match (evidence, &self.spool) {
            (Some(evidence), Some(spool)) => {
                spool.dir().check()?;
                self.dir.check()?;
                self.keeper.take(&self.dir, spool.dir(), &self.run, record, evidence)
            }
            _ => Ok(()),
        }
    }

    /// Writes down what is known of a fault as a whole.
    ///
    /// # Errors
    ///
    /// When the line cannot be written.
    pub fn note(&mut self, note: &Note) -> Result<(), FolderError> {
        let written = trials::write_note(&mut self.trials, note);
        written.map_err(FolderError::io("write", &self.path.join(layout::TRIALS)))
    }

    /// Hands the lines that are still in memory to the system.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn flush(&mut self) -> Result<(), FolderError> {
        self.trials.flush().map_err(FolderError::io("write", &self.path.join(layout::TRIALS)))
    }

    /// Gives the folder up when it cannot be written any more: removes the spool and the lock as far as that goes. The summary
    /// that comes back is of `rows`, and is nowhere on disk: the folder reads as incomplete.
    #[must_use]
    pub fn abandon(mut self, rows: &Rows, completion: &Completion) -> Recorded {
        let evidence = index::evidence_in(&self.path).unwrap_or_default();
        let summary = summarise_run(&self.path, &self.run, rows, completion, &evidence);
        // Somebody has to make room first; then it is all rubbish of ours.
        self.spool = None;
        let _ = self.lock.take().map(|lock| lock.remove(&self.dir));
        Recorded { path: self.path.clone(), run: self.run.clone(), summary, rows: rows.clone(), notes: Vec::new() }
    }

    /// Writes `summary.json`, `summary.md` and `junit.xml`, removes the spool and releases the lock. What comes back is what
    /// [`read_run`](crate::read_run) makes of the finished folder.
    ///
    /// # Errors
    ///
    /// When a file cannot be written. The folder stays readable, and the lock is held until the value is dropped.
    pub fn finish(&mut self, rows: &Rows, completion: &Completion) -> Result<Recorded, FolderError> {
        self.flush()?;
        self.dir.check()?;
        let trials = self.path.join(layout::TRIALS);
        self.trials.get_ref().sync_all().map_err(FolderError::io("sync", &trials))?;
        let recorded = Recorded {
            path: self.path.clone(),
            run: self.run.clone(),
            summary: summarise_run(&self.path, &self.run, rows, completion, &index::evidence_in(&self.path)?),
            rows: rows.clone(),
            notes: Vec::new(),
        };
        reports::write_run(&self.dir, &recorded)?;
        // What is still in it belongs to trials that an interrupt kept from being reported: ours, and nothing refers to it.
        self.spool.take().map_or(Ok(()), Scratch::remove)?;
        self.lock.take().map_or(Ok(()), |lock| lock.remove(&self.dir))?;
        Ok(recorded)
    }
}
