//! The directory in which everything happens: made by us, emptied by us, removed with everything in it when it is dropped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crashtest_linux::mounts;
use crashtest_model::{Bytes, FileSystem};
use tempfile::TempDir;

use crate::error::EngineError;

/// Room for a document, its temporaries and their directory, as a multiple of the state size.
const ROOM: u64 = 8;
/// Room for directories and evidence on top of it.
const SPARE: u64 = 256 * 1024;

/// Where files live in memory.
const MEMORY: &str = "/dev/shm";

/// A sandbox.
#[derive(Debug)]
pub struct Sandbox {
    dir: TempDir,
    /// A directory in memory, if there is one and it is big enough.
    memory: Option<TempDir>,
    file_system: FileSystem,
}

impl Sandbox {
    /// Makes a sandbox below `parent` with room for `workers` targets of `state_size`.
    ///
    /// # Errors
    /// `parent` is no directory, cannot be written, or its file system is too full.
    pub fn make(parent: &Path, workers: usize, state_size: Bytes) -> Result<Sandbox, EngineError> {
        let metadata = fs::metadata(parent).map_err(EngineError::sandbox("use as sandbox", parent))?;
        if !metadata.is_dir() {
            return Err(EngineError::sandbox("use as sandbox", parent)(io::ErrorKind::NotADirectory.into()));
        }
        let dir = tempfile::Builder::new()
            .prefix(".crashtest-sandbox-")
            .tempdir_in(parent)
            .map_err(|e| EngineError::sandbox("make a sandbox in", parent)(plain(e)))?;
        let free = mounts::free_bytes(dir.path()).map_err(EngineError::sandbox("look at", parent))?;
        let needed = workers as u64 * (state_size.0 * ROOM + SPARE);
        if free < needed {
            return Err(EngineError::Small { path: parent.to_owned(), free, needed });
        }
        let mount = mounts::mount_of(dir.path()).map_err(EngineError::sandbox("look at", parent))?;
        let memory = tempfile::Builder::new().prefix(".crashtest-memory-").tempdir_in(MEMORY).ok();
        let memory = memory.filter(|memory| mounts::free_bytes(memory.path()).is_ok_and(|free| free >= needed));
        Ok(Sandbox { dir, memory, file_system: FileSystem { kind: mount.kind, options: mount.options } })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What it lies on.
    #[must_use]
    pub fn file_system(&self) -> &FileSystem {
        &self.file_system
    }

    /// Makes the directory of worker `worker` in memory; `None` where there is none.
    pub(crate) fn memory_of(&self, worker: usize) -> Result<Option<PathBuf>, EngineError> {
        let Some(memory) = &self.memory else { return Ok(None) };
        let dir = memory.path().join(format!("worker-{worker}"));
        fs::create_dir_all(&dir).map_err(EngineError::sandbox("make", &dir))?;
        Ok(Some(dir))
    }

    /// Makes the directory of worker `worker`.
    pub(crate) fn worker(&self, worker: usize) -> Result<PathBuf, EngineError> {
        let dir = self.dir.path().join(format!("worker-{worker}"));
        fs::create_dir_all(&dir).map_err(EngineError::sandbox("make", &dir))?;
        Ok(dir)
    }
}

/// tempfile wraps the system's error together with the path, which our own message already gives.
fn plain(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}
