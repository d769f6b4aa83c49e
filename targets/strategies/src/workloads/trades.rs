//! `trades`: the trade log of a trading system, open trades and closed ones with their profit.
//!
//! The system trades each setup once, because the log says that it did. What the log forgets is traded again, and what was
//! closed since the log was saved is closed again.

use std::collections::BTreeMap;

use crashtest_kit::{Found, Workload, operation_rng};
use crashtest_model::{Bytes, Consequences, Generation, Seed, Shape, WorkloadInfo};
use rand::{Rng, RngExt};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use super::fills::{Side, Symbol, per_mille, price};
use super::{Capacity, REFUSED, cost, phrase, time_ms};

/// What a trade takes in the file at most, with the comma.
const TRADE_BYTES: u64 = 183;
/// What everything else takes at most.
const HEADER_BYTES: u64 = 112;

/// One trade. Money is a decimal *string* in the file, never a float.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Trade {
    symbol: Symbol,
    side: Side,
    /// Shares.
    quantity: u32,
    /// The price at which it was opened.
    entry: Decimal,
    /// Milliseconds since 1970.
    opened_ms: u64,
    /// Nothing while it is open.
    close: Option<Close>,
}

/// How a trade ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Close {
    /// The price at which it was closed.
    exit: Decimal,
    /// Dollars, in whole cents; less than nothing for a loss.
    profit: Decimal,
    /// Milliseconds since 1970.
    closed_ms: u64,
}

impl Trade {
    fn any(opened_ms: u64, rng: &mut impl Rng) -> Trade {
        let quantity = rng.random_range(1..1_000);
        Trade { symbol: Symbol::any(rng), side: Side::any(rng), quantity, entry: price(rng), opened_ms, close: None }
    }

    fn is_open(&self) -> bool {
        self.close.is_none()
    }

    /// Closes it within five per cent of its entry.
    fn close(&mut self, closed_ms: u64, rng: &mut impl Rng) {
        let exit = per_mille(self.entry, rng.random_range(950..1_050));
        let gain = match self.side {
            Side::Buy => exit - self.entry,
            Side::Sell => self.entry - exit,
        };
        self.close = Some(Close { exit, profit: (gain * Decimal::from(self.quantity)).round_dp(2), closed_ms });
    }
}

/// The log: the trades that are not archived yet, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct TradeLog {
    /// How many operations are in it.
    sequence: Generation,
    /// The id of the next trade; none is used twice.
    next_id: u64,
    /// Dollars made with trades that were archived.
    archived_profit: Decimal,
    trades: BTreeMap<u64, Trade>,
}

impl TradeLog {
    fn open(&mut self, count: usize, rng: &mut impl Rng) {
        for _ in 0..count {
            self.trades.insert(self.next_id, Trade::any(time_ms(self.next_id), rng));
            self.next_id += 1;
        }
    }

    /// Closes the oldest `count` of the open trades.
    fn close(&mut self, count: usize, rng: &mut impl Rng) {
        let now_ms = time_ms(self.next_id);
        self.trades.values_mut().filter(|trade| trade.is_open()).take(count).for_each(|trade| trade.close(now_ms, rng));
    }

    /// Archives the oldest closed trades until `keep` trades are left.
    fn archive(&mut self, keep: usize) {
        let mut excess = self.trades.len().saturating_sub(keep);
        self.trades.retain(|_, trade| match &trade.close {
            Some(close) if excess > 0 => {
                self.archived_profit += close.profit;
                excess -= 1;
                false
            }
            _ => true,
        });
    }

    /// Dollars made with all trades that were ever closed.
    fn profit(&self) -> Decimal {
        let closed = self.trades.values().filter_map(|trade| trade.close.as_ref());
        closed.fold(self.archived_profit, |profit, close| profit + close.profit)
    }
}

/// Whole cents between two amounts of dollars.
fn cents_between(one: Decimal, other: Decimal) -> u64 {
    ((one - other).abs() * Decimal::ONE_HUNDRED).to_u64().unwrap_or(u64::MAX)
}

/// The workload.
pub(crate) struct Trades;

/// How many trades a log of `bound` bytes can hold.
fn capacity(bound: Bytes) -> Capacity {
    Capacity::within(bound, HEADER_BYTES, TRADE_BYTES)
}

impl Workload for Trades {
    type State = TradeLog;

