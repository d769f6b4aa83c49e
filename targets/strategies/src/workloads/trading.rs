//! `trading`: what a trading bot must know after a restart: its open positions, its pending orders, and which symbols it may trade.
//!
//! Three maps, each a part of its own. A fill takes an order away *and* opens a position: it touches two of them.

use std::collections::BTreeMap;

use crashtest_kit::{Found, Workload, operation_rng};
use crashtest_model::{Bytes, Consequences, Digest, Generation, Seed, Shape, WorkloadInfo};
use rand::{Rng, RngExt};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::fills::{Side, Symbol, price};
use super::{Capacity, Difference, REFUSED, any_value, cost, phrase, time_ms};

/// What a position, or an order, takes in JSON at most, with the comma.
const ENTRY_BYTES: u64 = 142;
/// What everything else takes at most, the controls of all symbols with it.
const HEADER_BYTES: u64 = 720;

/// An open position. Prices say that they are strings: a binary format does not say what comes next.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Position {
    symbol: Symbol,
    side: Side,
    quantity: u32,
    #[serde(with = "rust_decimal::serde::str")]
    entry: Decimal,
    #[serde(with = "rust_decimal::serde::str")]
    stop: Decimal,
    /// Milliseconds since 1970.
    at_ms: u64,
}

/// An order that the exchange has, and that is not filled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Order {
    symbol: Symbol,
    side: Side,
    quantity: u32,
    #[serde(with = "rust_decimal::serde::str")]
    limit: Decimal,
    /// The exchange's own number.
    exchange_id: u64,
    at_ms: u64,
}

/// Whether a symbol may be traded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Control {
    buy: bool,
    sell: bool,
    at_ms: u64,
}

/// The bot's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Book {
    pub(crate) sequence: Generation,
    pub(crate) positions: BTreeMap<u64, Position>,
    pub(crate) orders: BTreeMap<u64, Order>,
    pub(crate) controls: BTreeMap<Symbol, Control>,
}

impl Book {
    /// The digest of each part, in the order of [`PARTS`].
    pub(crate) fn parts(&self) -> [Digest; 3] {
        [Digest::of_value(&self.positions), Digest::of_value(&self.orders), Digest::of_value(&self.controls)]
    }

    fn place(&mut self, number: u64, now_ms: u64, rng: &mut impl Rng) {
        let order = Order {
            symbol: Symbol::any(rng),
            side: Side::any(rng),
            quantity: rng.random_range(1..10_000),
            limit: price(rng),
            exchange_id: rng.random_range(1 << 40..1 << 41),
            at_ms: now_ms,
        };
        self.orders.insert(number, order);
    }

    /// The order becomes a position.
    fn fill(&mut self, number: u64, now_ms: u64) {
        if let Some(order) = self.orders.remove(&number) {
            let Order { symbol, side, quantity, limit, .. } = order;
            let position = Position { symbol, side, quantity, entry: limit, stop: limit, at_ms: now_ms };
            self.positions.insert(number, position);
        }
    }
}

/// The names of the parts.
pub(crate) const PARTS: [&str; 3] = ["active_positions", "pending_orders", "symbol_controls"];

/// The workload.
pub(crate) struct Trading;

fn capacity(bound: Bytes) -> Capacity {
    Capacity::within(bound, HEADER_BYTES, ENTRY_BYTES)
}

impl Workload for Trading {
    type State = Book;

