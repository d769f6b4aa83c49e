//! What one recorded run shows of its state files, for judging what a crash leaves of them in any run of the same program.
//!
//! [`audit`](super::audit) judges the crash states of the run that was recorded, point by point. Of a run that was killed, nobody knows
//! at which point it was: all that can be said of a file is whether it is one of its versions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crashtest_model::{Trace, Way};

use super::saves::Saves;
use super::versions::{self, Timeline};
use super::{Rules, beside, companions, ways};
use crate::{Content, Entry, Snapshot, Tree};

/// A state file: one that is there before a run or after it, and that the run changes.
#[derive(Clone, Debug, Default)]
pub struct StateFile {
    /// What it holds when no save of it is under way, in the order of the run; not what it held before the run.
    pub versions: Vec<Content>,
    /// Whether it is there before the run and after it, and the run removes it at no time to leave it so.
    pub is_kept: bool,
    /// Whether the run writes parts of it, beside other files or behind what was there: a checker has to say what fits together.
    pub in_parts: bool,
    /// Whether the run makes it, and writes it anew at no time.
    pub is_made_once: bool,
}

/// What `trace` shows of the state files that `is_judged` takes, by name; the files were as in `before` at its start. Of a run that
/// has not `ended` by itself, only what it had finished is a version.
#[must_use]
pub fn state_files(
    trace: &Trace,
    before: &Snapshot,
    ended: bool,
    is_judged: &dyn Fn(&Path) -> bool,
) -> BTreeMap<PathBuf, StateFile> {
    let start = Tree::new(before, &trace.files);
    let saves = Saves::of(trace, start.clone(), ended);
    let timelines = versions::timelines(trace, start.clone(), &saves, is_judged);
    let ways = ways::ways(trace, start.clone(), &saves, &timelines);
    let companions = companions(&timelines, &ways, is_judged);
    let judged: BTreeMap<&PathBuf, &Timeline> =
        timelines.iter().filter(|(path, timeline)| timeline.is_state() && is_judged(path)).collect();
    let mut found: BTreeMap<PathBuf, StateFile> = BTreeMap::new();
    for (path, timeline) in &judged {
        let written = ways.of(path);
        let rules = Rules::of(&written, !beside(path, &companions).is_empty());
        let file = StateFile {
            versions: Vec::new(),
            is_kept: timeline.is_kept(),
            in_parts: rules.depends || written.iter().any(|written| matches!(written.way, Way::Append | Way::InPlace)),
            is_made_once: rules.once,
        };
        found.insert((*path).clone(), file);
    }
    let mut tree = start;
    for (n, operation) in trace.operations.iter().enumerate() {
        tree.apply(operation);
        for (path, _) in judged.iter().filter(|(_, timeline)| timeline.settles_at(n + 1)) {
            if let (Some(Entry::File { content, .. }), Some(file)) = (tree.entry(path), found.get_mut(*path)) {
                file.versions.push(content);
            }
        }
    }
    found
}
