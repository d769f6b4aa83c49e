//! What a directory lists: each name, and what kind of file has it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, RawDir, SeekFrom};

use super::{Directory, DirectoryError};

/// How much of a directory is read at once, in bytes.
const READ_AT_ONCE: usize = 4096;

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

impl Directory {
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

    /// Returns what kind of file has this name; `None` where there is none. Links are not followed.
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
}

fn kind_of(kind: FileType) -> Kind {
    match kind {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        _ => Kind::Special,
    }
}
