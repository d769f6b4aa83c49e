//! `signals`: the set of alerts that were already sent, kept so that none is sent twice.
//!
//! Losing it is quiet too: every alert of the window fires again.

use std::collections::BTreeMap;

use crashtest_kit::{Found, Workload, operation_rng};
use crashtest_model::{Bytes, Consequences, Generation, Seed, Shape, WorkloadInfo};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::{REFUSED, phrase};

/// What an alert takes in the file at most, with the comma.
const ALERT_BYTES: u64 = 56;
/// What everything else takes at most.
const HEADER_BYTES: u64 = 96;

const SYMBOLS: [&str; 6] = ["BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "ADA-USD", "DOT-USD"];
const PATTERNS: [&str; 5] = ["breakout", "reversal", "divergence", "squeeze", "gap"];

/// The alerts that were sent, by id, with the time of the last occurrence in ms since 1970. Ids sort by the time of the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SignalTracker {
    /// How many operations are in it.
    pub sequence: Generation,
    /// The number of the next alert.
    pub next: u64,
    /// The alerts of the window.
    pub seen: BTreeMap<String, u64>,
}

impl SignalTracker {
    fn fire(&mut self, count: usize, rng: &mut impl Rng) {
        for _ in 0..count {
            let symbol = SYMBOLS[rng.random_range(0..SYMBOLS.len())];
            let pattern = PATTERNS[rng.random_range(0..PATTERNS.len())];
            self.seen.insert(format!("{:010}-{symbol}-{pattern}", self.next), 1_767_623_400_000 + self.next * 250);
            self.next += 1;
        }
    }

    /// Forgets all but the newest `keep` alerts: the window moves on.
    fn expire(&mut self, keep: usize) {
        while self.seen.len() > keep {
            self.seen.pop_first();
        }
    }
}

/// The workload.
pub(crate) struct Signals;

/// How many alerts a file of `bound` bytes can hold.
fn capacity(bound: Bytes) -> usize {
    usize::try_from((bound.0.saturating_sub(HEADER_BYTES) / ALERT_BYTES).max(4)).unwrap_or(usize::MAX)
}

impl Workload for Signals {
    type State = SignalTracker;

    const NAME: &str = "signals";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary: "the set of alerts that were already sent, so that none is sent twice".into(),
            shapes: vec![Shape::Document],
            phrases: vec![
                phrase("refired", "alerts that fire again"),
                phrase("forgetful", "restarts after which alerts fire again"),
                phrase(REFUSED, "restarts that stopped with an error: nothing fires at all"),
            ],
        }
    }

    fn initial(stream: Seed, bound: Bytes) -> SignalTracker {
        let mut tracker = SignalTracker { next: 1, ..SignalTracker::default() };
        let mut rng = operation_rng(stream, Generation::ZERO);
        let capacity = capacity(bound);
        let alerts = rng.random_range(capacity * 7 / 8..=capacity);
        tracker.fire(alerts, &mut rng);
        tracker
    }

    /// New alerts (6 in 10), expiry of the oldest (2 in 10), another occurrence of a known one at equal length (2 in 10).
    fn apply(stream: Seed, generation: Generation, bound: Bytes, tracker: &mut SignalTracker) {
        let mut rng = operation_rng(stream, generation);
        let capacity = capacity(bound);
        let few = rng.random_range(1..=(capacity / 32).max(1));
        match rng.random_range(0..10) {
            0..6 => tracker.fire(few, &mut rng),
            6..8 => tracker.expire(tracker.seen.len().saturating_sub(few).max(capacity * 3 / 4)),
            _ => {
                let later = 1_767_623_400_000 + (tracker.next + generation.0) * 250;
                let at = rng.random_range(0..tracker.seen.len().max(1));
                if let Some(last) = tracker.seen.values_mut().nth(at) {
                    *last = later;
                }
            }
        }
        if tracker.seen.len() > capacity {
            tracker.expire(rng.random_range(capacity * 7 / 8..=capacity));
        }
        tracker.sequence = generation;
    }

    fn sequence(tracker: &SignalTracker) -> Generation {
        tracker.sequence
    }

    fn consequences(promised: &SignalTracker, found: &Found<&SignalTracker>) -> Consequences {
        let mut consequences = Consequences::default();
        let known = |id: &String| match found {
            Found::State(tracker) => tracker.seen.contains_key(id),
            Found::Fresh | Found::Refused => false,
        };
        if *found == Found::Refused {
            consequences.count(REFUSED, 1);
            return consequences;
        }
        let refired = promised.seen.keys().filter(|id| !known(id)).count() as u64;
        if refired > 0 {
            consequences.count("refired", refired);
            consequences.count("forgetful", 1);
        }
        consequences
    }
}

#[cfg(test)]
mod tests {
    use crashtest_kit::encode;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_file_stays_within_its_bound_grows_and_shrinks(seed: u64, kib in 1u64..80) {
            let (stream, bound) = (Seed(seed), Bytes::kib(kib));
            let mut tracker = Signals::initial(stream, bound);
            let (mut grew, mut shrank, mut last) = (false, false, usize::MAX);
            for g in 1..200 {
                Signals::apply(stream, Generation(g), bound, &mut tracker);
                let mut bytes = Vec::new();
                encode(&tracker, &mut bytes).unwrap();
                prop_assert!(bytes.len() as u64 <= bound.0, "{} > {bound}", bytes.len());
                (grew, shrank) = (grew || bytes.len() > last, shrank || bytes.len() < last);
                last = bytes.len();
            }
            prop_assert!(grew && shrank);
        }
    }

    #[test]
    fn a_reset_makes_every_alert_fire_again_and_an_error_none() {
        let promised = Signals::initial(Seed(1), Bytes::kib(4));
        let reset = Signals::consequences(&promised, &Found::Fresh);
        assert_eq!(reset.0["refired"], promised.seen.len() as u64);
        assert_eq!(Signals::consequences(&promised, &Found::Refused).0.get("refired"), None);
    }
}
