//! What an operation does to the files below the state directory, and what it makes durable.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Data, FileId, PlainName};

/// What an operation makes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durable {
    /// fsync(2) of a file: its data and its inode.
    File,
    /// fdatasync(2): its data, and what is needed to find it.
    Data,
    /// fsync(2) of a directory: the names in it.
    Directory,
    /// sync_file_range(2): nothing.
    Range,
    /// msync(2): a file's mapped pages.
    Mapping,
    /// syncfs(2) or sync(2): everything.
    Everything,
}

/// What is neither a file nor a directory nor a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A device.
    #[default]
    Device,
}

/// What an operation does to the files below the state directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "kebab-case")]
pub enum Action {
    /// open(2), openat(2), openat2(2), creat(2) that can write, make or empty a file.
    Open {
        /// The name.
        path: String,
        /// The file.
        file: FileId,
        /// Whether it made the file.
        created: bool,
        /// Whether it emptied the file, or would have where it made it.
        truncated: bool,
        /// Whether every write is synchronous (O_SYNC, O_DSYNC).
        synchronous: bool,
        /// The mode of the file that it made, or 0.
        mode: u32,
    },
    /// Any call that puts bytes into a file: the write family, copy_file_range(2), sendfile(2), splice(2), a reflink.
    Write {
        /// The name that the descriptor was last seen under.
        path: String,
        /// The file.
        file: FileId,
        /// Where, in bytes.
        offset: u64,
        /// What was written.
        data: Data,
        /// How many bytes were asked for.
        requested: u64,
    },
    /// truncate(2), ftruncate(2), and fallocate(2) that lengthens a file: the length is now this.
    Resize {
        /// The name.
        path: String,
        /// The file.
        file: FileId,
        /// The length in bytes.
        length: u64,
    },
    /// fallocate(2) that punches a hole or zeroes a range.
    Zero {
        /// The name.
        path: String,
        /// The file.
        file: FileId,
        /// Where, in bytes.
        offset: u64,
        /// How many bytes.
        length: u64,
    },
    /// rename(2), renameat(2), renameat2(2).
    Rename {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
        /// Whether the two names were exchanged (RENAME_EXCHANGE).
        exchange: bool,
    },
    /// rename(2) or link(2) of a file from outside the state directory, with all that is in it.
    Arrive {
        /// The new name.
        path: String,
        /// The file.
        file: FileId,
        /// What is in it.
        data: Data,
        /// Its mode.
        mode: u32,
    },
    /// link(2), linkat(2), also of a file that had no name (O_TMPFILE).
    Link {
        /// The file.
        file: FileId,
        /// The new name.
        to: String,
    },
    /// symlink(2), symlinkat(2).
    Symlink {
        /// What it points to.
        target: String,
        /// Its name.
        path: String,
    },
    /// unlink(2), unlinkat(2).
    Unlink {
        /// The name.
        path: String,
    },
    /// mkdir(2), mkdirat(2).
    Mkdir {
        /// The name.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// rmdir(2), unlinkat(2) with AT_REMOVEDIR.
    Rmdir {
        /// The name.
        path: String,
    },
    /// mknod(2), or bind(2) of a socket to a name.
    Mknod {
        /// The name.
        path: String,
        /// What it makes.
        #[serde(default)]
        node: Node,
        /// Its mode.
        #[serde(default)]
        mode: u32,
    },
    /// chmod(2) and its relatives.
    Chmod {
        /// The name.
        path: String,
        /// The mode.
        mode: u32,
    },
    /// chown(2), setxattr(2), utimensat(2) and their relatives: what they leave is beside the action ([`Operation::left`](super::Operation)).
    Attribute {
        /// The name.
        path: String,
    },
    /// The fsync family.
    Sync {
        /// The name.
        path: String,
        /// The file; `None` for a directory.
        file: Option<FileId>,
        /// What of it.
        durable: Durable,
    },
    /// close(2) of a descriptor that can write.
    Close {
        /// The name.
        path: String,
        /// The file.
        file: FileId,
    },
    /// open(2) for reading only, or read(2) and its relatives: recorded only where they are made to fail.
    Read {
        /// The name.
        path: String,
        /// Whether it opens the file.
        opens: bool,
    },
    /// mmap(2), shared and writable: what is stored through it is not seen call by call.
    Map {
        /// The name.
        path: String,
        /// The file.
        file: FileId,
    },
}

impl Action {
    /// Returns whether a restart after a kill can tell that it was done.
    #[must_use]
    pub fn changes_files(&self) -> bool {
        match self {
            Action::Open { created, truncated, .. } => *created || *truncated,
            Action::Write { data, .. } => data.length() > 0,
            Action::Resize { .. }
            | Action::Zero { .. }
            | Action::Rename { .. }
            | Action::Arrive { .. }
            | Action::Link { .. }
            | Action::Symlink { .. }
            | Action::Unlink { .. }
            | Action::Mkdir { .. }
            | Action::Rmdir { .. }
            | Action::Mknod { .. }
            | Action::Attribute { .. }
            | Action::Chmod { .. } => true,
            Action::Sync { .. } | Action::Close { .. } | Action::Read { .. } | Action::Map { .. } => false,
        }
    }

