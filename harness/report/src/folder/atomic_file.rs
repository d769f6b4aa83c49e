//! Files that are there whole or not at all: written beside their place, synced, renamed over it, the directory synced.
//!
//! A harness that finds torn files in others must not leave its own.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use crate::FolderError;

/// Writes `content` to `path`, atomically and durably.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), FolderError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = directory.join(name);
    let written = File::create(&partial)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path))
        .and_then(|()| File::open(directory)?.sync_all());
    written.map_err(|source| {
        // The error that matters is the first one; what is left of the attempt only takes space.
        let _ = fs::remove_file(&partial);
        FolderError::Io { doing: "write", path: path.to_owned(), source }
    })
}

/// Writes `value` to `path` as people can read it.
pub(crate) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), FolderError> {
    let mut json = serde_json::to_vec_pretty(value).map_err(|error| FolderError::io("write", path)(error.into()))?;
    json.push(b'\n');
    write(path, &json)
}
