//! An audit's folder read back.

use std::fs;
use std::path::Path;

use crashtest_model::{AUDIT_FORMAT, AuditRecord};
use serde::Deserialize;

use crate::error::FolderError;
use crate::folder::{index, json, layout};
use crate::results::RecordedAudit;

/// Reads the results folder of an audit.
///
/// # Errors
///
/// When it is no audit's, is of another version, or cannot be read.
pub(crate) fn read_audit(path: &Path) -> Result<RecordedAudit, FolderError> {
    let file = path.join(layout::AUDIT);
    let text = fs::read(&file).map_err(FolderError::io("read", &file))?;
    check_format(&file, &text)?;
    let record: AuditRecord = json::parse(&file, &text)?;
    let names = layout::failures_of(&record).into_iter().map(|(_, folder)| folder);
    let there = index::names_in(&path.join(layout::FAILURES))?;
    let folder = |name: String| there.contains(&name).then(|| Path::new(layout::FAILURES).join(name));
    let kept = names.map(folder).collect();
    Ok(RecordedAudit { path: path.to_owned(), record, kept })
}

/// Refuses a file that another version wrote; asked before the rest is parsed, which may have changed.
fn check_format(file: &Path, text: &[u8]) -> Result<(), FolderError> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let Versioned { format } = json::parse(file, text)?;
    if format == AUDIT_FORMAT {
        return Ok(());
    }
    Err(FolderError::Format { path: file.to_owned(), found: format!("audit {format}") })
}
