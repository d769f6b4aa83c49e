//! How each file is written: truncate-and-write, append, rename without fsync. What decides which crashes hurt.

use std::collections::{BTreeMap, BTreeSet};

use crashtest_model::{Action, FileId, Operation, PlainName, Trace};
use crashtest_states::{Durability, moved_below};

/// A way to write a file. The order is that in which they are shown, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    TruncateAndWrite,
    DeleteThenWrite,
    InPlace,
    AtAnOffset,
    RenameUnsynced,
    RenameWithoutDirectory,
    RenameSynced,
    Append,
    Created,
    Mapped,
    Moved,
}

impl Way {
    fn meaning(self) -> &'static str {
        match self {
            Way::TruncateAndWrite => "truncate-and-write: a crash in between leaves it empty or torn",
            Way::DeleteThenWrite => "delete-then-write: a crash in between leaves it missing or torn",
            Way::InPlace => "in place: a crash in between leaves old and new mixed",
            Way::AtAnOffset => "at an offset: appended, or in place",
            Way::RenameUnsynced => "rename without fsync: a power cut may leave it empty",
            Way::RenameWithoutDirectory => "fsync and rename, without fsync of the directory: a power cut may undo it",
            Way::RenameSynced => "fsync, rename, fsync of the directory",
            Way::Append => "append: a crash in between leaves a torn last record",
            Way::Created => "made and written once",
            Way::Mapped => "through a shared mapping",
            Way::Moved => "renamed, not written",
        }
    }
}

/// The ways in which the files were written so far, by name.
#[derive(Debug, Default)]
pub(super) struct Ways {
    found: BTreeMap<String, BTreeSet<Way>>,
    /// What is being written: it counts under the name that it has in the end.
    open: BTreeMap<FileId, (String, Way)>,
    /// Lengths, as far as they follow from the trace.
    lengths: BTreeMap<FileId, u64>,
    /// What was closed or synced since it was made.
    finished: BTreeSet<FileId>,
    /// Names that were removed, and what was renamed into place and whose directory has not been synced yet.
    removed: BTreeSet<String>,
    renamed: BTreeSet<String>,
}

impl Ways {
    /// The ways of a run that has done nothing yet: so long were the files at its start.
    pub(super) fn at_start(trace: &Trace) -> Ways {
        Ways { lengths: trace.lengths.clone(), ..Ways::default() }
    }

