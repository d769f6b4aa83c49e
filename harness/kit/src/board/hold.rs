//! Where a life stops of its own accord and waits for the kill.

use std::time::{Duration, Instant};

use crashtest_model::Activity;

use super::Board;
use super::layout::{HELD, HELD_NS, HOLD, HOLD_CALLS, HOLD_EVERY_CALL, HOLD_SAVE};

/// hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// After so many calls of recovery, or when recovery is about to report.
    Recovery {
        /// Calls of any kind.
        calls: u64,
    },
    /// After so many file-changing calls of a save, or when that save was acked.
    Save {
        /// The saves before it in this life.
        after: u64,
        /// File-changing calls.
        calls: u64,
    },
    /// After so many calls of any kind of a save, or when that save was acked.
    Step {
        /// The saves before it in this life.
        after: u64,
        /// Calls of any kind.
        calls: u64,
    },
}

/// How often a life that is held looks whether it is asked to stop instead, or let go.
const HELD_LOOK: Duration = Duration::from_micros(200);

impl Board {
    /// Where this life is to be held.
    pub fn hold_at(self, hold: Hold) {
        let (activity, save, calls) = match hold {
            Hold::Recovery { calls } => (Activity::Recovery, 0, calls),
            Hold::Save { after, calls } | Hold::Step { after, calls } => (Activity::Save, after, calls),
        };
        self.set(HOLD_EVERY_CALL, u64::from(matches!(hold, Hold::Step { .. })));
        self.set(HOLD_SAVE, save);
        self.set(HOLD_CALLS, calls);
        self.set(HOLD, 1 + activity as u64);
    }

    /// Waits for the kill, if this life is to be held in `activity` and `reached`.
    pub(super) fn hold_if(self, activity: Activity, reached: impl FnOnce(Board) -> bool) {
        if self.get(HOLD) == 1 + activity as u64 && reached(self) {
            let since = Instant::now();
            self.set(HELD, 1);
            while self.is_held() && !self.stop_asked() {
                std::thread::park_timeout(HELD_LOOK);
            }
            self.set(HELD_NS, since.elapsed().as_nanos() as u64);
        }
    }

    /// Returns whether a save has come as far as it is to be held.
    pub(super) fn is_at_hold(self, changing: bool) -> bool {
        self.saves() == self.get(HOLD_SAVE)
            && match self.get(HOLD_EVERY_CALL) {
                0 => changing && self.changes() >= self.get(HOLD_CALLS),
                _ => self.calls_of_save() >= self.get(HOLD_CALLS),
            }
    }

    /// Lets a life that is held go on, up to `next`.
    pub fn let_go(self, next: Hold) {
        self.hold_at(next);
        self.set(HELD, 0);
    }

    /// Returns whether the victim waits for the kill where it was to be held.
    #[must_use]
    pub fn is_held(self) -> bool {
        self.get(HELD) != 0
    }
}
