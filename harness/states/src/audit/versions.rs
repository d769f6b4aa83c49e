//! What each name stands for as a run goes on: a version, something that is being written, or nothing.
//!
//! A version is what a file holds when no save of it is under way, what a link points to, or that nothing is there. That nothing is
//! there is a version at the start. It is one after the name was removed or moved away, too, if the program leaves it so. It leaves
//! it so if it does not make the name again, or finishes a version of another state file first. Otherwise the name is missing
//! meanwhile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crashtest_model::{Action, Digest, Operation, Trace};

use super::saves::{Saves, changed};
use crate::{Entry, Tree};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Nothing is there, or a directory or a pipe, which hold no state.
    Absent,
    /// A file.
    File {
        /// What is in it.
        digest: Digest,
        /// In bytes.
        length: u64,
    },
    /// A symbolic link.
    Link {
        /// What it points to.
        digest: Digest,
    },
}

impl Version {
    pub(super) fn from_entry(entry: Option<&Entry>) -> Version {
        match entry {
            Some(Entry::File { content, .. }) => Version::File { digest: content.digest(), length: content.length() },
            Some(Entry::Link { target }) => Version::Link { digest: Digest::of_value(target) },
            Some(Entry::Directory { .. } | Entry::Special { .. }) | None => Version::Absent,
        }
    }

    /// Of what is in it; `None` for what is no file.
    pub(super) fn digest(self) -> Option<Digest> {
        match self {
            Version::File { digest, .. } => Some(digest),
            Version::Absent | Version::Link { .. } => None,
        }
    }

    /// In bytes; `None` for what is no file.
    pub(super) fn length(self) -> Option<u64> {
        match self {
            Version::File { length, .. } => Some(length),
            Version::Absent | Version::Link { .. } => None,
        }
    }
}

/// How it stands with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// A version.
    Settled(Version),
    /// This save is under way, or was given up for another one.
    Writing(usize),
    /// Removed or moved away, and made again later.
    Gone,
}

/// How it stands with one name, from so many operations done on.
#[derive(Debug)]
pub(super) struct Timeline(Vec<(usize, Status)>);

impl Timeline {
    /// After `done` operations.
    pub(super) fn at(&self, done: usize) -> Status {
        let past = self.0.partition_point(|(from, _)| *from <= done);
        past.checked_sub(1).map_or(Status::Settled(Version::Absent), |last| self.0[last].1)
    }

    /// The last version until then.
    pub(super) fn before(&self, done: usize) -> Version {
        let past = self.0.partition_point(|(from, _)| *from <= done);
        self.0[..past].iter().rev().find_map(|(_, status)| settled(*status)).unwrap_or(Version::Absent)
    }

    /// The next version from then on.
    pub(super) fn after(&self, done: usize) -> Option<Version> {
        let past = self.0.partition_point(|(from, _)| *from <= done);
        self.0[past..].iter().find_map(|(_, status)| settled(*status))
    }

    /// The operation that changes the name next, after `done` operations.
    pub(super) fn next(&self, done: usize) -> usize {
        let past = self.0.partition_point(|(from, _)| *from <= done);
        self.0.get(past).map_or(usize::MAX, |(from, _)| from - 1)
    }

    /// Returns whether it becomes a version with the last of the first `done` operations.
    pub(super) fn settles_at(&self, done: usize) -> bool {
        let step = self.0.binary_search_by_key(&done, |(from, _)| *from);
        step.is_ok_and(|step| settled(self.0[step].1).is_some())
    }

    /// Returns whether something is there at the start and at the end, and that nothing is there is no version in between.
    pub(super) fn is_kept(&self) -> bool {
        let status = |step: Option<&(usize, Status)>| step.map(|(_, status)| *status);
        let absent = Status::Settled(Version::Absent);
        status(self.0.last()).is_some_and(|last| last != Status::Gone)
            && self.0.iter().all(|(_, status)| *status != absent)
    }

    /// Returns whether it is removed, or moved away, and made again.
    pub(super) fn is_remade(&self) -> bool {
        self.0.iter().any(|(_, status)| *status == Status::Gone)
    }

    /// Returns whether anything is there at the start or at the end: a name of which neither is true is a temporary.
    pub(super) fn is_state(&self) -> bool {
        let is_there = |step: Option<&(usize, Status)>| {
            step.is_some_and(|(_, status)| !matches!(status, Status::Settled(Version::Absent) | Status::Gone))
        };
        is_there(self.0.first()) || is_there(self.0.last())
    }
}

