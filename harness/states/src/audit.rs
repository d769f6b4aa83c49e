//! The generic oracle: what one recorded run shows of a program's files, without knowing what is in them.
//!
//! At each crash point each state file has to be the version of the last finished save, or of the save under way. What a version
//! is, [`versions`] says; where saves begin and end, [`saves`].
//!
//! What it does not hold against a program:
//! - a file that was not there, is made under its own name once, and is written anew at no time: set-up;
//! - a record that is half appended, and a page that is half written in place. Journals, checksums and readers that skip a torn end
//!   exist, and only a checker knows. So does what is written or appended beside another file that the run changed and that it may
//!   depend on. A file that is rewritten in place from start to end, with no other file beside it, is judged as a document;
//! - temporaries, which are there neither before the run nor after it; and files that somebody has excluded.
//!
//! Deliberately left out: modes, owners, directories, and whether several files fit together.

mod known;
mod oracle;
mod saves;
#[cfg(test)]
mod tests;
mod versions;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crashtest_model::{
    Action, At, Audit, AuditedFile, CrashPoint, Damage, Digest, Example, ExcludedFile, FileId, Seed, Tears, Trace,
    UnderKill,
};

pub use self::known::{StateFile, state_files};
use self::oracle::Rules;
pub use self::oracle::{Oracle, Severity};
use self::versions::{Timeline, Version};
use self::ways::Ways;
use crate::{CrashState, Entry, Snapshot, Tree, crash_points, crash_states, distinct};

/// Tears of one write, at most; more are sampled.
const TEARS_PER_WRITE: usize = 64;
/// Bytes of changed files that are looked at, over all states. Beyond that, crash points are left out evenly.
const MOST_BYTES: u64 = 16 << 30;
/// Files beside one that are named.
const MOST_BESIDE: usize = 2;

/// What `trace` shows, of files that were as in `before` at its start and as in `after` at its end.
///
/// `excluded` gives the pattern by which a file is not to be judged. The trace holds what was written, not only how much.
#[must_use]
pub fn audit(trace: &Trace, before: &Snapshot, after: &Snapshot, excluded: &dyn Fn(&Path) -> Option<String>) -> Audit {
    let all_before = before;
    let before = concerned(trace, before);
    let is_judged = |path: &Path| excluded(path).is_none();
    let oracle = Oracle::new(trace, &before, true, &is_judged);
    let Oracle { timelines, ways, rules, .. } = &oracle;
    let unexplained = unexplained(trace, Tree::new(&before, &trace.files), after, timelines);
    let companions = companions(timelines, ways, &is_judged);

    let mut found = Audit::default();
    for (path, timeline) in timelines {
        let name = path.to_string_lossy().into_owned();
        match excluded(path) {
            _ if !timeline.is_state() => found.temporaries.push(name),
            Some(pattern) => found.excluded.push(ExcludedFile { path: name, pattern }),
            None => {}
        }
    }

    let chosen = Chosen::new(trace, &before);
    let representatives = chosen.representatives();
    let mut distinct: BTreeSet<Digest> = BTreeSet::new();
    let mut seen: BTreeMap<&Path, Seen> = BTreeMap::new();
    for ((point, state), group) in crash_states(trace, &before, &representatives).zip(&chosen.groups) {
        distinct.insert(state.digest());
        for (path, damage, severity) in oracle.judge(trace, point, &state) {
            let seen = seen.entry(path).or_default();
            seen.note(damage, severity, group.len() as u64);
            let is_worse = seen.example.as_ref().is_none_or(|example| damage < example.damage);
            if severity == Severity::Broken && is_worse {
                seen.example = Some(example(trace, &oracle, path, damage, point, &state));
            }
        }
    }

    for (path, rules) in rules {
        let seen = seen.remove(path.as_path()).unwrap_or_default();
        let under_kill = seen.comes_to(*rules, unexplained.contains(path));
        let beside = if under_kill == UnderKill::NeedsCheck { beside(path, &companions) } else { Vec::new() };
        found.files.push(AuditedFile {
            path: path.to_string_lossy().into_owned(),
            written: ways.written(path),
            under_kill,
            damage: seen.damage,
            beside,
            example: seen.example.filter(|_| under_kill == UnderKill::Broken),
        });
    }
    let unseen = unseen(all_before, after, timelines).into_iter().filter(|path| excluded(path).is_none());
    found.files.extend(unseen.map(|path| AuditedFile {
        path: path.to_string_lossy().into_owned(),
        written: Vec::new(),
        under_kill: UnderKill::Unknown,
        damage: BTreeMap::new(),
        beside: Vec::new(),
        example: None,
    }));
    found.files.sort_by(|a, b| {
        let key = |file: &AuditedFile| (file.under_kill, file.written.first().map(|written| written.way));
        key(a).cmp(&key(b)).then_with(|| a.path.cmp(&b.path))
    });
    Audit {
        calls: trace.operations.len() as u64,
        processes: trace.processes,
        crash_points: chosen.groups.iter().map(|group| group.len() as u64).sum(),
        left_out: chosen.left_out,
        distinct_states: distinct.len() as u64,
        outside: trace.outside.clone(),
        unmodelled: trace.unmodelled.clone(),
        concurrent: trace.concurrent,
        ..found
    }
}

