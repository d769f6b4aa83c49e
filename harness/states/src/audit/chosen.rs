//! The crash points that an audit looks at: those with the same files once, and not more than can be looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use crashtest_model::{Action, At, CrashPoint, FileId, Seed, Tears, Trace};

use super::saves;
use crate::{Content, CrashState, Snapshot, crash_points, crash_states, distinct};

/// Tears of one write, at most; more are sampled.
const TEARS_PER_WRITE: usize = 64;

/// Bytes of changed files that are looked at, over all states. Beyond that, crash points are left out evenly.
const MOST_BYTES: u64 = 16 << 30;

/// The crash points that an audit looks at.
pub(super) struct Chosen {
    pub(super) all: Vec<CrashPoint>,
    /// Those that have the same files, one after the other.
    pub(super) groups: Vec<Range<usize>>,
    /// Crash points beside these.
    pub(super) left_out: u64,
}

impl Chosen {
    pub(super) fn new(trace: &Trace, before: &Snapshot) -> Chosen {
        let all = crash_points(trace, Tears::Kernel, TEARS_PER_WRITE, Seed(0));
        let (groups, left_out) = bounded(trace, before, &all.points, grouped(trace, &all.points), MOST_BYTES);
        Chosen { all: all.points, groups, left_out: all.left_out + left_out }
    }

    /// One of each group.
    pub(super) fn representatives(&self) -> Vec<CrashPoint> {
        self.groups.iter().map(|group| self.all[group.start]).collect()
    }
}

/// The distinct crash states that `audit` looks at, each with all its points, and all files of `before` that the run left alone. Once
/// it is `enough`, there are no more.
#[must_use]
pub fn audited_states(trace: &Trace, before: &Snapshot, enough: &dyn Fn() -> bool) -> Vec<CrashState> {
    let chosen = Chosen::new(trace, &concerned(trace, before));
    let representatives = chosen.representatives();
    let states = crash_states(trace, before, &representatives).zip(&chosen.groups);
    distinct(
        states
            .take_while(|_| !enough())
            .flat_map(|((_, state), group)| chosen.all[group.clone()].iter().map(move |point| (*point, state.clone()))),
    )
}

/// The crash points that have the same files, as ranges of `points`: a group begins where the files can be others than before.
pub(super) fn grouped(trace: &Trace, points: &[CrashPoint]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (n, point) in points.iter().enumerate() {
        let operation = trace.operations.get(point.call.0 as usize);
        let changes = match point.at {
            At::Before => false,
            At::Inside(_) => true,
            At::After => operation.is_some_and(|done| done.errno.is_none() && done.action.changes_files()),
        };
        match groups.last_mut() {
            Some(group) if !changes => group.end = n + 1,
            _ => groups.push(n..n + 1),
        }
    }
    groups
}

/// As many of the `groups` of `points`, evenly, as have no more than `most` bytes in the files that change there. Also the number
/// of crash points that this leaves out. The first one and the last are always among them.
pub(super) fn bounded(
    trace: &Trace,
    before: &Snapshot,
    points: &[CrashPoint],
    groups: Vec<Range<usize>>,
    most: u64,
) -> (Vec<Range<usize>>, u64) {
    let stored = |name: &str| before.content(name).map_or(0, Content::stored);
    let mut lengths: BTreeMap<FileId, u64> = trace.files.iter().map(|(name, file)| (*file, stored(name))).collect();
    let mut bytes: u64 = 0;
    for group in &groups {
        let Some(operation) = trace.operations.get(points[group.start].call.0 as usize) else { continue };
        let Some(file) = saves::changed(operation) else { continue };
        let length = lengths.entry(file).or_default();
        match &operation.action {
            // What is left out in between takes no room.
            Action::Write { offset, data, .. } => {
                *length = (*length).max(offset + data.length()).min(*length + data.length());
            }
            Action::Resize { length: cut, .. } => *length = (*length).min(*cut),
            Action::Open { .. } => *length = 0,
            _ => {}
        }
        bytes = bytes.saturating_add(*length);
    }
    let step = usize::try_from(bytes.div_ceil(most)).unwrap_or(usize::MAX).max(1);
    let last = groups.len().saturating_sub(1);
    let in_order = groups.into_iter().enumerate();
    let (chosen, others): (Vec<_>, Vec<_>) = in_order.partition(|(n, _)| n.is_multiple_of(step) || *n == last);
    let left_out = others.iter().map(|(_, group)| group.len() as u64).sum();
    (chosen.into_iter().map(|(_, group)| group).collect(), left_out)
}

/// Of the files before the run, those that it has to do with: the others are the same in every state.
pub(super) fn concerned(trace: &Trace, before: &Snapshot) -> Snapshot {
    let mut names: BTreeSet<&Path> = BTreeSet::new();
    let mut moved: BTreeSet<&Path> = BTreeSet::new();
    let mut files: BTreeSet<FileId> = BTreeSet::new();
    for operation in trace.operations.iter().filter(|operation| operation.errno.is_none()) {
        files.extend(saves::changed(operation));
        match &operation.action {
            Action::Rename { from, to, .. } => moved.extend([Path::new(from), Path::new(to)]),
            Action::Link { file, to } => {
                files.insert(*file);
                names.insert(Path::new(to));
            }
            Action::Map { file, .. } => {
                files.insert(*file);
            }
            Action::Open { path, .. }
            | Action::Unlink { path }
            | Action::Rmdir { path }
            | Action::Symlink { path, .. }
            | Action::Mkdir { path, .. }
            | Action::Mknod { path, .. }
            | Action::Attribute { path }
            | Action::Arrive { path, .. }
            | Action::Chmod { path, .. } => {
                names.insert(Path::new(path));
            }
            _ => {}
        }
    }
    let known: BTreeMap<&Path, FileId> = trace.files.iter().map(|(name, file)| (Path::new(name), *file)).collect();
    let concerned = |path: &Path| {
        names.contains(path)
            || known.get(path).is_some_and(|file| files.contains(file))
            || path.ancestors().any(|above| moved.contains(above))
    };
    let entries = before.entries().filter(|(path, _)| concerned(path));
    entries.map(|(path, entry)| (path.to_owned(), entry.clone())).collect()
}
