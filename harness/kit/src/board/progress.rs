//! How far a victim is, as its board says.

use crashtest_model::{Digest, Generation, Phase};

use super::Board;
use super::layout::{
    ACKED, ACKS, AT_LATCH, BEGUN, BEGUN_NS, BOARD_WORDS, CALLS, CALLS_AT_BEGIN, CALLS_OF_RECOVERY, CHANGES,
    CHANGES_OF_A_SAVE, DIGEST, FAILED, INSTALLED, OPENED, OPENED_NS, PHASE, SAVES, SAVING_NS, STARTED_NS, STOP,
};
use super::promise::{Overwritten, unsealed};
use crate::acks::Acks;
use crate::opened::{self, Opened, OpenedAs};

/// Why init or a save failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In the target's own words, cut at 896 bytes.
    pub why: String,
    /// The system's error number; 0 for another kind of error.
    pub errno: i32,
}

impl Board {
    /// Returns whether the victim waits at the latch, or is just about to.
    #[must_use]
    pub fn is_at_latch(self) -> bool {
        self.get(AT_LATCH) != 0
    }

    /// Returns whether the victim is asked to stop.
    #[must_use]
    pub fn stop_asked(self) -> bool {
        self.get(STOP) != 0
    }

    /// Returns where the victim is; `None` if the word was overwritten.
    #[must_use]
    pub fn phase(self) -> Option<Phase> {
        Phase::unpack(self.get(PHASE))
    }

    /// Returns when the victim's body started, in ns; `None` before that.
    #[must_use]
    pub fn started_ns(self) -> Option<u64> {
        Some(self.get(STARTED_NS)).filter(|ns| *ns > 0)
    }

    /// Returns when `init` returned, in ns; `None` before that.
    #[must_use]
    pub fn installed_ns(self) -> Option<u64> {
        Some(self.get(INSTALLED)).filter(|ns| *ns > 0)
    }

    /// Returns what recovery reported; `None` while it is under way.
    #[must_use]
    pub fn recovery(self) -> Option<Opened> {
        let word = self.get(OPENED);
        let as_what = match word & 0xff {
            1 => OpenedAs::Fresh,
            2 => {
                let (missing, parts) = opened::of_lists(&self.read_text());
                let (sequence, digest) = (Generation(word >> 8), Digest(self.get(DIGEST)));
                OpenedAs::State { sequence, digest, missing, parts }
            }
            3 => OpenedAs::Refused { why: self.read_text(), damage: opened::damage_of(word >> 8) },
            _ => return None,
        };
        Some(Opened { at_ns: self.get(OPENED_NS), as_what })
    }

    /// The last generation whose save was begun.
    ///
    /// # Errors
    /// The word was overwritten.
    pub fn begun(self) -> Result<Generation, Overwritten> {
        unsealed(self.get(BEGUN))
    }

    /// The last generation whose save has returned.
    ///
    /// # Errors
    /// The word was overwritten.
    pub fn acked(self) -> Result<Generation, Overwritten> {
        unsealed(self.get(ACKED))
    }

    /// Returns when the last save was begun, in ns; 0 before the first.
    #[must_use]
    pub fn begun_ns(self) -> u64 {
        self.get(BEGUN_NS)
    }

    /// Saves acked in this life.
    #[must_use]
    pub fn saves(self) -> u64 {
        self.get(SAVES)
    }

    /// File-changing calls begun in the current save.
    #[must_use]
    pub fn changes(self) -> u64 {
        self.get(CHANGES)
    }

    /// Calls of any kind begun in the current save.
    #[must_use]
    pub fn calls_of_save(self) -> u64 {
        self.get(CALLS).saturating_sub(self.get(CALLS_AT_BEGIN))
    }

    /// File-changing calls of the save that was acked last.
    #[must_use]
    pub fn changes_of_a_save(self) -> u64 {
        self.get(CHANGES_OF_A_SAVE)
    }

    /// Calls of the recovery that has completed.
    #[must_use]
    pub fn calls_of_recovery(self) -> u64 {
        self.get(CALLS_OF_RECOVERY)
    }

    /// The time that the acked saves of this life took together, in ns.
    #[must_use]
    pub fn saving_ns(self) -> u64 {
        self.get(SAVING_NS)
    }

    /// Returns when the last saves of this life were acked, the last of which is `acked`, and how long they took.
    #[must_use]
    pub fn acks(self, acked: Generation) -> Acks {
        Acks::read(&self.words[ACKS..BOARD_WORDS], self.saves(), acked)
    }

    /// Returns why init or a save failed or the victim panicked, if it did.
    #[must_use]
    pub fn failure(self) -> Option<Failure> {
        let word = self.get(FAILED);
        (word != 0).then(|| Failure { why: self.read_text(), errno: (word >> 8) as i32 })
    }
}
