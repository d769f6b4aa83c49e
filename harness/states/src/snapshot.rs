//! The files below a directory at one moment, as data: a crash state before recovery touches it, or a state to go back to.
//!
//! Links are kept as links and never followed. Two names of one file (hard links) stay two names of one file. Owners, times and
//! extended attributes are kept where somebody has asked for them: of a program, which may read them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crashtest_model::{Attributes, Digest, Node};

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
    /// A pipe, a socket or a device.
    Special {
        /// Which.
        node: Node,
        /// The permission bits.
        mode: u32,
    },
}

/// What the directory itself has: its permission bits, and the rest.
pub type Root = (u32, Arc<Attributes>);

/// The entries below a directory by their path relative to it, sorted, so that a directory comes before what is in it.
///
/// Equal are those of which no program can tell one from the other but by the times in them.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    entries: BTreeMap<PathBuf, Entry>,
    /// Of names of files that have several: the first one.
    twins: BTreeMap<PathBuf, PathBuf>,
    /// What entries have besides, where it was asked for.
    attributes: BTreeMap<PathBuf, Arc<Attributes>>,
    root: Option<Root>,
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

    /// The content of the file `name`; `None` if it is no file or not there, or longer than [`LONGEST_WHOLE`](crate::LONGEST_WHOLE).
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.content(name)?.bytes()
    }

    /// What is in the file `name`, of whatever length; `None` if it is no file or not there.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<&Content> {
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

    /// The first name of the file that `path` is a further name of; `None` for any other path.
    #[must_use]
    pub fn twin(&self, path: &Path) -> Option<&Path> {
        self.twins.get(path).map(PathBuf::as_path)
    }

    /// Every further name of a file, with the first one.
    pub fn twins(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.twins.iter().map(|(path, first)| (path.as_path(), first.as_path()))
    }

    /// What the entry of this path has besides; `None` where nobody has asked for it.
    #[must_use]
    pub fn attributes(&self, path: &Path) -> Option<&Arc<Attributes>> {
        self.attributes.get(path)
    }

    /// What the directory itself has; `None` where nobody has asked for it.
    #[must_use]
    pub fn root(&self) -> Option<&Root> {
        self.root.as_ref()
    }

    /// The same entries, of which `path` is a further name of the file `first`.
    #[must_use]
    pub fn with_twins(mut self, twins: impl IntoIterator<Item = (PathBuf, PathBuf)>) -> Snapshot {
        self.twins.extend(twins);
        self
    }

    /// The same entries with what they have besides.
    #[must_use]
    pub fn with_attributes(
        mut self,
        attributes: impl IntoIterator<Item = (PathBuf, Arc<Attributes>)>,
        root: Option<Root>,
    ) -> Snapshot {
        self.attributes.extend(attributes);
        self.root = root;
        self
    }

    /// The entries of which `keep` says so, with all that they have.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Path) -> bool) -> Snapshot {
        let mut kept = Snapshot { root: self.root.clone(), ..Snapshot::default() };
        for (path, entry) in self.entries.iter().filter(|(path, _)| keep(path)) {
            kept.entries.insert(path.clone(), entry.clone());
            if let Some(attributes) = self.attributes.get(path) {
                kept.attributes.insert(path.clone(), Arc::clone(attributes));
            }
        }
        // Of names of one file the first that is kept is the first.
        let mut first: BTreeMap<&Path, &Path> = BTreeMap::new();
        for path in kept.entries.keys() {
            let whole = self.twins.get(path).map_or(path.as_path(), PathBuf::as_path);
            match first.get(whole) {
                Some(first) => drop(kept.twins.insert(path.clone(), (*first).to_owned())),
                None => drop(first.insert(whole, path)),
            }
        }
        kept
    }

    /// The same with other entries, each made of the one that has its path; `None` leaves it out.
    #[must_use]
    pub fn changed(&self, change: impl Fn(&Path, &Entry) -> Option<Entry>) -> Snapshot {
        let mut changed = self.only(|path| self.entries.get(path).is_some_and(|entry| change(path, entry).is_some()));
        for (path, entry) in &mut changed.entries {
            if let Some(other) = change(path, entry) {
                *entry = other;
            }
        }
        changed
    }

    /// Returns what identifies the state: names, kinds, modes, contents, links, owners, extended attributes, and in which order files
    /// were changed. Equal within one build of the program (see [`Digest::of_value`]).
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_value(&(self, self.order_of_changes()))
    }

    /// The same for whoever opens only the files of these names: of the others it counts how long they are, and not what is in them.
    #[must_use]
    pub fn digest_for(&self, opened: &BTreeSet<PathBuf>) -> Digest {
        let entries = self.entries.iter().map(|(path, entry)| match entry {
            Entry::File { mode, content } if !opened.contains(path) => (path, Err((*mode, content.length()))),
            entry => (path, Ok(entry)),
        });
        let (entries, besides): (Vec<_>, Vec<_>) = (entries.collect(), self.besides().collect());
        Digest::of_value(&(entries, &self.twins, besides, self.order_of_changes()))
    }

    /// How many different times of change are older, by the name of each file.
    fn order_of_changes(&self) -> Vec<usize> {
        if self.attributes.is_empty() {
            return Vec::new();
        }
        let files = self.entries.iter().filter(|(_, entry)| matches!(entry, Entry::File { .. }));
        let times: Vec<i64> = files.filter_map(|(path, _)| Some(self.attributes.get(path)?.modified_ns)).collect();
        let distinct: BTreeSet<i64> = times.iter().copied().collect();
        let places: BTreeMap<i64, usize> = distinct.into_iter().zip(0..).collect();
        times.iter().map(|time| places[time]).collect()
    }

    /// What differs from entry to entry beside what it is: owners and extended attributes, but for times.
    fn besides(&self) -> impl Iterator<Item = (&Path, (u32, u32), &Option<BTreeMap<String, crashtest_model::Data>>)> {
        self.attributes.iter().map(|(path, all)| (path.as_path(), all.owner, &all.extended))
    }
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Snapshot) -> bool {
        self.entries == other.entries && self.twins == other.twins && self.besides().eq(other.besides())
    }
}

