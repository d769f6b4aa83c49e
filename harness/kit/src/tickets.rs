//! Tickets: in what order several processes did what, taken from one counter that they share.
//!
//! A save takes a ticket before it begins and one when it is acked, a load before and after it. Where the tickets of one are all
//! lower than those of the other, it came first. Else they overlapped, and either may have come first.

use std::sync::atomic::{AtomicU64, Ordering};

use crashtest_model::{Digest, Generation};

use crate::{Recovered, Refused};

/// What one process did is kept in a ring of so many entries: more than a life has saves.
const EVENTS: usize = 256;
/// What, from, to, and which.
const EVENT_WORDS: usize = 4;
/// Of each process: entries written, loads refused, loads that were fresh, and the ticket taken when it was dead.
const HEAD: usize = 4;
const REFUSALS: usize = 1;
const FRESH_LOADS: usize = 2;
const DEAD: usize = 3;
/// The words of one process: its head and its ring.
const PROCESS_WORDS: usize = HEAD + EVENTS * EVENT_WORDS;

const SAVE: u64 = 1;
const FRESH: u64 = 2;
const STATE: u64 = 3;
const REFUSED: u64 = 4;

/// The counter and the rings of all processes that share a state. Copies are views of the same words.
#[derive(Clone, Copy, Debug)]
pub struct Tickets {
    words: &'static [AtomicU64],
}

/// Something that a process did, by ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The ticket that it took before it began.
    pub from: u64,
    /// The ticket that it took when it was done; `None`: it was not.
    pub to: Option<u64>,
    /// What.
    pub what: Deed,
}

/// What a process did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It saved this generation of its own.
    Saved(Generation),
    /// It loaded a fresh, empty state, without an error.
    LoadedFresh,
    /// It loaded a state of this content.
    Loaded(Digest),
    /// It refused what it found.
    Refused,
}

impl Tickets {
    /// The words that `processes` take.
    #[must_use]
    pub const fn word_count(processes: usize) -> usize {
        1 + processes * PROCESS_WORDS
    }

    /// A view over `words`, of which there must be [`Tickets::word_count`].
    #[must_use]
    pub fn over(words: &'static [AtomicU64]) -> Tickets {
        Tickets { words }
    }