/// The crash points that an audit looks at.
struct Chosen {
    all: Vec<CrashPoint>,
    /// Those that have the same files, one after the other.
    groups: Vec<Range<usize>>,
    /// Crash points beside these.
    left_out: u64,
}

impl Chosen {
    fn new(trace: &Trace, before: &Snapshot) -> Chosen {
        let all = crash_points(trace, Tears::Kernel, TEARS_PER_WRITE, Seed(0));
        let (groups, left_out) = bounded(trace, before, &all.points, grouped(trace, &all.points), MOST_BYTES);
        Chosen { all: all.points, groups, left_out: all.left_out + left_out }
    }

    /// One of each group.
    fn representatives(&self) -> Vec<CrashPoint> {
        self.groups.iter().map(|group| self.all[group.start]).collect()
    }
}

/// The distinct crash states that [`audit`] looks at, each with all its points, and all files of `before` that the run left alone.
#[must_use]
pub fn audited_states(trace: &Trace, before: &Snapshot) -> Vec<CrashState> {
    let chosen = Chosen::new(trace, &concerned(trace, before));
    let representatives = chosen.representatives();
    let states = crash_states(trace, before, &representatives).zip(&chosen.groups);
    distinct(
        states
            .flat_map(|((_, state), group)| chosen.all[group.clone()].iter().map(move |point| (*point, state.clone()))),
    )
}

/// What was seen of a state file.
#[derive(Debug, Default)]
struct Seen {
    /// Crash points at which it is none of its versions.
    damage: BTreeMap<Damage, u64>,
    /// Of these, how many count against it, how many a checker has to judge, and how many are the making of it.
    broken: u64,
    unclear: u64,
    made: u64,
    example: Option<Example>,
}

impl Seen {
    fn note(&mut self, damage: Damage, severity: Severity, points: u64) {
        *self.damage.entry(damage).or_default() += points;
        match severity {
            Severity::Broken => self.broken += points,
            Severity::Unclear => self.unclear += points,
            Severity::Made => self.made += points,
        }
    }

    fn comes_to(&self, rules: Rules, unexplained: bool) -> UnderKill {
        match () {
            () if self.broken > 0 => UnderKill::Broken,
            () if unexplained => UnderKill::Unknown,
            () if rules.depends || self.unclear > 0 => UnderKill::NeedsCheck,
            () if self.made > 0 => UnderKill::WrittenOnce,
            () => UnderKill::Whole,
        }
    }
}

/// The example of a crash at `point` that leaves `path` damaged in `state`.
fn example(
    trace: &Trace,
    oracle: &Oracle,
    path: &Path,
    damage: Damage,
    point: CrashPoint,
    state: &Snapshot,
) -> Example {
    let (before, next) = oracle.around(path, point);
    Example {
        damage,
        point,
        place: point.to_string(),
        call: trace.call_in_words(point),
        before: before.length(),
        after: next.and_then(Version::length),
        found: Version::from_entry(state.entry(path)).length(),
        copy: copy(state, path, &oracle.timelines, [Some(before), next]),
    }
}

/// Another name that the run changed and that holds one of `versions` in `state`.
fn copy(
    state: &Snapshot,
    path: &Path,
    timelines: &BTreeMap<PathBuf, Timeline>,
    versions: [Option<Version>; 2],
) -> Option<String> {
    let wanted =
        |version: Version| version.length().is_some_and(|length| length > 0) && versions.contains(&Some(version));
    let mut others = timelines.keys().filter(|other| *other != path);
    others
        .find(|other| wanted(Version::from_entry(state.entry(other))))
        .map(|other| other.to_string_lossy().into_owned())
}