impl Eq for Snapshot {}

impl Hash for Snapshot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entries.hash(state);
        self.twins.hash(state);
        self.besides().for_each(|besides| besides.hash(state));
    }
}

impl FromIterator<(PathBuf, Entry)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (PathBuf, Entry)>>(entries: I) -> Snapshot {
        Snapshot { entries: entries.into_iter().collect(), ..Snapshot::default() }
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
            one("a", Entry::Special { node: Node::Pipe, mode: 0o644 }),
            one("a", Entry::Special { node: Node::Socket, mode: 0o644 }),
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

    fn besides(modified_ns: i64, owner: u32, name: &str) -> Arc<Attributes> {
        let extended = BTreeMap::from([(name.to_owned(), crashtest_model::Data::Kept(b"1".to_vec()))]);
        Arc::new(Attributes { modified_ns, owner: (owner, 0), extended: Some(extended) })
    }

    #[test]
    fn what_a_program_can_read_besides_tells_states_apart_and_times_do_by_their_order() {
        let two =
            || ["a", "b"].map(|path| (PathBuf::from(path), Entry::File { mode: 0o644, content: b"x".to_vec().into() }));
        let state = |a: Arc<Attributes>, b: Arc<Attributes>| {
            Snapshot::from_iter(two()).with_attributes([("a".into(), a), ("b".into(), b)], None)
        };
        let base = state(besides(1, 0, "sum"), besides(2, 0, "sum"));
        let later = state(besides(70, 0, "sum"), besides(90, 0, "sum"));
        assert_eq!((base.digest(), &base), (later.digest(), &later), "another run of the same");
        let turned = state(besides(3, 0, "sum"), besides(2, 0, "sum"));
        assert_ne!(base.digest(), turned.digest(), "which is the newest");
        for other in
            [state(besides(1, 7, "sum"), besides(2, 0, "sum")), state(besides(1, 0, "sum"), besides(2, 0, "sun"))]
        {
            assert!(base.digest() != other.digest() && base != other);
        }
        let linked = Snapshot::from_iter(two()).with_twins([("b".into(), "a".into())]);
        assert!(linked.digest() != Snapshot::from_iter(two()).digest() && linked != Snapshot::from_iter(two()));
    }

    #[test]
    fn of_names_of_one_file_the_first_that_is_kept_is_the_first() {
        let file = |path: &str| (PathBuf::from(path), Entry::File { mode: 0o644, content: b"x".to_vec().into() });
        let twins = [("b".into(), "a".into()), ("c".into(), "a".into())];
        let state = Snapshot::from_iter(["a", "b", "c"].map(file)).with_twins(twins);
        let kept = state.only(|path| path != Path::new("a"));
        assert_eq!(kept.twins().collect::<Vec<_>>(), [(Path::new("c"), Path::new("b"))]);
        assert_eq!(state.only(|path| path == Path::new("b")).twins().count(), 0);
    }
}
