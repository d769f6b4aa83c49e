//! What a save keeps of its file besides the content: its mode, its owner, the links to it.
//!
//! Tried before the control, each in a fresh directory with one clean life: no kill, no verdict. A replaced file has a new inode,
//! with everything that hangs on it.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use crashtest_linux::directory::{Directory, Kind};
use crashtest_model::Metadata;

use crate::error::EngineError;
use crate::faults::kill::series::Series;

/// A mode that only the owner can read: what keeps a secret a secret.
const PRIVATE: u32 = 0o600;
/// nobody, the owner of nothing else.
const SOMEBODY_ELSE: u32 = 65_534;

/// Tries it out, in the directory of `series`, which is fresh afterwards.
pub(crate) fn try_out(series: &mut Series<'_, '_, '_>) -> Result<Metadata, EngineError> {
    let (state, file) = series.state_file();
    let dir = state.dir();
    let link = file.with_extension("link");
    let installed = dir.read(&file)?;
    let mode = series.keeps(
        || dir.open_file(&file)?.set_permissions(Permissions::from_mode(PRIVATE)),
        || Ok(dir.mode(&file)? & 0o777 == PRIVATE),
    )?;
    let owner = series.keeps(
        || fchown(dir.open_file(&file)?, Some(SOMEBODY_ELSE), Some(SOMEBODY_ELSE)),
        || Ok(dir.open_file(&file)?.metadata()?.uid() == SOMEBODY_ELSE),
    )?;
    let symlink = series.keeps(
        || {
            dir.rename(&file, dir, &link)?;
            Ok(dir.link(&dir.path().join(&link), &file)?)
        },
        // And the save has reached the file behind it.
        || Ok(dir.kind(&file)? == Some(Kind::Link) && dir.read(&link)? != installed),
    )?;
    let hard_link =
        series.keeps(|| Ok(dir.hard_link(&file, &link)?), || Ok(inode(dir, &file)? == inode(dir, &link)?))?;
    Ok(Metadata { mode, owner, symlink, hard_link })
}

fn inode(dir: &Directory, file: &Path) -> io::Result<u64> {
    Ok(dir.open_file(file)?.metadata()?.ino())
}

/// Without the right to do it (to give a file away) nothing is said about it.
pub(crate) fn is_refused(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    // Invalid: an owner that does not exist in this user namespace.
    matches!(error.kind(), PermissionDenied | Unsupported | InvalidInput)
}
