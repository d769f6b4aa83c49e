//! `desk`: the trade log that a scanner and a position monitor write between them, and the risk rules that must hold whoever wrote last.
//!
//! A writer proposes to open a trade or to close one; the rules decide against the log. A proposal that they turn down is an operation
//! all the same, and counts as applied.

use std::collections::BTreeMap;

use crashtest_kit::{Judged, Shared, operation_rng};
use crashtest_model::{Bytes, Generation, Promise, Seed, Shape, WorkloadInfo};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::fills::{Side, Symbol};
use super::{Capacity, phrase, time_ms};

/// The name on the command line.
pub(crate) const NAME: &str = "desk";
/// The file.
pub(crate) const FILE: &str = "trade_log.json";

/// The most trades that are open at a time.
pub(crate) const MOST_OPEN: usize = 5;
/// The most that the open trades of one group of symbols may risk together, in hundredths of a per cent of the equity.
pub(crate) const GROUP_RISK: u32 = 300;
/// A symbol that has lost so often in a row is left alone.
pub(crate) const MOST_LOSSES: u32 = 3;

/// What a closed trade takes in JSON at most, with the comma.
const CLOSED_BYTES: u64 = 96;
/// What everything else takes at most.
const HEADER_BYTES: u64 = 1600;

/// What a writer proposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proposal {
    /// To open a trade.
    Open {
        symbol: Symbol,
        side: Side,
        /// Hundredths of a per cent of the equity.
        risk: u32,
    },
    /// To close the open trade of this number, counted round.
    Close { which: usize, won: bool },
}

impl Proposal {
    /// Operation `number` of writer `writer`.
    pub(crate) fn derive(stream: Seed, writer: u32, number: Generation) -> Proposal {
        let mut rng = operation_rng(stream.derive("desk", u64::from(writer)), number);
        if rng.random_range(0..10) < 6 {
            // Most are about symbols that are not open at first, so that two writers get into each other's way from the start.
            let new = Symbol::ALL[rng.random_range(0..Symbol::ALL.len() / 2) * 2 + 1];
            let symbol = if rng.random_range(0..4) < 3 { new } else { Symbol::any(&mut rng) };
            Proposal::Open { symbol, side: Side::any(&mut rng), risk: rng.random_range(30..150) }
        } else {
            Proposal::Close { which: rng.random_range(0..MOST_OPEN), won: rng.random_range(0..2) == 0 }
        }
    }
}

/// A trade that is open.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Open {
    by: u32,
    number: Generation,
    symbol: Symbol,
    side: Side,
    risk: u32,
    /// Losses in a row of its symbol when it was opened.
    losses: u32,
}

/// A trade that is closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Closed {
    by: u32,
    number: Generation,
    symbol: Symbol,
    won: bool,
    closed_ms: u64,
}

/// The log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Desk {
    /// The last operation of each writer that is in it.
    applied: BTreeMap<u32, Generation>,
    open: Vec<Open>,
    losses: BTreeMap<Symbol, u32>,
    closed: Vec<Closed>,
    /// What was against the rules when it was done, and may not show any more.
    #[serde(default)]
    seen: Seen,
}

/// What went wrong at some time: trades are closed, and the next operation of a writer takes the place of the one that was undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Operations that came without the one before them.
    gaps: u64,
    /// Trades that were opened on a symbol that was open.
    twice: u64,
    /// Trades that were opened above the cap.
    above: u64,
}

impl Desk {
    /// A desk with room for one more trade, and a long history.
    pub(crate) fn initial(stream: Seed, bound: Bytes) -> Desk {
        let mut rng = operation_rng(stream, Generation::ZERO);
        let mut desk = Desk::default();
        for (n, symbol) in Symbol::ALL.into_iter().enumerate().step_by(2).take(MOST_OPEN - 1) {
            let number = Generation(n as u64);
            desk.open.push(Open { by: u32::MAX, number, symbol, side: Side::any(&mut rng), risk: 30, losses: 0 });
        }
        for n in 0..capacity(bound).nearly_full(&mut rng) as u64 {
            let (symbol, won) = (Symbol::any(&mut rng), rng.random_range(0..2) == 0);
            desk.closed.push(Closed { by: u32::MAX, number: Generation(n), symbol, won, closed_ms: time_ms(n) });
        }
        desk
    }

    /// The operations that are in it, of all writers together.
    pub(crate) fn operations(&self) -> Generation {
        Generation(self.applied.values().map(|applied| applied.0).sum())
    }

