//! The files below the state directory, in memory, as a run goes on: what each operation of a trace makes of them.
//!
//! As in the kernel, a name leads to a file and is not the file. A write through a descriptor reaches its file under whatever name
//! that has by then. Paths are taken as they stand in the trace: relative to the state directory, links in them resolved.
//!
//! What a trace cannot have meant (a write to a file that it never opened) does nothing. Whether trace and model are right shows
//! when the state after the last operation is held against the directory that the program left.
//! A file that lies outside the directory until it is moved in has its whole path for a name: no restart finds it under that.
//! Deliberately left out: set-user-ID bits that the kernel clears on a write; holes, which are zeros here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crashtest_model::{Action, Attributes, FileId, Operation};

use crate::snapshot::Root;
use crate::{Content, Entry, Snapshot};

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// A file that the trace knows, perhaps under other names as well.
    File(FileId),
    /// Anything else, and files that the trace never touches.
    Other(Entry, Besides),
}

/// What is known of an entry besides what it is.
type Besides = Option<Arc<Attributes>>;

/// A file: it may have one name, several or none.
#[derive(Clone, Debug)]
struct Inode {
    mode: u32,
    content: Content,
    besides: Besides,
}

/// The files below the state directory. A clone is cheap: contents are shared until they are changed.
#[derive(Clone, Debug)]
pub struct Tree {
    names: BTreeMap<PathBuf, Name>,
    /// Those with a name, and those made without one (O_TMPFILE), as link(2) can still name them. A file that has lost its last
    /// name stays without one (link(2): ENOENT), so it is forgotten. No restart finds what is written to it from then on.
    inodes: BTreeMap<FileId, Inode>,
    /// What the directory itself has; with it, what its entries have is kept as well.
    root: Option<Root>,
    /// Whether a file may have several names.
    is_linked: bool,
}

impl Tree {
    /// The files as they are at the start of a trace. `files` says which file each name is (see `Trace::files`): all names of each
    /// file that the trace touches.
    #[must_use]
    pub fn new(initial: &Snapshot, files: &[(String, FileId)]) -> Tree {
        let known: BTreeMap<&Path, FileId> = files.iter().map(|(name, file)| (Path::new(name), *file)).collect();
        let mut tree = Tree {
            names: BTreeMap::new(),
            inodes: BTreeMap::new(),
            root: initial.root().cloned(),
            is_linked: initial.twins().next().is_some(),
        };
        for (path, entry) in initial.entries() {
            let besides = initial.attributes(path).cloned();
            let name = match (entry, known.get(path)) {
                (Entry::File { mode, content }, Some(file)) => {
                    tree.inodes.insert(*file, Inode { mode: *mode, content: content.clone(), besides });
                    Name::File(*file)
                }
                _ => Name::Other(entry.clone(), besides),
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
            Action::Arrive { path, file, data, mode } => {
                self.remove(Path::new(path));
                self.create(path, *file, *mode);
                self.write(*file, 0, data.bytes());
            }
            Action::Open { file, truncated: true, .. } => self.change(*file, |content| *content = Content::default()),
            Action::Write { file, offset, data, .. } => self.write(*file, *offset, data.bytes()),
            Action::Resize { file, length, .. } => self.change(*file, |content| content.resize(*length)),
            Action::Zero { file, offset, length, .. } => self.zero(*file, *offset, *length),
            Action::Rename { from, to, exchange: false } => self.rename(Path::new(from), Path::new(to)),
            Action::Rename { from, to, exchange: true } => self.exchange(Path::new(from), Path::new(to)),
            Action::Link { file, to } => self.link(*file, to),
            Action::Symlink { target, path } => self.add(path, Entry::Link { target: target.into() }),
            Action::Unlink { path } | Action::Rmdir { path } => self.remove(Path::new(path)),
            Action::Mkdir { path, mode } => self.add(path, Entry::Directory { mode: *mode }),
            Action::Mknod { path, node, mode } => self.add(path, Entry::Special { node: *node, mode: *mode }),
            Action::Chmod { path, mode } => self.chmod(Path::new(path), *mode),
            Action::Open { .. }
            | Action::Attribute { .. }
            | Action::Sync { .. }
            | Action::Close { .. }
            | Action::Read { .. }
            | Action::Map { .. } => {}
        }
        if let Some(left) = &operation.left {
            self.besides(&operation.action, left);
        }
    }

    /// Does the first `bytes` of a write that succeeded, as a crash inside it leaves them. Any other operation is done as a whole or
    /// not at all: of that, nothing.
    pub fn apply_part(&mut self, operation: &Operation, bytes: u64) {
        if let (None, Action::Write { file, offset, data, .. }) = (operation.errno, &operation.action) {
            let done = usize::try_from(bytes).unwrap_or(usize::MAX).min(data.bytes().len());
            self.write(*file, *offset, &data.bytes()[..done]);
        }
    }

    /// The files as they are now: what a restart would find.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let entries = self.here().filter_map(|(path, name)| Some((path.clone(), self.entry_of(name)?)));
        let mut snapshot = entries.collect::<Snapshot>();
        if self.is_linked {
            snapshot = snapshot.with_twins(self.twins());
        }
        if self.root.is_some() {
            snapshot = snapshot.with_attributes(self.attributes(), self.root.clone());
        }
        snapshot
    }

