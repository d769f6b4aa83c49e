//! What a save keeps of its file besides the content: its mode, its owner, the links to it.
//!
//! Tried before the control, each in a fresh directory with one clean life: no kill, no verdict. A replaced file has a new inode,
//! with everything that hangs on it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use crashtest_model::Metadata;

use crate::chain::Chain;
use crate::error::EngineError;

/// A mode that only the owner can read: what keeps a secret a secret.
const PRIVATE: u32 = 0o600;
/// nobody, the owner of nothing else.
const SOMEBODY_ELSE: u32 = 65_534;

/// Tries it out, in the directory of `chain`, which is fresh afterwards.
pub(crate) fn try_out(chain: &mut Chain<'_, '_>) -> Result<Metadata, EngineError> {
    let file = chain.state_file();
    let link = file.with_extension("link");
    let installed = fs::read(&file).map_err(EngineError::sandbox("read", &file))?;
    let mode = chain.keeps(
        || fs::set_permissions(&file, Permissions::from_mode(PRIVATE)),
        || Ok(fs::metadata(&file)?.mode() & 0o777 == PRIVATE),
    )?;
    let owner = chain.keeps(
        || chown(&file, Some(SOMEBODY_ELSE), Some(SOMEBODY_ELSE)),
        || Ok(fs::metadata(&file)?.uid() == SOMEBODY_ELSE),
    )?;
    let symlink = chain.keeps(
        || {
            fs::rename(&file, &link)?;
            symlink(&link, &file)
        },
        // And the save has reached the file behind it.
        || Ok(fs::symlink_metadata(&file)?.is_symlink() && fs::read(&link)? != installed),
    )?;
    let hard_link =
        chain.keeps(|| fs::hard_link(&file, &link), || Ok(fs::metadata(&file)?.ino() == fs::metadata(&link)?.ino()))?;
    Ok(Metadata { mode, owner, symlink, hard_link })
}

/// Without the right to do it (to give a file away) nothing is said about it.
pub(crate) fn is_refused(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::Unsupported)
}
