//! The files below a directory at one moment, as data: a crash state before recovery touches it, or a state to go back to.
//!
//! Links are kept as links and never followed. That two names are one file (a hard link) is not kept: no program finds it out by
//! reading. Owners, times and extended attributes are left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crashtest_model::Digest;

use crate::Content;

/// One entry below the directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// A regular file.
    File {
        /// The permission bits, with set-user-ID, set-group-ID and sticky.
        mode: u32,
        /// What is in it.
        content: Content,
    },
    /// A directory; what is in it are entries of their own.
    Directory {
        /// The permission bits, with set-user-ID, set-group-ID and sticky.
        mode: u32,
    },
    /// A symbolic link.
    Link {
        /// What it points to, as it is written in it.
        target: PathBuf,
    },
    /// A socket, a pipe or a device: noted, not kept.
    Special,
}

/// The entries below a directory by their path relative to it, sorted, so that a directory comes before what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Snapshot {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Snapshot {
    /// Every entry with its relative path, directories before what is in them.
    pub fn entries(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_path(), entry))
    }

    /// Returns what has this path.
    #[must_use]
    pub fn entry(&self, path: &Path) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The content of the file `name`; `None` if it is no file or not there.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        match self.entries.get(Path::new(name)) {
            Some(Entry::File { content, .. }) => Some(content),
            _ => None,
        }
    }

    /// Returns whether anything of this name is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(Path::new(name))
    }

    /// Returns how many entries there are besides the file `name`.
    #[must_use]
    pub fn others_than(&self, name: &str) -> usize {
        self.entries.len() - usize::from(self.has(name))
    }

    /// Returns what identifies the state: names, kinds, modes and contents. Equal within one build of the program (see
    /// [`Digest::of_value`]).
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_value(self)
    }
}

impl FromIterator<(PathBuf, Entry)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (PathBuf, Entry)>>(entries: I) -> Snapshot {
        Snapshot { entries: entries.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str, entry: Entry) -> Snapshot {
        Snapshot::from_iter([(path.into(), entry)])
    }

    fn file(path: &str, mode: u32, content: &[u8]) -> Snapshot {
        one(path, Entry::File { mode, content: content.to_vec().into() })
    }

    #[test]
    fn states_differ_in_their_digest_when_a_name_a_kind_a_mode_or_a_byte_differs() {
        let states = [
            Snapshot::default(),
            file("a", 0o644, b"x"),
            file("b", 0o644, b"x"),
            file("a", 0o600, b"x"),
            file("a", 0o644, b"y"),
            one("a", Entry::Directory { mode: 0o644 }),
            one("a", Entry::Link { target: "x".into() }),
            one("a", Entry::Link { target: "y".into() }),
            one("a", Entry::Special),
        ];
        for (n, state) in states.iter().enumerate() {
            for other in &states[..n] {
                assert_ne!(state.digest(), other.digest(), "{state:?} and {other:?}");
            }
        }
    }

    #[test]
    fn equal_states_have_equal_digests_in_whatever_order_they_were_read() {
        let entry = |content: &[u8]| Entry::File { mode: 0o644, content: content.to_vec().into() };
        let one_way = Snapshot::from_iter([("a".into(), entry(b"1")), ("b".into(), entry(b"2"))]);
        let other_way = Snapshot::from_iter([("b".into(), entry(b"2")), ("a".into(), entry(b"1"))]);
        assert_eq!(one_way.digest(), other_way.digest());
    }

    #[test]
    fn the_others_of_a_file_are_counted_whether_it_is_there_or_not() {
        let state = file("a", 0o644, b"x");
        assert_eq!((state.others_than("a"), state.others_than("b")), (0, 1));
        assert_eq!((state.file("a"), state.file("b")), (Some(&b"x"[..]), None));
    }
}
