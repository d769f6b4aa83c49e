//! What was seen of a state file at all crash points, and the example of its damage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crashtest_model::{CrashPoint, Damage, Example, Trace, UnderKill};

use super::oracle::{Oracle, Rules, Severity};
use super::versions::{Timeline, Version};
use crate::Snapshot;

/// What was seen of a state file.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Crash points at which it is none of its versions.
    pub(super) damage: BTreeMap<Damage, u64>,
    /// Of these, how many count against it, how many a checker has to judge, and how many are the making of it.
    broken: u64,
    unclear: u64,
    made: u64,
    /// Whether it is judged as if it had been there before the run.
    pub(super) as_if_there: bool,
    pub(super) example: Option<Example>,
}

impl Seen {
    pub(super) fn note(&mut self, damage: Damage, severity: Severity, points: u64) {
        *self.damage.entry(damage).or_default() += points;
        match severity {
            Severity::Broken => self.broken += points,
            Severity::Unclear => self.unclear += points,
            Severity::Made => self.made += points,
        }
    }

    pub(super) fn comes_to(&self, rules: Rules, unexplained: bool) -> UnderKill {
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
pub(super) fn example(
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
        versions: [Some(before), next].into_iter().flatten().filter_map(Version::digest).collect(),
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
