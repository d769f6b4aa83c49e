//! What the files in a directory have besides their names and contents, looked at and set; and pipes and sockets, made anew.

use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use super::{Directory, DirectoryError, Kind};
use crate::attributes::{self, Attributes, Refused};

/// A file that is neither regular nor a directory nor a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A named pipe.
    Pipe,
    /// A socket that nobody listens on.
    Socket,
    /// A device.
    Device,
}

impl Directory {
    /// The attributes of what has this name, or of the directory itself under an empty one. Links are not followed.
    ///
    /// # Errors
    /// What the system says.
    pub fn attributes(&self, below: &Path) -> Result<Attributes, DirectoryError> {
        let failed = |source| DirectoryError::Io { doing: "look at", path: self.path.join(below), source };
        if below.as_os_str().is_empty() {
            return attributes::of(&self.fd).map_err(failed);
        }
        match self.kind(below)? {
            Some(Kind::Directory) => attributes::of(self.open(below)?.fd).map_err(failed),
            Some(Kind::File) => attributes::of(self.open_file(below)?).map_err(failed),
            _ => {
                let mut found = Attributes::default();
                self.at(below, "look at", |dir, last| {
                    found = attributes::from_stat(&rustix::fs::statat(dir, last, AtFlags::SYMLINK_NOFOLLOW)?);
                    Ok(())
                })?;
                Ok(found)
            }
        }
    }

    /// Gives a file, or a directory, the attributes `wanted`, and the directory itself under an empty name; returns what cannot be
    /// given here.
    ///
    /// # Errors
    /// What else the system says.
    pub fn set_attributes(&self, below: &Path, wanted: &Attributes) -> Result<Vec<Refused>, DirectoryError> {
        if below.as_os_str().is_empty() {
            return attributes::set(self.fd.as_fd(), wanted).map_err(self.failed("change", below));
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = match self.openat2(below, flags, Mode::empty()) {
            // A mode that lets nobody read: the name is ours, and no link.
            Err(rustix::io::Errno::ACCESS) => {
                self.at(below, "change", |dir, last| {
                    rustix::fs::chmodat(dir, last, Mode::from_raw_mode(wanted.mode), AtFlags::empty())
                })?;
                return Ok(Vec::new());
            }
            opened => opened.map_err(self.failed("change", below))?,
        };
        attributes::set(opened.as_fd(), wanted).map_err(self.failed("change", below))
    }

    /// Gives a new pipe or socket its mode, exactly.
    fn set_mode(&self, below: &Path, mode: u32) -> Result<(), DirectoryError> {
        self.at(below, "change", |dir, last| {
            rustix::fs::chmodat(dir, last, Mode::from_raw_mode(mode), AtFlags::empty())
        })
    }

    /// Makes a named pipe, or a socket that nobody listens on.
    ///
    /// # Errors
    /// What the system says; a device cannot be made.
    pub fn make_node(&self, below: &Path, node: Node, mode: u32) -> Result<(), DirectoryError> {
        let kind = match node {
            Node::Pipe => FileType::Fifo,
            Node::Socket => FileType::Socket,
            Node::Device => return Err(self.failed("make", below)(rustix::io::Errno::PERM)),
        };
        self.at(below, "make", |dir, last| {
            rustix::fs::mknodat(dir, last, kind, Mode::from_raw_mode(mode), rustix::fs::makedev(0, 0))
        })?;
        self.set_mode(below, mode)
    }

    /// Returns which of the files that are neither regular nor directories nor links has this name.
    ///
    /// # Errors
    /// What the system says.
    pub fn node(&self, below: &Path) -> Result<Node, DirectoryError> {
        let mut node = Node::Device;
        self.at(below, "look at", |dir, last| {
            let stat = rustix::fs::statat(dir, last, AtFlags::SYMLINK_NOFOLLOW)?;
            node = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Fifo => Node::Pipe,
                FileType::Socket => Node::Socket,
                _ => Node::Device,
            };
            Ok(())
        })?;
        Ok(node)
    }
}
