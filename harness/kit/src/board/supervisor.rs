//! What the harness writes on the board of a victim.

use std::sync::atomic::AtomicU64;

use super::Board;
use super::layout::{LATCH, STOP};

impl Board {
    /// Asks the victim to stop cleanly after its current save.
    pub fn ask_to_stop(self) {
        self.set(STOP, 1);
    }

    /// The word that asks it, for a signal handler to set.
    #[must_use]
    pub fn stopping(self) -> &'static AtomicU64 {
        &self.words[STOP]
    }

    /// The word that a victim at the latch waits for: until it is not zero.
    #[must_use]
    pub fn latch(self) -> &'static AtomicU64 {
        &self.words[LATCH]
    }
}
