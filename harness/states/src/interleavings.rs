//! The interleavings of a run: the orders in which its calls can have taken effect, where some overlap. One was let into the kernel
//! while another waited inside of it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::mem;

use crashtest_model::{Action, Operation, Overlap, Progress, Trace};

use crate::Snapshot;
use crate::unexplained::unexplained;

/// Interleavings of one run, at most.
const MOST: usize = 128;
/// Bytes that are written in all of them together, at most.
const MOST_BYTES: u64 = 1 << 30;

/// A run with calls that overlap, in each order in which they can have taken effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interleavings {
    /// The run in the first of these orders.
    pub first: Trace,
    /// In the others.
    pub others: Vec<Trace>,
    /// There are more than can be looked at: `first` is as it was recorded, and the others are missing.
    pub too_many: bool,
}

/// The orders of `trace` that come to the files it has `left`, of those that were there `before`. A run in which no calls overlap has one.
#[must_use]
pub fn interleavings(mut trace: Trace, before: &Snapshot, left: &Snapshot) -> Interleavings {
    let one = |first| Interleavings { first, others: Vec::new(), too_many: false };
    if trace.overlaps.is_empty() {
        return one(trace);
    }
    let Some(found) = arrangements(&trace) else { return Interleavings { too_many: true, ..one(trace) } };
    let operations = mem::take(&mut trace.operations);
    let found = found.into_iter().map(|order| rearranged(&trace, &operations, &order));
    let mut found: Vec<(usize, Trace)> = found.map(|trace| (unexplained(&trace, before, left).len(), trace)).collect();
    let least = found.iter().map(|(missed, _)| *missed).min().unwrap_or(0);
    found.retain(|(missed, _)| *missed == least);
    let mut others: Vec<Trace> = found.into_iter().map(|(_, trace)| trace).collect();
    let first = others.remove(0);
    Interleavings { others, ..one(first) }
}

/// When each call that overlaps others took effect: from when on at the earliest, and when at the latest. What changes no file can be
/// seen at its end alone.
fn spans(trace: &Trace) -> BTreeMap<usize, (u32, u32)> {
    let span = |overlap: &Overlap| {
        let call = overlap.call.0 as usize;
        let operation = trace.operations.get(call)?;
        let changes = operation.errno.is_none() && operation.action.changes_files();
        Some((call, (if changes { overlap.from } else { overlap.to }, overlap.to)))
    };
    trace.overlaps.iter().filter_map(span).collect()
}

/// How many orders of `trace` can be looked at.
fn most(trace: &Trace) -> usize {
    let written = |operation: &Operation| match &operation.action {
        Action::Write { data, .. } => data.length(),
        _ => 0,
    };
    let bytes: u64 = trace.operations.iter().map(written).sum();
    MOST.min(usize::try_from(MOST_BYTES / bytes.max(1)).unwrap_or(MOST))
}

/// The numbers of all calls, in each order that they can have; `None` where these are too many.
fn arrangements(trace: &Trace) -> Option<Vec<Vec<usize>>> {
    let spans = spans(trace);
    let most = most(trace);
    let mut all = vec![Vec::with_capacity(trace.operations.len())];
    let mut call = 0;
    while call < trace.operations.len() {
        let group: Vec<usize> = (call..).take_while(|call| spans.contains_key(call)).collect();
        if group.is_empty() {
            all.iter_mut().for_each(|order| order.push(call));
            call += 1;
            continue;
        }
        call += group.len();
        let ways = extensions(group, &spans)?;
        if all.len() * ways.len() > most {
            return None;
        }
        all = all.iter().flat_map(|order| ways.iter().map(|way| [order.as_slice(), way].concat())).collect();
    }
    Some(all)
}

/// The calls of `group` in each order in which none comes before one that was over when it began.
fn extensions(group: Vec<usize>, spans: &BTreeMap<usize, (u32, u32)>) -> Option<Vec<Vec<usize>>> {
    let mut begun = vec![(Vec::new(), group)];
    while begun.first().is_some_and(|(_, left)| !left.is_empty()) {
        let mut next = Vec::new();
        for (done, left) in begun {
            let soonest = left.iter().map(|call| spans[call].1).min()?;
            for (place, call) in left.iter().enumerate() {
                let (from, to) = spans[call];
                if from < soonest || to == soonest {
                    let mut others = left.clone();
                    others.remove(place);
                    next.push(([done.as_slice(), &[*call]].concat(), others));
                }
            }
        }
        if next.len() > MOST {
            return None;
        }
        begun = next;
    }
    Some(begun.into_iter().map(|(done, _)| done).collect())
}

