//! When a wait for a process is over: after the limit, unless the machine holds it up.
//!
//! A process inside fsync(2) on a disk that does not answer makes no progress, nor does one that is not given a processor, and that is not
//! its doing.

use std::time::Duration;

use crate::clock::now_ns;
use crate::held_up::is_held_up;

/// So often the limit is granted anew to who is held up: a disk that is silent for longer is given up.
const MOST: u32 = 5;

/// The end of a wait.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// On the clock, in ns.
    at_ns: u64,
    length_ns: u64,
    granted: u32,
    /// It is over, once whoever waits has looked again.
    last_look: bool,
}

impl Deadline {
    /// So long from now.
    #[must_use]
    pub fn in_ns(length_ns: u64) -> Deadline {
        Deadline { at_ns: now_ns().saturating_add(length_ns), length_ns, granted: 0, last_look: false }
    }

    /// So long from now.
    #[must_use]
    pub fn after(limit: Duration) -> Deadline {
        Deadline::in_ns(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Returns when it is, as far as is known by now: on the clock, in ns.
    #[must_use]
    pub fn at_ns(self) -> u64 {
        self.at_ns
    }

    /// Returns how long a wait may take, in ns.
    #[must_use]
    pub fn length_ns(self) -> u64 {
        self.length_ns
    }

    /// Returns whether the wait for the processes `pids` is over. To see whether they are held up takes a while: what they did meanwhile
    /// is to be looked at once more, so the first call after the limit returns `false` all the same.
    pub fn is_over(&mut self, pids: impl IntoIterator<Item = i32>) -> bool {
        self.is_over_unless(now_ns(), || pids.into_iter().any(is_held_up))
    }

    fn is_over_unless(&mut self, now_ns: u64, is_held_up: impl FnOnce() -> bool) -> bool {
        if now_ns < self.at_ns {
            return false;
        }
        if self.last_look {
            return true;
        }
        if self.granted == MOST || !is_held_up() {
            self.last_look = true;
            return false;
        }
        self.granted += 1;
        self.at_ns = now_ns.saturating_add(self.length_ns);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_at_the_limit_and_later_for_who_waits_for_a_disk_but_not_never() {
        let mut deadline = Deadline { at_ns: 100, length_ns: 100, granted: 0, last_look: false };
        assert!(!deadline.is_over_unless(99, || false));
        let mut idle = deadline;
        assert!(!idle.is_over_unless(100, || false), "it may have gone on while it was looked at");
        assert!(idle.is_over_unless(100, || unreachable!()), "nothing holds it up");
        for n in 1..=u64::from(MOST) {
            assert!(!deadline.is_over_unless(n * 100, || true), "the disk does not answer");
            assert!(!deadline.is_over_unless(n * 100 + 99, || false));
        }
        let end = u64::from(MOST + 1) * 100;
        assert_eq!([(); 2].map(|()| deadline.is_over_unless(end, || true)), [false, true], "it never will");
    }
}
