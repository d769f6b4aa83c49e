//! The files below the state directory, in memory, as a run goes on: what each operation of a trace makes of them.
//!
//! As in the kernel, a name leads to a file and is not the file. A write through a descriptor reaches its file under whatever name
//! that has by then. Paths are taken as they stand in the trace: relative to the state directory, links in them resolved.
//!
//! What a trace cannot have meant (a write to a file that it never opened) does nothing. Whether trace and model are right shows
//! when the state after the last operation is held against the directory that the program left.
//! Deliberately left out: set-user-ID bits that the kernel clears on a write, owners, times; holes, which are zeros here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crashtest_model::{Action, FileId, Operation};

use crate::{Content, Entry, Snapshot};

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// A file that the trace knows, perhaps under other names as well.
    File(FileId),
    /// Anything else, and files that the trace never touches.
    Other(Entry),
}

/// A file: it may have one name, several or none.
#[derive(Clone, Debug)]
struct Inode {
    mode: u32,
    content: Content,
}

/// The files below the state directory. A clone is cheap: contents are shared until they are changed.
#[derive(Clone, Debug)]
pub struct Tree {
    names: BTreeMap<PathBuf, Name>,
    /// Those with a name, and those made without one (O_TMPFILE), as link(2) can still name them. A file that has lost its last
    /// name stays without one (link(2): ENOENT), so it is forgotten. No restart finds what is written to it from then on.
    inodes: BTreeMap<FileId, Inode>,
}

impl Tree {
    /// The files as they are at the start of a trace. `files` says which file each name is (see `Trace::files`): all names of each
    /// file that the trace touches.
    #[must_use]
    pub fn new(initial: &Snapshot, files: &[(String, FileId)]) -> Tree {
        let known: BTreeMap<&Path, FileId> = files.iter().map(|(name, file)| (Path::new(name), *file)).collect();
        let mut tree = Tree { names: BTreeMap::new(), inodes: BTreeMap::new() };
        for (path, entry) in initial.entries() {
            let name = match (entry, known.get(path)) {
                (Entry::File { mode, content }, Some(file)) => {
                    tree.inodes.insert(*file, Inode { mode: *mode, content: content.clone() });
                    Name::File(*file)
                }
                _ => Name::Other(entry.clone()),
            };
            tree.names.insert(path.to_owned(), name);
        }
        tree
    }

    /// Does what `operation` did: nothing if it failed.
    pub fn apply(&mut self, operation: &Operation) {
        if operation.errno.is_some() {
            return;
        }
        match &operation.action {
            Action::Open { path, file, created: true, mode, .. } => self.create(path, *file, *mode),
            Action::Open { file, truncated: true, .. } => self.change(*file, |content| *content = Content::default()),
            Action::Write { file, offset, data, .. } => self.write(*file, *offset, data.bytes()),
            Action::Resize { file, length, .. } => {
                self.change(*file, |content| content.edit().resize(index(*length), 0))
            }
            Action::Zero { file, offset, length, .. } => self.zero(*file, *offset, *length),
            Action::Rename { from, to, exchange: false } => self.rename(Path::new(from), Path::new(to)),
            Action::Rename { from, to, exchange: true } => self.exchange(Path::new(from), Path::new(to)),
            Action::Link { file, to } => self.link(*file, to),
            Action::Symlink { target, path } => self.add(path, Entry::Link { target: target.into() }),
            Action::Unlink { path } | Action::Rmdir { path } => self.remove(Path::new(path)),
            Action::Mkdir { path, mode } => self.add(path, Entry::Directory { mode: *mode }),
            Action::Mknod { path } => self.add(path, Entry::Special),
            Action::Chmod { path, mode } => self.chmod(Path::new(path), *mode),
            Action::Open { .. }
            | Action::Attribute { .. }
            | Action::Sync { .. }
            | Action::Close { .. }
            | Action::Map { .. } => {}
        }
    }

    /// Does the first `bytes` of a write that succeeded, as a crash inside it leaves them. Any other operation is done as a whole or
    /// not at all: of that, nothing.
    pub fn apply_part(&mut self, operation: &Operation, bytes: u64) {
        if let (None, Action::Write { file, offset, data, .. }) = (operation.errno, &operation.action) {
            self.write(*file, *offset, &data.bytes()[..index(bytes).min(data.bytes().len())]);
        }
    }