    /// Whether the rules allow `proposal`; why not.
    pub(crate) fn allows(&self, proposal: &Proposal) -> Result<(), &'static str> {
        let Proposal::Open { symbol, risk, .. } = proposal else { return Ok(()) };
        if self.open.iter().any(|open| open.symbol == *symbol) {
            Err("the symbol is open")
        } else if self.open.len() >= MOST_OPEN {
            Err("the cap is reached")
        } else if self.risk_of(group(*symbol)) + risk > GROUP_RISK {
            Err("its group risks too much")
        } else if self.losses_of(*symbol) >= MOST_LOSSES {
            Err("the symbol has lost too often")
        } else {
            Ok(())
        }
    }

    /// Makes operation `number` of `writer`: what it proposes if `allowed`, nothing else.
    pub(crate) fn apply(&mut self, writer: u32, number: Generation, proposal: &Proposal, allowed: bool, bound: Bytes) {
        let last = self.applied.get(&writer).copied().unwrap_or(Generation::ZERO);
        self.seen.gaps += u64::from(number != last.next());
        match proposal {
            Proposal::Open { symbol, side, risk } if allowed => {
                self.seen.twice += u64::from(self.open.iter().any(|open| open.symbol == *symbol));
                self.seen.above += u64::from(self.open.len() >= MOST_OPEN);
                let losses = self.losses_of(*symbol);
                self.open.push(Open { by: writer, number, symbol: *symbol, side: *side, risk: *risk, losses });
            }
            Proposal::Close { which, won } if !self.open.is_empty() => {
                let Open { symbol, .. } = self.open.remove(which % self.open.len());
                let losses = if *won { 0 } else { self.losses_of(symbol) + 1 };
                // After a while the symbol gets another chance.
                self.losses.insert(symbol, if losses > MOST_LOSSES { 0 } else { losses });
                self.closed.push(Closed { by: writer, number, symbol, won: *won, closed_ms: time_ms(number.0) });
                let most = capacity(bound).0;
                self.closed.drain(..self.closed.len().saturating_sub(most));
            }
            _ => {}
        }
        self.applied.insert(writer, number);
    }

    fn losses_of(&self, symbol: Symbol) -> u32 {
        self.losses.get(&symbol).copied().unwrap_or(0)
    }

    fn risk_of(&self, group: usize) -> u32 {
        self.open.iter().filter(|open| self::group(open.symbol) == group).map(|open| open.risk).sum()
    }
}

fn capacity(bound: Bytes) -> Capacity {
    Capacity::within(bound, HEADER_BYTES, CLOSED_BYTES)
}

/// Symbols that rise and fall together.
fn group(symbol: Symbol) -> usize {
    match symbol {
        Symbol::Aapl | Symbol::Amzn | Symbol::Goog | Symbol::Msft => 0,
        Symbol::Meta | Symbol::Nflx => 1,
        Symbol::Nvda | Symbol::Tsla => 2,
    }
}

pub(crate) fn info() -> WorkloadInfo {
    WorkloadInfo {
        name: NAME.into(),
        summary: "a trade log that several processes write, with a cap on open trades, no symbol twice, and limits on risk and losses"
            .into(),
        shapes: vec![Shape::System],
        phrases: vec![
            phrase("duplicates", "symbols that were open twice"),
            phrase("over-cap", "trades open above the cap"),
            phrase("over-risk", "groups that risked more than their limit"),
            phrase("after-losses", "trades opened on a symbol that had lost too often"),
            phrase("lost-updates", "acknowledged operations that another writer's save has undone"),
        ],
    }
}

/// The rules, and that nobody's operation is lost.
pub(crate) struct Rules;

impl Shared for Rules {
    fn state_file(&self) -> String {
        FILE.to_owned()
    }