    const NAME: &str = "trades";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary: "open trades, and closed ones with their profit".into(),
            shapes: vec![Shape::Document],
            phrases: vec![
                phrase("reopened", "closed trades that are open again: they are closed a second time"),
                phrase("forgotten", "open trades that were forgotten: they are opened a second time"),
                phrase("repeated", "closed trades that were forgotten: their setups are traded again"),
                phrase("unbooked", "cents by which the booked profit is wrong"),
                phrase(REFUSED, "restarts that stopped with an error: nothing is traded, and nothing twice"),
            ],
        }
    }

    fn initial(stream: Seed, bound: Bytes) -> TradeLog {
        let mut rng = operation_rng(stream, Generation::ZERO);
        let mut log = TradeLog { next_id: 1, ..TradeLog::default() };
        let trades = capacity(bound).nearly_full(&mut rng);
        log.open(trades, &mut rng);
        log.close(trades - trades / 16, &mut rng);
        log
    }

    /// Trades are opened (5 in 10), the older half of the open ones is closed (3 in 10), or the oldest closed ones are archived
    /// (2 in 10). When the log is full the day ends: everything is closed, and archived as far as need be.
    fn apply(stream: Seed, generation: Generation, bound: Bytes, log: &mut TradeLog) {
        let mut rng = operation_rng(stream, generation);
        let capacity = capacity(bound);
        let few = capacity.few(&mut rng);
        match rng.random_range(0..10) {
            0..5 => log.open(few, &mut rng),
            5..8 => log.close(log.trades.values().filter(|trade| trade.is_open()).count().div_ceil(2), &mut rng),
            _ => log.archive(capacity.without(few, log.trades.len())),
        }
        if log.trades.len() > capacity.0 {
            log.close(log.trades.len(), &mut rng);
            log.archive(capacity.nearly_full(&mut rng));
        }
        log.sequence = generation;
    }

    fn sequence(log: &TradeLog) -> Generation {
        log.sequence
    }

    fn consequences(promised: &TradeLog, found: &Found<&TradeLog>) -> Consequences {
        cost(found, |log, consequences| {
            let lost = promised.trades.iter().filter(|(id, _)| !log.trades.contains_key(id));
            for (_, trade) in lost {
                consequences.count(if trade.is_open() { "forgotten" } else { "repeated" }, 1);
            }
            let open = log.trades.iter().filter(|(_, trade)| trade.is_open()).map(|(id, _)| id);
            let reopened = open.filter(|id| promised.trades.get(id).is_none_or(|trade| !trade.is_open()));
            consequences.count("reopened", reopened.count() as u64);
            consequences.count("unbooked", cents_between(promised.profit(), log.profit()));
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::laws;
    use super::*;

    #[test]
    fn it_keeps_the_laws_of_workloads() {
        laws::hold_for::<Trades>();
    }

    proptest! {
        #[test]
        fn archiving_changes_no_profit_and_no_open_trade(seed: u64, keep in 0usize..100) {
            let mut log = Trades::initial(Seed(seed), Bytes::kib(16));
            let before = log.clone();
            log.archive(keep);
            prop_assert_eq!(log.profit(), before.profit());
            prop_assert!(before.trades.iter().all(|(id, trade)| !trade.is_open() || log.trades.contains_key(id)));
        }
    }

    #[test]
    fn an_older_log_reopens_what_was_closed_though_it_is_archived_since() {
        let mut rng = operation_rng(Seed(2), Generation(9));
        let older = Trades::initial(Seed(2), Bytes::kib(16));
        let open = older.trades.values().filter(|trade| trade.is_open()).count();
        let mut promised = older.clone();
        promised.close(open, &mut rng);
        promised.archive(1);
        promised.open(2, &mut rng);
        let lost = Trades::consequences(&promised, &Found::State(&older)).0;
        assert_eq!((lost["reopened"], lost["forgotten"]), (open as u64, 2));
        assert!(!lost.contains_key("repeated"));
        assert_eq!(lost["unbooked"], cents_between(promised.profit(), older.profit()));
    }

    #[test]
    fn a_fresh_log_trades_everything_again_and_has_made_nothing() {
        let promised = Trades::initial(Seed(3), Bytes::kib(16));
        let lost = Trades::consequences(&promised, &Found::Fresh).0;
        assert_eq!(lost["forgotten"] + lost["repeated"], promised.trades.len() as u64);
        assert_eq!(lost["unbooked"], cents_between(promised.profit(), Decimal::ZERO));
    }
}
