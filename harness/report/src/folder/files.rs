//! Files in a results folder: each there whole or not at all, and none of them reached through a link.
//!
//! A harness that finds torn files in others must not leave its own. A program under test that turns a name here into a link must
//! not make us write elsewhere. So everything goes by the folder's descriptor.

use std::ffi::OsStr;
use std::path::Path;

use crashtest_linux::directory::{Directory, DirectoryError, Kind, Listed};

use crate::error::FolderError;

/// The folder `path`, in which we write: it was made by us.
pub(crate) fn open(path: &Path) -> Result<Directory, FolderError> {
    let whole = path.canonicalize().map_err(FolderError::io("open the folder", path))?;
    Ok(Directory::ours(&whole)?)
}

/// Writes `content` to the file `name` in `dir`, atomically and durably.
pub(crate) fn write(dir: &Directory, name: &str, content: &[u8]) -> Result<(), FolderError> {
    Ok(dir.replace(OsStr::new(name), content)?)
}

/// Writes `value` as people can read it.
pub(crate) fn write_json<T: serde::Serialize>(dir: &Directory, name: &str, value: &T) -> Result<(), FolderError> {
    let failed = |error: serde_json::Error| FolderError::io("write", &dir.path().join(name))(error.into());
    let mut json = serde_json::to_vec_pretty(value).map_err(failed)?;
    json.push(b'\n');
    write(dir, name, &json)
}

/// Removes the folder and all that is in it, if it still is the one that was made. Links are removed, not followed.
pub(crate) fn remove(dir: &Directory) -> Result<(), DirectoryError> {
    dir.check()?;
    match (dir.path().parent(), dir.path().file_name()) {
        (Some(parent), Some(name)) => Directory::named(parent)?.remove_tree(Path::new(name)),
        _ => Ok(()),
    }
}

/// The bytes in the files below `dir`, by their length: what a copy of it would take.
pub(crate) fn bytes_below(dir: &Directory) -> Result<u64, DirectoryError> {
    let mut bytes = 0u64;
    for Listed { name, kind } in dir.list()? {
        let name = Path::new(&name);
        bytes = bytes.saturating_add(match kind {
            Kind::Directory => bytes_below(&dir.open(name)?)?,
            Kind::File => dir.open_file(name)?.metadata().map_or(0, |metadata| metadata.len()),
            Kind::Link | Kind::Special => 0,
        });
    }
    Ok(bytes)
}
