//! The evidence of failing trials: which of it is kept, where it lies, and which is deleted from the spool.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crashtest_model::{RunRecord, TrialRecord};

use super::{copy, failure, layout};
use crate::FolderError;

/// Failing trials of one signature whose files are kept.
pub const KEPT_PER_SIGNATURE: usize = 3;
/// The most bytes that the kept evidence of one run takes.
pub const EVIDENCE_CAP_BYTES: u64 = 256 * 1024 * 1024;

/// The folders with evidence by finding (its signature), relative to the run, by trial.
pub type EvidenceIndex = BTreeMap<String, Vec<String>>;

/// What keeps evidence in one results folder.
#[derive(Debug)]
pub(crate) struct Keeper {
    spool: PathBuf,
    failures: PathBuf,
    kept: BTreeMap<String, usize>,
    bytes: u64,
}

impl Keeper {
    /// A keeper for the new results folder `run`.
    pub(crate) fn new(run: &Path) -> Keeper {
        Keeper { spool: run.join(layout::SPOOL), failures: run.join(layout::FAILURES), kept: BTreeMap::new(), bytes: 0 }
    }

    /// Keeps the files of `record` that lie in `evidence`, or deletes them when there are enough of their kind.
    pub(crate) fn take(&mut self, run: &RunRecord, record: &TrialRecord, evidence: &Path) -> Result<(), FolderError> {
        self.check_in_spool(evidence)?;
        let Some(signature) = record.signature().map(|s| layout::finding_signature(run, &s)) else {
            return discard(evidence);
        };
        let bytes = copy::tree_bytes(evidence).map_err(FolderError::io("read", evidence))?;
        let kept = self.kept.get(&signature).copied().unwrap_or(0);
        let folder = self.failures.join(&signature).join(format!("{}{}", layout::TRIAL_PREFIX, record.trial));
        if kept >= KEPT_PER_SIGNATURE || self.bytes.saturating_add(bytes) > EVIDENCE_CAP_BYTES || folder.exists() {
            return discard(evidence);
        }
        // Complete before it gets its name: whoever finds a failure's folder finds all of it.
        failure::write(evidence, run, record)?;
        let parent = self.failures.join(&signature);
        fs::create_dir_all(&parent).map_err(FolderError::io("create the folder", &parent))?;
        move_tree(evidence, &folder)?;
        self.bytes += bytes;
        *self.kept.entry(signature).or_default() += 1;
        Ok(())
    }

    /// Refuses what does not lie in the spool: evidence is moved or deleted, and nothing else may be.
    fn check_in_spool(&self, evidence: &Path) -> Result<(), FolderError> {
        let outside = || FolderError::OutsideSpool { path: evidence.to_owned(), spool: self.spool.clone() };
        let (Some(parent), Some(_)) = (evidence.parent(), evidence.file_name()) else {
            return Err(outside());
        };
        let parent = parent.canonicalize().map_err(FolderError::io("read", evidence))?;
        let spool = self.spool.canonicalize().map_err(FolderError::io("read", &self.spool))?;
        let is_directory = fs::symlink_metadata(evidence).map_err(FolderError::io("read", evidence))?.is_dir();
        if parent.starts_with(&spool) && is_directory { Ok(()) } else { Err(outside()) }
    }
}

/// Deletes evidence that was found to lie in the spool. `remove_dir_all` follows no link.
fn discard(evidence: &Path) -> Result<(), FolderError> {
    fs::remove_dir_all(evidence).map_err(FolderError::io("delete", evidence))
}

/// Moves a tree; copies it where the spool is on another file system.
fn move_tree(from: &Path, to: &Path) -> Result<(), FolderError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let mut partial = to.as_os_str().to_owned();
            partial.push(".partial");
            let partial = PathBuf::from(partial);
            copy::copy_tree(from, &partial).and_then(|()| fs::rename(&partial, to)).map_err(|source| {
                let _ = fs::remove_dir_all(&partial);
                FolderError::Io { doing: "copy the evidence to", path: to.to_owned(), source }
            })?;
            discard(from)
        }
        moved => moved.map_err(FolderError::io("move the evidence to", to)),
    }
}

/// The evidence that lies in the results folder `run`.
pub(crate) fn index(run: &Path) -> Result<EvidenceIndex, FolderError> {
    let failures = run.join(layout::FAILURES);
    let mut index = EvidenceIndex::new();
    for signature in names_in(&failures)? {
        let folder = failures.join(&signature);
        let mut trials: Vec<u64> = names_in(&folder)?.iter().filter_map(|name| layout::trial_of(name)).collect();
        trials.sort_unstable();
        let folders = trials.iter().map(|n| format!("{}/{signature}/{}{n}", layout::FAILURES, layout::TRIAL_PREFIX));
        index.insert(signature.clone(), folders.collect());
    }
    index.retain(|_, folders| !folders.is_empty());
    Ok(index)
}

/// The names of the folders in `path`; none where it does not exist.
pub(crate) fn names_in(path: &Path) -> Result<Vec<String>, FolderError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(FolderError::io("read the folder", path))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FolderError::io("read the folder", path))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort_unstable();
    Ok(names)
}
