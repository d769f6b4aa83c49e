//! `positions`: the open positions of a trading agent, with the stops that it watches itself.
//!
//! The broker knows nothing of the stops. A position that the agent forgets stays open, and nobody closes it at any loss.

use std::collections::BTreeMap;

use crashtest_kit::{Found, Workload, operation_rng};
use crashtest_model::{Bytes, Consequences, Generation, Seed, Shape, WorkloadInfo};
use rand::{Rng, RngExt};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::fills::{Side, Symbol, per_mille, price};
use super::{Capacity, Difference, REFUSED, any_value, cost, phrase, thin_out, time_ms};

/// What a position takes in the file at most, with the comma.
const POSITION_BYTES: u64 = 149;
/// What everything else takes at most.
const HEADER_BYTES: u64 = 72;

/// One open position. Money is a decimal *string* in the file, never a float.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Position {
    symbol: Symbol,
    side: Side,
    /// Shares; less after each partial close.
    quantity: u32,
    /// The price at which it was opened.
    entry: Decimal,
    /// The price at which its loss is taken; it trails the market.
    stop: Decimal,
    /// The price at which its profit is taken.
    target: Decimal,
    /// Milliseconds since 1970.
    opened_ms: u64,
}

impl Position {
    fn any(opened_ms: u64, rng: &mut impl Rng) -> Position {
        let (side, entry) = (Side::any(rng), price(rng));
        let below = per_mille(entry, rng.random_range(900..990));
        let above = per_mille(entry, rng.random_range(1_010..1_100));
        let (stop, target) = match side {
            Side::Buy => (below, above),
            Side::Sell => (above, below),
        };
        Position {
            symbol: Symbol::any(rng),
            side,
            quantity: rng.random_range(1..10_000),
            entry,
            stop,
            target,
            opened_ms,
        }
    }
}

/// The open positions, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct PositionBook {
    /// How many operations are in it.
    sequence: Generation,
    /// The id of the next position; none is used twice.
    next_id: u64,
    open: BTreeMap<u64, Position>,
}

impl PositionBook {
    fn open(&mut self, count: usize, rng: &mut impl Rng) {
        for _ in 0..count {
            self.open.insert(self.next_id, Position::any(time_ms(self.next_id), rng));
            self.next_id += 1;
        }
    }

    /// Closes all but `keep` positions.
    fn close(&mut self, keep: usize, rng: &mut impl Rng) {
        thin_out(&mut self.open, keep, rng);
    }
}

/// The workload.
pub(crate) struct Positions;

/// How many positions a book of `bound` bytes can hold.
fn capacity(bound: Bytes) -> Capacity {
    Capacity::within(bound, HEADER_BYTES, POSITION_BYTES)
}

impl Workload for Positions {
    type State = PositionBook;

    const NAME: &str = "positions";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary: "open positions, with the stops that the agent watches itself".into(),
            shapes: vec![Shape::Document],
            phrases: vec![
                phrase("forgotten", "open positions that were forgotten: nobody watches their stops"),
                phrase("reopened", "closed positions that are open again: their stops close what is not there"),
                phrase("outdated", "positions with an out-of-date quantity or stop"),
                phrase(REFUSED, "restarts that stopped with an error: no stop is watched, and somebody knows"),
            ],
        }
    }

    fn initial(stream: Seed, bound: Bytes) -> PositionBook {
        let mut rng = operation_rng(stream, Generation::ZERO);
        let mut book = PositionBook { next_id: 1, ..PositionBook::default() };
        let positions = capacity(bound).nearly_full(&mut rng);
        book.open(positions, &mut rng);
        book
    }

    /// Positions are opened (5 in 10), closed (2 in 10), or one is closed in part (1 in 10) or has its stop moved half way to the
    /// entry (2 in 10), at nearly equal length.
    fn apply(stream: Seed, generation: Generation, bound: Bytes, book: &mut PositionBook) {
        let mut rng = operation_rng(stream, generation);
        let capacity = capacity(bound);
        let few = capacity.few(&mut rng);
        match rng.random_range(0..10) {
            0..5 => book.open(few, &mut rng),
            5..7 => book.close(capacity.without(few, book.open.len()), &mut rng),
            7 => {
                if let Some(position) = any_value(&mut book.open, &mut rng) {
                    position.quantity = rng.random_range(1..=position.quantity);
                }
            }
            _ => {
                if let Some(position) = any_value(&mut book.open, &mut rng) {
                    position.stop = per_mille(position.stop + position.entry, 500);
                }
            }
        }
        if book.open.len() > capacity.0 {
            book.close(capacity.nearly_full(&mut rng), &mut rng);
        }
        book.sequence = generation;
    }

    fn sequence(book: &PositionBook) -> Generation {
        book.sequence
    }

    fn consequences(promised: &PositionBook, found: &Found<&PositionBook>) -> Consequences {
        cost(found, |book, consequences| {
            let difference = Difference::between(&promised.open, &book.open);
            consequences.count("forgotten", difference.missing);
            consequences.count("reopened", difference.revived);
            consequences.count("outdated", difference.outdated);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;

    #[test]
    fn it_keeps_the_laws_of_workloads() {
        laws::hold_for::<Positions>();
    }

    #[test]
    fn a_stop_is_on_the_side_of_the_loss() {
        let book = Positions::initial(Seed(1), Bytes::kib(64));
        for position in book.open.values() {
            let (lower, upper) = match position.side {
                Side::Buy => (position.stop, position.target),
                Side::Sell => (position.target, position.stop),
            };
            assert!(lower < position.entry && position.entry < upper, "{position:?}");
        }
    }

    #[test]
    fn an_older_book_forgets_reopens_and_is_out_of_date() {
        let mut rng = operation_rng(Seed(2), Generation(9));
        let older = Positions::initial(Seed(2), Bytes::kib(16));
        let mut promised = older.clone();
        promised.open(3, &mut rng);
        promised.open.remove(&1);
        promised.open.remove(&2);
        promised.open.get_mut(&3).unwrap().quantity += 1;
        let lost = Positions::consequences(&promised, &Found::State(&older)).0;
        assert_eq!((lost["forgotten"], lost["reopened"], lost["outdated"]), (3, 2, 1));
    }

    #[test]
    fn a_fresh_book_forgets_every_position() {
        let promised = Positions::initial(Seed(3), Bytes::kib(16));
        let lost = Positions::consequences(&promised, &Found::Fresh).0;
        assert_eq!(lost.into_iter().collect::<Vec<_>>(), [("forgotten".to_owned(), promised.open.len() as u64)]);
    }
}
