//! `fills`: the fill audit log of a market-data gateway, and the reconciler that reads it.
//!
//! The log is what the gateway believes it traded; the broker knows what it really did. After a restart the
//! reconciler compares the two *for the symbols in the log*. A log that came back empty has no symbols, so there is nothing to
//! compare and no alert: the position drifts in silence.

use std::collections::BTreeMap;

use crashtest_kit::{Found, Workload, operation_rng};
use crashtest_model::{Bytes, Consequences, Generation, Seed, Shape, WorkloadInfo};
use rand::{Rng, RngExt};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Capacity, REFUSED, cost, phrase, time_ms};

/// What a fill takes in the file at most, with the comma: its number has ten digits at most, more than anybody lives to count.
pub(super) const FILL_BYTES: u64 = 108;
/// What everything else takes at most.
const HEADER_BYTES: u64 = 320;

/// What is traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "ticker symbols")]
pub enum Symbol {
    Aapl,
    Amzn,
    Goog,
    Meta,
    Msft,
    Nflx,
    Nvda,
    Tsla,
}

impl Symbol {
    pub(super) const ALL: [Symbol; 8] = [
        Symbol::Aapl,
        Symbol::Amzn,
        Symbol::Goog,
        Symbol::Meta,
        Symbol::Msft,
        Symbol::Nflx,
        Symbol::Nvda,
        Symbol::Tsla,
    ];

    pub(super) fn any(rng: &mut impl Rng) -> Symbol {
        Symbol::ALL[rng.random_range(0..Symbol::ALL.len())]
    }
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they say what they are")]
pub enum Side {
    Buy,
    Sell,
}

impl Side {
    pub(super) fn any(rng: &mut impl Rng) -> Side {
        if rng.random() { Side::Buy } else { Side::Sell }
    }
}

/// One execution.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fill {
    /// Never used twice.
    pub id: u64,
    /// What.
    pub symbol: Symbol,
    /// Which way.
    pub side: Side,
    /// Shares.
    pub quantity: u32,
    /// Dollars a share; a decimal *string* in the file, never a float.
    pub price: Decimal,
    /// Milliseconds since 1970.
    pub time_ms: u64,
}

impl Fill {
    /// Execution `id`, drawn.
    pub(super) fn random(id: u64, rng: &mut impl Rng) -> Fill {
        Fill {
            id,
            symbol: Symbol::any(rng),
            side: Side::any(rng),
            quantity: rng.random_range(1..10_000),
            price: price(rng),
            time_ms: time_ms(id),
        }
    }

    pub(super) fn signed_quantity(&self) -> i64 {
        match self.side {
            Side::Buy => i64::from(self.quantity),
            Side::Sell => -i64::from(self.quantity),
        }
    }
}

/// The log: opening positions and the fills since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FillAuditLog {
    /// How many operations are in it.
    pub sequence: Generation,
    /// The id of the next fill.
    pub next_id: u64,
    /// Shares held before the first fill of the log.
    pub opening: BTreeMap<Symbol, i64>,
    /// The fills, oldest first.
    pub fills: Vec<Fill>,
}

impl FillAuditLog {
    /// Shares held by symbol, as this log has it.
    #[must_use]
    pub fn positions(&self) -> BTreeMap<Symbol, i64> {
        let mut positions = self.opening.clone();
        for fill in &self.fills {
            *positions.entry(fill.symbol).or_default() += fill.signed_quantity();
        }
        positions
    }

    /// Moves all but the newest `keep` fills into the opening positions: the end of a trading day.
    fn settle(&mut self, keep: usize) {
        let settled = self.fills.len().saturating_sub(keep);
        for fill in self.fills.drain(..settled) {
            *self.opening.entry(fill.symbol).or_default() += fill.signed_quantity();
        }
    }

    fn execute(&mut self, count: usize, rng: &mut impl Rng) {
        for _ in 0..count {
            self.fills.push(Fill::random(self.next_id, rng));
            self.next_id += 1;
        }
    }
}

/// Between 10.0000 and 1,299.9999 dollars.
pub(super) fn price(rng: &mut impl Rng) -> Decimal {
    Decimal::new(rng.random_range(100_000..13_000_000), 4)
}

/// So many thousandths of a price, again with four decimals.
pub(super) fn per_mille(price: Decimal, thousandths: i64) -> Decimal {
    (price * Decimal::new(thousandths, 3)).round_dp(4)
}

/// A symbol whose logged position is not the broker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Which.
    pub symbol: Symbol,
    /// The broker's position less the logged one, in shares.
    pub shares: i64,
}

/// The position reconciler: compares the log with the broker's positions for every symbol *that the log knows*.
///
/// # Errors
/// The alert: every symbol that drifted.
pub fn reconcile(log: &FillAuditLog, broker: &BTreeMap<Symbol, i64>) -> Result<(), Vec<Drift>> {
    let drifted: Vec<Drift> = log
        .positions()
        .into_iter()
        .map(|(symbol, logged)| Drift { symbol, shares: broker.get(&symbol).copied().unwrap_or(0) - logged })
        .filter(|drift| drift.shares != 0)
        .collect();
    if drifted.is_empty() { Ok(()) } else { Err(drifted) }
}

