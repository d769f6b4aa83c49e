//! What is on disk for certain: which files have bytes, and which directories have names, that nobody has synced since.
//!
//! The rules are POSIX's: fsync(2) of a file says nothing of its name, that is for fsync(2) of its directory. A file system may promise
//! more; a program that relies on that says so by not calling it.

use std::collections::{BTreeMap, BTreeSet};

use crashtest_model::{Action, Durable, FileId, Operation, Trace};

/// Everything about the file, and its name, is on disk.
pub(super) const DURABLE: &str = "durable";
/// Some of its bytes may not be.
const UNSYNCED: &str = "un-synced";
/// Its bytes are; its name may not be.
const NAME_UNSYNCED: &str = "name un-synced";

/// The files below the state directory, at one moment of a trace.
#[derive(Debug, Default)]
pub(super) struct Files {
    names: BTreeMap<String, FileId>,
    dirty: BTreeSet<FileId>,
    synchronous: BTreeSet<FileId>,
    dirty_names: BTreeSet<String>,
    mapped: BTreeSet<String>,
}

impl Files {
    /// As they were before the first call: on disk.
    pub(super) fn at_start(trace: &Trace) -> Files {
        Files { names: trace.files.iter().cloned().collect(), ..Files::default() }
    }

    /// Whether `file` has bytes that nobody has synced.
    pub(super) fn is_dirty(&self, file: FileId) -> bool {
        self.dirty.contains(&file)
    }

    /// Which file has this name.
    pub(super) fn named(&self, path: &str) -> Option<FileId> {
        self.names.get(path).copied()
    }

    /// Another name of `file` than `path`.
    pub(super) fn other_name(&self, file: FileId, path: &str) -> Option<&str> {
        self.names.iter().find(|(name, of)| **of == file && *name != path).map(|(name, _)| name.as_str())
    }

    /// Takes `operation` into account; how it left what it was about.
    pub(super) fn after(&mut self, operation: &Operation) -> &'static str {
        if operation.errno.is_some() {
            return "";
        }
        match &operation.action {
            Action::Open { path, file, created, truncated, synchronous, .. } => {
                if *synchronous {
                    self.synchronous.insert(*file);
                }
                if *created {
                    self.names.insert(path.clone(), *file);
                    self.dirty_names.insert(path.clone());
                }
                if *created || *truncated {
                    self.dirty.insert(*file);
                }
                self.state(path, Some(*file))
            }
            Action::Write { path, file, .. } => {
                if !self.synchronous.contains(file) {
                    self.dirty.insert(*file);
                }
                self.state(path, Some(*file))
            }
            Action::Resize { path, file, .. } | Action::Zero { path, file, .. } => {
                self.dirty.insert(*file);
                self.state(path, Some(*file))
            }
            Action::Chmod { path, .. } | Action::Attribute { path } => {
                let file = self.named(path);
                self.dirty.extend(file);
                self.state(path, file)
            }
            Action::Rename { from, to, exchange } => {
                let (moved, replaced) = (self.names.remove(from), self.names.remove(to));
                self.names.extend(moved.map(|file| (to.clone(), file)));
                if *exchange {
                    self.names.extend(replaced.map(|file| (from.clone(), file)));
                }
                if moved.is_none() {
                    self.move_below(from, to);
                }
                self.dirty_names.extend([from.clone(), to.clone()]);
                self.state(to, moved)
            }
            Action::Link { file, to } => {
                self.names.insert(to.clone(), *file);
                self.dirty_names.insert(to.clone());
                self.state(to, Some(*file))
            }
            Action::Unlink { path } => {
                self.names.remove(path);
                self.dirty_names.insert(path.clone());
                self.state(path, None)
            }
            Action::Symlink { path, .. }
            | Action::Mkdir { path, .. }
            | Action::Rmdir { path }
            | Action::Mknod { path } => {
                self.dirty_names.insert(path.clone());
                self.state(path, None)
            }
            // Which files, and which bytes of them, is not seen.
            Action::Sync { durable: Durable::Mapping, .. } => "",
            Action::Sync { path, file, durable } => {
                self.sync(path, *file, *durable);
                self.state(path, *file)
            }
            Action::Close { path, file } => self.state(path, Some(*file)),
            Action::Map { path, file } => {
                self.mapped.insert(path.clone());
                self.dirty.insert(*file);
                self.state(path, Some(*file))
            }
        }
    }

    fn sync(&mut self, path: &str, file: Option<FileId>, durable: Durable) {
        match durable {
            Durable::File | Durable::Data => {
                if let Some(file) = file {
                    self.dirty.remove(&file);
                }
            }
            Durable::Directory => self.dirty_names.retain(|name| directory(name) != directory_itself(path)),
            Durable::Everything => {
                self.dirty.clear();
                self.dirty_names.clear();
            }
            Durable::Range | Durable::Mapping => {}
        }
    }

    /// A directory was renamed: what lies below it has other names, as durable as they were.
    fn move_below(&mut self, from: &str, to: &str) {
        let moved = |path: String| moved_below(&path, from, to).unwrap_or(path);
        self.names = std::mem::take(&mut self.names).into_iter().map(|(name, file)| (moved(name), file)).collect();
        self.dirty_names = std::mem::take(&mut self.dirty_names).into_iter().map(moved).collect();
        self.mapped = std::mem::take(&mut self.mapped).into_iter().map(moved).collect();
    }

    fn state(&self, path: &str, file: Option<FileId>) -> &'static str {
        match file {
            Some(file) if self.is_dirty(file) => UNSYNCED,
            _ if self.dirty_names.contains(path) => NAME_UNSYNCED,
            _ => DURABLE,
        }
    }

    /// The names of the files with bytes that nobody has synced. One that has no name any more is lost in any case.
    pub(super) fn dirty_files(&self) -> Vec<String> {
        self.names.iter().filter(|(_, file)| self.is_dirty(**file)).map(|(name, _)| name.clone()).collect()
    }

    /// The names, made or taken away, whose directory nobody has synced since.
    pub(super) fn dirty_names(&self) -> Vec<String> {
        self.dirty_names.iter().cloned().collect()
    }

    /// Whether the directory of `path` has been synced since that name was made.
    pub(super) fn is_name_dirty(&self, path: &str) -> bool {
        self.dirty_names.contains(path)
    }

    /// The files that were written through a mapping.
    pub(super) fn mapped(&self) -> Vec<String> {
        self.mapped.iter().cloned().collect()
    }
}

/// The name that `path` has when the directory `from`, which it lies below, is renamed to `to`; `None` where it does not.
pub(super) fn moved_below(path: &str, from: &str, to: &str) -> Option<String> {
    let below = path.strip_prefix(from)?;
    below.starts_with('/').then(|| format!("{to}{below}"))
}

/// The directory that a name is in; that of the state directory itself is empty.
fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A directory as [`directory`] names it: the state directory may be called `.`.
fn directory_itself(path: &str) -> &str {
    if path == "." { "" } else { path }
}
