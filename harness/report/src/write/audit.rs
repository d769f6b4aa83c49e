//! The results folder of an audit: made once it is over, as its state directory may be the one in which the folder lies.

use std::path::{Component, Path, PathBuf};

use crashtest_linux::directory::{Directory, DirectoryError};
use crashtest_model::{AuditFailure, AuditRecord, KeptAuditFailure, Recheck};
use nix::unistd::{AccessFlags, access};

use super::reports;
use crate::error::FolderError;
use crate::folder::{evidence, failure, files, latest, layout, place};
use crate::results::RecordedAudit;

/// What an audit knows of its crash states.
pub trait CrashStates {
    /// Writes the files that show `failure` into `to`, unless they are more than `most` bytes. Returns how many bytes they are.
    ///
    /// # Errors
    /// They cannot be written.
    fn write(&self, failure: &AuditFailure, most: u64, to: &Directory) -> Result<u64, DirectoryError>;

    /// Returns the calls around the crash that `failure` shows, one a line.
    fn calls(&self, failure: &AuditFailure) -> Vec<String>;
}

/// The place for the results folder of an audit, found before its program runs: that may put something else there.
#[derive(Debug)]
pub struct AuditOut {
    /// As it was named.
    named: PathBuf,
    /// What was there of it.
    there: Directory,
    /// What is to be made below that.
    below: PathBuf,
}

impl AuditOut {
    /// Finds the directory `out`, or where it is to be made.
    ///
    /// # Errors
    ///
    /// When something on the way is no directory, or cannot be written.
    pub fn find(out: &Path) -> Result<AuditOut, FolderError> {
        let whole = std::path::absolute(out).map_err(FolderError::io("find the folder", out))?;
        let mut there = whole.as_path();
        while there.symlink_metadata().is_err()
            && let Some(parent) = there.parent()
        {
            there = parent;
        }
        let below = whole.strip_prefix(there).unwrap_or(Path::new("")).to_owned();
        let dir = Directory::named(there)?;
        let writable = access(there, AccessFlags::W_OK | AccessFlags::X_OK);
        writable.map_err(|errno| FolderError::io("write in the folder", there)(errno.into()))?;
        Ok(AuditOut { named: out.to_owned(), there: dir, below })
    }

    /// The results of crashtest that are there already, and the link to the newest of them.
    #[must_use]
    pub fn results(&self) -> Vec<PathBuf> {
        match self.below.as_os_str().is_empty() {
            true => place::results_in(self.there.path()),
            false => Vec::new(),
        }
    }

    /// Keeps `record` in a new folder there, `<time>-audit-<program>/`, with the crash state of each failure as `states` has them, until
    /// [so many bytes](crate::EVIDENCE_CAP_BYTES) are kept. `recheck` is the checker that can be asked about them again. The notes say
    /// what was not kept, and that `latest` does not point to it.
    ///
    /// # Errors
    ///
    /// When a file cannot be written, or somebody has put something else in the place: then there is no folder.
    pub fn keep(
        self,
        record: &AuditRecord,
        recheck: Option<&Recheck>,
        states: &dyn CrashStates,
    ) -> Result<(RecordedAudit, Vec<String>), FolderError> {
        self.there.check()?;
        let mut out = self.there;
        for part in self.below.components() {
            let Component::Normal(name) = part else { continue };
            out = out.open_or_make(Path::new(name), 0o777)?;
        }
        let program = record.command.first().and_then(|program| Path::new(program).file_name()).unwrap_or_default();
        let name = format!("audit-{}", program.to_string_lossy());
        let started = record.started.as_deref().unwrap_or_default();
        let (path, name) = place::new_folder(out.path(), started, &name, None)?;
        let dir = files::open(&path)?;
        let filled = fill(&dir, &self.named.join(&name), record, recheck, states);
        let (recorded, left_out) = filled.inspect_err(|_| {
            // Half of it would only mislead.
            let _ = files::remove(&dir);
        })?;
        let not_kept = (left_out > 0).then(|| {
            let all = recorded.kept.len();
            format!("of {left_out} of {all} failures the files are not kept: they would be too many")
        });
        let notes = not_kept.into_iter().chain(latest::point(out.path(), &name)).collect();
        Ok((recorded, notes))
    }
}

/// Writes all there is into `dir`, which people call `path`. Also the number of failures that have no files there.
fn fill(
    dir: &Directory,
    path: &Path,
    record: &AuditRecord,
    recheck: Option<&Recheck>,
    states: &dyn CrashStates,
) -> Result<(RecordedAudit, usize), FolderError> {
    let (mut room, mut kept) = (evidence::EVIDENCE_CAP_BYTES, Vec::new());
    for (audited, name) in layout::failures_of(record) {
        let failures = dir.open_or_make(Path::new(layout::FAILURES), 0o777)?;
        let folder = failures.make(Path::new(&name), 0o777)?;
        // It may hold what is for the eyes of its owner only.
        let bytes = states.write(&audited, room, &folder.make(Path::new(layout::CRASH_STATE), 0o700)?)?;
        let Some(rest) = room.checked_sub(bytes) else {
            failures.remove_tree(Path::new(&name))?;
            kept.push(None);
            continue;
        };
        room = rest;
        let calls = states.calls(&audited);
        let failure = KeptAuditFailure { command: record.command.clone(), failure: audited, recheck: recheck.cloned() };
        failure::write_audited(&folder, &failure, &calls)?;
        kept.push(Some(Path::new(layout::FAILURES).join(name)));
    }
    let left_out = kept.iter().filter(|kept| kept.is_none()).count();
    let recorded = RecordedAudit { path: path.to_owned(), record: record.clone(), kept };
    reports::write_audit(dir, &recorded)?;
    Ok((recorded, left_out))
}