fn settled(status: Status) -> Option<Version> {
    match status {
        Status::Settled(version) => Some(version),
        Status::Writing(_) | Status::Gone => None,
    }
}

/// The names that `trace` changes; `tree` holds the files as they are at its start. `judged` says which of them can be state files.
pub(super) fn timelines(
    trace: &Trace,
    mut tree: Tree,
    saves: &Saves,
    judged: &dyn Fn(&Path) -> bool,
) -> BTreeMap<PathBuf, Timeline> {
    let mut found: BTreeMap<PathBuf, Timeline> = BTreeMap::new();
    for (n, operation) in trace.operations.iter().enumerate().filter(|(_, operation)| operation.errno.is_none()) {
        let mut paths = affected(operation, &tree);
        // Only then is it known what they stood for until now.
        for path in &paths {
            if !found.contains_key(path) {
                found.insert(
                    path.clone(),
                    Timeline(vec![(0, Status::Settled(Version::from_entry(tree.entry(path).as_ref())))]),
                );
            }
        }
        tree.apply(operation);
        let after = affected(operation, &tree);
        for path in &after {
            // It was not there before, so it never was.
            found.entry(path.clone()).or_insert_with(|| Timeline(vec![(0, Status::Settled(Version::Absent))]));
        }
        paths.extend(after);
        paths.sort();
        paths.dedup();
        for path in paths {
            let status = status(&tree, saves, &path, n + 1);
            let timeline = found.entry(path).or_insert_with(|| Timeline(Vec::new()));
            let was = timeline.0.last().map(|(_, status)| *status);
            let absent = Status::Settled(Version::Absent);
            match status {
                // Until it is known what comes of it.
                _ if status == absent && !matches!(was, None | Some(Status::Gone)) && was != Some(absent) => {
                    timeline.0.push((n + 1, Status::Gone));
                }
                _ if status == absent => {}
                _ => timeline.0.push((n + 1, status)),
            }
        }
    }
    leave(&mut found, judged);
    found
}

/// Returns which names `operation` can change, of those that are there.
fn affected(operation: &Operation, tree: &Tree) -> Vec<PathBuf> {
    match &operation.action {
        Action::Rename { from, to, .. } => {
            [tree.at_and_below(Path::new(from)), tree.at_and_below(Path::new(to))].concat()
        }
        Action::Unlink { path }
        | Action::Rmdir { path }
        | Action::Symlink { path, .. }
        | Action::Arrive { path, .. }
        | Action::Link { to: path, .. } => tree.at_and_below(Path::new(path)),
        // What is stored through it is not seen, but may be there.
        Action::Map { file, .. } => tree.names_of(*file),
        _ => changed(operation).map_or_else(Vec::new, |file| tree.names_of(file)),
    }
}

/// Returns how it stands with `path` after `done` operations, which are done in `tree`.
fn status(tree: &Tree, saves: &Saves, path: &Path, done: usize) -> Status {
    if let Some(file) = tree.file(path)
        && let Some(latest) = saves.latest(file, done)
        && (done <= saves.all[latest].last || !saves.all[latest].whole)
    {
        return Status::Writing(latest);
    }
    Status::Settled(Version::from_entry(tree.entry(path).as_ref()))
}

/// Settles the absences that the program leaves.
fn leave(found: &mut BTreeMap<PathBuf, Timeline>, judged: &dyn Fn(&Path) -> bool) {
    let mut finished: Vec<(usize, PathBuf)> = Vec::new();
    for (path, timeline) in found.iter().filter(|(path, timeline)| timeline.is_state() && judged(path)) {
        let files = timeline.0.iter().filter(|(from, status)| {
            *from > 0 && matches!(status, Status::Settled(Version::File { .. } | Version::Link { .. }))
        });
        finished.extend(files.map(|(from, _)| (*from, path.clone())));
    }
    finished.sort();
    for (path, timeline) in found {
        for n in 0..timeline.0.len() {
            let (from, Status::Gone) = timeline.0[n] else { continue };
            let left = timeline.0.get(n + 1).is_none_or(|(back, _)| {
                let between =
                    finished.partition_point(|(at, _)| *at <= from)..finished.partition_point(|(at, _)| at < back);
                finished[between].iter().any(|(_, other)| other != path)
            });
            if left {
                timeline.0[n].1 = Status::Settled(Version::Absent);
            }
        }
    }
}