    /// The files as they are now: what a restart would find.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.names.iter().filter_map(|(path, name)| Some((path.clone(), self.entry_of(name)?))).collect()
    }

    /// Returns which file has this name; `None` for anything else.
    pub(crate) fn file(&self, path: &Path) -> Option<FileId> {
        match self.names.get(path)? {
            Name::File(file) => Some(*file),
            Name::Other(_) => None,
        }
    }

    /// The names of a file, in order.
    pub(crate) fn names_of(&self, file: FileId) -> Vec<PathBuf> {
        let named = self.names.iter().filter(|(_, name)| **name == Name::File(file));
        named.map(|(path, _)| path.clone()).collect()
    }

    /// Returns what is in a file that has a name, or was made without one.
    pub(crate) fn content(&self, file: FileId) -> Option<&Content> {
        self.inodes.get(&file).map(|inode| &inode.content)
    }

    /// Returns what has this name.
    pub(crate) fn entry(&self, path: &Path) -> Option<Entry> {
        self.entry_of(self.names.get(path)?)
    }

    /// The name and those below it, as far as they are there.
    pub(crate) fn at_and_below(&self, path: &Path) -> Vec<PathBuf> {
        let below = self.names.range(path.to_owned()..).take_while(|(other, _)| other.starts_with(path));
        below.map(|(path, _)| path.clone()).collect()
    }

    fn entry_of(&self, name: &Name) -> Option<Entry> {
        match name {
            Name::File(file) => {
                let Inode { mode, content } = self.inodes.get(file)?;
                Some(Entry::File { mode: *mode, content: content.clone() })
            }
            Name::Other(entry) => Some(entry.clone()),
        }
    }

    /// Makes an empty file; an empty path is that of a file that has no name yet (O_TMPFILE).
    fn create(&mut self, path: &str, file: FileId, mode: u32) {
        self.inodes.insert(file, Inode { mode, content: Content::default() });
        if !path.is_empty() {
            self.link(file, path);
        }
    }

    fn link(&mut self, file: FileId, to: &str) {
        if self.inodes.contains_key(&file) {
            self.names.insert(to.into(), Name::File(file));
        }
    }

    fn add(&mut self, path: &str, entry: Entry) {
        self.names.insert(path.into(), Name::Other(entry));
    }

    fn change(&mut self, file: FileId, change: impl FnOnce(&mut Content)) {
        if let Some(inode) = self.inodes.get_mut(&file) {
            change(&mut inode.content);
        }
    }

    fn write(&mut self, file: FileId, offset: u64, data: &[u8]) {
        // A write of nothing does not lengthen a file, wherever it is.
        if data.is_empty() {
            return;
        }
        self.change(file, |content| {
            let bytes = content.edit();
            let range = index(offset)..index(offset) + data.len();
            if bytes.len() < range.end {
                bytes.resize(range.end, 0);
            }
            bytes[range].copy_from_slice(data);
        });
    }

    /// Zeroes what there is of a range; it does not lengthen the file.
    fn zero(&mut self, file: FileId, offset: u64, length: u64) {
        self.change(file, |content| {
            let bytes = content.edit();
            let end = index(offset.saturating_add(length)).min(bytes.len());
            bytes[index(offset).min(end)..end].fill(0);
        });
    }

    fn chmod(&mut self, path: &Path, new: u32) {
        match self.names.get_mut(path) {
            Some(Name::File(file)) => {
                if let Some(inode) = self.inodes.get_mut(file) {
                    inode.mode = new;
                }
            }
            Some(Name::Other(Entry::File { mode, .. } | Entry::Directory { mode })) => *mode = new,
            Some(Name::Other(Entry::Link { .. } | Entry::Special)) | None => {}
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        // rename(2): "If oldpath and newpath are existing hard links referring to the same file, then rename() does nothing".
        if self.is_one_file(from, to) {
            return;
        }
        let moved = self.take(from);
        self.remove(to);
        self.put(moved, from, to);
    }

    fn exchange(&mut self, a: &Path, b: &Path) {
        let (from_a, from_b) = (self.take(a), self.take(b));
        self.put(from_a, a, b);
        self.put(from_b, b, a);
    }

    fn is_one_file(&self, a: &Path, b: &Path) -> bool {
        matches!((self.names.get(a), self.names.get(b)), (Some(Name::File(a)), Some(Name::File(b))) if a == b)
    }

    /// Takes away a name, with everything below it.
    fn take(&mut self, path: &Path) -> Vec<(PathBuf, Name)> {
        self.at_and_below(path).into_iter().filter_map(|path| self.names.remove_entry(&path)).collect()
    }

    /// Puts names that lay at and below `from` to the same places at and below `to`.
    fn put(&mut self, names: Vec<(PathBuf, Name)>, from: &Path, to: &Path) {
        for (path, name) in names {
            let rest = path.iter().skip(from.iter().count());
            self.names.insert(to.iter().chain(rest).collect(), name);
        }
    }

    fn remove(&mut self, path: &Path) {
        for (_, name) in self.take(path) {
            if let Name::File(file) = name
                && !self.names.values().any(|other| *other == Name::File(file))
            {
                self.inodes.remove(&file);
            }
        }
    }
}