    const NAME: &str = "trading";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary: "positions, pending orders and symbol controls of a bot: three maps, of which a fill touches two"
                .into(),
            shapes: vec![Shape::System],
            phrases: vec![
                phrase("lost-positions", "open positions that were forgotten: nobody watches their stops"),
                phrase("reopened", "closed positions that are open again"),
                phrase(
                    "repeated",
                    "orders that are pending again, though they were filled or cancelled: they are placed twice",
                ),
                phrase("lost-orders", "orders at the exchange that the bot has forgotten"),
                phrase("enabled", "disabled symbols that are traded again"),
                phrase(REFUSED, "restarts that stopped with an error: nothing is traded, and somebody knows"),
            ],
        }
    }

    fn initial(stream: Seed, bound: Bytes) -> Book {
        let mut rng = operation_rng(stream, Generation::ZERO);
        let mut book = Book::default();
        for symbol in Symbol::ALL {
            book.controls.insert(symbol, Control { buy: true, sell: true, at_ms: time_ms(0) });
        }
        let entries = capacity(bound).nearly_full(&mut rng) as u64;
        for number in 1..=entries {
            book.place(number, time_ms(0), &mut rng);
            if number > entries / 4 {
                book.fill(number, time_ms(0));
            }
        }
        book
    }

    /// A new order (3 in 10), a fill (3 in 10), a position closed (2 in 10), one whose stop is moved (1 in 10), a symbol that is switched
    /// off or on (1 in 10). Each leaves its time in a map that it touches: no two generations have the same maps.
    fn apply(stream: Seed, generation: Generation, bound: Bytes, book: &mut Book) {
        let mut rng = operation_rng(stream, generation);
        let now_ms = time_ms(generation.0);
        let most = capacity(bound).0;
        let mut what = rng.random_range(0..10);
        if book.positions.len() + book.orders.len() >= most {
            // Full: what is closed makes room, and only a position can be.
            what = if book.positions.len() > most / 2 { 6 } else { 3 };
        }
        match what {
            3..6 if !book.orders.is_empty() => {
                let numbers: Vec<u64> = book.orders.keys().copied().collect();
                book.fill(numbers[rng.random_range(0..numbers.len())], now_ms);
            }
            6..8 if book.positions.len() > most / 2 => {
                // Closed, several at a time; the last of those that stay gets its stop moved.
                let few = rng.random_range(1..=(most / 32).max(1));
                for _ in 0..few.min(book.positions.len().saturating_sub(most / 2)) {
                    book.positions.pop_first();
                }
                if let Some(mut last) = book.positions.last_entry() {
                    last.get_mut().at_ms = now_ms;
                }
            }
            8 if !book.positions.is_empty() => {
                let stop = price(&mut rng);
                if let Some(position) = any_value(&mut book.positions, &mut rng) {
                    (position.stop, position.at_ms) = (stop, now_ms);
                }
            }
            9 => {
                if let Some(control) = any_value(&mut book.controls, &mut rng) {
                    *control = Control { buy: !control.buy, sell: control.sell, at_ms: now_ms };
                }
            }
            _ => book.place(1_000_000 + generation.0, now_ms, &mut rng),
        }
        book.sequence = generation;
    }

    fn sequence(book: &Book) -> Generation {
        book.sequence
    }

    fn consequences(promised: &Book, found: &Found<&Book>) -> Consequences {
        cost(found, |book, consequences| {
            let positions = Difference::between(&promised.positions, &book.positions);
            let orders = Difference::between(&promised.orders, &book.orders);
            consequences.count("lost-positions", positions.missing);
            consequences.count("reopened", positions.revived);
            consequences.count("repeated", orders.revived);
            consequences.count("lost-orders", orders.missing);
            let disabled = promised.controls.iter().filter(|(_, control)| !control.buy);
            let enabled = disabled.filter(|(symbol, _)| book.controls.get(symbol).is_none_or(|control| control.buy));
            consequences.count("enabled", enabled.count() as u64);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;

    #[test]
    fn it_keeps_the_laws_of_workloads() {
        laws::hold_for::<Trading>();
    }

    #[test]
    fn no_two_generations_have_the_same_maps_and_a_fill_touches_two() {
        let (stream, bound) = (Seed(3), Bytes::kib(8));
        let mut book = Trading::initial(stream, bound);
        let (mut seen, mut of_two) = (vec![book.parts()], 0);
        for g in 1..500 {
            Trading::apply(stream, Generation(g), bound, &mut book);
            let parts = book.parts();
            let changed = parts.iter().zip(seen[seen.len() - 1]).filter(|(now, before)| **now != *before).count();
            assert!((1..=2).contains(&changed), "operation {g} changes {changed} maps");
            of_two += u64::from(changed == 2);
            assert!(!seen.contains(&parts), "generation {g} is none of the earlier ones");
            seen.push(parts);
        }
        assert!(of_two > 50, "{of_two} fills");
    }
}
