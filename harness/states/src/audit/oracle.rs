//! What one recorded run shows of its state files: what each holds when, how it is written, what a kill may leave of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crashtest_model::{Action, At, CrashPoint, Damage, Trace, Way, Written};

use super::companions::{beside, companions};
use super::saves::{self, Kind, Saves};
use super::versions::{self, Status, Timeline, Version};
use super::ways::{self, Ways};
use crate::{Snapshot, Tree};

/// A recorded run, read.
#[derive(Debug)]
pub struct Oracle {
    pub(super) saves: Saves,
    pub(super) timelines: BTreeMap<PathBuf, Timeline>,
    pub(super) ways: Ways,
    /// The state files that are judged.
    pub(super) rules: BTreeMap<PathBuf, Rules>,
}

/// How much it counts against a program that a file is none of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It is damaged.
    Broken,
    /// Only a checker can say.
    Unclear,
    /// The run was making it, and wrote over nothing.
    Made,
}

/// What a file may be, by how it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Made once, and written anew at no time.
    pub(super) once: bool,
    /// Appended or written in place, and something is beside it; or mapped.
    pub(super) depends: bool,
    /// Rewriting it in place is judged.
    alone: bool,
}

impl Rules {
    fn new(written: &[Written], beside: bool) -> Rules {
        let anew = |way| match way {
            Way::DeleteThenWrite | Way::TruncateAndWrite | Way::DeleteThenRename | Way::RenameEarly => true,
            Way::Rewrite => !beside,
            _ => false,
        };
        let made: u64 = written.iter().filter(|w| w.way == Way::Create).map(|w| w.count).sum();
        let parts = |way| matches!(way, Way::Append | Way::InPlace | Way::Rewrite);
        Rules {
            once: made == 1 && !written.iter().any(|w| anew(w.way)),
            depends: written.iter().any(|w| w.way == Way::Map || (beside && parts(w.way))),
            alone: !beside,
        }
    }
}

/// Whether the file of this name was still a temporary one when the run was ended.
pub(super) fn is_unfinished(trace: &Trace, path: &Path) -> bool {
    trace.unfinished.iter().any(|name| Path::new(name) == path)
}

impl Oracle {
    /// Reads `trace`; the files were as in `before` at its start. `is_judged` says which of them can be state files. Of a run that has not
    /// `ended` by itself, only what it had finished is a version.
    #[must_use]
    pub fn new(trace: &Trace, before: &Snapshot, ended: bool, is_judged: &dyn Fn(&Path) -> bool) -> Oracle {
        let is_judged = |path: &Path| is_judged(path) && !is_unfinished(trace, path);
        let is_judged: &dyn Fn(&Path) -> bool = &is_judged;
        let start = Tree::new(before, &trace.files);
        let saves = Saves::collect(trace, start.clone(), ended);
        let timelines = versions::timelines(trace, start.clone(), &saves, is_judged);
        let ways = ways::ways(trace, start, &saves, &timelines);
        let companions = companions(&timelines, &ways, is_judged);
        let judged = timelines.iter().filter(|(path, timeline)| timeline.is_state() && is_judged(path));
        let rules = judged
            .map(|(path, _)| (path.clone(), Rules::new(&ways.written(path), !beside(path, &companions).is_empty())));
        Oracle { rules: rules.collect(), saves, timelines, ways }
    }

    /// The state files that are no version of themselves in `state`, which a crash at `point` of `trace`, the run that was read, has left.
    #[must_use]
    pub fn judge(&self, trace: &Trace, point: CrashPoint, state: &Snapshot) -> Vec<(&Path, Damage, Severity)> {
        let call = point.call.0 as usize;
        let done = done(point);
        let damaged = self.rules.iter().filter_map(|(path, rules)| {
            let timeline = self.timelines.get(path)?;
            let found = Version::from_entry(state.entry(path));
            if found == timeline.before(done) || Some(found) == timeline.after(done) {
                return None;
            }
            let damage = match found {
                Version::Absent => Damage::Missing,
                Version::File { length: 0, .. } => Damage::Empty,
                Version::File { .. } | Version::Link { .. } => Damage::Torn,
            };
            // Inside a write it is the save of that write; a name may be between two saves by then.
            let writing = match (point.at, trace.operations.get(call).and_then(saves::changed)) {
                (At::Inside(_), Some(file)) => self.saves.latest(file, call + 1),
                _ => match timeline.at(done) {
                    Status::Writing(save) => Some(save),
                    Status::Settled(_) | Status::Gone => None,
                },
            };
            let severity = match writing.map(|save| self.saves.all[save].kind) {
                Some(Kind::Append | Kind::InPlace) => Severity::Unclear,
                Some(Kind::Rewrite) if !rules.alone => Severity::Unclear,
                Some(Kind::Create) if rules.once => Severity::Made,
                _ => Severity::Broken,
            };
            Some((path.as_path(), damage, severity))
        });
        damaged.collect()
    }

    /// Returns whether the call that makes the file of this name would empty one that is there.
    pub(super) fn would_empty(&self, trace: &Trace, path: &Path) -> bool {
        trace.operations.iter().any(|operation| match &operation.action {
            Action::Open { path: made, created: true, truncated, .. } => Path::new(made) == path && *truncated,
            _ => false,
        })
    }

    /// Returns whether there is a state file that is judged.
    #[must_use]
    pub fn judges_something(&self) -> bool {
        !self.rules.is_empty()
    }

    /// The state files that are not.
    pub fn passes_over(&self) -> impl Iterator<Item = &Path> {
        let all = self.timelines.iter().filter(|(_, timeline)| timeline.is_state());
        all.map(|(path, _)| path.as_path()).filter(|path| !self.rules.contains_key(*path))
    }

    /// Returns what `path` was before the crash at `point`, and what it was to become.
    pub(super) fn around(&self, path: &Path, point: CrashPoint) -> (Version, Option<Version>) {
        let around = |timeline: &Timeline| (timeline.before(done(point)), timeline.after(done(point)));
        self.timelines.get(path).map_or((Version::Absent, None), around)
    }
}

/// Returns how many operations are done at a crash point.
fn done(point: CrashPoint) -> usize {
    let call = point.call.0 as usize;
    if point.at == At::After { call + 1 } else { call }
}
