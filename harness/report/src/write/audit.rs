//! The results folder of an audit: made once it is over, as its state directory may be the one in which the folder lies.

use std::path::{Path, PathBuf};

use crashtest_linux::directory::{Directory, DirectoryError};
use crashtest_model::{AuditRecord, CrashPoint, KeptAuditFailure, Recheck};

use super::reports;
use crate::error::FolderError;
use crate::folder::{evidence, failure, files, latest, layout, place};
use crate::results::RecordedAudit;

/// What an audit knows of the crash at a point.
pub trait CrashStates {
    /// Writes the files that it leaves into `to`.
    ///
    /// # Errors
    /// They cannot be written.
    fn write(&self, point: CrashPoint, to: &Directory) -> Result<(), DirectoryError>;

    /// Returns the calls around it, one a line.
    fn calls(&self, point: CrashPoint) -> Vec<String>;
}

/// The results folder of an audit. Dropped without [`finish`](AuditFolder::finish) it has no record and is no results folder.
#[derive(Debug)]
pub struct AuditFolder {
    path: PathBuf,
    dir: Directory,
    record: AuditRecord,
    kept: Vec<PathBuf>,
    out: PathBuf,
    /// The last part of its path.
    name: String,
}

impl AuditFolder {
    /// Makes `<out>/<time>-audit-<program>/`, a new folder.
    ///
    /// # Errors
    ///
    /// When it cannot be made, or the record does not say when it started.
    pub fn create(out: &Path, record: &AuditRecord) -> Result<AuditFolder, FolderError> {
        let program = record.command.first().and_then(|program| Path::new(program).file_name()).unwrap_or_default();
        let started = record.started.as_deref().unwrap_or_default();
        let (path, name) =
            place::new_folder(out, started, &format!("audit-{}", program.to_string_lossy()), None)?;
        let dir = files::open(&path)?;
        Ok(AuditFolder { path, dir, record: record.clone(), kept: Vec::new(), out: out.to_owned(), name })
    }

    /// Keeps the crash state of each failure under `failures/`, until [so many bytes](crate::EVIDENCE_CAP_BYTES) are kept. `recheck` is
    /// the checker that can be asked about them again.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn keep(&mut self, recheck: Option<&Recheck>, states: &dyn CrashStates) -> Result<(), FolderError> {
        let mut bytes = 0;
        for (audited, name) in layout::failures_of(&self.record) {
            let failures = self.dir.open_or_make(Path::new(layout::FAILURES), 0o777)?;
            let folder = failures.make(Path::new(&name), 0o777)?;
            let point = audited.point();
            states.write(point, &folder.make(Path::new(layout::CRASH_STATE), 0o777)?)?;
            bytes += files::bytes_below(&folder)?;
            if bytes > evidence::EVIDENCE_CAP_BYTES {
                return Ok(failures.remove_tree(Path::new(&name))?);
            }
            let kept = KeptAuditFailure {
                command: self.record.command.clone(),
                failure: audited,
                recheck: recheck.cloned(),
            };
            failure::write_audited(&folder, &kept, &states.calls(point))?;
            self.kept.push(Path::new(layout::FAILURES).join(name));
        }
        Ok(())
    }

    /// Writes `summary.md`, `junit.xml` and `audit.json`, and points `<out>/latest` to the folder. That the link cannot be made is a note.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn finish(self) -> Result<(RecordedAudit, Option<String>), FolderError> {
        let recorded = RecordedAudit { path: self.path, record: self.record, kept: self.kept };
        reports::write_audit(&self.dir, &recorded)?;
        Ok((recorded, latest::point(&self.out, &self.name)))
    }
}
