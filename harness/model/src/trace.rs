//! A trace: what a program did to its files, call by call, with the promises it had made in between.
//!
//! Only calls under the state directory are recorded, and only those that can change what a restart finds, or make it durable.
//! Paths are relative to the state directory. Unless only lengths were kept, the data of every write is in it, so that each state that a
//! crash can leave follows from the trace and the files at its start alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Activity, Promise};

/// The number of an operation in its trace, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallIndex(pub u32);

/// Which file: the same file under all its names and descriptors. Files that are there at the start are numbered first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileId(pub u32);

/// What a call has written. As JSON a string where it is UTF-8, else `{"hex": "…"}`; `{"length": n}` where only that is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "DataText", into = "DataText")]
pub enum Data {
    /// The bytes.
    Kept(Vec<u8>),
    /// How many bytes: nobody wanted to keep them.
    Length(u64),
}

impl Default for Data {
    fn default() -> Data {
        Data::Kept(Vec::new())
    }
}

impl Data {
    /// The bytes; none where they were not kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Data::Kept(bytes) => bytes,
            Data::Length(_) => &[],
        }
    }

    /// How many bytes were written.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Data::Kept(bytes) => bytes.len() as u64,
            Data::Length(length) => *length,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum DataText {
    Text(String),
    Hex { hex: String },
    Length { length: u64 },
}

impl From<Data> for DataText {
    fn from(data: Data) -> DataText {
        match data {
            Data::Kept(bytes) => String::from_utf8(bytes).map_or_else(
                |error| DataText::Hex { hex: error.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect() },
                DataText::Text,
            ),
            Data::Length(length) => DataText::Length { length },
        }
    }
}

impl From<DataText> for Data {
    fn from(text: DataText) -> Data {
        match text {
            DataText::Text(text) => Data::Kept(text.into_bytes()),
            // A digit that is none reads as 0: the text is our own.
            DataText::Hex { hex } => Data::Kept(
                hex.as_bytes()
                    .chunks(2)
                    .map(|pair| {
                        std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or(0)
                    })
                    .collect(),
            ),
            DataText::Length { length } => Data::Length(length),
        }
    }
}

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
        /// Whether it emptied the file.
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
    /// mknod(2): a pipe, a socket or a device.
    Mknod {
        /// The name.
        path: String,
    },
    /// chmod(2) and its relatives.
    Chmod {
        /// The name.
        path: String,
        /// The mode.
        mode: u32,
    },
    /// chown(2), setxattr(2) and their relatives: recorded and shown, no state depends on it.
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
    /// mmap(2), shared and writable: what is stored through it is not seen call by call.
    Map {
        /// The name.
        path: String,
        /// The file.
        file: FileId,
    },
}

impl Action {
    /// Whether a restart after a kill can tell that it was done.
    #[must_use]
    pub fn changes_files(&self) -> bool {
        match self {
            Action::Open { created, truncated, .. } => *created || *truncated,
            Action::Write { data, .. } => data.length() > 0,
            Action::Resize { .. }
            | Action::Zero { .. }
            | Action::Rename { .. }
            | Action::Link { .. }
            | Action::Symlink { .. }
            | Action::Unlink { .. }
            | Action::Mkdir { .. }
            | Action::Rmdir { .. }
            | Action::Mknod { .. }
            | Action::Chmod { .. } => true,
            Action::Attribute { .. } | Action::Sync { .. } | Action::Close { .. } | Action::Map { .. } => false,
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
            Action::Rename { .. } => "rename",
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
            Action::Map { .. } => "map",
        }
    }
}

/// How far the program was, as it told outside its files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What it was doing, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// Whether its recovery had come to an end.
    pub opened: bool,
    /// What it had promised.
    pub promise: Promise,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The process that made it, numbered from 0 in the order of their first calls.
    pub process: u32,
    /// The system call's name.
    pub call: Cow<'static, str>,
    /// What it did. A failed call did nothing; this is what it would have done.
    pub action: Action,
    /// The error number with which it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// How far the program was when it made the call.
    pub before: Progress,
    /// How far it was when the call returned.
    pub after: Progress,
}

/// What a program did to its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The names of the files that were there at the start, and which file each is (hard links: the same one).
    pub files: Vec<(String, FileId)>,
    /// The calls, in order.
    pub operations: Vec<Operation>,
    /// How far the program was at the end.
    pub end: Progress,
    /// Calls that may change files and that crashtest has no model of, by name, and how often.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unmodelled: BTreeMap<String, u64>,
    /// Paths that were written to outside the state directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
    /// How many processes made calls.
    pub processes: u32,
    /// Whether several threads of a process made calls, or two processes were inside of one at the same moment: the order of calls
    /// may then differ between runs.
    pub concurrent: bool,
}

/// Where in a call a crash comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// Before it does anything.
    Before,
    /// Inside a write, after so many bytes.
    Inside(u64),
    /// After it has done everything.
    After,
}

/// Where a crash comes: at a call. Before the call past the last one: after everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CrashPoint {
    /// The call.
    pub call: CallIndex,
    /// Where in it.
    pub at: At,
}