    /// The names in the directory.
    fn here(&self) -> impl Iterator<Item = (&PathBuf, &Name)> {
        self.names.iter().filter(|(path, _)| path.is_relative())
    }

    /// Each further name of a file, with the first one.
    fn twins(&self) -> Vec<(PathBuf, PathBuf)> {
        let mut first: BTreeMap<FileId, &PathBuf> = BTreeMap::new();
        let further = self.here().filter_map(|(path, name)| match name {
            Name::File(file) => match first.get(file) {
                Some(first) => Some((path.clone(), (*first).clone())),
                None => {
                    first.insert(*file, path);
                    None
                }
            },
            Name::Other(..) => None,
        });
        further.collect()
    }

    /// What is known of the entries besides what they are.
    fn attributes(&self) -> impl Iterator<Item = (PathBuf, Arc<Attributes>)> {
        self.here().filter_map(|(path, name)| {
            let besides = match name {
                Name::File(file) => self.inodes.get(file).and_then(|inode| inode.besides.as_ref()),
                Name::Other(_, besides) => besides.as_ref(),
            };
            Some((path.clone(), Arc::clone(besides?)))
        })
    }

    /// Returns which file has this name; `None` for anything else.
    pub(crate) fn file(&self, path: &Path) -> Option<FileId> {
        match self.names.get(path)? {
            Name::File(file) => Some(*file),
            Name::Other(..) => None,
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
                let Inode { mode, content, .. } = self.inodes.get(file)?;
                Some(Entry::File { mode: *mode, content: content.clone() })
            }
            Name::Other(entry, _) => Some(entry.clone()),
        }
    }

    /// Notes what a call that did `action` has `left` besides.
    fn besides(&mut self, action: &Action, left: &Attributes) {
        let place = match action {
            Action::Open { file, .. }
            | Action::Write { file, .. }
            | Action::Resize { file, .. }
            | Action::Zero { file, .. }
            | Action::Arrive { file, .. } => self.inodes.get_mut(file).map(|inode| &mut inode.besides),
            Action::Mkdir { path, .. }
            | Action::Mknod { path, .. }
            | Action::Attribute { path }
            | Action::Chmod { path, .. } => {
                if let (".", Some((_, besides))) = (path.as_str(), &mut self.root) {
                    *besides = Arc::new(together(besides, left));
                    return;
                }
                match self.names.get_mut(Path::new(path)) {
                    Some(Name::File(file)) => self.inodes.get_mut(file).map(|inode| &mut inode.besides),
                    Some(Name::Other(_, besides)) => Some(besides),
                    None => None,
                }
            }
            _ => None,
        };
        if let Some(besides) = place {
            let before = besides.take().unwrap_or_default();
            *besides = Some(Arc::new(together(&before, left)));
        }
    }

    /// Makes an empty file; an empty path is that of a file that has no name yet (O_TMPFILE).
    fn create(&mut self, path: &str, file: FileId, mode: u32) {
        self.inodes.insert(file, Inode { mode, content: Content::default(), besides: None });
        if !path.is_empty() {
            self.names.insert(path.into(), Name::File(file));
        }
    }

    fn link(&mut self, file: FileId, to: &str) {
        if self.inodes.contains_key(&file) {
            self.is_linked = true;
            self.names.insert(to.into(), Name::File(file));
        }
    }

    fn add(&mut self, path: &str, entry: Entry) {
        self.names.insert(path.into(), Name::Other(entry, None));
    }

    fn change(&mut self, file: FileId, change: impl FnOnce(&mut Content)) {
        if let Some(inode) = self.inodes.get_mut(&file) {
            change(&mut inode.content);
        }
    }

    fn write(&mut self, file: FileId, offset: u64, data: &[u8]) {
        self.change(file, |content| content.write(offset, data));
    }

    fn zero(&mut self, file: FileId, offset: u64, length: u64) {
        self.change(file, |content| content.zero(offset, length));
    }

    fn chmod(&mut self, path: &Path, new: u32) {
        if let (".", Some((mode, _))) = (path.to_str().unwrap_or_default(), &mut self.root) {
            *mode = new;
        }
        match self.names.get_mut(path) {
            Some(Name::File(file)) => {
                if let Some(inode) = self.inodes.get_mut(file) {
                    inode.mode = new;
                }
            }
            Some(Name::Other(
                Entry::File { mode, .. } | Entry::Directory { mode } | Entry::Special { mode, .. },
                _,
            )) => *mode = new,
            Some(Name::Other(Entry::Link { .. }, _)) | None => {}
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

/// What an entry has that had `before`, behind a call that has `left` this.
fn together(before: &Attributes, left: &Attributes) -> Attributes {
    let extended = left.extended.clone().or_else(|| before.extended.clone()).unwrap_or_default();
    Attributes { extended: Some(extended), ..*left }
}

#[cfg(test)]
mod tests;