    fn judge(&self, content: &[u8], promises: &[Promise]) -> Option<Judged> {
        let desk: Desk = serde_json::from_slice(content).ok()?;
        let mut judged = Judged::default();
        let mut breaks = |key: &str, count: u64, why: String| {
            judged.consequences.count(key, count);
            if count > 0 {
                judged.broken.push(why);
            }
        };
        for (writer, promise) in (0u32..).zip(promises) {
            let applied = desk.applied.get(&writer).copied().unwrap_or(Generation::ZERO);
            let lost = promise.acked.0.saturating_sub(applied.0);
            let why = format!(
                "operation {} of writer {writer} was acknowledged, the log has it up to {applied}",
                promise.acked
            );
            breaks("lost-updates", lost, why);
            let why =
                format!("the log has operation {applied} of writer {writer}, who had begun up to {}", promise.begun);
            breaks("lost-updates", u64::from(applied > promise.begun), why);
            judged.applied.push(applied);
        }
        let Seen { gaps, twice: before, above } = desk.seen;
        breaks(
            "lost-updates",
            gaps,
            format!("{gaps} operations came without the one before: another save had undone it"),
        );
        breaks("duplicates", before, format!("{before} trades were opened on a symbol that was open"));
        breaks("over-cap", above, format!("{above} trades were opened above the cap of {MOST_OPEN}"));
        let twice =
            Symbol::ALL.into_iter().filter(|symbol| desk.open.iter().filter(|o| o.symbol == *symbol).count() > 1);
        let twice: Vec<String> = twice.map(|symbol| format!("{symbol:?}").to_uppercase()).collect();
        breaks("duplicates", twice.len() as u64, format!("open twice: {}", twice.join(", ")));
        let above = desk.open.len().saturating_sub(MOST_OPEN) as u64;
        breaks("over-cap", above, format!("{} trades are open, of at most {MOST_OPEN}", desk.open.len()));
        let groups = (0..3).filter(|group| desk.risk_of(*group) > GROUP_RISK).count() as u64;
        breaks("over-risk", groups, format!("a group risks more than {GROUP_RISK} hundredths of a per cent"));
        let after = desk.open.iter().filter(|open| open.losses >= MOST_LOSSES).count() as u64;
        breaks("after-losses", after, format!("a symbol was opened after {MOST_LOSSES} losses in a row"));
        Some(judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crashtest_model::Gaps;

    fn promise(acked: u64, begun: u64) -> Promise {
        Promise { acked: Generation(acked), begun: Generation(begun), installed: true, gaps: Gaps::NONE }
    }

    fn judged(desk: &Desk, promises: &[Promise]) -> Judged {
        Rules.judge(&serde_json::to_vec(desk).unwrap(), promises).unwrap()
    }

    #[test]
    fn what_the_rules_decide_never_breaks_them() {
        let (stream, bound) = (Seed(5), Bytes::kib(8));
        let mut desk = Desk::initial(stream, bound);
        let mut turned_down = BTreeMap::<&str, u32>::new();
        for n in 1..2_000 {
            for writer in 0..2 {
                let proposal = Proposal::derive(stream, writer, Generation(n));
                let allowed = desk.allows(&proposal);
                if let Err(why) = allowed {
                    *turned_down.entry(why).or_default() += 1;
                }
                desk.apply(writer, Generation(n), &proposal, allowed.is_ok(), bound);
                assert_eq!(judged(&desk, &[]).broken, Vec::<String>::new());
            }
            assert!(serde_json::to_vec(&desk).unwrap().len() as u64 <= bound.0);
        }
        assert_eq!(turned_down.len(), 4, "every rule had something to say: {turned_down:?}");
        assert_eq!(judged(&desk, &[promise(1_999, 1_999), promise(1_999, 2_000)]).broken, Vec::<String>::new());
    }

    #[test]
    fn each_broken_rule_is_named() {
        let bound = Bytes::kib(8);
        let mut desk = Desk::initial(Seed(5), bound);
        let open = |symbol, risk| Proposal::Open { symbol, side: Side::Buy, risk };
        desk.apply(0, Generation(1), &open(Symbol::Aapl, 290), true, bound);
        desk.losses.insert(Symbol::Tsla, MOST_LOSSES);
        desk.apply(1, Generation(1), &open(Symbol::Tsla, 10), true, bound);
        let Judged { broken, applied, consequences } = judged(&desk, &[promise(2, 2), promise(0, 0)]);
        assert_eq!(applied, [Generation(1), Generation(1)]);
        for key in ["duplicates", "over-cap", "over-risk", "after-losses"] {
            assert!(consequences.0[key] >= 1, "{key}: {broken:?}");
        }
        assert_eq!(broken.len(), 8, "each, and what was seen of two of them when they were made: {broken:?}");
        assert_eq!(consequences.0["lost-updates"], 2, "one that was acked, and one that nobody had begun: {broken:?}");
    }

    #[test]
    fn what_was_undone_or_closed_again_is_not_forgotten() {
        let (stream, bound) = (Seed(5), Bytes::kib(8));
        let mut desk = Desk::initial(stream, bound);
        let nothing = Proposal::Open { symbol: Symbol::Aapl, side: Side::Buy, risk: 10 };
        desk.apply(0, Generation(1), &nothing, false, bound);
        // Operation 2 was saved, and undone by somebody else's save.
        desk.apply(0, Generation(3), &nothing, false, bound);
        let Judged { broken, consequences, .. } = judged(&desk, &[promise(3, 3)]);
        assert_eq!((broken.len(), consequences.0["lost-updates"]), (1, 1), "{broken:?}");
        let mut desk = Desk::initial(stream, bound);
        desk.apply(0, Generation(1), &nothing, true, bound);
        desk.apply(0, Generation(2), &Proposal::Close { which: 0, won: true }, true, bound);
        let Judged { consequences, .. } = judged(&desk, &[promise(2, 2)]);
        assert_eq!(consequences.0["duplicates"], 1, "open twice for a moment");
    }
}