    /// One word for it, fit for phases and signatures.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Action::Open { created: true, .. } => "create",
            Action::Open { truncated: true, .. } => "truncate",
            Action::Open { .. } => "open",
            Action::Write { .. } => "write",
            Action::Resize { .. } => "truncate",
            Action::Zero { .. } => "zero",
            Action::Rename { .. } | Action::Arrive { .. } => "rename",
            Action::Link { .. } => "link",
            Action::Symlink { .. } => "symlink",
            Action::Unlink { .. } => "unlink",
            Action::Mkdir { .. } => "mkdir",
            Action::Rmdir { .. } => "rmdir",
            Action::Mknod { .. } => "mknod",
            Action::Chmod { .. } => "chmod",
            Action::Attribute { .. } => "attribute",
            Action::Sync { durable: Durable::Directory, .. } => "fsync-dir",
            Action::Sync { durable: Durable::Data, .. } => "fdatasync",
            Action::Sync { durable: Durable::Range, .. } => "sync-range",
            Action::Sync { durable: Durable::Mapping, .. } => "msync",
            Action::Sync { durable: Durable::Everything, .. } => "sync",
            Action::Sync { durable: Durable::File, .. } => "fsync",
            Action::Close { .. } => "close",
            Action::Read { opens: true, .. } => "open",
            Action::Read { .. } => "read",
            Action::Map { .. } => "map",
        }
    }
}

/// The action, its subject and its numbers: `write     fills.json.tmp  8192 bytes at 16384`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} ", self.word())?;
        let plain = |name| PlainName(name);
        match self {
            Action::Open { path, file, .. } if path.is_empty() => write!(f, "(no name, file {})", file.0),
            // It wrote nothing, or had not begun to.
            Action::Write { path, data, requested, .. } if data.length() == 0 && *requested > 0 => {
                write!(f, "{}  {requested} bytes", plain(path))
            }
            Action::Write { path, offset, data, requested, .. } => {
                write!(f, "{}  {} bytes at {offset}", plain(path), data.length())?;
                if data.length() == *requested { Ok(()) } else { write!(f, " (asked for {requested})") }
            }
            Action::Resize { path, length, .. } => write!(f, "{}  to {length} bytes", plain(path)),
            Action::Zero { path, offset, length, .. } => write!(f, "{}  {length} bytes at {offset}", plain(path)),
            Action::Rename { from, to, exchange: false } => write!(f, "{} → {}", plain(from), plain(to)),
            Action::Rename { from, to, exchange: true } => write!(f, "{} ↔ {}", plain(from), plain(to)),
            Action::Arrive { path, data, .. } => {
                write!(f, "{}  {} bytes, from outside", plain(path), data.length())
            }
            Action::Link { file, to } => write!(f, "{}  (file {})", plain(to), file.0),
            Action::Symlink { target, path } => write!(f, "{} → {}", plain(path), plain(target)),
            Action::Chmod { path, mode } | Action::Mkdir { path, mode } => {
                write!(f, "{}  mode {mode:04o}", plain(path))
            }
            Action::Open { path, .. }
            | Action::Unlink { path }
            | Action::Rmdir { path }
            | Action::Mknod { path, .. }
            | Action::Attribute { path }
            | Action::Sync { path, .. }
            | Action::Close { path, .. }
            | Action::Read { path, .. }
            | Action::Map { path, .. } => plain(path).fmt(f),
        }
    }
}
