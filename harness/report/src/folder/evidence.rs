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
    kept: BTreeMap<String, usize>,
    bytes: u64,
}

impl Keeper {
    /// Keeps the files of `record` that lie in `evidence`, a directory in `spool`, in the results folder `folder`.
    ///
    /// Deletes them when there are enough of their kind.
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
        let kept = self.kept.get(&signature).copied().unwrap_or(0);
        let kin = Path::new(layout::FAILURES).join(&signature);
        let trial = PathBuf::from(format!("{}{}", layout::TRIAL_PREFIX, record.trial));
        let is_enough = kept >= KEPT_PER_SIGNATURE || self.bytes.saturating_add(bytes) > EVIDENCE_CAP_BYTES;
        if is_enough || folder.kind(&kin.join(&trial))?.is_some() {
            return Ok(spool.remove_tree(name)?);
        }
        // Complete before it gets its name: whoever finds a failure's folder finds all of it.
        failure::write(&files, run, record)?;
        let kin =
            folder.open_or_make(Path::new(layout::FAILURES), 0o777)?.open_or_make(Path::new(&signature), 0o777)?;
        spool.rename(name, &kin, &trial)?;
        self.bytes += bytes;
        *self.kept.entry(signature).or_default() += 1;
        Ok(())
    }
}
