//! How far a recorded run is, and when one is over that goes on for ever.

use std::sync::atomic::{AtomicBool, Ordering};

use crashtest_linux::clock::now_ns;
use crashtest_model::{Generation, Operation, Until};
use crashtest_states::SavesSoFar;

/// How long a call is waited for that somebody is inside of when the run is over, in ns.
const PATIENCE_NS: u64 = 500_000_000;
/// So long without a call is a pause, in ns.
const PAUSE_NS: u64 = 20_000_000;
/// Time between two reports of how far the run is, in ns.
const TELL_NS: u64 = 100_000_000;

/// How far a recorded run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoFar {
    /// File-changing calls.
    pub calls: u64,
    /// Saves: acknowledged ones, or where the program says nothing of them what was written and finished.
    pub saves: u64,
    /// The files that were saved.
    pub files: u64,
}

/// The course of a recorded run.
#[derive(Default)]
pub(super) struct Course<'p> {
    pub(super) until: Until,
    /// Whether somebody wants no more of it.
    pub(super) stop: Option<&'p AtomicBool>,
    /// Who is told how far it is.
    pub(super) tell: Option<&'p dyn Fn(SoFar)>,
    told_ns: u64,
    /// Since when it has made calls, in ns.
    since_ns: Option<u64>,
    /// When its last call returned, in ns.
    last_ns: u64,
    /// Since when it is over, in ns.
    over_ns: Option<u64>,
    /// The save that was acknowledged before it, and the last one in it; `None` where it says nothing of its saves.
    acked: Option<(Generation, Generation)>,
    counted: SavesSoFar,
    /// After how many calls it did nothing for a while.
    pauses: Vec<usize>,
}

impl Course<'_> {
    /// Whether anybody ends the run or is told of it: a life of a target is not counted.
    fn is_watched(&self) -> bool {
        !self.until.is_never() || self.stop.is_some() || self.tell.is_some()
    }

    /// A call begins, after so many others. Whether nobody is inside of another one is `alone`.
    pub(super) fn begins(&mut self, calls: usize, alone: bool) {
        if !self.is_watched() {
            return;
        }
        let now = now_ns();
        self.since_ns.get_or_insert(now);
        if alone && self.last_ns > 0 && now - self.last_ns > PAUSE_NS && self.pauses.last() != Some(&calls) {
            self.pauses.push(calls);
        }
    }

    /// A call has come back as `operation`, one of so many.
    pub(super) fn returns(&mut self, operation: &Operation, calls: usize) {
        if !self.is_watched() {
            return;
        }
        self.last_ns = now_ns();
        self.counted.take(operation);
        let (before, after) = (operation.before.promise, operation.after.promise);
        if self.acked.is_some() || before.begun > before.acked || after.begun > before.begun {
            let (first, _) = self.acked.unwrap_or((before.acked, before.acked));
            self.acked = Some((first, after.acked));
        }
        self.report(calls);
    }

    /// Tells how far it is, if it is time to.
    pub(super) fn report(&mut self, calls: usize) {
        let Some(tell) = self.tell else { return };
        let now = now_ns();
        if now - self.told_ns > TELL_NS {
            self.told_ns = now;
            tell(self.so_far(calls));
        }
    }

    fn saves(&self) -> u64 {
        self.acked.map_or(self.counted.saves(), |(first, last)| last.0.saturating_sub(first.0))
    }

    /// How far it is, after so many calls.
    pub(super) fn so_far(&self, calls: usize) -> SoFar {
        SoFar { calls: calls as u64, saves: self.saves(), files: self.counted.files() }
    }

    /// Looks whether it is over.
    pub(super) fn look(&mut self) -> bool {
        if !self.is_watched() {
            return false;
        }
        let Until { after_ms, saves } = self.until;
        let now = now_ns();
        let is_late = || Some(now.saturating_sub(self.since_ns?) / 1_000_000 >= after_ms?);
        let is_over = self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
            || saves.is_some_and(|saves| self.saves() >= saves)
            || is_late().unwrap_or(false);
        if is_over {
            self.over_ns.get_or_insert(now);
        }
        self.over_ns.is_some()
    }

    /// Whether it is over for so long that nobody waits any more for a call to come back.
    pub(super) fn is_overdue(&self) -> bool {
        self.over_ns.is_some_and(|over| now_ns() - over > PATIENCE_NS)
    }

    /// Whether it was over before it ended by itself.
    pub(super) fn is_cut(&self) -> bool {
        self.over_ns.is_some()
    }

    /// How long it made calls, in ms, until it was over.
    pub(super) fn lasted_ms(&self) -> u64 {
        let end = self.over_ns.unwrap_or_else(now_ns);
        self.since_ns.map_or(0, |since| end.saturating_sub(since) / 1_000_000)
    }

    /// After how many calls it did nothing for a while; `calls` is how many there were.
    pub(super) fn pauses(mut self, calls: usize) -> Vec<usize> {
        if self.over_ns.unwrap_or_else(now_ns).saturating_sub(self.last_ns) > PAUSE_NS {
            self.pauses.push(calls);
        }
        self.pauses
    }
}