/// The workload.
pub(crate) struct Fills;

/// How many fills a log of `bound` bytes can hold.
fn capacity(bound: Bytes) -> Capacity {
    Capacity::within(bound, HEADER_BYTES, FILL_BYTES)
}

impl Workload for Fills {
    type State = FillAuditLog;

    const NAME: &str = "fills";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary: "a fill audit log with decimal prices, read by a position reconciler".into(),
            shapes: vec![Shape::Document, Shape::Log],
            phrases: vec![
                phrase("quiet", "restarts at which the reconciler stayed quiet about a position that had drifted"),
                phrase("shares-missed", "shares of drift that it missed"),
                phrase("alerted", "restarts at which the reconciler alerted"),
                phrase("shares-reported", "shares of drift that it reported"),
                phrase(REFUSED, "restarts that stopped with an error: nothing drifts, and nothing trades"),
            ],
        }
    }

    fn initial(stream: Seed, bound: Bytes) -> FillAuditLog {
        let mut rng = operation_rng(stream, Generation::ZERO);
        let mut log = FillAuditLog { next_id: 1, ..FillAuditLog::default() };
        for symbol in Symbol::ALL {
            log.opening.insert(symbol, rng.random_range(-5_000..5_000));
        }
        let fills = capacity(bound).nearly_full(&mut rng);
        log.execute(fills, &mut rng);
        log
    }

    /// Executions (6 in 10), busts that take fills back (2 in 10) and price corrections (2 in 10): the file grows, shrinks, and
    /// changes at equal length. When it is full the day is settled.
    fn apply(stream: Seed, generation: Generation, bound: Bytes, log: &mut FillAuditLog) {
        let mut rng = operation_rng(stream, generation);
        let capacity = capacity(bound);
        let few = capacity.few(&mut rng);
        match rng.random_range(0..10) {
            0..6 => log.execute(few, &mut rng),
            6..8 => log.fills.truncate(capacity.without(few, log.fills.len())),
            _ => {
                let corrected = price(&mut rng);
                let at = rng.random_range(0..log.fills.len().max(1));
                if let Some(fill) = log.fills.get_mut(at) {
                    fill.price = corrected;
                }
            }
        }
        if log.fills.len() > capacity.0 {
            log.settle(capacity.nearly_full(&mut rng));
        }
        log.sequence = generation;
    }

    fn sequence(log: &FillAuditLog) -> Generation {
        log.sequence
    }

    fn consequences(promised: &FillAuditLog, found: &Found<&FillAuditLog>) -> Consequences {
        let broker = promised.positions();
        cost(found, |log, consequences| {
            let logged = log.positions();
            let shares = |symbol: &Symbol, held: &i64| held.abs_diff(logged.get(symbol).copied().unwrap_or(0));
            let drift: u64 = broker.iter().map(|(symbol, held)| shares(symbol, held)).sum();
            match reconcile(log, &broker) {
                Err(drifted) => {
                    consequences.count("alerted", 1);
                    consequences.count("shares-reported", drifted.iter().map(|d| d.shares.unsigned_abs()).sum());
                }
                Ok(()) if drift > 0 => {
                    consequences.count("quiet", 1);
                    consequences.count("shares-missed", drift);
                }
                Ok(()) => {}
            }
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
        laws::hold_for::<Fills>();
    }

    proptest! {
        #[test]
        fn settling_a_day_changes_no_position(seed: u64, keep in 0usize..100) {
            let mut log = Fills::initial(Seed(seed), Bytes::kib(16));
            let before = log.positions();
            log.settle(keep);
            prop_assert_eq!(log.positions(), before);
        }
    }

    #[test]
    fn a_price_is_a_decimal_string_in_the_file() {
        let log = Fills::initial(Seed(1), Bytes::kib(1));
        let json: serde_json::Value = serde_json::to_value(&log).unwrap();
        assert!(json["fills"][0]["price"].as_str().unwrap().contains('.'));
    }

    #[test]
    fn an_empty_log_raises_no_alert_though_the_whole_position_is_lost() {
        let promised = Fills::initial(Seed(1), Bytes::kib(16));
        let held: u64 = promised.positions().values().map(|shares| shares.unsigned_abs()).sum();
        let lost = Fills::consequences(&promised, &Found::Fresh);
        assert_eq!(lost.0.get("quiet"), Some(&1));
        assert_eq!(lost.0.get("shares-missed"), Some(&held));
        assert_eq!(lost.0.get("alerted"), None);
    }

    #[test]
    fn an_older_log_with_another_position_raises_an_alert() {
        let (stream, bound) = (Seed(3), Bytes::kib(16));
        let older = Fills::initial(stream, bound);
        let mut promised = older.clone();
        promised.execute(3, &mut operation_rng(stream, Generation(9)));
        let lost = Fills::consequences(&promised, &Found::State(&older));
        assert_eq!(lost.0.get("alerted"), Some(&1));
        assert!(lost.0["shares-reported"] > 0);
    }
}
