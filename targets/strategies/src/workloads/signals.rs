//! `signals`: the set of alerts that were already sent, kept so that none is sent twice.
//!
//! Losing it is quiet too: every alert of the window fires again.

use std::collections::BTreeMap;

use crashtest_kit::{Found, Workload, operation_rng};
use crashtest_model::{Bytes, Consequences, Generation, Seed, Shape, WorkloadInfo};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::{Capacity, Difference, REFUSED, any_value, cost, phrase, time_ms};

/// What an alert takes in the file at most, with the comma.
const ALERT_BYTES: u64 = 46;
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
            self.seen.insert(format!("{:010}-{symbol}-{pattern}", self.next), time_ms(self.next));
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
fn capacity(bound: Bytes) -> Capacity {
    Capacity::within(bound, HEADER_BYTES, ALERT_BYTES)
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
        let alerts = capacity(bound).nearly_full(&mut rng);
        tracker.fire(alerts, &mut rng);
        tracker
    }

    /// New alerts (6 in 10), expiry of the oldest (2 in 10), another occurrence of a known one at equal length (2 in 10).
    fn apply(stream: Seed, generation: Generation, bound: Bytes, tracker: &mut SignalTracker) {
        let mut rng = operation_rng(stream, generation);
        let capacity = capacity(bound);
        let few = capacity.few(&mut rng);
        match rng.random_range(0..10) {
            0..6 => tracker.fire(few, &mut rng),
            6..8 => tracker.expire(capacity.without(few, tracker.seen.len())),
            _ => {
                if let Some(last) = any_value(&mut tracker.seen, &mut rng) {
                    *last = time_ms(tracker.next + generation.0);
                }
            }
        }
        if tracker.seen.len() > capacity.0 {
            tracker.expire(capacity.nearly_full(&mut rng));
        }
        tracker.sequence = generation;
    }

    fn sequence(tracker: &SignalTracker) -> Generation {
        tracker.sequence
    }

    fn consequences(promised: &SignalTracker, found: &Found<&SignalTracker>) -> Consequences {
        cost(found, |tracker, consequences| {
            let refired = Difference::between(&promised.seen, &tracker.seen).missing;
            consequences.count("refired", refired);
            consequences.count("forgetful", u64::from(refired > 0));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;

    #[test]
    fn it_keeps_the_laws_of_workloads() {
        laws::hold_for::<Signals>();
    }

    #[test]
    fn a_reset_makes_every_alert_fire_again_and_an_error_none() {
        let promised = Signals::initial(Seed(1), Bytes::kib(4));
        let reset = Signals::consequences(&promised, &Found::Fresh);
        assert_eq!(reset.0["refired"], promised.seen.len() as u64);
        assert_eq!(Signals::consequences(&promised, &Found::Refused).0.get("refired"), None);
    }
}
