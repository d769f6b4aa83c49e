//! The states that crashes leave, and which of them are the same.

use std::collections::BTreeMap;

use crashtest_model::{At, CrashPoint, Digest, Promise, Trace};

use crate::{Snapshot, Tree};

/// The state that a crash at each of `points` leaves, in their order.
///
/// `initial` are the files at the start of the trace. Points in the order of the trace take one pass over it; a step back starts
/// it again.
pub fn crash_states<'a>(
    trace: &'a Trace,
    initial: &Snapshot,
    points: &'a [CrashPoint],
) -> impl Iterator<Item = (CrashPoint, Snapshot)> + use<'a> {
    let start = Tree::new(initial, &trace.files);
    let mut tree = start.clone();
    let mut done = 0;
    points.iter().map(move |&point| {
        let call = point.call.0 as usize;
        let whole = trace.operations.len().min(if point.at == At::After { call + 1 } else { call });
        if whole < done {
            tree = start.clone();
            done = 0;
        }
        trace.operations[done..whole].iter().for_each(|operation| tree.apply(operation));
        done = whole;
        let state = match (point.at, trace.operations.get(call)) {
            (At::Inside(bytes), Some(operation)) => {
                let mut torn = tree.clone();
                torn.apply_part(operation, bytes);
                torn.snapshot()
            }
            _ => tree.snapshot(),
        };
        (point, state)
    })
}

/// A state that crashes leave, with all points at which they leave it: a restart on it needs to be tried only once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashState {
    /// What identifies it.
    pub digest: Digest,
    /// The files.
    pub snapshot: Snapshot,
    /// Where in the trace, in order; at least one.
    pub points: Vec<CrashPoint>,
}

/// Groups crash points by the state that a crash there leaves, in the order in which the states first appear.
pub fn distinct(states: impl IntoIterator<Item = (CrashPoint, Snapshot)>) -> Vec<CrashState> {
    let mut found: Vec<CrashState> = Vec::new();
    let mut places: BTreeMap<Digest, usize> = BTreeMap::new();
    for (point, snapshot) in states {
        let digest = snapshot.digest();
        let place = *places.entry(digest).or_insert(found.len());
        match found.get_mut(place) {
            Some(state) => state.points.push(point),
            None => found.push(CrashState { digest, snapshot, points: vec![point] }),
        }
    }
    found
}

impl CrashState {
    /// The strongest promise that was made before any of its points: the largest acked, the smallest begun, and whether `init` had
    /// returned at any.
    ///
    /// A restart that keeps it keeps every promise made at these points. The converse does not hold where a program comes back to
    /// files that it had before. Then `begun` is less than `acked`, no generation lies between, and the promise of each point has
    /// to be judged by itself.
    #[must_use]
    pub fn strongest_promise(&self, trace: &Trace) -> Promise {
        let promises = self.points.iter().map(|point| trace.progress(*point).promise);
        let stronger = |one: Promise, other: Promise| Promise {
            acked: one.acked.max(other.acked),
            begun: one.begun.min(other.begun),
            installed: one.installed || other.installed,
            gaps: if one.acked < other.acked { other.gaps } else { one.gaps },
        };
        promises.reduce(stronger).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use crashtest_model::{Action, CallIndex, Data, FileId, Gaps, Generation, Operation, Progress};

    use super::*;

    const FILE: FileId = FileId(0);

    fn progress(acked: u64, begun: u64) -> Progress {
        let promise =
            Promise { acked: Generation(acked), begun: Generation(begun), installed: acked > 0, gaps: Gaps::NONE };
        Progress { activity: None, opened: true, promise }
    }

    /// A program that saves "one", syncs, and saves "two", each in one write over the file.
    fn trace() -> Trace {
        let path = || "f".to_owned();
        let open =
            Action::Open { path: path(), file: FILE, created: true, truncated: false, synchronous: false, mode: 0o644 };
        let write = |data: &[u8]| Action::Write {
            path: path(),
            file: FILE,
            offset: 0,
            data: Data::Kept(data.to_vec()),
            requested: data.len() as u64,
        };
        let sync = Action::Sync { path: path(), file: Some(FILE), durable: crashtest_model::Durable::File };
        let call = |action: Action, before, after| Operation {
            process: 0,
            call: action.word().into(),
            action,
            errno: None,
            before,
            after,
            left: None,
        };
        let operations = vec![
            call(open, progress(0, 1), progress(0, 1)),
            call(write(b"one"), progress(0, 1), progress(0, 1)),
            call(sync, progress(0, 1), progress(1, 1)),
            call(write(b"two"), progress(1, 2), progress(1, 2)),
        ];
        Trace { operations, end: progress(2, 2), ..Trace::default() }
    }

    fn points(ats: &[(u32, At)]) -> Vec<CrashPoint> {
        ats.iter().map(|&(call, at)| CrashPoint { call: CallIndex(call), at }).collect()
    }

    fn contents(trace: &Trace, points: &[CrashPoint]) -> Vec<Option<String>> {
        let content = |state: &Snapshot| state.file("f").map(|bytes| bytes.escape_ascii().to_string());
        crash_states(trace, &Snapshot::default(), points).map(|(_, state)| content(&state)).collect()
    }

    #[test]
    fn each_point_has_the_state_that_a_crash_there_leaves() {
        let all = points(&[(0, At::Before), (0, At::After), (1, At::Inside(2)), (3, At::Inside(1)), (4, At::Before)]);
        let expected = [None, Some(""), Some("on"), Some("tne"), Some("two")];
        assert_eq!(contents(&trace(), &all), expected.map(|content| content.map(str::to_owned)));
    }

    #[test]
    fn points_in_any_order_have_the_same_states() {
        let mut all = crate::crash_points(&trace(), crashtest_model::Tears::Posix, 9, crashtest_model::Seed(0)).points;
        let mut forwards = contents(&trace(), &all);
        all.reverse();
        forwards.reverse();
        assert_eq!(contents(&trace(), &all), forwards);
    }

    #[test]
    fn points_with_equal_files_are_one_state_in_the_order_of_first_appearance() {
        let trace = trace();
        let all = crate::crash_points(&trace, crashtest_model::Tears::Posix, 9, crashtest_model::Seed(0)).points;
        let states = distinct(crash_states(&trace, &Snapshot::default(), &all));
        let seen: Vec<_> = states.iter().map(|state| state.snapshot.file("f")).collect();
        let expected: [&[u8]; 7] = [b"", b"o", b"on", b"one", b"tne", b"twe", b"two"];
        assert_eq!(seen[0], None);
        assert_eq!(seen[1..], expected.map(Some));
        let one = points(&[(1, At::After), (2, At::Before), (2, At::After), (3, At::Before)]);
        assert_eq!(states[4].points, one);
        assert!(states.iter().all(|state| state.digest == state.snapshot.digest()));
        assert_eq!(states.iter().map(|state| state.points.len()).sum::<usize>(), all.len(), "no point is lost");
    }

    #[test]
    fn the_strongest_promise_has_the_largest_acked_and_the_smallest_begun() {
        let trace = trace();
        let state =
            |ats: &[(u32, At)]| CrashState { digest: Digest(0), snapshot: Snapshot::default(), points: points(ats) };
        let of = |ats: &[(u32, At)]| state(ats).strongest_promise(&trace);
        assert_eq!(of(&[(1, At::After), (2, At::After), (3, At::Before)]), progress(1, 1).promise);
        assert_eq!(of(&[(3, At::Inside(1))]), progress(1, 2).promise);
        assert_eq!(of(&[(0, At::Before), (4, At::Before)]), progress(2, 1).promise, "files that came back");
    }
}
