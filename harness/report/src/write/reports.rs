//! The reports in a results folder: a file for each format that has one.

use crashtest_linux::directory::Directory;

use crate::error::FolderError;
use crate::folder::{files, layout};
use crate::render::{FORMATS, Format, Terminal};
use crate::results::{Recorded, RecordedAudit, RecordedGrid};

/// The terminal for a report that goes to a file: plain text of 80 columns.
const NO_TERMINAL: Terminal = Terminal::plain(80);

/// Writes the reports of a run into its folder `dir`.
pub(super) fn write_run(dir: &Directory, recorded: &Recorded) -> Result<(), FolderError> {
    write(dir, layout::SUMMARY, |format| (format.run)(recorded, NO_TERMINAL))
}

/// Writes the reports of a grid into its folder `dir`.
pub(super) fn write_grid(dir: &Directory, recorded: &RecordedGrid) -> Result<(), FolderError> {
    write(dir, layout::SUMMARY, |format| (format.grid)(recorded, NO_TERMINAL))
}

/// Writes the reports of an audit into its folder `dir`.
pub(super) fn write_audit(dir: &Directory, recorded: &RecordedAudit) -> Result<(), FolderError> {
    write(dir, layout::AUDIT, |format| (format.audit)(recorded, NO_TERMINAL))
}

/// Writes the file of each format. `whole` is that of the machine contract, which comes last: a folder with it is a finished one.
fn write(dir: &Directory, whole: &str, report: impl Fn(&Format) -> String) -> Result<(), FolderError> {
    let named = |format| -> Option<(&str, &Format)> {
        let format: &Format = format;
        let file = format.file?;
        Some((if file == layout::SUMMARY { whole } else { file }, format))
    };
    let mut files: Vec<(&str, &Format)> = FORMATS.iter().filter_map(named).collect();
    files.sort_by_key(|(name, _)| *name == whole);
    files.into_iter().try_for_each(|(name, format)| files::write(dir, name, report(format).as_bytes()))
}
