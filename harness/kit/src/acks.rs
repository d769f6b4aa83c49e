//! When the last saves of a life were acked, and how long they took: two words a save, on the board.
//!
//! What a kill loses is measured by them. No life makes more saves than are kept: it waits for its kill before that.

use std::sync::atomic::{AtomicU64, Ordering};

use crashtest_model::{Generation, MOST_SAVES};

/// The saves that are kept.
const ENTRIES: usize = 16;
const _: () = assert!(ENTRIES as u64 > MOST_SAVES, "every save of a life that is killed is kept");
/// The words that they take.
pub(crate) const WORDS: usize = ENTRIES * ENTRY_WORDS;
/// When it was acked, and how long it took.
const ENTRY_WORDS: usize = 2;

/// Notes that save `nth` of a life, counted from 0, was acked at `now_ns` and took `took_ns`.
pub(crate) fn note(words: &[AtomicU64], nth: u64, now_ns: u64, took_ns: u64) {
    let at = place(nth);
    words[at].store(now_ns, Ordering::Relaxed);
    words[at + 1].store(took_ns, Ordering::Relaxed);
}

fn place(nth: u64) -> usize {
    (nth % ENTRIES as u64) as usize * ENTRY_WORDS
}

/// The last acks of a life, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acks {
    /// The generation of the last of them.
    acked: Generation,
    acks: Vec<Ack>,
}

/// One ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ack {
    at_ns: u64,
    took_ns: u64,
}

impl Acks {
    /// Those of a life that has made `saves` saves, the last of which is `acked`.
    pub(crate) fn read(words: &[AtomicU64], saves: u64, acked: Generation) -> Acks {
        let ack = |nth| {
            let [at_ns, took_ns] = [0, 1].map(|n| words[place(nth) + n].load(Ordering::Acquire));
            Ack { at_ns, took_ns }
        };
        Acks { acked, acks: (saves.saturating_sub(ENTRIES as u64)..saves).map(ack).collect() }
    }

    /// Returns whether nothing was acked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.acks.is_empty()
    }

    /// Returns how long each of the saves took, in ns.
    #[must_use]
    pub fn latencies_ns(&self) -> Vec<u64> {
        self.acks.iter().map(|ack| ack.took_ns).collect()
    }

    /// Returns when `generation` was acked, on the clock in ns; `None` if that is not known.
    #[must_use]
    pub fn acked_ns(&self, generation: Generation) -> Option<u64> {
        let before_last = self.acked.0.checked_sub(generation.0)?;
        let at = (self.acks.len() as u64).checked_sub(before_last + 1)?;
        self.acks.get(at as usize).map(|ack| ack.at_ns)
    }

    /// Returns when the oldest of them was acked, on the clock in ns; `None` without any.
    #[must_use]
    pub fn oldest_ns(&self) -> Option<u64> {
        self.acks.first().map(|ack| ack.at_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(saves: u64) -> Acks {
        let words: Vec<AtomicU64> = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        (0..saves).for_each(|nth| note(&words, nth, 1_000 + nth * 100, nth));
        Acks::read(&words, saves, Generation(40 + saves))
    }

    #[test]
    fn each_of_the_last_acks_is_found_by_its_generation() {
        for saves in [1, 5, 16, 50] {
            let acks = life(saves);
            let kept = saves.min(16);
            assert_eq!(acks.latencies_ns(), (saves - kept..saves).collect::<Vec<_>>());
            assert_eq!(acks.acked_ns(Generation(40 + saves)), Some(1_000 + (saves - 1) * 100));
            assert_eq!(acks.acked_ns(Generation(41 + saves - kept)), acks.oldest_ns());
            assert_eq!(
                (acks.acked_ns(Generation(40 + saves - kept)), acks.acked_ns(Generation(41 + saves))),
                (None, None)
            );
        }
    }

    #[test]
    fn a_life_without_a_save_has_no_acks() {
        assert!(life(0).is_empty());
        assert_eq!((life(0).acked_ns(Generation(40)), life(0).oldest_ns()), (None, None));
    }
}
