//! The lock of a results folder: held while its supervisor lives, so that a reader can tell "still running" from "died".
//!
//! flock(2) rather than a file that exists: the kernel releases it when the holder dies, however it dies.

use std::fs::File;
use std::path::Path;

use crashtest_linux::directory::Directory;
use crashtest_model::Completion;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::layout;
use crate::error::FolderError;

/// The exclusive lock on a results folder; dropping it releases it.
#[derive(Debug)]
pub(crate) struct Lock {
    _held: Flock<File>,
}

impl Lock {
    /// Takes the lock of the results folder `run`.
    pub(crate) fn take(run: &Directory) -> Result<Lock, FolderError> {
        let file = run.create(Path::new(layout::LOCK), 0o666)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Lock { _held: held }),
            Err((_, errno)) => Err(FolderError::io("lock", &run.path().join(layout::LOCK))(errno.into())),
        }
    }

    /// Removes the lock file of the results folder `run` and releases the lock.
    pub(crate) fn remove(self, run: &Directory) -> Result<(), FolderError> {
        Ok(run.remove_file(Path::new(layout::LOCK))?)
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

/// The completion of a run or a grid without a summary, as far as its lock tells.
pub(crate) fn unfinished(path: &Path) -> Completion {
    let stopped = if is_held(path) { "still running" } else { "the supervisor ended without a report" };
    Completion { stopped: Some(stopped.to_owned()), ..Completion::default() }
}
