//! Which evidence a results folder holds, by the folders that lie below it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::layout;
use crate::error::FolderError;

/// The folders with evidence by finding (its signature), relative to the run, by trial.
pub type EvidenceIndex = BTreeMap<String, Vec<String>>;

/// The evidence that lies in the results folder `run`.
pub(crate) fn evidence_in(run: &Path) -> Result<EvidenceIndex, FolderError> {
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
