//! A directory held by its descriptor, so that nothing outside of it is touched, whatever happens to its name.
//!
//! A program under test may put a symbolic link in place of a directory of ours, move it away, or mount something inside it. Every
//! operation here starts at the descriptor and resolves names with openat2(2): beneath it, through no symbolic link. In directories
//! of ours names also lead onto no other mount. [`Directory::check`] tells whether the path still names the directory that was
//! opened.
//!
//! Left out: sizes, times and owners of files; whoever needs them asks the opened file.

mod attributes;
mod error;
mod file;
mod identity;
mod listing;
mod names;
mod removal;

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags};

pub use attributes::Node;
pub use error::{DirectoryError, Replaced};
pub use file::data;
pub use identity::Identity;
use identity::{identity, identity_of};
pub use listing::{Kind, Listed};

/// A directory that is held open.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    path: PathBuf,
    identity: Identity,
    resolve: ResolveFlags,
}

/// Beneath the directory, and through no link: holds for every directory.
const INSIDE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
/// What a directory is opened with.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Directory {
    /// Opens a directory that a person has named: links in `path` are followed. Mounts inside are of no concern: it is not ours.
    ///
    /// # Errors
    /// It is not there, no directory, or cannot be read.
    pub fn named(path: &Path) -> Result<Directory, DirectoryError> {
        let failed = |source| DirectoryError::Io { doing: "open the directory", path: path.to_owned(), source };
        let whole = std::fs::canonicalize(path).map_err(failed)?;
        let fd = rustix::fs::openat(CWD, &whole, DIRECTORY, Mode::empty()).map_err(|e| failed(e.into()))?;
        Directory::over(fd, whole, INSIDE)
    }

    /// Opens a directory of ours: no part of `path` is a link.
    ///
    /// # Errors
    /// It is not there, cannot be read, or was replaced.
    pub fn ours(path: &Path) -> Result<Directory, DirectoryError> {
        let failed = |source: rustix::io::Errno| DirectoryError::Io {
            doing: "open the directory",
            path: path.to_owned(),
            source: source.into(),
        };
        let fd = rustix::fs::openat2(CWD, path, DIRECTORY, Mode::empty(), ResolveFlags::NO_SYMLINKS).map_err(failed)?;
        Directory::over(fd, path.to_owned(), INSIDE.union(ResolveFlags::NO_XDEV))
    }

    fn over(fd: OwnedFd, path: PathBuf, resolve: ResolveFlags) -> Result<Directory, DirectoryError> {
        let identity = identity_of(&fd).map_err(|source| DirectoryError::Io {
            doing: "look at the directory",
            path: path.clone(),
            source,
        })?;
        Ok(Directory { fd, path, identity, resolve })
    }

    /// The path by which it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns which directory it is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Checks that its path still names it.
    ///
    /// # Errors
    /// It does not, and what it names.
    pub fn check(&self) -> Result<(), DirectoryError> {
        let replaced = |how| Err(DirectoryError::Replaced { path: self.path.clone(), how });
        let wanted = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);
        let flags = AtFlags::SYMLINK_NOFOLLOW.union(AtFlags::NO_AUTOMOUNT);
        let found = match rustix::fs::statx(CWD, &self.path, flags, wanted) {
            Ok(found) => found,
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                return replaced(Replaced::Gone);
            }
            Err(source) => {
                let path = self.path.clone();
                return Err(DirectoryError::Io { doing: "look at the directory", path, source: source.into() });
            }
        };
        let identity = identity(&found);
        if identity == self.identity {
            return Ok(());
        }
        let how = match FileType::from_raw_mode(found.stx_mode.into()) {
            FileType::Symlink => Replaced::Link(std::fs::read_link(&self.path).unwrap_or_default()),
            FileType::Directory if identity.mount != self.identity.mount => Replaced::Mount,
            FileType::Directory => Replaced::Directory,
            _ => Replaced::File,
        };
        replaced(how)
    }

    /// Opens the directory `below`, a path relative to this one.
    ///
    /// # Errors
    /// It is not there, no directory, reached through a link, or a mount.
    pub fn open(&self, below: &Path) -> Result<Directory, DirectoryError> {
        let fd = self.openat2(below, DIRECTORY, Mode::empty()).map_err(self.failed("open the directory", below))?;
        Directory::over(fd, self.path.join(below), self.resolve)
    }

    /// Hands what was done to the names in it to the disk.
    ///
    /// # Errors
    /// What fsync(2) says.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    /// Takes the exclusive lock of the directory itself (flock(2)); says whether it was free. The kernel releases it when all who
    /// hold this descriptor are dead.
    ///
    /// # Errors
    /// The file system has no such locks.
    pub fn lock(&self) -> io::Result<bool> {
        match rustix::fs::flock(&self.fd, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// The user who owns it.
    ///
    /// # Errors
    /// What the system says.
    pub fn owner(&self) -> io::Result<u32> {
        Ok(rustix::fs::fstat(&self.fd)?.st_uid)
    }

    fn openat2(&self, below: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, rustix::io::Errno> {
        loop {
            match rustix::fs::openat2(&self.fd, below, flags, mode, self.resolve) {
                // A rename or a mount elsewhere came in between: openat2(2).
                Err(rustix::io::Errno::AGAIN) => {}
                opened => return opened,
            }
        }
    }

    /// Does something to the name `below` where `act` takes a directory and the last part of it. Its directory is reached as
    /// everything here is.
    fn at(
        &self,
        below: &Path,
        doing: &'static str,
        act: impl FnOnce(BorrowedFd<'_>, &OsStr) -> Result<(), rustix::io::Errno>,
    ) -> Result<(), DirectoryError> {
        let Some(last) = below.file_name() else {
            // `.`, `..` and what ends with them.
            return Err(self.failed(doing, below)(rustix::io::Errno::INVAL));
        };
        let done = match below.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            None => act(self.fd.as_fd(), last),
            Some(parent) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let parent =
                    self.openat2(parent, flags, Mode::empty()).map_err(self.failed("open the directory", parent))?;
                act(parent.as_fd(), last)
            }
        };
        done.map_err(self.failed(doing, below))
    }

    fn failed(&self, doing: &'static str, below: &Path) -> impl Fn(rustix::io::Errno) -> DirectoryError {
        let path = if below.as_os_str().is_empty() { self.path.clone() } else { self.path.join(below) };
        move |errno| match errno {
            rustix::io::Errno::XDEV if doing != "rename" && doing != "rename to" => {
                DirectoryError::Mounted { path: path.clone() }
            }
            // A mount point can be neither removed nor renamed.
            rustix::io::Errno::BUSY => DirectoryError::Mounted { path: path.clone() },
            errno => DirectoryError::Io { doing, path: path.clone(), source: errno.into() },
        }
    }
}
