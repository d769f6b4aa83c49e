//! The reports in a results folder: a file for each format that has one.

use crashtest_linux::directory::Directory;

use crate::error::FolderError;
use crate::folder::{files, layout};
use crate::render::{FORMATS, Format, Terminal};
use crate::results::{Recorded, RecordedGrid};

/// The terminal for a report that goes to a file: plain text of 80 columns.
const NO_TERMINAL: Terminal = Terminal::plain(80);

/// Writes the reports of a run into its folder `dir`.
pub(super) fn write_run(dir: &Directory, recorded: &Recorded) -> Result<(), FolderError> {
    write(dir, |format| (format.run)(recorded, NO_TERMINAL))
}

/// Writes the reports of a grid into its folder `dir`.
pub(super) fn write_grid(dir: &Directory, recorded: &RecordedGrid) -> Result<(), FolderError> {
    write(dir, |format| (format.grid)(recorded, NO_TERMINAL))
}

fn write(dir: &Directory, report: impl Fn(&Format) -> String) -> Result<(), FolderError> {
    let mut files: Vec<(&str, &Format)> = FORMATS.iter().filter_map(|format| Some((format.file?, format))).collect();
    // Last: a folder with a summary is a finished one.
    files.sort_by_key(|(name, _)| *name == layout::SUMMARY);
    files.into_iter().try_for_each(|(name, format)| files::write(dir, name, report(format).as_bytes()))
}