impl CrashPoint {
    /// Before everything.
    pub const FIRST: CrashPoint = CrashPoint { call: CallIndex(0), at: At::Before };
}

impl Trace {
    /// How far the program was at `point`.
    #[must_use]
    pub fn progress(&self, point: CrashPoint) -> Progress {
        let operation = self.operations.get(point.call.0 as usize);
        match (operation, point.at) {
            (None, _) => self.end,
            (Some(operation), At::Before | At::Inside(_)) => operation.before,
            (Some(operation), At::After) => operation.after,
        }
    }

    /// The place of `point` in words that are equal for equal failures: "save:in-write", "save:after-create-before-write".
    #[must_use]
    pub fn place(&self, point: CrashPoint) -> String {
        let at = point.call.0 as usize;
        let activity = self.progress(point).activity.map_or_else(String::new, |activity| format!("{activity}:"));
        let word = |n: usize| self.operations.get(n).map(|operation| operation.action.word());
        let between = |before: Option<&str>, after: Option<&str>| match (before, after) {
            (Some(before), Some(after)) => format!("{activity}after-{before}-before-{after}"),
            (Some(before), None) => format!("{activity}after-{before}"),
            (None, Some(after)) => format!("{activity}before-{after}"),
            (None, None) => format!("{activity}no-call"),
        };
        match point.at {
            At::Inside(_) => format!("{activity}in-{}", word(at).unwrap_or("no-call")),
            At::Before => between(at.checked_sub(1).and_then(word), word(at)),
            At::After => between(word(at), word(at + 1)),
        }
    }

    /// The call that `point` lies at, in words.
    #[must_use]
    pub fn call_in_words(&self, point: CrashPoint) -> String {
        self.operations.get(point.call.0 as usize).map_or_else(|| "the end".to_owned(), Operation::in_words)
    }
}

/// The name of an error number, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorName(pub i32);

impl fmt::Display for ErrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Equal on every architecture that Linux has these numbers in common for; of the others people get the number.
        let name = match self.0 {
            1 => "EPERM",
            2 => "ENOENT",
            4 => "EINTR",
            5 => "EIO",
            9 => "EBADF",
            11 => "EAGAIN",
            12 => "ENOMEM",
            13 => "EACCES",
            16 => "EBUSY",
            17 => "EEXIST",
            18 => "EXDEV",
            20 => "ENOTDIR",
            21 => "EISDIR",
            22 => "EINVAL",
            23 => "ENFILE",
            24 => "EMFILE",
            27 => "EFBIG",
            28 => "ENOSPC",
            30 => "EROFS",
            31 => "EMLINK",
            36 => "ENAMETOOLONG",
            38 => "ENOSYS",
            39 => "ENOTEMPTY",
            40 => "ELOOP",
            95 => "EOPNOTSUPP",
            122 => "EDQUOT",
            other => return write!(f, "errno {other}"),
        };
        f.pad(name)
    }
}

/// A file's name on one line, whatever it is made of: what would steer a terminal, or begin a new line, is escaped.
#[derive(Clone, Copy, Debug)]
pub struct PlainName<'n>(pub &'n str);

impl fmt::Display for PlainName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of the characters beyond ASCII, those that control something begin with this byte, and many others do.
        let may_control = |byte: u8| byte.is_ascii_control() || byte == 0xC2;
        if !self.0.bytes().any(may_control) {
            return f.pad(self.0);
        }
        let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        f.pad(&self.0.chars().map(escape).collect::<String>())
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
            Action::Link { file, to } => write!(f, "{}  (file {})", plain(to), file.0),
            Action::Symlink { target, path } => write!(f, "{} → {}", plain(path), plain(target)),
            Action::Chmod { path, mode } | Action::Mkdir { path, mode } => {
                write!(f, "{}  mode {mode:04o}", plain(path))
            }
            Action::Open { path, .. }
            | Action::Unlink { path }
            | Action::Rmdir { path }
            | Action::Mknod { path }
            | Action::Attribute { path }
            | Action::Sync { path, .. }
            | Action::Close { path, .. }
            | Action::Map { path, .. } => plain(path).fmt(f),
        }
    }
}

impl Operation {
    /// The call in a sentence: its parts one space apart, where a list of calls has columns.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        match self.errno {
            Some(errno) => write!(f, "  = {}", ErrorName(errno)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CallIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // People count from one.
        (self.0 + 1).fmt(f)
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            At::Before => write!(f, "before call {}", self.call),
            At::Inside(bytes) => write!(f, "inside call {}, after {bytes} bytes", self.call),
            At::After => write!(f, "after call {}", self.call),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn data_survives_json_whatever_it_is(bytes: Vec<u8>) {
            for data in [Data::Length(bytes.len() as u64), Data::Kept(bytes)] {
                let json = serde_json::to_string(&data).unwrap();
                prop_assert_eq!(serde_json::from_str::<Data>(&json).unwrap(), data);
            }
        }
    }
}
