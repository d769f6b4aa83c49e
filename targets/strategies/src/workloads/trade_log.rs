//! `trade-log`: the log of a trading system's trades, and the books that are kept of them.
//!
//! The log is all there is to know: the [`Books`] follow from it, rebuilt from the whole log or kept up event by event. What an event
//! is follows from the open trades alone, which the portfolio knows as well as the log, so that a program without a log can go on.

mod books;

use std::collections::BTreeMap;

use crashtest_kit::{Found, Workload, operation_rng};
use crashtest_model::{Bytes, Consequences, Generation, Seed, Shape, WorkloadInfo};
use rand::{Rng, RngExt};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub(crate) use books::{AsOf, Books, Portfolio};
use books::{RiskState, SetupPerformance};

use super::fills::{Side, Symbol, per_mille, price};
use super::{Capacity, REFUSED, cost, phrase, time_ms};

/// What a trade takes in the file at most, with the comma.
const TRADE_BYTES: u64 = 150;
/// What everything else takes at most.
const HEADER_BYTES: u64 = 400;

/// Why a trade was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Setup {
    Fade,
    Gap,
    Range,
    Trend,
}

impl Setup {
    const ALL: [Setup; 4] = [Setup::Fade, Setup::Gap, Setup::Range, Setup::Trend];
}

/// One trade. Money is a decimal *string* in the file, never a float.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Trade {
    symbol: Symbol,
    side: Side,
    setup: Setup,
    /// Shares.
    quantity: u32,
    /// The price at which it was opened.
    entry: Decimal,
    /// Milliseconds since 1970.
    opened_ms: u64,
    /// Dollars, in whole cents, less than nothing for a loss; nothing while it is open.
    profit: Option<Decimal>,
}

impl Trade {
    fn any(id: u64, rng: &mut impl Rng) -> Trade {
        Trade {
            symbol: Symbol::any(rng),
            side: Side::any(rng),
            setup: Setup::ALL[rng.random_range(0..Setup::ALL.len())],
            quantity: rng.random_range(1..1_000),
            entry: price(rng),
            opened_ms: time_ms(id),
            profit: None,
        }
    }

    /// The same trade, closed within five per cent of its entry.
    fn closed(&self, rng: &mut impl Rng) -> Trade {
        let exit = per_mille(self.entry, rng.random_range(950..1_050));
        let gain = match self.side {
            Side::Buy => exit - self.entry,
            Side::Sell => self.entry - exit,
        };
        Trade { profit: Some(cents(gain * Decimal::from(self.quantity))), ..self.clone() }
    }

    /// Dollars that are at stake while it is open.
    fn stake(&self) -> Decimal {
        cents(self.entry * Decimal::from(self.quantity))
    }

    /// Shares held by it, fewer than none for a sale.
    fn shares(&self) -> i64 {
        match self.side {
            Side::Buy => i64::from(self.quantity),
            Side::Sell => -i64::from(self.quantity),
        }
    }
}

/// An amount in whole cents, always written with two decimals: equal amounts are equal bytes.
fn cents(mut amount: Decimal) -> Decimal {
    amount.rescale(2);
    amount
}

/// What closed trades that are no longer in the log had come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Archived {
    risk: RiskState,
    setups: SetupPerformance,
}

/// The log: the trades that are not archived yet, by their ids. They are closed in the order in which they were opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct TradeLog {
    /// How many operations are in it.
    pub(crate) sequence: Generation,
    /// The id of the next trade; none is used twice.
    next_id: u64,
    archived: Archived,
    trades: BTreeMap<u64, Trade>,
}

impl TradeLog {
    /// How many trades are in it.
    pub(crate) fn len(&self) -> u64 {
        self.trades.len() as u64
    }

    /// The same log as a rotation leaves it: the last 30 % of its trades.
    pub(crate) fn rotated(&self) -> TradeLog {
        self.last(self.trades.len() * 3 / 10)
    }

    /// The same log with its last `count` trades only.
    pub(crate) fn last(&self, count: usize) -> TradeLog {
        let dropped = self.trades.len().saturating_sub(count);
        let trades = self.trades.iter().skip(dropped).map(|(id, trade)| (*id, trade.clone())).collect();
        TradeLog { trades, ..self.clone() }
    }

    fn apply(&mut self, event: &Event) {
        self.trades.extend(event.opened.iter().chain(&event.closed).cloned());
        self.next_id += event.opened.len() as u64;
        for _ in 0..event.archived {
            let Some((_, trade)) = self.trades.pop_first() else { return };
            self.archived.risk.closed(&trade);
            self.archived.setups.closed(&trade);
        }
    }

    fn standing(&self) -> Standing<'_> {
        let open = self.trades.iter().filter(|(_, trade)| trade.profit.is_none()).collect();
        Standing { trades: self.trades.len(), next_id: self.next_id, open }
    }
}

/// What has to be known of the trades to say what happens next.
struct Standing<'t> {
    /// How many there are in the log.
    trades: usize,
    next_id: u64,
    /// Those that are open, oldest first.
    open: Vec<(&'t u64, &'t Trade)>,
}

/// What happens in one operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Event {
    opened: Vec<(u64, Trade)>,
    /// The oldest of the open trades, as they are then.
    closed: Vec<(u64, Trade)>,
    /// How many of the oldest trades leave the log. They are closed.
    archived: usize,
}

