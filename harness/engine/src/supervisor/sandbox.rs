//! The directory in which everything happens: made by us, emptied by us, removed with everything in it when it is dropped.

use std::io;
use std::path::Path;

use crashtest_linux::directory::{Directory, DirectoryError};
use crashtest_linux::mounts;
use crashtest_linux::scratch::{self, Leftovers, Scratch};
use crashtest_model::{Bytes, FileSystem};

use crate::error::EngineError;

/// Room for a document, its temporaries and their directory, as a multiple of the state size.
const ROOM: u64 = 8;
/// Room for directories and evidence on top of it.
const SPARE: u64 = 256 * 1024;

/// A sandbox.
#[derive(Debug)]
pub struct Sandbox {
    dir: Scratch,
    /// A directory in memory, if there is one: others find by its mark where we work.
    memory: Option<Scratch>,
    /// Whether derived crash states have room in memory.
    memory_is_big: bool,
    file_system: FileSystem,
    leftovers: Leftovers,
}

impl Sandbox {
    /// Makes a sandbox below `parent` with room for `workers` targets of `state_size`. What dead runs have left is removed first.
    ///
    /// # Errors
    /// `parent` is no directory, cannot be written, or its file system is too full.
    pub fn make(parent: &Path, workers: usize, state_size: Bytes) -> Result<Sandbox, EngineError> {
        let metadata = std::fs::metadata(parent).map_err(EngineError::sandbox("use as sandbox", parent))?;
        if !metadata.is_dir() {
            return Err(EngineError::sandbox("use as sandbox", parent)(io::ErrorKind::NotADirectory.into()));
        }
        let parent = &std::fs::canonicalize(parent).map_err(EngineError::sandbox("use as sandbox", parent))?;
        let leftovers = scratch::sweep(&[parent]);
        let (memory, dir) = Scratch::make_announced(parent, "sandbox")?;
        let free = mounts::free_bytes(dir.path()).map_err(EngineError::sandbox("look at", parent))?;
        let needed = workers as u64 * (state_size.0 * ROOM + SPARE);
        if free < needed {
            return Err(EngineError::Small { path: parent.clone(), free, needed });
        }
        let mount = mounts::mount_of(dir.path()).map_err(EngineError::sandbox("look at", parent))?;
        let file_system = FileSystem { kind: mount.kind, options: mount.options };
        let memory_is_big =
            memory.as_ref().is_some_and(|memory| mounts::free_bytes(memory.path()).is_ok_and(|free| free >= needed));
        Ok(Sandbox { dir, memory, memory_is_big, file_system, leftovers })
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

    /// What was found of dead runs when it was made.
    #[must_use]
    pub fn leftovers(&self) -> &Leftovers {
        &self.leftovers
    }

    /// Notes that directories of ours are about to be made in `place`, for whoever has to remove them where we are killed.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn announce(&mut self, place: &Path) -> Result<(), EngineError> {
        let scratch = self.memory.as_mut().unwrap_or(&mut self.dir);
        let path = scratch.path().to_owned();
        scratch.announce(place).map_err(EngineError::sandbox("write in", &path))
    }

    /// Removes it.
    ///
    /// # Errors
    /// A program has put something else in its place, has mounted something inside, or what the system says: then what is left stays.
    pub fn remove(self) -> Result<(), EngineError> {
        let removed = self.dir.remove();
        match self.memory.map_or(Ok(()), Scratch::remove) {
            Err(error) if removed.is_ok() => Err(error.into()),
            _ => Ok(removed?),
        }
    }

    /// Makes the directory of worker `worker` in memory; `None` where there is none.
    pub(crate) fn memory_of(&self, worker: usize) -> Result<Option<Directory>, DirectoryError> {
        let memory = self.memory.as_ref().filter(|_| self.memory_is_big);
        memory.map(|memory| worker_of(memory, worker)).transpose()
    }

    /// Makes the directory for evidence that goes with the sandbox.
    pub(crate) fn spool(&self) -> Result<Directory, DirectoryError> {
        self.dir.dir().open_or_make(Path::new("spool"), 0o777)
    }

    /// Makes the directory of worker `worker`.
    pub(crate) fn worker(&self, worker: usize) -> Result<Directory, DirectoryError> {
        worker_of(&self.dir, worker)
    }
}

fn worker_of(scratch: &Scratch, worker: usize) -> Result<Directory, DirectoryError> {
    scratch.dir().check()?;
    scratch.dir().open_or_make(Path::new(&format!("worker-{worker}")), 0o777)
}
