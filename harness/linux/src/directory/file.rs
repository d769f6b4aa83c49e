//! Regular files of a directory: read, made new, replaced whole.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::path::Path;

use rustix::fs::{Mode, OFlags, SeekFrom};

use super::{Directory, DirectoryError};

/// The parts of `file` that have data, in order; what lies between them are holes, of zeros. Moves the offset of the descriptor.
///
/// # Errors
/// What the system says.
pub fn data(file: &File) -> io::Result<Vec<Range<u64>>> {
    let mut parts = Vec::new();
    let mut at = 0;
    loop {
        let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Nothing but a hole from there on.
            Err(rustix::io::Errno::NXIO) => return Ok(parts),
            Err(error) => return Err(error.into()),
        };
        at = rustix::fs::seek(file, SeekFrom::Hole(start))?;
        parts.push(start..at);
    }
}

impl Directory {
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

    /// Returns what is in a regular file.
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
}
