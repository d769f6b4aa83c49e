//! Calls that are let into the kernel while others wait inside of theirs: what is known of when each of them took effect.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crashtest_linux::clock::now_ns;
use crashtest_linux::trace::Descriptor;
use crashtest_model::{Action, CallIndex, Overlap};

use crate::trace::recorder::Recorder;
use crate::trace::recorder::action::{Place, Unfinished};

/// How long a call is held while another thread is inside of one, in ns. Hardly any call takes so long that waits for nobody.
const HELD_NS: u64 = 100_000_000;

/// What is known of calls that overlap.
#[derive(Default)]
pub(super) struct Overlaps {
    /// By thread: since when it is held, in ns.
    held: BTreeMap<i32, u64>,
    /// Beginnings and ends of calls so far.
    events: u32,
    /// The calls that somebody is inside of, by their places in the trace.
    inside: BTreeMap<usize, Inside>,
    /// Of calls that overlap others: from when to when they can have taken effect.
    spans: BTreeMap<usize, (u32, u32)>,
}

/// A call that somebody is inside of.
#[derive(Default)]
struct Inside {
    began: u32,
    /// What was seen of its file that shows that it had not taken effect yet.
    seen: Option<Seen>,
    /// Whether somebody has waited for it long enough.
    outwaited: bool,
}

/// What shows that a call has not taken effect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The file is no longer than up to this offset, at which it writes.
    EndsAt(u64),
    /// What it takes away is there: this inode.
    There(u64),
    /// What it makes is not there.
    Missing,
    /// What it empties still holds something: so many bytes.
    Holds(u64),
}

impl Overlaps {
    /// What is told of them in a trace, without the calls `dropped`.
    pub(super) fn told(&self, dropped: &BTreeSet<usize>) -> Vec<Overlap> {
        let kept = self.spans.iter().filter(|(call, _)| !dropped.contains(call));
        kept.map(|(call, (from, to))| {
            let before = dropped.range(..call).count();
            Overlap { call: CallIndex((call - before) as u32), from: *from, to: *to }
        })
        .collect()
    }
}

