//! How each name is written, and what is synced when: the words of an audit's table.
//!
//! Of a save through a temporary the file counts as synced when that was done between its last byte and its new name. Of others it
//! counts when it was done before the next save. The directory counts where it is synced between the new name and the next change
//! of that name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crashtest_model::{Action, Durable, FileId, Synced, Trace, Way, Written};

use super::saves::{Kind, Saves, changed};
use super::versions::{Status, Timeline, Version};
use crate::Tree;

/// How names were written, and which of them were only the way to another.
#[derive(Debug, Default)]
pub(super) struct Ways {
    by_path: BTreeMap<PathBuf, BTreeMap<(Way, Synced), u64>>,
    /// Names that were moved to another, or had a file that was linked to another.
    pub(super) sources: BTreeSet<PathBuf>,
}

impl Ways {
    /// The ways in which `path` was written, worst first.
    pub(super) fn written(&self, path: &Path) -> Vec<Written> {
        let ways = self.by_path.get(path).into_iter().flatten();
        ways.map(|((way, synced), count)| Written { way: *way, synced: *synced, count: *count }).collect()
    }
}

/// When what was synced.
#[derive(Debug, Default)]
struct Syncs {
    files: BTreeMap<FileId, Vec<usize>>,
    directories: BTreeMap<PathBuf, Vec<usize>>,
    everything: Vec<usize>,
    /// Files with a descriptor whose every write is synchronous.
    always: BTreeSet<FileId>,
}

impl Syncs {
    fn collect(trace: &Trace) -> Syncs {
        let mut syncs = Syncs::default();
        for (n, operation) in trace.operations.iter().enumerate().filter(|(_, done)| done.errno.is_none()) {
            match &operation.action {
                Action::Open { file, synchronous: true, .. } => {
                    syncs.always.insert(*file);
                }
                Action::Sync { durable: Durable::Everything, .. } => syncs.everything.push(n),
                Action::Sync { durable: Durable::Directory, path, .. } => {
                    let path = if path == "." { PathBuf::new() } else { PathBuf::from(path) };
                    syncs.directories.entry(path).or_default().push(n);
                }
                Action::Sync { file: Some(file), durable: Durable::File | Durable::Data, .. } => {
                    syncs.files.entry(*file).or_default().push(n);
                }
                _ => {}
            }
        }
        syncs
    }

    /// Returns what was synced: `file` between the operations `written` and `named`, the directory of `path` between `from` and
    /// `until`.
    fn synced(
        &self,
        file: FileId,
        (written, named): (usize, usize),
        path: &Path,
        (from, until): (usize, usize),
    ) -> Synced {
        let any = |list: Option<&Vec<usize>>, from: usize, until: usize| {
            list.is_some_and(|list| list.get(list.partition_point(|n| *n <= from)).is_some_and(|n| *n < until))
        };
        let everything = |from, until| any(Some(&self.everything), from, until);
        let data =
            self.always.contains(&file) || any(self.files.get(&file), written, named) || everything(written, named);
        let directory = path.parent().unwrap_or(Path::new(""));
        let name = any(self.directories.get(directory), from, until) || everything(from, until);
        match (data, name) {
            (true, true) => Synced::Both,
            (true, false) => Synced::File,
            (false, true) => Synced::Directory,
            (false, false) => Synced::Nothing,
        }
    }
}

/// Returns how the names of `trace` are written; `tree` holds the files as they are at its start.
pub(super) fn ways(trace: &Trace, mut tree: Tree, saves: &Saves, timelines: &BTreeMap<PathBuf, Timeline>) -> Ways {
    let syncs = Syncs::collect(trace);
    let mut ways = Ways::default();
    let mut last_change: BTreeMap<FileId, usize> = BTreeMap::new();
    let at = |path: &Path, done: usize| timelines.get(path).map(|timeline| timeline.at(done));
    let is_state = |path: &Path| timelines.get(path).is_some_and(Timeline::is_state);
    let until = |path: &Path, done: usize| timelines.get(path).map_or(usize::MAX, |timeline| timeline.next(done));
    for (n, operation) in trace.operations.iter().enumerate().filter(|(_, operation)| operation.errno.is_none()) {
        let linked_from = match &operation.action {
            Action::Link { file, .. } => tree.names_of(*file),
            _ => Vec::new(),
        };
        tree.apply(operation);
        if let Some(file) = changed(operation) {
            last_change.insert(file, n);
        }
        let mut note = |path: &Path, way: Way, synced: Synced| {
            *ways.by_path.entry(path.to_owned()).or_default().entry((way, synced)).or_default() += 1;
        };
        let removed = |path: &Path| at(path, n + 1) == Some(Status::Settled(Version::Absent));
        if let Some(save) = saves.begun_by(n) {
            for path in tree.names_of(save.file) {
                let way = match save.kind {
                    Kind::Create if at(&path, n) == Some(Status::Gone) => Way::DeleteThenWrite,
                    Kind::Create => Way::Create,
                    Kind::Truncate => Way::TruncateAndWrite,
                    Kind::Rewrite => Way::Rewrite,
                    Kind::InPlace => Way::InPlace,
                    Kind::Append => Way::Append,
                };
                let written = (save.last, saves.next_after(save));
                let named = if save.kind == Kind::Create { (n, until(&path, save.last + 1)) } else { (0, 0) };
                note(&path, way, syncs.synced(save.file, written, &path, named));
            }
        }
        match &operation.action {
            Action::Rename { from, to, .. } => {
                let (from, to) = (Path::new(from), Path::new(to));
                ways.sources.insert(from.to_owned());
                let named = (n, until(to, n + 1));
                if let Some(file) = tree.file(to) {
                    let moved = is_state(from) || saves.latest(file, n).is_none();
                    let way = match at(to, n) {
                        _ if !moved && saves.under_way(file, n + 1).is_some() => Way::RenameEarly,
                        Some(Status::Gone) => Way::DeleteThenRename,
                        _ if moved => Way::Move,
                        _ => Way::Rename,
                    };
                    let written = (last_change.get(&file).copied().unwrap_or(n), n);
                    note(to, way, syncs.synced(file, written, to, named));
                }
                if removed(from) {
                    note(from, Way::Remove, Synced::Nothing);
                }
            }
            Action::Link { file, to } => {
                let to = Path::new(to);
                let written = (last_change.get(file).copied().unwrap_or(n), n);
                let way = if last_change.contains_key(file) { Way::Link } else { Way::Move };
                note(to, way, syncs.synced(*file, written, to, (n, until(to, n + 1))));
                ways.sources.extend(linked_from);
            }
            Action::Unlink { path } if removed(Path::new(path)) => note(Path::new(path), Way::Remove, Synced::Nothing),
            Action::Symlink { path, .. } => note(Path::new(path), Way::Create, Synced::Nothing),
            // What was done to it outside is not seen.
            Action::Arrive { path, .. } => note(Path::new(path), Way::Move, Synced::Nothing),
            Action::Map { file, .. } => {
                tree.names_of(*file).iter().for_each(|path| note(path, Way::Map, Synced::Nothing));
            }
            _ => {}
        }
    }
    ways
}
