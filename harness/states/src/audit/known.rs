//! What one recorded run shows of its state files, for judging what a crash leaves of them in any run of the same program.
//!
//! [`audit`](super::audit) judges the crash states of the run that was recorded, point by point. Of a run that was killed, nobody
//! knows at which point it was. All that can be said of a file is whether it is one of its versions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crashtest_model::{Trace, Way};

use super::oracle::{Oracle, Rules};
use crate::{Content, Entry, Snapshot, Tree};

/// A state file: one that is there before a run or after it, and that the run changes.
#[derive(Clone, Debug, Default)]
pub struct StateFile {
    /// What it holds when no save of it is under way, in the order of the run; not what it held before the run.
    pub versions: Vec<Content>,
    /// Whether it is there before the run and after it, and the run removes it at no time to leave it so.
    pub is_kept: bool,
    /// Whether the run removes it, or moves it away, and makes it again.
    pub is_remade: bool,
    /// Whether the run empties it, or makes it empty, to write it anew.
    pub is_emptied: bool,
    /// Whether the run writes parts of it, beside other files or behind what was there: a checker has to say what fits together.
    pub in_parts: bool,
    /// Whether the run makes it, and writes it anew at no time.
    pub is_made_once: bool,
}

/// Returns what `trace` shows of the state files that `is_judged` takes, by name; the files were as in `before` at its start. Of a
/// run that has not `ended` by itself, only what it had finished is a version.
#[must_use]
pub fn state_files(
    trace: &Trace,
    before: &Snapshot,
    ended: bool,
    is_judged: &dyn Fn(&Path) -> bool,
) -> BTreeMap<PathBuf, StateFile> {
    let Oracle { timelines, ways, rules, .. } = Oracle::new(trace, before, ended, is_judged);
    let state_file = |path: &PathBuf, rules: &Rules| {
        let timeline = timelines.get(path)?;
        let written = ways.written(path);
        let writes = |way| written.iter().any(|written| written.way == way);
        let file = StateFile {
            versions: Vec::new(),
            is_kept: timeline.is_kept(),
            is_remade: timeline.is_remade(),
            is_emptied: writes(Way::TruncateAndWrite) || writes(Way::DeleteThenWrite) || writes(Way::RenameEarly),
            in_parts: rules.depends || writes(Way::Append) || writes(Way::InPlace),
            is_made_once: rules.once,
        };
        Some((path.clone(), file))
    };
    let mut found: BTreeMap<PathBuf, StateFile> =
        rules.iter().filter_map(|(path, rules)| state_file(path, rules)).collect();
    let mut tree = Tree::new(before, &trace.files);
    for (n, operation) in trace.operations.iter().enumerate() {
        tree.apply(operation);
        for (path, file) in &mut found {
            let settles = timelines.get(path).is_some_and(|timeline| timeline.settles_at(n + 1));
            if let (true, Some(Entry::File { content, .. })) = (settles, tree.entry(path)) {
                file.versions.push(content);
            }
        }
    }
    found
}
