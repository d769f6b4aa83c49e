//! A state directory: what a program under test may do with its files, and what it may not do with the directory.
//!
//! It is held by its descriptor. Before anything is read, written or removed there, its path must still name the directory that was
//! made: a program that has put something else in its place is stopped, and nothing behind it is touched.

use std::cell::RefCell;
use std::path::{Component, Path, PathBuf};

use crashtest_linux::directory::{Directory, DirectoryError, Kind, Replaced};
use crashtest_states::Snapshot;

use crate::error::EngineError;
use crate::snapshot::{self, Detail};

/// The directory that a victim keeps its state in.
#[derive(Debug)]
pub(crate) struct StateDir {
    dir: Directory,
    /// The directory that it lies in, which is ours alone: looked at where somebody's own program is under test.
    around: Option<Directory>,
    /// How much of its files is read.
    detail: Detail,
    /// What of the state that was put there last cannot be put there.
    lost: RefCell<Vec<String>>,
}

impl StateDir {
    /// Makes the directory `name` in `sandbox`, or takes the one that is there.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn make(sandbox: &Directory, name: &str) -> Result<StateDir, EngineError> {
        Ok(StateDir {
            dir: sandbox.open_or_make(Path::new(name), 0o777)?,
            around: None,
            detail: Detail::Contents,
            lost: RefCell::default(),
        })
    }

    /// Takes a directory of a person, which is only read.
    pub(crate) fn of_a_person(dir: Directory) -> StateDir {
        StateDir { dir, around: None, detail: Detail::Everything, lost: RefCell::default() }
    }

    /// The same for a program of somebody's own: nothing may be linked beside it in `sandbox` either, and all that a program can read
    /// of its files is kept.
    pub(crate) fn guarded(self, sandbox: Directory) -> StateDir {
        StateDir { around: Some(sandbox), detail: Detail::Everything, ..self }
    }

    /// Why the state that was put there last is not the one that was meant, where it is not.
    pub(crate) fn lost(&self) -> Option<String> {
        self.lost.borrow().first().cloned()
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Directory {
        &self.dir
    }

    /// Makes sure that it is the directory that was made.
    ///
    /// # Errors
    /// It is not: what was done to it.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        self.dir.check().map_err(|error| self.blame(error))?;
        let Some(around) = &self.around else { return Ok(()) };
        for listed in around.list().map_err(|error| self.blame(error))? {
            if listed.kind == Kind::Link {
                let path = around.path().join(&listed.name);
                let target = around.link_target(Path::new(&listed.name)).unwrap_or_default();
                // One into the state directory leads to nothing that it may not touch.
                if target.starts_with(self.dir.path()) && !target.components().any(|part| part == Component::ParentDir)
                {
                    continue;
                }
                return Err(EngineError::Trespass(format!(
                    "made `{}`, a symbolic link to `{}`, in a directory of crashtest's own",
                    path.display(),
                    target.display()
                )));
            }
        }
        Ok(())
    }

    /// Everything in it.
    ///
    /// # Errors
    /// It is not the directory that was made, or what the file system says.
    pub(crate) fn take(&self) -> Result<Snapshot, EngineError> {
        self.check()?;
        snapshot::take(&self.dir, self.detail).map_err(|error| self.blame(error))
    }

    /// Makes `state` all there is in it.
    ///
    /// # Errors
    /// It is not the directory that was made, or what the file system says.
    pub(crate) fn restore(&self, state: &Snapshot) -> Result<(), EngineError> {
        self.check()?;
        *self.lost.borrow_mut() = snapshot::restore(state, &self.dir).map_err(|error| self.blame(error))?;
        Ok(())
    }

    /// Removes everything in it.
    ///
    /// # Errors
    /// It is not the directory that was made, or what the file system says.
    pub(crate) fn empty(&self) -> Result<(), EngineError> {
        self.check()?;
        self.dir.empty().map_err(|error| self.blame(error))
    }

    /// Hands everything in it to the disk.
    ///
    /// # Errors
    /// It is not the directory that was made, or what the file system says.
    pub(crate) fn sync(&self) -> Result<(), EngineError> {
        self.check()?;
        snapshot::sync(&self.dir).map_err(|error| self.blame(error))
    }

    /// What `error` says of whoever worked in it.
    fn blame(&self, error: DirectoryError) -> EngineError {
        let name = |path: &PathBuf| match path == self.dir.path() {
            true => format!("its state directory `{}`", path.display()),
            false => format!("`{}`", path.display()),
        };
        EngineError::Trespass(match error {
            DirectoryError::Replaced { path, how } => match how {
                Replaced::Gone => format!("removed {}, or moved it away", name(&path)),
                Replaced::Link(target) => {
                    format!("put a symbolic link to `{}` in place of {}", target.display(), name(&path))
                }
                Replaced::Directory => format!("put another directory in place of {}", name(&path)),
                Replaced::File => format!("put a file in place of {}", name(&path)),
                Replaced::Mount => format!("mounted a file system over {}", name(&path)),
            },
            DirectoryError::Mounted { path } => format!("mounted a file system on {}", name(&path)),
            DirectoryError::Io { .. } => return error.into(),
        })
    }
}
