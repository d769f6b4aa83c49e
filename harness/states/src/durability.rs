//! What is on disk for certain after each call: which files have bytes, and which directories have names, that nobody has synced since.
//!
//! The rules are POSIX's: fsync(2) of a file says nothing of its name, that is for fsync(2) of its directory. A file system may promise
//! more; a program that relies on that says so by not calling it.

use std::collections::{BTreeMap, BTreeSet};

use crashtest_model::{Action, Durable, FileId, Operation, Trace};

/// The part of a file, and of its name, that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persisted {
    /// Everything about the file, and its name.
    Whole,
    /// Its name may be, and some of its bytes may not.
    NotItsData,
    /// Its bytes are, and its name may not be.
    NotItsName,
}

/// The files below the state directory, at one moment of a trace.
#[derive(Debug, Default)]
pub struct Durability {
    names: BTreeMap<String, FileId>,
    unsynced: BTreeSet<FileId>,
    synchronous: BTreeSet<FileId>,
    unsynced_names: BTreeSet<String>,
    mapped: BTreeSet<String>,
}

impl Durability {
    /// The files as they were before the first call: on disk.
    #[must_use]
    pub fn at_start(trace: &Trace) -> Durability {
        Durability { names: trace.files.iter().cloned().collect(), ..Durability::default() }
    }

    /// Whether `file` has bytes that nobody has synced.
    #[must_use]
    pub fn has_unsynced_data(&self, file: FileId) -> bool {
        self.unsynced.contains(&file)
    }

    /// The file that has this name.
    #[must_use]
    pub fn file_named(&self, path: &str) -> Option<FileId> {
        self.names.get(path).copied()
    }

    /// Another name of `file` than `path`.
    #[must_use]
    pub fn other_name(&self, file: FileId, path: &str) -> Option<&str> {
        self.names.iter().find(|(name, id)| **id == file && *name != path).map(|(name, _)| name.as_str())
    }

    /// Takes `operation` into account, and says how it left what it was about. `None` where that is not known, or it failed.
    pub fn apply(&mut self, operation: &Operation) -> Option<Persisted> {
        if operation.errno.is_some() {
            return None;
        }
        let persisted = match &operation.action {
            Action::Open { path, file, created, truncated, synchronous, .. } => {
                if *synchronous {
                    self.synchronous.insert(*file);
                }
                if *created {
                    self.names.insert(path.clone(), *file);
                    self.unsynced_names.insert(path.clone());
                }
                if *created || *truncated {
                    self.unsynced.insert(*file);
                }
                self.persisted(path, Some(*file))
            }
            Action::Write { path, file, .. } => {
                if !self.synchronous.contains(file) {
                    self.unsynced.insert(*file);
                }
                self.persisted(path, Some(*file))
            }
            Action::Resize { path, file, .. } | Action::Zero { path, file, .. } => {
                self.unsynced.insert(*file);
                self.persisted(path, Some(*file))
            }
            Action::Chmod { path, .. } | Action::Attribute { path } => {
                let file = self.file_named(path);
                self.unsynced.extend(file);
                self.persisted(path, file)
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
                self.unsynced_names.extend([from.clone(), to.clone()]);
                self.persisted(to, moved)
            }
            Action::Link { file, to } => {
                self.names.insert(to.clone(), *file);
                self.unsynced_names.insert(to.clone());
                self.persisted(to, Some(*file))
            }
            // What of it is on disk nobody has seen.
            Action::Arrive { path, file, .. } => {
                self.names.insert(path.clone(), *file);
                self.unsynced.insert(*file);
                self.unsynced_names.insert(path.clone());
                self.persisted(path, Some(*file))
            }
            Action::Read { path, .. } => self.persisted(path, None),
            Action::Unlink { path } => {
                self.names.remove(path);
                self.unsynced_names.insert(path.clone());
                self.persisted(path, None)
            }
            Action::Symlink { path, .. }
            | Action::Mkdir { path, .. }
            | Action::Rmdir { path }
            | Action::Mknod { path, .. } => {
                self.unsynced_names.insert(path.clone());
                self.persisted(path, None)
            }
            // Which files, and which bytes of them, is not seen.
            Action::Sync { durable: Durable::Mapping, .. } => return None,
            Action::Sync { path, file, durable } => {
                self.sync(path, *file, *durable);
                self.persisted(path, *file)
            }
            Action::Close { path, file } => self.persisted(path, Some(*file)),
            Action::Map { path, file } => {
                self.mapped.insert(path.clone());
                self.unsynced.insert(*file);
                self.persisted(path, Some(*file))
            }
        };
        Some(persisted)
    }

