//! The lock of a results folder: held while its supervisor lives, so that a reader can tell "still running" from "died".
//!
//! flock(2) rather than a file that exists: the kernel releases it when the holder dies, however it dies.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::layout;
use crate::FolderError;

/// The exclusive lock on a results folder; dropping it releases it.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _held: Flock<File>,
}

impl Lock {
    /// Takes the lock of the results folder `run`.
    pub(crate) fn take(run: &Path) -> Result<Lock, FolderError> {
        let path = run.join(layout::LOCK);
        let file = File::create_new(&path).map_err(FolderError::io("create the lock file", &path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Lock { path, _held: held }),
            Err((_, errno)) => Err(FolderError::io("lock", &path)(errno.into())),
        }
    }

    /// Removes the lock file and releases the lock.
    pub(crate) fn remove(self) -> Result<(), FolderError> {
        fs::remove_file(&self.path).map_err(FolderError::io("remove the lock file", &self.path))
    }
}

/// Whether a living process holds the lock of the results folder `run`.
pub(crate) fn is_held(run: &Path) -> bool {
    // A shared lock, so that two readers do not take each other for the supervisor.
    match File::open(run.join(layout::LOCK)).map(|file| Flock::lock(file, FlockArg::LockSharedNonblock)) {
        Ok(Err((_, errno))) => errno == Errno::EWOULDBLOCK,
        Ok(Ok(_)) | Err(_) => false,
    }
}
