//! Canaries that do not cope with a call that fails or falls short. Killed, each is as whole as `atomic-fsync`.

use std::io::{self, Write};
use std::path::Path;

use crashtest_kit::Place;
use crashtest_kit::fs::FsFile;

use crate::document::{Content, Strategy};
use crate::strategies::{stream, temporary};

/// Closes a written and synced temporary, renames it over the file and syncs the directory.
fn replace(place: &Place, path: &Path, file: FsFile<'_>) -> io::Result<()> {
    file.close()?;
    place.fs.rename(&temporary(path), path)?;
    place.fs.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Writes the whole content with one call, and does not look at how much of it was written.
pub(super) struct ShortWrite;

impl Strategy for ShortWrite {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        content(&mut bytes)?;
        let mut file = place.fs.create(&temporary(path))?;
        let _some = file.write(&bytes)?;
        file.sync_all()?;
        replace(place, path, file)
    }
}

/// Syncs, and goes on whatever comes of it.
pub(super) struct FsyncIgnored;

impl Strategy for FsyncIgnored {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let file = stream(place.fs.create(&temporary(path))?, content)?;
        let _ignored = file.sync_all();
        replace(place, path, file)
    }
}

/// Syncs once more where that failed, and believes the second call: the kernel has marked the pages clean by then.
pub(super) struct FsyncRetried;

impl Strategy for FsyncRetried {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let file = stream(place.fs.create(&temporary(path))?, content)?;
        file.sync_all().or_else(|_| file.sync_all())?;
        replace(place, path, file)
    }
}

/// Renames the temporary over the file also when it could not be written to its end, and reports that it could not.
pub(super) struct Truncated;

impl Strategy for Truncated {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let temp = temporary(path);
        match stream(place.fs.create(&temp)?, content) {
            Ok(file) => {
                file.sync_all()?;
                replace(place, path, file)
            }
            Err(error) => place.fs.rename(&temp, path).and(Err(error)),
        }
    }
}
