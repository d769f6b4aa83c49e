//! The evidence of failing trials: which of it is kept, where it lies, and which is deleted from the spool.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crashtest_linux::directory::{Directory, Kind};
use crashtest_model::{RunRecord, TrialRecord};

use super::{failure, files, layout};
use crate::error::FolderError;

/// Failing trials of one signature whose files are kept.
pub const KEPT_PER_SIGNATURE: usize = 3;
/// The most bytes that the kept evidence of one run takes.
pub const EVIDENCE_CAP_BYTES: u64 = 256 * 1024 * 1024;

/// The keeper of evidence in one results folder.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    /// By the signature of the failure and the number of the trial: how many bytes it takes.
    kept: BTreeMap<String, BTreeMap<u64, u64>>,
}

impl Keeper {
    /// Keeps the files of `record` that lie in `evidence`, a directory in `spool`, in the results folder `folder`.
    ///
    /// Deletes them when there are enough of their kind, or those of a trial with a higher number for them: what is kept does not depend on
    /// which worker was faster.
    pub(crate) fn take(
        &mut self,
        folder: &Directory,
        spool: &Directory,
        run: &RunRecord,
        record: &TrialRecord,
        evidence: &Path,
    ) -> Result<(), FolderError> {
        // Evidence is moved or deleted, and nothing else may be.
        let outside = || FolderError::OutsideSpool { path: evidence.to_owned(), spool: spool.path().to_owned() };
        let (Some(parent), Some(name)) = (evidence.parent(), evidence.file_name().map(Path::new)) else {
            return Err(outside());
        };
        if parent != spool.path() || spool.kind(name)? != Some(Kind::Directory) {
            return Err(outside());
        }
        let files = spool.open(name)?;
        let Some(signature) = record.signature().map(|s| layout::finding_signature(run, &s)) else {
            return Ok(spool.remove_tree(name)?);
        };
        let bytes = files::bytes_below(&files)?;
        let all = self.kept.values().flat_map(BTreeMap::values).sum::<u64>();
        let kept = self.kept.entry(signature.clone()).or_default();
        let kin = Path::new(layout::FAILURES).join(&signature);
        let folder_of = |trial: u64| PathBuf::from(format!("{}{trial}", layout::TRIAL_PREFIX));
        let is_full = kept.len() >= KEPT_PER_SIGNATURE;
        // The highest one makes room for a lower one.
        let goes = kept.last_entry().filter(|last| is_full && *last.key() > record.trial);
        let without = all - goes.as_ref().map_or(0, |last| *last.get());
        let is_enough = (is_full && goes.is_none()) || without.saturating_add(bytes) > EVIDENCE_CAP_BYTES;
        if is_enough || folder.kind(&kin.join(folder_of(record.trial)))?.is_some() {
            return Ok(spool.remove_tree(name)?);
        }
        if let Some(goes) = goes {
            folder.remove_tree(&kin.join(folder_of(*goes.key())))?;
            goes.remove();
        }
        // Complete before it gets its name: whoever finds a failure's folder finds all of it.
        failure::write(&files, run, record)?;
        let kin =
            folder.open_or_make(Path::new(layout::FAILURES), 0o777)?.open_or_make(Path::new(&signature), 0o777)?;
        spool.rename(name, &kin, &folder_of(record.trial))?;
        kept.insert(record.trial, bytes);
        Ok(())
    }
}
