//! A directory held by its descriptor, so that nothing outside of it is touched, whatever happens to its name.
//!
//! A program under test may put a symbolic link in place of a directory of ours, move it away, or mount something inside it. Every
//! operation here starts at the descriptor and resolves names with openat2(2): beneath it, through no symbolic link, and (for
//! directories of ours) onto no other mount. [`Directory::check`] tells whether the path still names the directory that was opened.
//!
//! Left out: sizes, times and owners of files; whoever needs them asks the opened file.

mod error;

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, StatxFlags};

pub use error::{DirectoryError, Replaced};

/// How much of a directory is read at once, in bytes.
const READ_AT_ONCE: usize = 4096;

/// Which directory this is: no other one has all three numbers at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The device of its file system, as stat(2) has it.
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
    /// The mount that it was reached through (statx(2), `STATX_MNT_ID`); 0 before Linux 5.8.
    pub mount: u64,
}

/// A kind of file, as a directory lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A pipe, a socket or a device.
    Special,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: OsString,
    /// What it is.
    pub kind: Kind,
}

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

    /// Which directory it is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether its path still names it.
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

    /// Opens a regular file for reading; what is none is an error, and does not block.
    ///
    /// # Errors
    /// It is not there, no regular file, reached through a link, or a mount.
    pub fn open_file(&self, below: &Path) -> Result<File, DirectoryError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = self.openat2(below, flags, Mode::empty()).map_err(self.failed("read", below))?;
        let file = File::from(fd);
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(file),
            Ok(_) => Err(self.failed("read", below)(rustix::io::Errno::INVAL)),
            Err(source) => Err(DirectoryError::Io { doing: "read", path: self.path.join(below), source }),
        }
    }

    /// What is in a regular file.
    ///
    /// # Errors
    /// What is said of [`open_file`](Directory::open_file).
    pub fn read(&self, below: &Path) -> Result<Vec<u8>, DirectoryError> {
        let mut file = self.open_file(below)?;
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        let read = file.read_to_end(&mut content);
        read.map_err(|source| DirectoryError::Io { doing: "read", path: self.path.join(below), source })?;
        Ok(content)
    }

    /// Makes a new regular file for writing: what has this name already is an error, also a link.
    ///
    /// # Errors
    /// What the system says: it exists, above all.
    pub fn create(&self, below: &Path, mode: u32) -> Result<File, DirectoryError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = self.openat2(below, flags, Mode::from_raw_mode(mode)).map_err(self.failed("make", below))?;
        Ok(File::from(fd))
    }

    /// Makes a new regular file with this content.
    ///
    /// # Errors
    /// What is said of [`create`](Directory::create), or it cannot be written.
    pub fn write(&self, below: &Path, mode: u32, content: &[u8]) -> Result<File, DirectoryError> {
        let mut file = self.create(below, mode)?;
        let written = file.write_all(content);
        written.map_err(|source| DirectoryError::Io { doing: "write", path: self.path.join(below), source })?;
        Ok(file)
    }

    /// Writes a file that is there whole or not at all: beside its place, synced, renamed over it, the directory synced.
    ///
    /// # Errors
    /// What the system says; what is left of the attempt is removed.
    pub fn replace(&self, name: &OsStr, content: &[u8]) -> Result<(), DirectoryError> {
        let mut partial = name.to_owned();
        partial.push(".partial");
        let partial = Path::new(&partial);
        let failed = |source| DirectoryError::Io { doing: "write", path: self.path.join(name), source };
        // What another attempt has left, or anybody else, is a name in our directory.
        let _ = self.remove_file(partial);
        let written = self
            .write(partial, 0o666, content)
            .and_then(|file| file.sync_all().map_err(failed))
            .and_then(|()| self.rename(partial, self, Path::new(name)))
            .and_then(|()| self.sync().map_err(failed));
        // The error that matters is the first one.
        written.inspect_err(|_| drop(self.remove_file(partial)))
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

    /// Where a symbolic link points to.
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

    /// What kind of file has this name; `None` where there is none. Links are not followed.
    ///
    /// # Errors
    /// What the system says.
    pub fn kind(&self, below: &Path) -> Result<Option<Kind>, DirectoryError> {
        let mut kind = None;
        let found = self.at(below, "look at", |dir, last| {
            let stat = rustix::fs::statat(dir, last, AtFlags::SYMLINK_NOFOLLOW)?;
            kind = Some(kind_of(FileType::from_raw_mode(stat.st_mode)));
            Ok(())
        });
        match found {
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => Ok(None),
            found => found.map(|()| kind),
        }
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

    /// Hands what was done to the names in it to the disk.
    ///
    /// # Errors
    /// What fsync(2) says.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    /// Everything that it lists, in no order.
    ///
    /// # Errors
    /// What the system says.
    pub fn list(&self) -> Result<Vec<Listed>, DirectoryError> {
        let failed = || self.failed("read the directory", Path::new(""));
        rustix::fs::seek(&self.fd, SeekFrom::Start(0)).map_err(failed())?;
        let mut buffer = [MaybeUninit::<u8>::uninit(); READ_AT_ONCE];
        let mut entries = RawDir::new(&self.fd, &mut buffer);
        let mut listed = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(failed())?;
            if [c".", c".."].contains(&entry.file_name()) {
                continue;
            }
            let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_owned();
            let kind = match entry.file_type() {
                // Some file systems do not say.
                FileType::Unknown => match self.kind(Path::new(&name))? {
                    Some(kind) => kind,
                    None => continue,
                },
                known => kind_of(known),
            };
            listed.push(Listed { name, kind });
        }
        Ok(listed)
    }

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

    /// Takes the exclusive lock of the directory itself (flock(2)), which the kernel releases when all who hold this descriptor are
    /// dead; says whether it was free.
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

/// The identity of an open file.
fn identity_of(fd: &OwnedFd) -> io::Result<Identity> {
    let nothing: &CStr = c"";
    let wanted = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);
    Ok(identity(&rustix::fs::statx(fd, nothing, AtFlags::EMPTY_PATH, wanted)?))
}

fn identity(found: &rustix::fs::Statx) -> Identity {
    let device = rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor);
    let known = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
    Identity { device, inode: found.stx_ino, mount: if known { found.stx_mnt_id } else { 0 } }
}

fn kind_of(kind: FileType) -> Kind {
    match kind {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        _ => Kind::Special,
    }
}

#[cfg(test)]
mod tests;
