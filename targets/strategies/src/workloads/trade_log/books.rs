//! The books of a trading system: what follows from its trade log, in four files.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crashtest_kit::encode;
use crashtest_model::{Bytes, Consequences, Digest, Generation, Seed};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use super::{Event, Setup, Standing, Trade, TradeLog, cents};
use crate::workloads::fills::Symbol;

/// A book in its file, with the number of the save whose trades it is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AsOf<B> {
    pub(crate) sequence: Generation,
    pub(crate) book: B,
}

/// What is held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Portfolio {
    /// How many trades the log has: what a later count is held against.
    pub(crate) trades: u64,
    next_id: u64,
    /// The open trades.
    open: BTreeMap<u64, Trade>,
}

impl Portfolio {
    fn standing(&self) -> Standing<'_> {
        Standing { trades: self.trades as usize, next_id: self.next_id, open: self.open.iter().collect() }
    }

    /// Shares held of each symbol, fewer than none where more was sold.
    fn shares(&self) -> BTreeMap<Symbol, i64> {
        let mut shares = BTreeMap::new();
        for trade in self.open.values() {
            *shares.entry(trade.symbol).or_default() += trade.shares();
        }
        shares
    }
}

/// What it comes to, in dollars.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Equity {
    /// Made with closed trades.
    booked: Decimal,
    /// Paid for those that are open.
    at_stake: Decimal,
}

impl Equity {
    fn opened(&mut self, trade: &Trade) {
        self.at_stake = cents(self.at_stake + trade.stake());
    }

    fn closed(&mut self, trade: &Trade) {
        self.at_stake = cents(self.at_stake - trade.stake());
        self.booked = cents(self.booked + trade.profit.unwrap_or_default());
    }
}

/// What the risk limits are held against.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RiskState {
    /// Losses in a row, of the symbols whose last trade was one.
    losses: BTreeMap<Symbol, u32>,
}

impl RiskState {
    pub(super) fn closed(&mut self, trade: &Trade) {
        if trade.profit.is_some_and(|profit| profit < Decimal::ZERO) {
            *self.losses.entry(trade.symbol).or_default() += 1;
        } else {
            self.losses.remove(&trade.symbol);
        }
    }
}

/// How the trades of one setup ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Performance {
    wins: u64,
    losses: u64,
    profit: Decimal,
}

/// Which setups are worth trading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct SetupPerformance {
    setups: BTreeMap<Setup, Performance>,
}

impl SetupPerformance {
    pub(super) fn closed(&mut self, trade: &Trade) {
        let profit = trade.profit.unwrap_or_default();
        let performance = self.setups.entry(trade.setup).or_default();
        if profit < Decimal::ZERO {
            performance.losses += 1;
        } else {
            performance.wins += 1;
        }
        performance.profit = cents(performance.profit + profit);
    }

    fn profit(&self) -> Decimal {
        self.setups.values().map(|performance| performance.profit).sum()
    }

    /// Closed trades of a setup.
    fn closed_of(&self, setup: Setup) -> u64 {
        self.setups.get(&setup).map_or(0, |performance| performance.wins + performance.losses)
    }
}

/// The four of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) portfolio: Portfolio,
    pub(crate) equity: Equity,
    pub(crate) risk: RiskState,
    pub(crate) setups: SetupPerformance,
}

