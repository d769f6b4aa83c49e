//! The ring of calls on a board: of each its phase, offset, length, ticket and name.

use std::sync::atomic::Ordering;

use crashtest_model::Phase;

use super::Board;
use super::layout::{ACKS, CALLS, RING};
use crate::calls::{CallLog, ENTRY_WORDS, RING_ENTRIES, write_bytes};

impl Board {
    /// A copy of the victim's last calls.
    #[must_use]
    pub fn calls(self) -> CallLog {
        let entries = self.words[RING..ACKS].iter().map(|word| word.load(Ordering::Acquire)).collect();
        CallLog { entries, end: self.get(CALLS) }
    }

    pub(super) fn entry(self, n: u64) -> usize {
        RING + (n % RING_ENTRIES as u64) as usize * ENTRY_WORDS
    }

    pub(super) fn mark(self, phase: Phase, name: &str, offset: u64, length: u64) {
        let n = self.get(CALLS);
        let at = self.entry(n);
        self.words[at].store(phase.pack(), Ordering::Relaxed);
        self.words[at + 1].store(offset, Ordering::Relaxed);
        self.words[at + 2].store(length, Ordering::Relaxed);
        let ticket = self.tickets.map_or(0, |tickets| tickets.fetch_add(1, Ordering::AcqRel) + 1);
        self.words[at + 3].store(ticket, Ordering::Relaxed);
        write_bytes(&self.words[at + 4..at + ENTRY_WORDS], name);
        self.set(CALLS, n + 1);
    }
}