/// How far a program was, to be compared.
fn key(progress: &Progress) -> impl Ord + use<> {
    let promise = progress.promise;
    (progress.opened, promise.installed, promise.acked, promise.begun, Reverse(promise.gaps.unacked.count_ones()))
}

/// The run of `trace`, with its `operations` in this `order`. At each of them the program was as far as it was for certain when the files
/// were like that.
fn rearranged(trace: &Trace, operations: &[Operation], order: &[usize]) -> Trace {
    let mut operations: Vec<Operation> = order.iter().map(|call| operations[*call].clone()).collect();
    let mut now = Progress::default();
    for operation in &mut operations {
        if key(&now) > key(&operation.before) {
            operation.before = now;
        }
        now = operation.before;
    }
    let mut next = trace.end;
    for operation in operations.iter_mut().rev() {
        if key(&operation.after) > key(&next) {
            operation.after = next;
        }
        if key(&operation.after) < key(&operation.before) {
            operation.after = operation.before;
        }
        next = operation.before;
    }
    Trace { operations, ..trace.clone() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crashtest_model::{CallIndex, Data, Durable, FileId, Generation, Promise};
    use proptest::prelude::*;

    use super::*;
    use crate::Entry;

    fn acked(acked: u64) -> Progress {
        let promise =
            Promise { acked: Generation(acked), begun: Generation(acked + 1), installed: true, ..Promise::default() };
        Progress { activity: None, opened: true, promise }
    }

    fn operation(action: Action, before: u64, after: u64) -> Operation {
        let call = action.word().into();
        Operation { process: 0, call, action, errno: None, before: acked(before), after: acked(after), left: None }
    }

    /// Writes `data` over the start of file `n`, which is called so.
    fn write(n: u32, data: &str) -> Action {
        let (path, data) = (n.to_string(), data.as_bytes().to_vec());
        Action::Write { path, file: FileId(n), offset: 0, requested: data.len() as u64, data: Data::Kept(data) }
    }

    fn trace(operations: Vec<Operation>, spans: &[(u32, u32, u32)]) -> Trace {
        let overlap = |&(call, from, to): &(u32, u32, u32)| Overlap { call: CallIndex(call), from, to };
        let files = (0..3).map(|n| (n.to_string(), FileId(n))).collect();
        let (end, overlaps) = (acked(9), spans.iter().map(overlap).collect());
        Trace { files, operations, end, overlaps, concurrent: true, ..Trace::default() }
    }

    fn files(contents: [&str; 3]) -> Snapshot {
        let file = |content: &str| Entry::File { mode: 0o644, content: content.as_bytes().to_vec().into() };
        contents.iter().enumerate().map(|(n, content)| (n.to_string().into(), file(content))).collect()
    }

    /// The calls of each order, by what they write.
    fn written(found: &Interleavings) -> Vec<String> {
        let all = [&found.first].into_iter().chain(&found.others);
        let data = |operation: &Operation| match &operation.action {
            Action::Write { data, .. } => String::from_utf8_lossy(data.bytes()).into_owned(),
            other => other.word().to_owned(),
        };
        all.map(|trace| trace.operations.iter().map(data).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn a_call_that_waits_while_others_are_made_can_take_effect_before_between_and_after_them() {
        let calls = || {
            let all = [(0, "a"), (1, "b"), (2, "c"), (2, "d")];
            all.map(|(file, data)| operation(write(file, data), 0, 0)).to_vec()
        };
        let (before, left) = (files([".", ".", "."]), files(["a", "b", "d"]));
        let waits = trace(calls(), &[(0, 1, 7), (1, 2, 3), (2, 4, 5)]);
        let found = interleavings(waits, &before, &left);
        assert_eq!(written(&found), ["a b c d", "b a c d", "b c a d"], "the last call was made when it was over");
        let seen_waiting = trace(calls(), &[(0, 3, 7), (1, 2, 3), (2, 4, 5)]);
        assert_eq!(written(&interleavings(seen_waiting, &before, &left)), ["b a c d", "b c a d"]);
        assert_eq!(written(&interleavings(trace(calls(), &[]), &before, &left)), ["a b c d"]);
    }

    #[test]
    fn an_order_that_does_not_come_to_the_files_is_none_of_this_run() {
        let calls = vec![operation(write(0, "a"), 0, 0), operation(write(0, "b"), 0, 0)];
        let overlap = trace(calls, &[(0, 1, 4), (1, 2, 3)]);
        let found = interleavings(overlap.clone(), &files([".", "", ""]), &files(["a", "", ""]));
        assert_eq!(written(&found), ["b a"]);
        let found = interleavings(overlap, &files([".", "", ""]), &files(["c", "", ""]));
        assert_eq!(written(&found), ["a b", "b a"], "no order is better than another where calls were missed");
    }

    #[test]
    fn what_changes_no_file_makes_no_order_of_its_own() {
        let sync = Action::Sync { path: "0".to_owned(), file: Some(FileId(0)), durable: Durable::File };
        let calls = vec![operation(sync, 0, 0), operation(write(1, "b"), 0, 0), operation(write(2, "c"), 0, 0)];
        let slow = trace(calls, &[(0, 1, 6), (1, 2, 3), (2, 4, 5)]);
        let found = interleavings(slow, &files(["", ".", "."]), &files(["", "b", "c"]));
        assert_eq!(written(&found), ["b c fsync"]);
    }

    #[test]
    fn in_each_order_only_that_is_promised_which_was_when_the_files_were_like_that() {
        // The first call is over when the second one, made meanwhile, is acknowledged.
        let calls = vec![operation(write(0, "a"), 0, 1), operation(write(1, "b"), 0, 1)];
        let found =
            interleavings(trace(calls, &[(0, 1, 4), (1, 2, 3)]), &files([".", ".", ""]), &files(["a", "b", ""]));
        let all: Vec<&Trace> = [&found.first].into_iter().chain(&found.others).collect();
        assert_eq!(written(&found), ["a b", "b a"]);
        for trace in all {
            let acked = |progress: Progress| progress.promise.acked.0;
            let promised: Vec<_> = trace.operations.iter().map(|o| (acked(o.before), acked(o.after))).collect();
            assert_eq!(promised, [(0, 0), (0, 1)], "after the first of both nothing is acknowledged yet");
        }
    }

    #[test]
    fn more_orders_than_can_be_looked_at_are_said_to_be_so() {
        let calls = (0..6).map(|n| operation(write(n % 3, "x"), 0, 0)).collect();
        let all: Vec<(u32, u32, u32)> = (0..6).map(|n| (n, n, 10 + n)).collect();
        let found = interleavings(trace(calls, &all), &files(["", "", ""]), &files(["x", "x", "x"]));
        assert!(found.too_many && found.others.is_empty(), "720 orders");
        assert_eq!(found.first.operations.len(), 6);
    }

    fn permutations(of: usize) -> Vec<Vec<usize>> {
        if of == 0 {
            return vec![Vec::new()];
        }
        let shorter = permutations(of - 1);
        shorter.iter().flat_map(|order| (0..of).map(|at| [&order[..at], &[of - 1], &order[at..]].concat())).collect()
    }

    proptest! {
        #[test]
        fn each_order_that_the_spans_allow_is_found_once_and_no_other(spans in prop::collection::vec((0u32..16, 0u32..16), 1..5)) {
            // No two things happen at once.
            let spans: Vec<(u32, u32)> =
                spans.iter().zip(0..).map(|((a, b), n)| (a.min(b) * 10 + n, a.max(b) * 10 + 5 + n)).collect();
            let by_call: BTreeMap<usize, (u32, u32)> = spans.iter().copied().enumerate().collect();
            let found = extensions((0..spans.len()).collect(), &by_call).unwrap();
            let allowed = permutations(spans.len()).into_iter().filter(|order| {
                let pairs = order.iter().enumerate().flat_map(|(n, first)| order[n + 1..].iter().map(move |then| (first, then)));
                pairs.into_iter().all(|(first, then)| spans[*then].1 > spans[*first].0)
            });
            let allowed: BTreeSet<Vec<usize>> = allowed.collect();
            prop_assert_eq!(found.len(), allowed.len());
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), allowed);
        }
    }
}