impl Books {
    /// What they are called, in the order in which they are written.
    pub(crate) const NAMES: [&'static str; 4] = ["portfolio", "equity", "risk_state", "setup_performance"];

    /// Rebuilt from the whole log.
    pub(crate) fn from_log(log: &TradeLog) -> Books {
        let (risk, setups) = (log.archived.risk.clone(), log.archived.setups.clone());
        let portfolio = Portfolio { trades: log.len(), next_id: log.next_id, open: BTreeMap::new() };
        let equity = Equity { booked: setups.profit(), at_stake: Decimal::ZERO };
        let mut books = Books { portfolio, equity, risk, setups };
        for (id, trade) in &log.trades {
            books.opened(*id, trade);
            if trade.profit.is_some() {
                books.closed(*id, trade);
            }
        }
        books
    }

    /// Kept up with operation `generation`, without a log.
    pub(crate) fn apply(&mut self, stream: Seed, generation: Generation, bound: Bytes) {
        let event = Event::draw(stream, generation, bound, &self.portfolio.standing());
        event.opened.iter().for_each(|(id, trade)| self.opened(*id, trade));
        event.closed.iter().for_each(|(id, trade)| self.closed(*id, trade));
        let (opened, archived) = (event.opened.len() as u64, event.archived as u64);
        self.portfolio.trades = (self.portfolio.trades + opened).saturating_sub(archived);
        self.portfolio.next_id += opened;
    }

    fn opened(&mut self, id: u64, trade: &Trade) {
        self.portfolio.open.insert(id, Trade { profit: None, ..trade.clone() });
        self.equity.opened(trade);
    }

    fn closed(&mut self, id: u64, trade: &Trade) {
        self.portfolio.open.remove(&id);
        self.equity.closed(trade);
        self.risk.closed(trade);
        self.setups.closed(trade);
    }

    /// The digest of each.
    pub(crate) fn digests(&self) -> [Digest; 4] {
        let Books { portfolio, equity, risk, setups } = self;
        [Digest::of_value(portfolio), Digest::of_value(equity), Digest::of_value(risk), Digest::of_value(setups)]
    }

    /// Streams book `n` as it is in its file.
    pub(crate) fn write(&self, n: usize, sequence: Generation, out: &mut dyn Write) -> io::Result<()> {
        fn book<B: Serialize>(sequence: Generation, book: &B, mut out: &mut dyn Write) -> io::Result<()> {
            encode(&AsOf { sequence, book }, &mut out)
        }
        match n {
            0 => book(sequence, &self.portfolio, out),
            1 => book(sequence, &self.equity, out),
            2 => book(sequence, &self.risk, out),
            _ => book(sequence, &self.setups, out),
        }
    }

    /// Counts what it costs to go on with `found` instead.
    pub(crate) fn count_differences(&self, found: &Books, consequences: &mut Consequences) {
        let (held, believed) = (self.portfolio.shares(), found.portfolio.shares());
        let of = |shares: &BTreeMap<Symbol, i64>, symbol| shares.get(&symbol).copied().unwrap_or(0);
        let drift = Symbol::ALL.map(|symbol| of(&held, symbol).abs_diff(of(&believed, symbol)));
        consequences.count("drift", drift.iter().sum());
        let (open, believed) = (&self.portfolio.open, &found.portfolio.open);
        consequences.count("unwatched", open.keys().filter(|id| !believed.contains_key(id)).count() as u64);
        consequences.count("reopened", believed.keys().filter(|id| !open.contains_key(id)).count() as u64);
        let off =
            (self.equity.booked - found.equity.booked).abs() + (self.equity.at_stake - found.equity.at_stake).abs();
        consequences.count("equity", (off * Decimal::ONE_HUNDRED).to_u64().unwrap_or(u64::MAX));
        let forgotten = self.risk.losses.iter().map(|(symbol, losses)| {
            let found = found.risk.losses.get(symbol).copied().unwrap_or(0);
            u64::from(losses.saturating_sub(found))
        });
        consequences.count("streak", forgotten.sum());
        let off = Setup::ALL.map(|setup| self.setups.closed_of(setup).abs_diff(found.setups.closed_of(setup)));
        consequences.count("setups", off.iter().sum());
        consequences.0.retain(|_, count| *count > 0);
    }
}

#[cfg(test)]
mod tests {
    use crashtest_kit::Workload;
    use proptest::prelude::*;

    use super::super::LoggedTrades;
    use super::*;

    fn bytes(books: &Books, sequence: Generation) -> [Vec<u8>; 4] {
        [0, 1, 2, 3].map(|n| {
            let mut bytes = Vec::new();
            books.write(n, sequence, &mut bytes).unwrap();
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn books_that_are_kept_up_are_byte_for_byte_those_that_are_rebuilt(seed: u64, kib in 1u64..16) {
            let (stream, bound) = (Seed(seed), Bytes::kib(kib));
            let mut log = LoggedTrades::initial(stream, bound);
            let mut books = Books::from_log(&log);
            for g in (1..200).map(Generation) {
                LoggedTrades::apply(stream, g, bound, &mut log);
                books.apply(stream, g, bound);
                let rebuilt = Books::from_log(&log);
                prop_assert_eq!(&books, &rebuilt);
                prop_assert_eq!(bytes(&books, g), bytes(&rebuilt, g));
                prop_assert_eq!(books.digests(), rebuilt.digests());
            }
        }
    }

    #[test]
    fn books_of_a_rotated_log_are_off_in_every_one_of_them() {
        let log = LoggedTrades::initial(Seed(5), Bytes::kib(16));
        let (books, rebuilt) = (Books::from_log(&log), Books::from_log(&log.rotated()));
        let differ = books.digests().into_iter().zip(rebuilt.digests()).filter(|(right, wrong)| right != wrong).count();
        assert_eq!(differ, 4);
        let mut off = Consequences::default();
        books.count_differences(&rebuilt, &mut off);
        let open = books.portfolio.open.len() as u64;
        assert_eq!(off.0["unwatched"], open - log.rotated().len(), "the oldest of the open trades are gone");
        assert_eq!(off.0["setups"], log.len() - open, "no closed trade is left");
        assert!(off.0["drift"] > 0 && off.0["equity"] > 0 && off.0["streak"] > 0, "{off:?}");
        assert!(!off.0.contains_key("reopened"));
    }
}
