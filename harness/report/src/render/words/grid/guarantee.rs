//! The columns of a comparison: what users of a pattern hope for, and which verdicts break it.

use crashtest_model::{Interval, Loader, ResultRow, Verdict};

use crate::number::{Rounding, percent};
use crate::render::words::row;
use crate::summarise::interval::exact_interval;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guarantee {
    Torn,
    Empty,
    Missing,
    SilentReset,
    LostAck,
    Residue,
    /// Everything that has no column of its own; shown where somebody broke it.
    Else,
}

impl Guarantee {
    /// The columns that are always shown.
    pub(crate) const ALWAYS: [Guarantee; 6] = [
        Guarantee::Torn,
        Guarantee::Empty,
        Guarantee::Missing,
        Guarantee::SilentReset,
        Guarantee::LostAck,
        Guarantee::Residue,
    ];

    /// The heading.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Guarantee::Torn => "never torn",
            Guarantee::Empty => "never empty",
            Guarantee::Missing => "never missing",
            Guarantee::SilentReset => "never silently reset",
            Guarantee::LostAck => "no lost ack",
            Guarantee::Residue => "no residue",
            Guarantee::Else => "nothing else",
        }
    }

    /// The verdicts that break it. Together the guarantees have every violation.
    pub(crate) fn verdicts(self) -> &'static [Verdict] {
        match self {
            Guarantee::Torn => &[Verdict::Torn],
            Guarantee::Empty => &[Verdict::Empty],
            Guarantee::Missing => &[Verdict::Missing],
            Guarantee::SilentReset => &[Verdict::SilentReset],
            Guarantee::LostAck => &[Verdict::LostAck, Verdict::FalseAck],
            Guarantee::Residue => &[Verdict::Residue],
            Guarantee::Else => &[
                Verdict::AcceptedGarbage,
                Verdict::WontOpen,
                Verdict::Stuck,
                Verdict::FailedSave,
                Verdict::BrokenInvariant,
            ],
        }
    }

    /// The columns for `rows`.
    pub(crate) fn columns<'r>(rows: impl Iterator<Item = &'r ResultRow>) -> Vec<Guarantee> {
        let other = rows.into_iter().any(|row| broken(row, Guarantee::Else) > 0);
        Guarantee::ALWAYS.into_iter().chain(other.then_some(Guarantee::Else)).collect()
    }
}

/// The statement of a row about a guarantee.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mark {
    /// Nothing was killed.
    NotTested,
    /// No trial proves anything.
    Unproven,
    /// No failure among the judged kills: a bound, not a proof.
    Kept,
    /// The loader does not tell this damage from any other: it starts fresh instead.
    Hidden,
    /// How often it was broken; whether recovery noticed.
    Broken(Interval, Detected),
}

/// Whether recovery noticed what broke a guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detected {
    Yes,
    No,
}

/// The statement of `row`, the kills of a target, about `guarantee`.
pub(crate) fn mark(row: Option<&ResultRow>, guarantee: Guarantee) -> Mark {
    let Some(row) = row else { return Mark::NotTested };
    let count = broken(row, guarantee);
    // Left-over files are counted once in 20 crashes, everything else after each.
    let looked = if guarantee == Guarantee::Residue { row.residue_counts.max(count) } else { row::judged(row) };
    if let Some(interval) = exact_interval(count, looked).filter(|_| count > 0) {
        let noticed = guarantee.verdicts().iter().all(|verdict| verdict.detected() == Some(true));
        return Mark::Broken(interval, if noticed { Detected::Yes } else { Detected::No });
    }
    let refusal = matches!(guarantee, Guarantee::Torn | Guarantee::Empty | Guarantee::Missing);
    let resets =
        [Guarantee::SilentReset, Guarantee::LostAck, Guarantee::Else].iter().any(|kind| broken(row, *kind) > 0);
    match () {
        () if row.trials == 0 || looked == 0 => Mark::NotTested,
        () if !row.conclusiveness.passed => Mark::Unproven,
        () if refusal && row.loader == Loader::Lenient && resets => Mark::Hidden,
        () => Mark::Kept,
    }
}

/// Trials of `row` that broke `guarantee`.
pub(crate) fn broken(row: &ResultRow, guarantee: Guarantee) -> u64 {
    guarantee.verdicts().iter().filter_map(|verdict| row.verdicts.get(verdict)).map(|n| n.count).sum()
}

/// The bound on the rate, in per cent, that no failure among the judged kills of `row` means.
pub(crate) fn bound(row: &ResultRow) -> Option<String> {
    exact_interval(0, row::judged(row)).map(|interval| percent(interval.high, Rounding::Up))
}

impl Mark {
    /// The words of a cell of the table: the rate, and its interval apart.
    pub(crate) fn cell_words(self) -> (String, Option<String>) {
        match self {
            Mark::NotTested => ("not tested".to_owned(), None),
            Mark::Unproven => ("unproven".to_owned(), None),
            Mark::Kept => ("kept".to_owned(), None),
            Mark::Hidden => ("hidden".to_owned(), None),
            Mark::Broken(interval, _) => {
                (format!("{} %", percent(interval.rate, Rounding::Nearest)), Some(range(&interval)))
            }
        }
    }
}

/// The interval with as many digits as fit a column; rounded outwards, so that it still holds.
fn range(interval: &Interval) -> String {
    let short = |rate: f64, rounding: Rounding| {
        let whole = match rounding {
            Rounding::Up => (rate * 100.0 - 1e-9).ceil(),
            _ => (rate * 100.0 + 1e-9).floor(),
        };
        if rate >= 0.1 { format!("{whole:.0}") } else { percent(rate, rounding) }
    };
    // A lower end that is next to nothing beside the upper one would only take room.
    let low = if interval.low * 100.0 < interval.high { 0.0 } else { interval.low };
    format!("{}-{}", short(low, Rounding::Down), short(interval.high, Rounding::Up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_breaks_exactly_one_guarantee() {
        let columns = [Guarantee::ALWAYS.as_slice(), &[Guarantee::Else]].concat();
        for verdict in Verdict::ALL {
            let breaks = columns.iter().filter(|column| column.verdicts().contains(&verdict)).count();
            assert_eq!(breaks, usize::from(verdict.is_violation()), "{verdict}");
        }
    }

    #[test]
    fn intervals_are_short_and_rounded_outwards() {
        let shown = |low, high| range(&Interval { rate: low, low, high });
        assert_eq!(shown(0.2221, 0.2789), "22-28");
        assert_eq!(shown(0.0512, 0.0831), "5.1-8.4");
        assert_eq!(shown(0.000_25, 0.0056), "0.025-0.56");
        assert_eq!(shown(0.000_002_5, 0.000_557), "0-0.056");
        assert_eq!(shown(0.981, 1.0), "98-100");
    }
}
