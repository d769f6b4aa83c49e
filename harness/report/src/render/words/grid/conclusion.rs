//! The one sentence that a grid comes to. In every format the same words, in the order of the exit codes.

use crashtest_model::{Conformance, Fault};

use super::conformance::difference;
use super::variant::{self, Variant};
use crate::number::{Rounding, percent, thousands};
use crate::render::words::row;
use crate::results::RecordedGrid;

/// Cells that the sentence names one by one.
const MOST_NAMED: usize = 3;

/// The kind of what a grid comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridJudgement {
    /// It did not come to its planned end.
    Incomplete,
    /// A control showed what is not documented.
    ControlFailed,
    /// A cell shows what is not documented, or does not show what must.
    Differs,
    /// A cell proves nothing.
    Inconclusive,
    /// Every cell shows what is documented.
    AsDocumented,
}

/// The conclusion of a grid, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridConclusion {
    /// The kind.
    pub judgement: GridJudgement,
    /// The sentence, without its full stop.
    pub sentence: String,
}

impl GridConclusion {
    /// The conclusion of `grid`.
    #[must_use]
    pub fn new(grid: &RecordedGrid) -> GridConclusion {
        let all: Vec<Conformance> = grid.summary.cells.iter().map(|cell| cell.conformance).collect();
        let judgement = match all.iter().min() {
            _ if !grid.summary.completion.complete => GridJudgement::Incomplete,
            Some(Conformance::ControlFailed) => GridJudgement::ControlFailed,
            Some(Conformance::Differs) => GridJudgement::Differs,
            Some(Conformance::AsDocumented) => GridJudgement::AsDocumented,
            _ => GridJudgement::Inconclusive,
        };
        let cells = variant::all(grid);
        let sentence = match judgement {
            GridJudgement::Incomplete => incomplete(grid, &cells),
            GridJudgement::ControlFailed => format!("CONTROL FAILED in {}", named(&cells, Conformance::ControlFailed)),
            GridJudgement::Differs => format!("NOT AS DOCUMENTED: {}", named(&cells, Conformance::Differs)),
            GridJudgement::Inconclusive => inconclusive(&cells),
            GridJudgement::AsDocumented => as_documented(&cells),
        };
        GridConclusion { judgement, sentence }
    }
}

/// "1 of 24 cells: atomic, under kill: torn showed, documented is intact only".
fn named(cells: &[Variant<'_>], conformance: Conformance) -> String {
    let these: Vec<_> = cells.iter().filter(|cell| cell.summary.conformance == conformance).collect();
    let mut words: Vec<String> = these
        .iter()
        .take(MOST_NAMED)
        .map(|cell| match difference(cell.summary).filter(|why| !why.is_empty()) {
            Some(why) => format!("{}, {why}", cell.label()),
            None => cell.label(),
        })
        .collect();
    if these.len() > MOST_NAMED {
        words.push(format!("and {} more", these.len() - MOST_NAMED));
    }
    format!("{} of {}: {}", these.len(), count(cells.len()), words.join("; "))
}

fn count(cells: usize) -> String {
    format!("{cells} cell{}", if cells == 1 { "" } else { "s" })
}

fn incomplete(grid: &RecordedGrid, cells: &[Variant<'_>]) -> String {
    let why = grid.summary.completion.stopped.as_deref().unwrap_or("it did not come to its end");
    let whole = cells.iter().filter(|cell| cell.summary.complete).count();
    let departed = cells.iter().filter(|cell| difference(cell.summary).is_some()).count();
    let so_far = match departed {
        0 => "so far nothing shows that is not documented".to_owned(),
        n => format!("{} not as documented", count(n)),
    };
    format!("INCOMPLETE ({why}): {whole} of {} came to their end; {so_far}", count(cells.len()))
}

fn inconclusive(cells: &[Variant<'_>]) -> String {
    let these: Vec<_> = cells.iter().filter(|cell| cell.summary.conformance != Conformance::AsDocumented).collect();
    let names: Vec<String> = these.iter().take(MOST_NAMED).map(|cell| cell.label()).collect();
    let more = if these.len() > MOST_NAMED { ", …" } else { "" };
    format!("INCONCLUSIVE: {} of {} prove nothing: {}{more}", these.len(), count(cells.len()), names.join(", "))
}

fn as_documented(cells: &[Variant<'_>]) -> String {
    let judged: Vec<_> = cells.iter().flat_map(|cell| cell.faulty().map(move |row| (cell, row))).collect();
    if judged.is_empty() {
        return format!("AS DOCUMENTED in all of {}; nothing was killed", count(cells.len()));
    }
    if judged.len() <= MOST_NAMED {
        let parts: Vec<String> = judged
            .iter()
            .map(|(cell, row)| match (row::violations(row), row.failure_rate) {
                (0, _) if row.fault.is_exhaustive() => format!("{} at none of {}", cell.label(), row::tried_words(row)),
                (0, rate) => {
                    let bound = rate.map(|rate| format!(" (below {} %)", percent(rate.high, Rounding::Up)));
                    format!("{} in none of {}{}", cell.label(), thousands(row::judged(row)), bound.unwrap_or_default())
                }
                (n, _) => format!("{} in {} of {}", cell.label(), thousands(n), row::judged_words(row)),
            })
            .collect();
        return format!("AS DOCUMENTED: a guarantee was broken by {}", parts.join(", by "));
    }
    let tested: Vec<&Variant<'_>> = cells.iter().filter(|cell| cell.faulty().next().is_some()).collect();
    let (broken, kept): (Vec<&Variant<'_>>, Vec<&Variant<'_>>) =
        tested.into_iter().partition(|cell| cell.faulty().any(|row| row::violations(row) > 0));
    let mut sentence = format!("AS DOCUMENTED in all of {}: {} broke a guarantee", count(cells.len()), broken.len());
    let rows: Vec<_> = kept.iter().flat_map(|cell| cell.faulty()).collect();
    let (tried, drawn): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.fault.is_exhaustive());
    let mut parts = Vec::new();
    if !drawn.is_empty() {
        let kills: u64 = drawn.iter().map(|row| row::judged(row)).sum();
        let worst = drawn.iter().filter_map(|row| row.failure_rate).map(|rate| rate.high).fold(0.0, f64::max);
        let bound = percent(worst, Rounding::Up);
        parts.push(format!("{} judged kills (failure rate below {bound} % in each, 95 %)", thousands(kills)));
    }
    for fault in Fault::ALL {
        let n: u64 = tried.iter().filter(|row| row.fault == fault).map(|row| row::judged(row)).sum();
        parts.extend((n > 0).then(|| format!("{} {}", thousands(n), fault.trial_words()[1])));
    }
    if !kept.is_empty() {
        sentence += &format!(", {} did not in {}", kept.len(), parts.join(" and "));
    }
    sentence
}
