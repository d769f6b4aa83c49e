//! Why a directory cannot be used, and what was done to it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What has been put in place of a directory.
#[derive(Debug, PartialEq, Eq)]
pub enum Replaced {
    /// Nothing: it was removed or moved away.
    Gone,
    /// A symbolic link, and what it points to.
    Link(PathBuf),
    /// Another directory.
    Directory,
    /// A file of another kind.
    File,
    /// A file system that was mounted over it.
    Mount,
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Replaced::Gone => f.write_str("it was removed or moved away"),
            Replaced::Link(target) => {
                write!(f, "it was replaced by a symbolic link to `{}`", target.display())
            }
            Replaced::Directory => f.write_str("it was replaced by another directory"),
            Replaced::File => f.write_str("it was replaced by a file"),
            Replaced::Mount => f.write_str("a file system was mounted over it"),
        }
    }
}

/// Why a directory cannot be used. Messages are fragments that fit "failed to {error}".
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// Its path names something else now.
    #[error("go on in `{}`: {how}", path.display())]
    Replaced {
        /// The path.
        path: PathBuf,
        /// What is there now.
        how: Replaced,
    },
    /// A file system is mounted inside it.
    #[error("go on in `{}`: a file system was mounted on it", path.display())]
    Mounted {
        /// Where.
        path: PathBuf,
    },
    /// What the system said.
    #[error("{doing} `{}`: {source}", path.display())]
    Io {
        /// The verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DirectoryError {
    /// Returns what kind of error the system gave, if it gave one.
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            DirectoryError::Io { source, .. } => Some(source.kind()),
            _ => None,
        }
    }
}

impl From<DirectoryError> for io::Error {
    fn from(error: DirectoryError) -> io::Error {
        match error {
            DirectoryError::Io { source, .. } => source,
            other => io::Error::other(other),
        }
    }
}
