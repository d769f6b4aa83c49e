//! The board: how a victim tells the harness how far it is, without a system call, so that nothing is lost when it is killed.
//!
//! A safe view over a page of shared atomic words, which the harness maps and the victim inherits over fork(2). Everything that
//! the oracle relies on outlives the victim. Promises are single words that carry their own checksum: a victim that scribbles
//! over the board makes the trial inconclusive, never green.

mod hold;
mod layout;
mod progress;
mod promise;
mod ring;
mod supervisor;
mod victim;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};

use crashtest_model::Generation;

use crate::calls::{text_of, write_bytes};
pub use hold::Hold;
pub use layout::BOARD_WORDS;
use layout::{ACKED, BEGUN, TEXT, TEXT_LENGTH, TEXT_WORDS};
pub use progress::Failure;
pub use promise::Overwritten;
use promise::sealed;

/// The board of one worker. Copies are views of the same words.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    words: &'static [AtomicU64],
    /// Numbers the calls of all who share a state.
    tickets: Option<&'static AtomicU64>,
}

impl Board {
    /// A view over `words`, of which there must be at least [`BOARD_WORDS`].
    ///
    /// # Panics
    /// If there are fewer: a mistake in the harness, made before any victim exists.
    #[must_use]
    pub fn over(words: &'static [AtomicU64]) -> Board {
        assert!(words.len() >= BOARD_WORDS, "a board takes {BOARD_WORDS} words");
        Board { words, tickets: None }
    }

    /// The same board, whose calls take their numbers from `tickets`.
    #[must_use]
    pub fn numbered_by(self, tickets: &'static AtomicU64) -> Board {
        Board { tickets: Some(tickets), ..self }
    }

    fn get(self, index: usize) -> u64 {
        self.words[index].load(Ordering::Acquire)
    }

    fn set(self, index: usize, value: u64) {
        self.words[index].store(value, Ordering::Release);
    }

    /// Clears everything for a new life that starts with the promises `acked` and `begun`.
    pub fn reset(self, acked: Generation, begun: Generation) {
        for word in &self.words[..TEXT] {
            word.store(0, Ordering::Relaxed);
        }
        self.set(ACKED, sealed(acked));
        self.set(BEGUN, sealed(begun));
    }

    fn write_text(self, text: &str) {
        write_bytes(&self.words[TEXT..TEXT + TEXT_WORDS], text);
        self.set(TEXT_LENGTH, text.len() as u64);
    }

    fn read_text(self) -> String {
        let length = usize::try_from(self.get(TEXT_LENGTH)).unwrap_or(usize::MAX);
        text_of(self.words[TEXT..TEXT + TEXT_WORDS].iter().map(|word| word.load(Ordering::Acquire)), Some(length))
    }
}
