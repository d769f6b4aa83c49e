//! `retry-queue`: the orders that wait to be sent again, because the broker did not answer.
//!
//! What was sent leaves the queue. If it is in again after a restart, it is sent, and traded, a second time.

use std::collections::BTreeMap;

use crashtest_kit::{Found, Workload, operation_rng};
use crashtest_model::{Bytes, Consequences, Generation, Seed, Shape, WorkloadInfo};
use rand::{Rng, RngExt};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::fills::{Side, Symbol, price};
use super::{Capacity, Difference, REFUSED, cost, phrase, thin_out, time_ms};

/// What an item takes in the file at most, with the comma.
const ITEM_BYTES: u64 = 130;
/// What everything else takes at most.
const HEADER_BYTES: u64 = 72;

/// After so many attempts an order is given up.
const MOST_ATTEMPTS: u32 = 8;

/// One order that waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Item {
    /// How often it was sent without an answer.
    attempts: u32,
    /// When it is sent next, in ms since 1970.
    due_ms: u64,
    order: Order,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Order {
    symbol: Symbol,
    side: Side,
    /// Shares.
    quantity: u32,
    /// Dollars a share at most, or at least; a decimal string in the file.
    limit: Decimal,
}

/// The orders that wait, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RetryQueue {
    /// How many operations are in it.
    sequence: Generation,
    /// The id of the next order; none is used twice.
    next_id: u64,
    waiting: BTreeMap<u64, Item>,
}

impl RetryQueue {
    fn enqueue(&mut self, count: usize, rng: &mut impl Rng) {
        for _ in 0..count {
            let order = Order {
                symbol: Symbol::any(rng),
                side: Side::any(rng),
                quantity: rng.random_range(1..10_000),
                limit: price(rng),
            };
            self.waiting.insert(self.next_id, Item { attempts: 1, due_ms: time_ms(self.next_id + 4), order });
            self.next_id += 1;
        }
    }

    /// All but `keep` orders were answered and leave.
    fn finish(&mut self, keep: usize, rng: &mut impl Rng) {
        thin_out(&mut self.waiting, keep, rng);
    }

    /// One more attempt without an answer for `count` neighbours: each waits twice as long as before, or is given up.
    fn attempt(&mut self, count: usize, rng: &mut impl Rng) {
        let from = rng.random_range(0..=self.waiting.len().saturating_sub(count));
        for item in self.waiting.values_mut().skip(from).take(count) {
            item.due_ms += 1_000 << item.attempts;
            item.attempts += 1;
        }
        self.waiting.retain(|_, item| item.attempts <= MOST_ATTEMPTS);
    }
}

/// The workload.
pub(crate) struct Retries;

/// How many items a queue of `bound` bytes can hold.
fn capacity(bound: Bytes) -> Capacity {
    Capacity::within(bound, HEADER_BYTES, ITEM_BYTES)
}

impl Workload for Retries {
    type State = RetryQueue;

    const NAME: &str = "retry-queue";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary: "orders to send again, because the broker did not answer".into(),
            shapes: vec![Shape::Document],
            phrases: vec![
                phrase("repeated", "orders that had been dealt with and are in the queue again: they run twice"),
                phrase("lost", "waiting orders that were lost: they never run"),
                phrase("forgotten", "attempts that were forgotten and are made again"),
                phrase(REFUSED, "restarts that stopped with an error: nothing is sent, and nothing twice"),
            ],
        }
    }

    fn initial(stream: Seed, bound: Bytes) -> RetryQueue {
        let mut rng = operation_rng(stream, Generation::ZERO);
        let mut queue = RetryQueue { next_id: 1, ..RetryQueue::default() };
        let items = capacity(bound).nearly_full(&mut rng);
        queue.enqueue(items, &mut rng);
        queue
    }

    /// Orders enter (5 in 10), leave (2 in 10), or are tried once more, at nearly equal length (3 in 10).
    fn apply(stream: Seed, generation: Generation, bound: Bytes, queue: &mut RetryQueue) {
        let mut rng = operation_rng(stream, generation);
        let capacity = capacity(bound);
        let few = capacity.few(&mut rng);
        match rng.random_range(0..10) {
            0..5 => queue.enqueue(few, &mut rng),
            5..7 => queue.finish(capacity.without(few, queue.waiting.len()), &mut rng),
            _ => queue.attempt(few, &mut rng),
        }
        if queue.waiting.len() > capacity.0 {
            queue.finish(capacity.nearly_full(&mut rng), &mut rng);
        }
        queue.sequence = generation;
    }

    fn sequence(queue: &RetryQueue) -> Generation {
        queue.sequence
    }

    fn consequences(promised: &RetryQueue, found: &Found<&RetryQueue>) -> Consequences {
        cost(found, |queue, consequences| {
            let difference = Difference::between(&promised.waiting, &queue.waiting);
            let attempts = |(id, item): (&u64, &Item)| {
                let known = queue.waiting.get(id).map_or(item.attempts, |found| found.attempts);
                u64::from(item.attempts.saturating_sub(known))
            };
            consequences.count("repeated", difference.revived);
            consequences.count("lost", difference.missing);
            consequences.count("forgotten", promised.waiting.iter().map(attempts).sum());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;

    #[test]
    fn it_keeps_the_laws_of_workloads() {
        laws::hold_for::<Retries>();
    }

    #[test]
    fn an_order_is_given_up_after_its_last_attempt() {
        let mut queue = Retries::initial(Seed(1), Bytes::kib(4));
        let all = queue.waiting.len();
        for attempts in 2..=MOST_ATTEMPTS {
            queue.attempt(all, &mut operation_rng(Seed(1), Generation(1)));
            assert!(queue.waiting.values().all(|item| item.attempts == attempts));
        }
        queue.attempt(all, &mut operation_rng(Seed(1), Generation(1)));
        assert!(queue.waiting.is_empty());
    }

    #[test]
    fn an_older_queue_repeats_loses_and_forgets() {
        let mut rng = operation_rng(Seed(2), Generation(9));
        let older = Retries::initial(Seed(2), Bytes::kib(16));
        let mut promised = older.clone();
        promised.waiting.remove(&1);
        promised.waiting.remove(&2);
        promised.attempt(4, &mut rng);
        promised.attempt(3, &mut rng);
        promised.enqueue(1, &mut rng);
        let lost = Retries::consequences(&promised, &Found::State(&older)).0;
        assert_eq!((lost["repeated"], lost["lost"], lost["forgotten"]), (2, 1, 7));
    }

    #[test]
    fn a_fresh_queue_runs_nothing_that_waited() {
        let promised = Retries::initial(Seed(3), Bytes::kib(16));
        let lost = Retries::consequences(&promised, &Found::Fresh).0;
        assert_eq!(lost.into_iter().collect::<Vec<_>>(), [("lost".to_owned(), promised.waiting.len() as u64)]);
    }
}