    fn sync(&mut self, path: &str, file: Option<FileId>, durable: Durable) {
        match durable {
            Durable::File | Durable::Data => {
                if let Some(file) = file {
                    self.unsynced.remove(&file);
                }
            }
            Durable::Directory => self.unsynced_names.retain(|name| directory(name) != directory_itself(path)),
            Durable::Everything => {
                self.unsynced.clear();
                self.unsynced_names.clear();
            }
            Durable::Range | Durable::Mapping => {}
        }
    }

    /// A directory was renamed: what lies below it has other names, as durable as they were.
    fn move_below(&mut self, from: &str, to: &str) {
        let moved = |path: String| moved_below(&path, from, to).unwrap_or(path);
        self.names = std::mem::take(&mut self.names).into_iter().map(|(name, file)| (moved(name), file)).collect();
        self.unsynced_names = std::mem::take(&mut self.unsynced_names).into_iter().map(moved).collect();
        self.mapped = std::mem::take(&mut self.mapped).into_iter().map(moved).collect();
    }

    fn persisted(&self, path: &str, file: Option<FileId>) -> Persisted {
        match file {
            Some(file) if self.has_unsynced_data(file) => Persisted::NotItsData,
            _ if self.unsynced_names.contains(path) => Persisted::NotItsName,
            _ => Persisted::Whole,
        }
    }

    /// The names of the files with bytes that nobody has synced. One that has no name any more is lost in any case.
    #[must_use]
    pub fn unsynced_files(&self) -> Vec<String> {
        self.names.iter().filter(|(_, file)| self.has_unsynced_data(**file)).map(|(name, _)| name.clone()).collect()
    }

    /// The names, made or taken away, whose directory nobody has synced since.
    #[must_use]
    pub fn unsynced_names(&self) -> Vec<String> {
        self.unsynced_names.iter().cloned().collect()
    }

    /// Whether the directory of `path` has been synced since that name was made.
    #[must_use]
    pub fn is_name_unsynced(&self, path: &str) -> bool {
        self.unsynced_names.contains(path)
    }

    /// The files that were written through a mapping.
    #[must_use]
    pub fn mapped(&self) -> Vec<String> {
        self.mapped.iter().cloned().collect()
    }
}

/// The name that `path` has when the directory `from`, which it lies below, is renamed to `to`; `None` where it does not.
#[must_use]
pub fn moved_below(path: &str, from: &str, to: &str) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use crashtest_model::{Data, Progress};

    use super::*;

    fn done(action: Action) -> Operation {
        let progress = Progress::default();
        Operation {
            process: 0,
            call: action.word().into(),
            action,
            errno: None,
            before: progress,
            after: progress,
            left: None,
        }
    }

    #[test]
    fn a_new_file_is_durable_once_it_and_its_directory_are_synced() {
        let (path, file) = (String::from("d/a"), FileId(1));
        let mut durability = Durability::default();
        let create =
            Action::Open { path: path.clone(), file, created: true, truncated: false, synchronous: false, mode: 0o644 };
        assert_eq!(durability.apply(&done(create)), Some(Persisted::NotItsData));
        let write = Action::Write { path: path.clone(), file, offset: 0, data: Data::Kept(vec![1]), requested: 1 };
        assert_eq!(durability.apply(&done(write)), Some(Persisted::NotItsData));
        let sync = |path: &str, file, durable| Action::Sync { path: path.into(), file, durable };
        assert_eq!(durability.apply(&done(sync("d/a", Some(file), Durable::Data))), Some(Persisted::NotItsName));
        assert_eq!(durability.unsynced_names(), ["d/a"]);
        durability.apply(&done(sync("d", None, Durable::Directory)));
        assert!(durability.unsynced_names().is_empty() && durability.unsynced_files().is_empty());
    }
}
