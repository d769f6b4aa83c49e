//! `candles`: a window of one-minute candles for each symbol, the market as an agent last saw it.
//!
//! Nothing of it is the agent's own: what is lost can be fetched again, if somebody notices the gap before an average is taken
//! over it.

use std::collections::BTreeMap;

use crashtest_kit::{Found, Workload, operation_rng};
use crashtest_model::{Bytes, Consequences, Generation, Seed, Shape, WorkloadInfo};
use rand::{Rng, RngExt};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::fills::{Symbol, per_mille, price};
use super::{Capacity, Difference, REFUSED, cost, phrase, time_ms};

/// What a candle takes in the file at most, with the comma.
const CANDLE_BYTES: u64 = 115;
/// What everything else takes at most.
const HEADER_BYTES: u64 = 88;

/// The symbols that are watched.
const WATCHED: [Symbol; 4] = [Symbol::Aapl, Symbol::Msft, Symbol::Nvda, Symbol::Tsla];
/// From one candle to the next, in milliseconds.
const MINUTE_MS: u64 = 60_000;

/// What was traded in one minute. Prices are decimal *strings* in the file, never floats.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Candle {
    open: Decimal,
    high: Decimal,
    low: Decimal,
    close: Decimal,
    /// Shares, in fractions as crypto and fractional brokers have them.
    volume: Decimal,
}

impl Candle {
    fn any(rng: &mut impl Rng) -> Candle {
        let open = price(rng);
        let close = per_mille(open, rng.random_range(990..1_010));
        Candle {
            open,
            high: per_mille(open.max(close), rng.random_range(1_000..1_005)),
            low: per_mille(open.min(close), rng.random_range(995..1_000)),
            close,
            volume: Decimal::new(rng.random_range(1_000_000..10_000_000), 2),
        }
    }
}

/// The candles of one symbol by the time of their opening, in ms since 1970.
type Window = BTreeMap<u64, Candle>;

/// The windows of all symbols.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct MarketSnapshot {
    /// How many operations are in it.
    sequence: Generation,
    windows: BTreeMap<Symbol, Window>,
}

impl MarketSnapshot {
    fn len(&self) -> usize {
        self.windows.values().map(Window::len).sum()
    }

    fn append(&mut self, count: usize, rng: &mut impl Rng) {
        for _ in 0..count {
            let window = self.windows.entry(WATCHED[rng.random_range(0..WATCHED.len())]).or_default();
            let at_ms = window.last_key_value().map_or(time_ms(0), |(last, _)| last + MINUTE_MS);
            window.insert(at_ms, Candle::any(rng));
        }
    }

    /// Drops the oldest candles of the longest windows until `keep` are left.
    fn roll_off(&mut self, keep: usize) {
        for _ in keep..self.len() {
            if let Some(longest) = self.windows.values_mut().max_by_key(|window| window.len()) {
                longest.pop_first();
            }
        }
    }

    /// Replaces the last candle of any one symbol: a late trade belongs to it.
    fn correct_last(&mut self, rng: &mut impl Rng) {
        let at = rng.random_range(0..self.windows.len().max(1));
        if let Some(mut last) = self.windows.values_mut().nth(at).and_then(BTreeMap::last_entry) {
            last.insert(Candle::any(rng));
        }
    }
}

/// The workload.
pub(crate) struct Candles;

/// How many candles a snapshot of `bound` bytes can hold.
fn capacity(bound: Bytes) -> Capacity {
    Capacity::within(bound, HEADER_BYTES, CANDLE_BYTES)
}

impl Workload for Candles {
    type State = MarketSnapshot;

    const NAME: &str = "candles";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary: "a window of one-minute candles for each symbol".into(),
            shapes: vec![Shape::Document],
            phrases: vec![
                phrase("lost", "candles lost: a gap to fetch again"),
                phrase("outdated", "candles out of date: a correction is missing"),
                phrase(REFUSED, "restarts that stopped with an error: nothing is traded on a market with gaps"),
            ],
        }
    }

    fn initial(stream: Seed, bound: Bytes) -> MarketSnapshot {
        let mut rng = operation_rng(stream, Generation::ZERO);
        let mut market = MarketSnapshot::default();
        let candles = capacity(bound).nearly_full(&mut rng);
        market.append(candles, &mut rng);
        market
    }

    /// New candles (6 in 10), the oldest roll off (2 in 10), a last one is corrected at nearly equal length (2 in 10).
    fn apply(stream: Seed, generation: Generation, bound: Bytes, market: &mut MarketSnapshot) {
        let mut rng = operation_rng(stream, generation);
        let capacity = capacity(bound);
        let few = capacity.few(&mut rng);
        match rng.random_range(0..10) {
            0..6 => market.append(few, &mut rng),
            6..8 => market.roll_off(capacity.without(few, market.len())),
            _ => market.correct_last(&mut rng),
        }
        if market.len() > capacity.0 {
            market.roll_off(capacity.nearly_full(&mut rng));
        }
        market.sequence = generation;
    }

    fn sequence(market: &MarketSnapshot) -> Generation {
        market.sequence
    }

    fn consequences(promised: &MarketSnapshot, found: &Found<&MarketSnapshot>) -> Consequences {
        cost(found, |market, consequences| {
            for (symbol, window) in &promised.windows {
                let none = Window::new();
                let difference = Difference::between(window, market.windows.get(symbol).unwrap_or(&none));
                consequences.count("lost", difference.missing);
                consequences.count("outdated", difference.outdated);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;

    #[test]
    fn it_keeps_the_laws_of_workloads() {
        laws::hold_for::<Candles>();
    }

    #[test]
    fn a_candle_spans_its_open_and_close() {
        let market = Candles::initial(Seed(1), Bytes::kib(64));
        for candle in market.windows.values().flat_map(Window::values) {
            assert!(candle.low <= candle.open.min(candle.close), "{candle:?}");
            assert!(candle.high >= candle.open.max(candle.close), "{candle:?}");
        }
    }

    #[test]
    fn a_window_has_no_gaps_whatever_rolls_off() {
        let mut market = Candles::initial(Seed(1), Bytes::kib(2));
        for g in 1..500 {
            Candles::apply(Seed(1), Generation(g), Bytes::kib(2), &mut market);
            for window in market.windows.values() {
                let times: Vec<u64> = window.keys().copied().collect();
                assert!(times.windows(2).all(|pair| pair[1] - pair[0] == MINUTE_MS));
            }
        }
    }

    #[test]
    fn an_older_snapshot_lacks_candles_and_corrections_and_rolled_off_ones_cost_nothing() {
        let mut rng = operation_rng(Seed(2), Generation(9));
        let older = Candles::initial(Seed(2), Bytes::kib(16));
        let mut promised = older.clone();
        promised.correct_last(&mut rng);
        promised.append(3, &mut rng);
        promised.roll_off(promised.len() - 5);
        let lost = Candles::consequences(&promised, &Found::State(&older)).0;
        assert_eq!((lost["lost"], lost["outdated"], lost.len()), (3, 1, 2));
    }
}