    /// Takes `operation` into account; `files` are as they were before it.
    pub(super) fn observe(&mut self, operation: &Operation, files: &Durability) {
        if operation.errno.is_some() {
            return;
        }
        self.settle(files);
        match &operation.action {
            Action::Open { path, file, created, truncated, .. } if *created || *truncated => {
                let way = match created {
                    true if self.removed.remove(path) => Way::DeleteThenWrite,
                    true => Way::Created,
                    false => Way::TruncateAndWrite,
                };
                self.close(*file);
                self.finished.remove(file);
                self.open.insert(*file, (path.clone(), way));
                self.lengths.insert(*file, 0);
            }
            Action::Write { path, file, offset, data, .. } if data.length() > 0 => {
                let end = offset + data.length();
                let way = match self.lengths.get(file) {
                    Some(length) if offset >= length => Way::Append,
                    Some(_) => Way::InPlace,
                    None if *offset == 0 => Way::InPlace,
                    None => Way::AtAnOffset,
                };
                let length = self.lengths.get(file).copied().unwrap_or(0).max(end);
                self.lengths.insert(*file, length);
                self.write(*file, path, way);
            }
            Action::Resize { path, file, length } => {
                let way = if *length == 0 { Way::TruncateAndWrite } else { Way::InPlace };
                self.lengths.insert(*file, *length);
                self.write(*file, path, way);
            }
            // One that is opened again was made before.
            Action::Open { file, .. } => {
                self.finished.insert(*file);
            }
            // A shell makes a file, duplicates its descriptor and closes the first one before anything is written.
            Action::Sync { file: Some(file), .. } | Action::Close { file, .. }
                if self.lengths.get(file).is_none_or(|length| *length > 0) =>
            {
                self.finished.insert(*file);
            }
            Action::Map { path, file } => {
                self.open.entry(*file).or_insert_with(|| (path.clone(), Way::Mapped));
            }
            Action::Rename { from, to, .. } => self.rename(from, to, files),
            Action::Unlink { path } => {
                self.removed.insert(path.clone());
                // What is gone was not written for good; under another name it is still there.
                if let Some(file) = files.file_named(path) {
                    match files.other_name(file, path) {
                        Some(name) => {
                            if let Some((written, _)) = self.open.get_mut(&file).filter(|(written, _)| written == path)
                            {
                                *written = name.to_owned();
                            }
                        }
                        None => {
                            self.open.remove(&file);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn rename(&mut self, from: &str, to: &str, files: &Durability) {
        let file = files.file_named(from);
        if file.is_none() {
            self.rename_below(from, to);
        }
        match file.filter(|file| self.open.remove(file).is_some()) {
            Some(file) if files.has_unsynced_data(file) => self.add(to, Way::RenameUnsynced),
            Some(_) => {
                if !self.renamed.insert(to.to_owned()) {
                    self.add(to, Way::RenameWithoutDirectory);
                }
            }
            None => self.add(to, Way::Moved),
        }
        self.removed.remove(to);
        self.removed.insert(from.to_owned());
    }

    /// Moves what lies below a directory that is renamed.
    fn rename_below(&mut self, from: &str, to: &str) {
        let moved = |path: &str| moved_below(path, from, to);
        for (path, _) in self.open.values_mut() {
            if let Some(new) = moved(path) {
                *path = new;
            }
        }
        self.found =
            std::mem::take(&mut self.found).into_iter().map(|(p, ways)| (moved(&p).unwrap_or(p), ways)).collect();
        for names in [&mut self.removed, &mut self.renamed] {
            *names = std::mem::take(names).into_iter().map(|p| moved(&p).unwrap_or(p)).collect();
        }
    }

    /// Notes that `file` was written in this way. As long as one that was made is not finished, all of that is the making of it.
    fn write(&mut self, file: FileId, path: &str, way: Way) {
        let making = !self.finished.contains(&file);
        let open = self.open.entry(file).or_insert_with(|| (path.to_owned(), way));
        if open.1 != Way::Created || !making {
            open.1 = open.1.min(way);
        }
    }

    /// Settles what was renamed into place: it is safe once its directory is synced, and was not when the next one comes.
    fn settle(&mut self, files: &Durability) {
        // The rename itself is not in `files` before the call after it.
        let settled: Vec<String> = self.renamed.iter().filter(|path| !files.is_name_unsynced(path)).cloned().collect();
        for path in settled {
            self.renamed.remove(&path);
            self.add(&path, Way::RenameSynced);
        }
    }

    fn close(&mut self, file: FileId) {
        if let Some((path, way)) = self.open.remove(&file) {
            self.add(&path, way);
        }
    }

    fn add(&mut self, path: &str, way: Way) {
        self.found.entry(path.to_owned()).or_default().insert(way);
    }

    /// Each file and how it was written, by name; `files` are as the last call left them.
    pub(super) fn end(mut self, files: &Durability) -> Vec<(String, String)> {
        self.settle(files);
        for path in std::mem::take(&mut self.renamed) {
            self.add(&path, Way::RenameWithoutDirectory);
        }
        let open: Vec<FileId> = self.open.keys().copied().collect();
        open.into_iter().for_each(|file| self.close(file));
        let removed = self.removed;
        self.found.retain(|path, _| !removed.contains(path));
        let words = |ways: BTreeSet<Way>| ways.into_iter().map(Way::meaning).collect::<Vec<_>>().join("; ");
        self.found.into_iter().map(|(path, ways)| (PlainName(&path).to_string(), words(ways))).collect()
    }
}