    /// The counter.
    #[must_use]
    pub fn counter(self) -> &'static AtomicU64 {
        &self.words[0]
    }

    /// The next ticket.
    #[must_use]
    pub fn take(self) -> u64 {
        self.counter().fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Forgets what every process did.
    pub fn clear(self) {
        for process in self.words[1..].chunks(PROCESS_WORDS) {
            process[..HEAD].iter().for_each(|word| word.store(0, Ordering::Release));
        }
    }

    fn process_words(self, process: usize) -> &'static [AtomicU64] {
        &self.words[1 + process * PROCESS_WORDS..][..PROCESS_WORDS]
    }

    fn write(self, process: usize, event: [u64; EVENT_WORDS]) {
        let words = self.process_words(process);
        let n = words[0].load(Ordering::Relaxed);
        let at = HEAD + (n as usize % EVENTS) * EVENT_WORDS;
        for (word, value) in words[at..at + EVENT_WORDS].iter().zip(event) {
            word.store(value, Ordering::Relaxed);
        }
        words[0].store(n + 1, Ordering::Release);
    }

    /// `process` begins to save `generation`.
    pub fn begin(self, process: usize, generation: Generation) {
        let from = self.take();
        self.write(process, [SAVE, from, 0, generation.0]);
    }

    /// The save that `process` began last is acked.
    pub fn ack(self, process: usize) {
        let words = self.process_words(process);
        let Some(last) = (words[0].load(Ordering::Relaxed) as usize).checked_sub(1) else { return };
        words[HEAD + (last % EVENTS) * EVENT_WORDS + 2].store(self.take(), Ordering::Release);
    }

    /// `process` has loaded the state, from ticket `from` on, with this result.
    pub fn loaded(self, process: usize, from: u64, result: &Result<Recovered, Refused>) {
        let (what, which) = match result {
            Ok(Recovered::Fresh) => (FRESH, 0),
            Ok(Recovered::State { digest, .. }) => (STATE, digest.0),
            Err(_) => (REFUSED, 0),
        };
        let to = self.take();
        self.write(process, [what, from, to, which]);
        // The ring may forget it.
        match what {
            FRESH => self.process_words(process)[FRESH_LOADS].fetch_add(1, Ordering::Relaxed),
            REFUSED => self.process_words(process)[REFUSALS].fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    }

    /// `process` was killed, and the kernel has taken it apart.
    pub fn died(self, process: usize) {
        self.process_words(process)[DEAD].store(self.take(), Ordering::Release);
    }

    /// The ticket that was taken when `process` was dead, if it was killed.
    #[must_use]
    pub fn dead(self, process: usize) -> Option<u64> {
        Some(self.process_words(process)[DEAD].load(Ordering::Acquire)).filter(|ticket| *ticket > 0)
    }

    /// Returns how often `process` refused what it loaded.
    #[must_use]
    pub fn refusals(self, process: usize) -> u64 {
        self.process_words(process)[REFUSALS].load(Ordering::Acquire)
    }

    /// Returns how often `process` loaded a fresh, empty state.
    #[must_use]
    pub fn fresh_loads(self, process: usize) -> u64 {
        self.process_words(process)[FRESH_LOADS].load(Ordering::Acquire)
    }

    /// Returns what `process` did, oldest first, as far as its ring still has it.
    #[must_use]
    pub fn events(self, process: usize) -> Vec<Event> {
        let words = self.process_words(process);
        let end = words[0].load(Ordering::Acquire) as usize;
        let event = |n: usize| {
            let at = HEAD + (n % EVENTS) * EVENT_WORDS;
            let [what, from, to, which] = [0, 1, 2, 3].map(|word| words[at + word].load(Ordering::Acquire));
            let what = match what {
                SAVE => Deed::Saved(Generation(which)),
                FRESH => Deed::LoadedFresh,
                STATE => Deed::Loaded(Digest(which)),
                REFUSED => Deed::Refused,
                _ => return None,
            };
            Some(Event { from, to: (to != 0).then_some(to), what })
        };
        (end.saturating_sub(EVENTS)..end).filter_map(event).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(processes: usize) -> Tickets {
        let words: Vec<AtomicU64> = (0..Tickets::word_count(processes)).map(|_| AtomicU64::new(0)).collect();
        Tickets::over(words.leak())
    }

    #[test]
    fn what_processes_did_is_read_back_in_the_order_of_its_tickets() {
        let tickets = tickets(2);
        tickets.begin(0, Generation(1));
        let from = tickets.take();
        tickets.ack(0);
        tickets.loaded(1, from, &Ok(Recovered::Fresh));
        tickets.begin(0, Generation(2));
        let saved = |from, to, n| Event { from, to, what: Deed::Saved(Generation(n)) };
        assert_eq!(tickets.events(0), [saved(1, Some(3), 1), saved(5, None, 2)]);
        assert_eq!(tickets.events(1), [Event { from: 2, to: Some(4), what: Deed::LoadedFresh }]);
        tickets.clear();
        assert_eq!((tickets.events(0), tickets.take()), (vec![], 6), "tickets go on");
    }

    #[test]
    fn a_ring_keeps_the_newest() {
        let tickets = tickets(1);
        for n in 0..EVENTS as u64 + 5 {
            tickets.begin(0, Generation(n));
            tickets.ack(0);
        }
        let events = tickets.events(0);
        assert_eq!((events.len(), &events[0].what), (EVENTS, &Deed::Saved(Generation(5))));
        tickets.clear();
        tickets.loaded(0, 1, &Ok(Recovered::Fresh));
        (0..EVENTS as u64).for_each(|n| tickets.begin(0, Generation(n)));
        assert_eq!((tickets.fresh_loads(0), tickets.refusals(0)), (1, 0), "what a loader got wrong is never forgotten");
    }
}
