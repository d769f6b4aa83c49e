//! The removal of files and of whole directories, through no link and at no mount.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode};

use super::{Directory, DirectoryError, Kind, Listed};

impl Directory {
    /// Removes the name of a file of any kind but a directory.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove_file(&self, below: &Path) -> Result<(), DirectoryError> {
        self.at(below, "remove", |dir, last| rustix::fs::unlinkat(dir, last, AtFlags::empty()))
    }

    /// Removes a directory and everything in it. Links are removed, not followed; at a mount it stops.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove_tree(&self, below: &Path) -> Result<(), DirectoryError> {
        match self.open(below) {
            Ok(inner) => inner.empty()?,
            // A directory that nobody may read, in one of ours: its mode was changed by whoever made it.
            Err(error) if error.io_kind() == Some(io::ErrorKind::PermissionDenied) => {
                self.open_up(below)?;
                self.open(below)?.empty()?;
            }
            Err(error) => return Err(error),
        }
        self.at(below, "remove the directory", |dir, last| rustix::fs::unlinkat(dir, last, AtFlags::REMOVEDIR))
    }

    /// Removes everything in it, not the directory itself. Links are removed, not followed; at a mount it stops.
    ///
    /// # Errors
    /// What the system says.
    pub fn empty(&self) -> Result<(), DirectoryError> {
        for Listed { name, kind } in self.list()? {
            let name = Path::new(&name);
            let removed = match kind {
                Kind::Directory => self.remove_tree(name),
                _ => self.remove_file(name),
            };
            match removed {
                Err(error) if error.io_kind() == Some(io::ErrorKind::PermissionDenied) => {
                    self.open_up(Path::new(""))?;
                    match kind {
                        Kind::Directory => self.remove_tree(name)?,
                        _ => self.remove_file(name)?,
                    }
                }
                removed => removed?,
            }
        }
        Ok(())
    }

    /// Gives the owner all rights to the directory `below`, or to this one.
    fn open_up(&self, below: &Path) -> Result<(), DirectoryError> {
        let mode = Mode::from_raw_mode(0o700);
        if below.as_os_str().is_empty() {
            return rustix::fs::fchmod(&self.fd, mode).map_err(self.failed("open up", below));
        }
        self.at(below, "open up", |dir, last| {
            // It cannot be opened, and chmod(2) would follow a link.
            let stat = rustix::fs::statat(dir, last, AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => rustix::fs::chmodat(dir, last, mode, AtFlags::empty()),
                _ => Err(rustix::io::Errno::NOTDIR),
            }
        })
    }
}