impl Event {
    /// Trades are opened (4 in 10), the oldest open ones are closed (4 in 10), or the oldest closed ones are archived (2 in 10). When
    /// the log is full the day ends: all but a third are closed, and archived as far as need be.
    fn draw(stream: Seed, generation: Generation, bound: Bytes, standing: &Standing<'_>) -> Event {
        let mut rng = operation_rng(stream, generation);
        let capacity = capacity(bound);
        let few = capacity.few(&mut rng);
        let Standing { trades, next_id, open } = standing;
        let mut event = Event::default();
        let (mut close, mut keep) = (0, *trades);
        match rng.random_range(0..10) {
            0..4 => event.opened = (0..few as u64).map(|n| (next_id + n, Trade::any(next_id + n, &mut rng))).collect(),
            4..8 => close = few,
            _ => keep = capacity.without(few, *trades),
        }
        if trades + event.opened.len() > capacity.0 {
            close = open.len().saturating_sub(trades / 3);
            keep = capacity.nearly_full(&mut rng) - event.opened.len();
        }
        event.closed = open.iter().take(close).map(|(id, trade)| (**id, trade.closed(&mut rng))).collect();
        let closed = trades - (open.len() - event.closed.len());
        event.archived = trades.saturating_sub(keep).min(closed);
        event
    }
}

/// The workload.
pub(crate) struct LoggedTrades;

/// How many trades a log of `bound` bytes can hold.
fn capacity(bound: Bytes) -> Capacity {
    Capacity::within(bound, HEADER_BYTES, TRADE_BYTES)
}

impl Workload for LoggedTrades {
    type State = TradeLog;

    const NAME: &str = "trade-log";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary:
                "a log of trades and what is derived from it: portfolio, equity, risk state, performance of setups"
                    .into(),
            shapes: vec![Shape::System],
            phrases: vec![
                phrase("drift", "shares by which the portfolio has drifted from what is held"),
                phrase("unwatched", "open trades that nobody watches"),
                phrase("reopened", "closed trades that are open again: they are closed a second time"),
                phrase("equity", "cents by which the equity is off"),
                phrase("streak", "losses in a row that are forgotten: the limit on them comes too late"),
                phrase("setups", "closed trades by which the performance of setups is off"),
                phrase(REFUSED, "restarts that stopped with an error: nothing is traded, and somebody knows"),
            ],
        }
    }

    fn initial(stream: Seed, bound: Bytes) -> TradeLog {
        let mut rng = operation_rng(stream, Generation::ZERO);
        let trades = capacity(bound).nearly_full(&mut rng) as u64;
        let trade = |id| {
            let open = Trade::any(id, &mut rng);
            (id, if id <= trades / 2 { open.closed(&mut rng) } else { open })
        };
        let logged = (1..=trades).map(trade).collect();
        TradeLog { next_id: trades + 1, trades: logged, ..TradeLog::default() }
    }

    fn apply(stream: Seed, generation: Generation, bound: Bytes, log: &mut TradeLog) {
        let event = Event::draw(stream, generation, bound, &log.standing());
        log.apply(&event);
        log.sequence = generation;
    }

    fn sequence(log: &TradeLog) -> Generation {
        log.sequence
    }

    fn consequences(promised: &TradeLog, found: &Found<&TradeLog>) -> Consequences {
        let promised = Books::from_log(promised);
        cost(found, |log, consequences| promised.count_differences(&Books::from_log(log), consequences))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::laws;
    use super::*;

    #[test]
    fn it_keeps_the_laws_of_workloads() {
        laws::hold_for::<LoggedTrades>();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Or the guard would stop a reconciler that has nothing to fear.
        #[test]
        fn no_operation_takes_half_of_the_trades_and_a_rotation_always_does(seed: u64, kib in 1u64..80) {
            let (stream, bound) = (Seed(seed), Bytes::kib(kib));
            let mut log = LoggedTrades::initial(stream, bound);
            for g in 1..200 {
                let before = log.len();
                LoggedTrades::apply(stream, Generation(g), bound, &mut log);
                prop_assert!(log.len() * 2 >= before, "operation {g}: {before} → {}", log.len());
                prop_assert!(log.rotated().len() * 2 < log.len());
            }
        }

        #[test]
        fn trades_are_closed_in_the_order_in_which_they_were_opened(seed: u64) {
            let (stream, bound) = (Seed(seed), Bytes::kib(8));
            let mut log = LoggedTrades::initial(stream, bound);
            let (mut opened, mut closed, mut archived) = (0, 0, 0);
            for g in 1..200 {
                let event = Event::draw(stream, Generation(g), bound, &log.standing());
                (opened, closed, archived) =
                    (opened + event.opened.len(), closed + event.closed.len(), archived + event.archived);
                LoggedTrades::apply(stream, Generation(g), bound, &mut log);
                prop_assert!(log.trades.values().map(|trade| trade.profit.is_none()).is_sorted());
                prop_assert_eq!(log.trades.keys().next_back().map(|id| id + 1), Some(log.next_id));
            }
            prop_assert!(opened > 20 && closed > 20 && archived > 20, "{opened} {closed} {archived}");
        }
    }
}