impl Recorder<'_> {
    pub(super) fn nobody_is_inside(&self) -> bool {
        self.open.values().all(Vec::is_empty)
    }

    /// The calls that other threads than this are inside of: whose, and which.
    fn others_inside(&self, tid: i32) -> impl Iterator<Item = (i32, usize, &Unfinished)> {
        let others = self.open.iter().filter(move |(other, _)| **other != tid);
        others.flat_map(|(other, calls)| calls.iter().map(|(call, unfinished)| (*other, *call, unfinished)))
    }

    /// Whether another thread is inside a write to the same regular file. Where a write has gone is known by the offset and the length
    /// that it leaves: a second one meanwhile would move them on. Such a write waits for nobody, so that others can wait for it.
    fn is_being_written(&self, tid: i32, unfinished: &Unfinished) -> bool {
        let Unfinished::Write { fd, orderly: true, .. } = unfinished else { return false };
        let mut writing = self.others_inside(tid).filter_map(|(other, _, inside)| match inside {
            Unfinished::Write { fd, orderly: true, .. } => Some((other, *fd)),
            _ => None,
        });
        // Hardly ever is there another: nothing is looked up before.
        writing.any(|(other, its)| {
            Recorder::regular(tid, *fd).is_some_and(|open| Recorder::regular(other, its) == Some(open))
        })
    }

    /// Whether the call of this thread has to wait: another is inside of one, and does not take all too long.
    pub(super) fn has_to_wait(&mut self, tid: i32, unfinished: &Unfinished) -> bool {
        let others: Vec<usize> = self.others_inside(tid).map(|(_, call, _)| call).collect();
        if others.is_empty() {
            self.overlaps.held.remove(&tid);
            return false;
        }
        let now = now_ns();
        let since = *self.overlaps.held.entry(tid).or_insert(now);
        if since == now {
            self.look_at_others(tid);
        }
        let is_outwaited = |call: &usize| self.overlaps.inside.get(call).is_some_and(|inside| inside.outwaited);
        let is_long_enough = now - since >= HELD_NS || others.iter().all(is_outwaited);
        if !is_long_enough || self.is_being_written(tid, unfinished) {
            return true;
        }
        self.overlaps.held.remove(&tid);
        for call in others {
            if let Some(inside) = self.overlaps.inside.get_mut(&call) {
                inside.outwaited = true;
            }
        }
        false
    }

    /// Notes that a thread begins the call which has the last of the places `calls`; what stood there before it was seen just now.
    pub(super) fn begins(&mut self, tid: i32, calls: std::ops::RangeInclusive<usize>) {
        self.overlaps.events += 1;
        let now = self.overlaps.events;
        let others: Vec<usize> = self.others_inside(tid).map(|(_, call, _)| call).collect();
        if others.is_empty() {
            return;
        }
        for call in others {
            let began = self.overlaps.inside.get(&call).map_or(0, |inside| inside.began);
            self.overlaps.spans.entry(call).or_insert((began, u32::MAX));
        }
        self.look_at_others(tid);
        self.overlaps.spans.extend(calls.map(|call| (call, (now, now))));
    }

    /// Notes that a thread is inside of the call at this place, which it has just begun.
    pub(super) fn goes_inside(&mut self, tid: i32, call: usize, unfinished: Unfinished) {
        self.open.entry(tid).or_default().push((call, unfinished));
        let began = self.overlaps.events;
        self.overlaps.inside.insert(call, Inside { began, ..Inside::default() });
    }

    /// Notes that a thread is out of the call at this place.
    pub(super) fn ends(&mut self, tid: i32, call: usize) {
        self.overlaps.events += 1;
        self.overlaps.inside.remove(&call);
        if let Some(span) = self.overlaps.spans.get_mut(&call) {
            span.1 = self.overlaps.events;
            self.look_at_others(tid);
        }
    }

    /// Notes which calls, that other threads than this are inside of, have not taken effect yet.
    fn look_at_others(&mut self, tid: i32) {
        let others: Vec<(usize, Option<Seen>)> = self
            .others_inside(tid)
            .map(|(other, call, unfinished)| {
                (call, self.not_yet(other, &self.trace.operations[call].action, unfinished))
            })
            .collect();
        let now = self.overlaps.events;
        for (call, seen) in others {
            let Some(inside) = self.overlaps.inside.get_mut(&call) else { continue };
            // What is seen for the first time may be what it has done.
            if seen.is_some()
                && inside.seen == seen
                && let Some(span) = self.overlaps.spans.get_mut(&call)
            {
                span.0 = now;
            }
            inside.seen = inside.seen.or(seen);
        }
    }

    /// What shows that `action`, which this thread is inside of, has not taken effect yet; `None` where nothing does.
    fn not_yet(&self, tid: i32, action: &Action, unfinished: &Unfinished) -> Option<Seen> {
        let found = |path: &str| fs::symlink_metadata(self.root.join(path)).ok();
        let missing = |path: &str| found(path).is_none().then_some(Seen::Missing);
        let there = |path: &str| found(path).map(|found| Seen::There(found.ino()));
        match (action, unfinished) {
            (Action::Write { .. }, Unfinished::Write { fd, at, .. }) => {
                let descriptor = Descriptor::Named { tid, fd: *fd };
                let offset = match at {
                    Place::Offset => descriptor.offset().ok()?,
                    Place::At(offset) => *offset,
                    Place::Pointer(_) | Place::Whole => return None,
                };
                (descriptor.file().ok()?.length <= offset).then_some(Seen::EndsAt(offset))
            }
            (Action::Rename { from, exchange: false, .. }, _) => there(from),
            (Action::Unlink { path } | Action::Rmdir { path }, _) => there(path),
            (
                Action::Open { path, created: true, .. }
                | Action::Mkdir { path, .. }
                | Action::Mknod { path, .. }
                | Action::Symlink { path, .. }
                | Action::Link { to: path, .. }
                | Action::Arrive { path, .. },
                _,
            ) => missing(path),
            (Action::Open { path, truncated: true, .. }, _) => {
                found(path).map(|found| found.len()).filter(|length| *length > 0).map(Seen::Holds)
            }
            _ => None,
        }
    }
}
