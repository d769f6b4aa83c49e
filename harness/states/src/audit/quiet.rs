//! The last moment of a run at which the program was between two saves: a run that somebody has ended counts up to there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crashtest_model::{Action, Trace};

use super::saves::{Kind, Saves};
use crate::{Snapshot, Tree};

/// The moment up to which a run counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quiet {
    /// After how many operations it is.
    pub calls: usize,
    /// The temporary files that are there then.
    pub temporary: Vec<String>,
}

/// Returns after how many operations of `trace` no save was under way the last time. The run began on the files `before`, and somebody has
/// ended it. `pauses` says after how many operations the program did nothing for a while.
///
/// Where the program says nothing of its saves, its last pause counts at which no file was half written. If most of the run comes after that
/// pause, the program does not pause between its saves: then the last moment counts at which no file was half written.
#[must_use]
pub fn quiet_moment(trace: &Trace, before: &Snapshot, pauses: &[usize]) -> Quiet {
    let all = trace.operations.len();
    let says_its_saves = trace.end.promise.begun.0 > 0;
    // Between two calls it may have acknowledged a save and begun the next one.
    let is_promised = |n: &usize| {
        let after = n.checked_sub(1).map(|last| trace.operations[last].after);
        let before = if *n == all { trace.end } else { trace.operations[*n].before };
        after.is_none_or(|after| before.promise.acked >= after.promise.begun)
    };
    let saves = Saves::collect(trace, Tree::new(before, &trace.files), false);
    let temporary = temporary(trace);
    let is_whole = |n: usize| {
        !temporary.iter().any(|(_, there)| there.contains(&n))
            && !saves.all.iter().any(|save| {
                let is_under_way = save.first < n && (n <= save.last || !(save.whole || save.closed));
                // Each record that is appended may be the last one.
                is_under_way && save.kind != Kind::Append
            })
    };
    let quiet: Vec<usize> = (0..=all).filter(is_promised).collect();
    let whole: Vec<usize> = quiet.iter().copied().filter(|n| is_whole(*n)).collect();
    let some = |n: &usize| *n > 0;
    let last = whole.last().copied().filter(some);
    let is_late = |n: &usize| last.is_some_and(|last| 2 * (last - n) <= last);
    let mut paused = whole.iter().copied().filter(|n| !says_its_saves && pauses.contains(n));
    let calls = paused.rfind(some).filter(is_late).or(last).or(quiet.last().copied()).unwrap_or(all);
    let there = temporary.iter().filter(|(_, there)| there.contains(&calls));
    Quiet { calls, temporary: there.map(|(name, _)| (*name).to_owned()).collect() }
}

/// After how many operations there were files that the run makes and then renames or removes: from each one's making to its end. What it
/// has made last may become one; what has the name of one that was removed, or that replaced another file, is one again.
fn temporary(trace: &Trace) -> Vec<(&str, Range<usize>)> {
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    let mut named: BTreeSet<&str> = trace.files.iter().map(|(name, _)| name.as_str()).collect();
    let (mut found, mut last, mut again) = (Vec::new(), None, BTreeSet::new());
    for (n, operation) in trace.operations.iter().enumerate().filter(|(_, operation)| operation.errno.is_none()) {
        let (path, replaces) = match &operation.action {
            Action::Open { path, created: true, .. } => {
                made.insert(path, n);
                continue;
            }
            // A name that is new each time is one of what is kept.
            Action::Rename { from, to, .. } => (from, !named.insert(to)),
            Action::Unlink { path } => (path, true),
            _ => continue,
        };
        if let Some(first) = made.remove(path.as_str()) {
            found.push((path.as_str(), first + 1..n + 1));
            last = Some(n);
            if replaces {
                again.insert(path.as_str());
            }
        }
    }
    let not_yet =
        made.into_iter().filter(|(name, first)| again.contains(name) || last.is_some_and(|last| *first > last));
    found.extend(not_yet.map(|(name, first)| (name, first + 1..usize::MAX)));
    found
}
