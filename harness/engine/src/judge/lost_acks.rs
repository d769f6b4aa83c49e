//! What is gone of what was acked, and how old it was.

use crashtest_kit::Acks;
use crashtest_model::{Generation, LostAcks, Observed, Promise};

/// The acks of a life that is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acked {
    pub(crate) acks: Acks,
    /// When it was ended, on the clock in ns.
    pub(crate) ended_ns: u64,
}

/// What a recovery that gave `observed` under `promise` has lost of the saves that the life of `acked` made, where they are known.
/// `None` where it did not come back with a save, or with all of them. A save of which a part came back counts as lost.
pub(crate) fn acks(promise: Promise, observed: &Observed, acked: Option<&Acked>) -> Option<LostAcks> {
    let Observed::State { generation: Some(found), missing, .. } = observed else { return None };
    let holes = || missing.iter().filter(|hole| **hole <= promise.acked);
    let updates = holes().count() as u64 + promise.acked.0.saturating_sub(found.0);
    if updates == 0 {
        return None;
    }
    let oldest = holes().copied().min().unwrap_or(Generation(found.0 + 1));
    let known = acked.and_then(|acked| {
        let exact = acked.acks.acked_ns(oldest);
        let at_ns = exact.or(acked.acks.oldest_ns())?;
        Some((acked.ended_ns.saturating_sub(at_ns), exact.is_none()))
    });
    Some(LostAcks {
        updates,
        age_ns: known.map(|(age_ns, _)| age_ns),
        at_least: known.is_some_and(|(_, at_least)| at_least),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use crashtest_kit::{BOARD_WORDS, Board};
    use crashtest_model::{Digest, Gaps};

    use super::*;

    /// A life that takes up save 10, makes `saves` more of them, acked at 1,000 ns and every 100 ns from there, and is ended at 9,000 ns.
    fn life(saves: u64) -> (Promise, Acked) {
        let words: Vec<AtomicU64> = (0..BOARD_WORDS).map(|_| AtomicU64::new(0)).collect();
        let board = Board::over(words.leak());
        board.reset(Generation(10), Generation(10));
        for n in 1..=saves {
            board.begin(Generation(10 + n), 850 + n * 100);
            board.ack(Generation(10 + n), 900 + n * 100);
        }
        let acked = Generation(10 + saves);
        (
            Promise { acked, begun: acked, installed: true, gaps: Gaps::NONE },
            Acked { acks: board.acks(acked), ended_ns: 9_000 },
        )
    }

    fn lost(saves: u64, found: u64, missing: &[u64]) -> Option<(u64, Option<u64>, bool)> {
        let (promise, acked) = life(saves);
        let missing = missing.iter().map(|n| Generation(*n)).collect();
        let generation = Some(Generation(found));
        let observed = Observed::State { generation, digest: Digest(1), missing, mixed: Vec::new() };
        acks(promise, &observed, Some(&acked)).map(|lost| (lost.updates, lost.age_ns, lost.at_least))
    }

    #[test]
    fn the_age_of_the_oldest_lost_ack_follows_from_the_schedule_of_the_acks() {
        assert_eq!(lost(5, 15, &[]), None);
        // Save 15 was acked at 1,400 ns, save 13 at 1,200 ns, save 11 at 1,000 ns.
        assert_eq!(lost(5, 14, &[]), Some((1, Some(7_600), false)));
        assert_eq!(lost(5, 12, &[]), Some((3, Some(7_800), false)));
        assert_eq!(lost(5, 10, &[]), Some((5, Some(8_000), false)));
        assert_eq!(lost(5, 15, &[13]), Some((1, Some(7_800), false)), "a hole in a log");
        assert_eq!(lost(5, 14, &[11, 13]), Some((3, Some(8_000), false)));
    }

    #[test]
    fn an_ack_that_nobody_has_the_time_of_is_at_least_as_old_as_the_oldest_that_is_known() {
        assert_eq!(lost(5, 3, &[]), Some((12, Some(8_000), true)), "acked in an earlier life");
        // Of 30 saves the last 16 are kept: saves 25 to 40, the first of them acked at 2,400 ns.
        assert_eq!(lost(30, 24, &[]), Some((16, Some(6_600), false)));
        assert_eq!(lost(30, 23, &[]), Some((17, Some(6_600), true)));
        assert_eq!(lost(0, 9, &[]), Some((1, None, false)));
    }
}