/// The names, of those that are judged, that a file may depend on: all but temporaries that were only the way to another name.
fn companions<'t>(
    timelines: &'t BTreeMap<PathBuf, Timeline>,
    ways: &Ways,
    is_judged: &dyn Fn(&Path) -> bool,
) -> Vec<&'t Path> {
    let names = timelines
        .iter()
        .filter(|(path, timeline)| is_judged(path) && (timeline.is_state() || !ways.sources.contains(*path)));
    names.map(|(path, _)| path.as_path()).collect()
}

/// The files that `path` most likely depends on: those whose names begin and end alike (`a.db-journal`, `logs/refs/main`).
fn beside(path: &Path, companions: &[&Path]) -> Vec<String> {
    let name = path.to_string_lossy();
    let begin = |other: &str| name.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let end = |other: &str| name.bytes().rev().zip(other.bytes().rev()).take_while(|(a, b)| a == b).count();
    let alike = |other: &str| begin(other) + end(other);
    let mut others: Vec<String> =
        companions.iter().filter(|other| **other != path).map(|other| other.to_string_lossy().into_owned()).collect();
    others.sort_by_key(|other| std::cmp::Reverse(alike(other)));
    others.truncate(MOST_BESIDE);
    others
}

/// The crash points that have the same files, as ranges of `points`: a group begins where the files can be others than before.
fn grouped(trace: &Trace, points: &[CrashPoint]) -> Vec<Range<usize>> {
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
fn bounded(
    trace: &Trace,
    before: &Snapshot,
    points: &[CrashPoint],
    groups: Vec<Range<usize>>,
    most: u64,
) -> (Vec<Range<usize>>, u64) {
    let length = |name: &str| before.file(name).map_or(0, |content| content.len() as u64);
    let mut lengths: BTreeMap<FileId, u64> = trace.files.iter().map(|(name, file)| (*file, length(name))).collect();
    let mut bytes: u64 = 0;
    for group in &groups {
        let Some(operation) = trace.operations.get(points[group.start].call.0 as usize) else { continue };
        let Some(file) = saves::changed(operation) else { continue };
        let length = lengths.entry(file).or_default();
        match &operation.action {
            Action::Write { offset, data, .. } => *length = (*length).max(offset + data.length()),
            Action::Resize { length: cut, .. } => *length = *cut,
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
fn concerned(trace: &Trace, before: &Snapshot) -> Snapshot {
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
            | Action::Mknod { path }
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

/// The names under which the run has left something else than its calls come to. What is stored through a mapping is no call.
fn unexplained(
    trace: &Trace,
    mut tree: Tree,
    after: &Snapshot,
    timelines: &BTreeMap<PathBuf, Timeline>,
) -> BTreeSet<PathBuf> {
    let mut mapped: BTreeSet<FileId> = BTreeSet::new();
    for operation in trace.operations.iter().filter(|operation| operation.errno.is_none()) {
        if let Action::Map { file, .. } = operation.action {
            mapped.insert(file);
        }
        tree.apply(operation);
    }
    let differs = |path: &Path| {
        let file = |entry: Option<&Entry>| Version::from_entry(entry);
        file(tree.entry(path).as_ref()) != file(after.entry(path))
    };
    let is_mapped = |path: &Path| tree.file(path).is_some_and(|file| mapped.contains(&file));
    timelines.keys().filter(|path| differs(path) && !is_mapped(path)).cloned().collect()
}

/// The files that are others after the run than before it, without a call that was seen. They were renamed from outside the
/// directory, stored through a mapping, or written by somebody else.
fn unseen<'s>(before: &'s Snapshot, after: &'s Snapshot, seen: &BTreeMap<PathBuf, Timeline>) -> BTreeSet<&'s Path> {
    let state = |entry: Option<&'s Entry>| match entry {
        Some(Entry::File { content, .. }) => Some((Some(content), None)),
        Some(Entry::Link { target }) => Some((None, Some(target))),
        Some(Entry::Directory { .. } | Entry::Special) | None => None,
    };
    let names = before.entries().chain(after.entries()).map(|(path, _)| path).filter(|path| !seen.contains_key(*path));
    names.filter(|path| state(before.entry(path)) != state(after.entry(path))).collect()
}