/// A place in a content. Contents lie in memory, so that none is beyond what can be addressed.
fn index(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use crashtest_model::{Data, Progress};
    use proptest::prelude::*;

    use super::*;

    const FILE: FileId = FileId(0);

    fn operation(action: Action) -> Operation {
        let [before, after] = [Progress::default(); 2];
        Operation { process: 0, call: action.word().into(), action, errno: None, before, after }
    }

    fn write(offset: u64, data: &[u8]) -> Operation {
        let requested = data.len() as u64;
        operation(Action::Write { path: "f".into(), file: FILE, offset, data: Data::Kept(data.to_vec()), requested })
    }

    fn open(path: &str, file: FileId) -> Operation {
        let path = path.to_owned();
        operation(Action::Open { path, file, created: true, truncated: false, synchronous: false, mode: 0o644 })
    }

    fn tree(content: Vec<u8>) -> Tree {
        let file = Entry::File { mode: 0o644, content: content.into() };
        Tree::new(&Snapshot::from_iter([("f".into(), file)]), &[("f".into(), FILE)])
    }

    fn after(mut tree: Tree, operations: &[Operation]) -> Snapshot {
        operations.iter().for_each(|operation| tree.apply(operation));
        tree.snapshot()
    }

    proptest! {
        #[test]
        fn a_prefix_of_a_write_and_then_the_rest_are_the_whole(
            content: Vec<u8>, offset in 0u64..300, data: Vec<u8>, cut: prop::sample::Index,
        ) {
            let cut = cut.index(data.len() + 1);
            let mut torn = tree(content.clone());
            torn.apply_part(&write(offset, &data), cut as u64);
            let rest = write(offset + cut as u64, &data[cut..]);
            prop_assert_eq!(after(torn, &[rest]), after(tree(content), &[write(offset, &data)]));
        }

        #[test]
        fn all_bytes_of_a_write_are_the_write(content: Vec<u8>, offset in 0u64..300, data: Vec<u8>, more in 0u64..9) {
            let mut whole = tree(content.clone());
            whole.apply_part(&write(offset, &data), data.len() as u64 + more);
            prop_assert_eq!(whole.snapshot(), after(tree(content), &[write(offset, &data)]));
        }

        #[test]
        fn a_snapshot_stays_as_it_was_whatever_is_done_to_the_tree(content: Vec<u8>, offset in 0u64..300, data: Vec<u8>) {
            let mut tree = tree(content.clone());
            let before = tree.snapshot();
            tree.apply(&write(offset, &data));
            prop_assert_eq!(before.file("f"), Some(content.as_slice()));
        }
    }

    #[test]
    fn a_write_past_the_end_leaves_zeros_between() {
        assert_eq!(after(tree(b"ab".to_vec()), &[write(4, b"e")]).file("f"), Some(&b"ab\0\0e"[..]));
    }

    #[test]
    fn a_failed_operation_does_nothing() {
        let failed = Operation { errno: Some(28), ..write(0, b"x") };
        let mut tree = tree(b"ab".to_vec());
        tree.apply(&failed);
        tree.apply_part(&failed, 1);
        assert_eq!(tree.snapshot().file("f"), Some(&b"ab"[..]));
    }

    #[test]
    fn a_file_without_a_name_is_found_only_once_it_is_linked() {
        let mut tree = Tree::new(&Snapshot::default(), &[]);
        tree.apply(&open("", FILE));
        tree.apply(&write(0, b"new"));
        assert_eq!(tree.snapshot(), Snapshot::default());
        tree.apply(&operation(Action::Link { file: FILE, to: "f".into() }));
        assert_eq!(tree.snapshot().file("f"), Some(&b"new"[..]));
    }

    #[test]
    fn a_write_to_a_file_whose_name_was_replaced_is_found_nowhere() {
        let rename = Action::Rename { from: "g".into(), to: "f".into(), exchange: false };
        let state = after(tree(b"old".to_vec()), &[open("g", FileId(1)), operation(rename), write(0, b"lost")]);
        assert_eq!((state.file("f"), state.has("g")), (Some(&b""[..]), false));
    }

    #[test]
    fn a_rename_onto_another_name_of_the_file_does_nothing() {
        let link = operation(Action::Link { file: FILE, to: "g".into() });
        let rename = operation(Action::Rename { from: "f".into(), to: "g".into(), exchange: false });
        let state = after(tree(b"x".to_vec()), &[link, rename]);
        assert_eq!((state.file("f"), state.file("g")), (Some(&b"x"[..]), Some(&b"x"[..])));
    }

    #[test]
    fn files_that_are_gone_take_no_memory() {
        let mut tree = tree(b"old".to_vec());
        for n in 1..10 {
            tree.apply(&open("g", FileId(n)));
            tree.apply(&operation(Action::Rename { from: "g".into(), to: "f".into(), exchange: false }));
        }
        assert_eq!(tree.inodes.len(), 1);
    }

    #[test]
    fn what_a_trace_does_not_name_stays() {
        let file = Entry::File { mode: 0o600, content: b"x".to_vec().into() };
        let initial = Snapshot::from_iter([("d".into(), Entry::Directory { mode: 0o700 }), ("d/f".into(), file)]);
        let rename = operation(Action::Rename { from: "d".into(), to: "e".into(), exchange: false });
        assert_eq!(Tree::new(&initial, &[]).snapshot(), initial);
        assert_eq!(after(Tree::new(&initial, &[]), &[rename]).file("e/f"), Some(&b"x"[..]));
    }
}
