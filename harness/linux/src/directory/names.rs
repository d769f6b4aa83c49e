//! The names in a directory: subdirectories and links made, files renamed, modes looked up.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode};

use super::{Directory, DirectoryError};

impl Directory {
    /// Makes the directory `name` with `mode` (under the mask of this process) and opens it.
    ///
    /// # Errors
    /// What the system says: it exists, above all.
    pub fn make(&self, name: &Path, mode: u32) -> Result<Directory, DirectoryError> {
        self.make_closed(name, mode)?;
        self.open(name)
    }

    /// Makes the directory `name` with `mode` (under the mask of this process).
    ///
    /// # Errors
    /// What the system says: it exists, above all.
    pub fn make_closed(&self, name: &Path, mode: u32) -> Result<(), DirectoryError> {
        self.at(name, "make the directory", |dir, last| rustix::fs::mkdirat(dir, last, Mode::from_raw_mode(mode)))
    }

    /// Opens the directory `name`, which is made where it is not there.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_or_make(&self, name: &Path, mode: u32) -> Result<Directory, DirectoryError> {
        match self.make_closed(name, mode) {
            Err(error) if error.io_kind() != Some(io::ErrorKind::AlreadyExists) => Err(error),
            _ => self.open(name),
        }
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// What the system says: the name exists, above all.
    pub fn link(&self, target: &Path, below: &Path) -> Result<(), DirectoryError> {
        self.at(below, "make the link", |dir, last| rustix::fs::symlinkat(target, dir, last))
    }

    /// Gives the file `from` the second name `to`. A link gets one itself, it is not followed.
    ///
    /// # Errors
    /// What the system says: the name exists, above all.
    pub fn hard_link(&self, from: &Path, to: &Path) -> Result<(), DirectoryError> {
        let mut inner = Ok(());
        self.at(from, "link", |dir, last| {
            inner = self.at(to, "link to", |new, name| rustix::fs::linkat(dir, last, new, name, AtFlags::empty()));
            Ok(())
        })?;
        inner
    }

    /// Returns where a symbolic link points to.
    ///
    /// # Errors
    /// What the system says: it is no link, above all.
    pub fn link_target(&self, below: &Path) -> Result<PathBuf, DirectoryError> {
        let mut target = None;
        self.at(below, "read the link", |dir, last| {
            target = Some(rustix::fs::readlinkat(dir, last, Vec::new())?);
            Ok(())
        })?;
        Ok(PathBuf::from(OsStr::from_bytes(target.unwrap_or_default().as_bytes())))
    }

    /// The permission bits of a directory or a link's own name, without following it.
    ///
    /// # Errors
    /// What the system says.
    pub fn mode(&self, below: &Path) -> Result<u32, DirectoryError> {
        let mut mode = 0;
        self.at(below, "look at", |dir, last| {
            mode = rustix::fs::statat(dir, last, AtFlags::SYMLINK_NOFOLLOW)?.st_mode & 0o7777;
            Ok(())
        })?;
        Ok(mode)
    }

    /// Renames `from`, below this directory, to `to` below `other`, over what is there.
    ///
    /// # Errors
    /// What the system says.
    pub fn rename(&self, from: &Path, other: &Directory, to: &Path) -> Result<(), DirectoryError> {
        let mut inner = Ok(());
        self.at(from, "rename", |dir, last| {
            inner = other.at(to, "rename to", |new, name| rustix::fs::renameat(dir, last, new, name));
            Ok(())
        })?;
        inner
    }
}
