//! Targets × faults: in each cell the worst that a restart came to, and how often. What was not tested says so.

use std::collections::BTreeSet;

use crashtest_model::{Fault, ResultRow, Start, Verdict};

use super::variant::Variant;
use crate::number::thousands;
use crate::render::words::row;

/// The worst that a target came to under a fault.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Worst {
    /// That fault was not planned for it.
    NotTested,
    /// It was planned, and no trial of it was run.
    NotRun,
    /// Nothing was seen, and that proves nothing.
    Unproven,
    /// Nothing was seen in so many.
    None(u64),
    /// The worst verdict, and how often it showed.
    Seen(Verdict, u64),
}

impl Worst {
    /// The cell of a table: "torn", "1,204" or "0 of 10,000".
    pub(crate) fn cell_words(&self) -> Vec<String> {
        match self {
            Worst::NotTested => vec!["not tested".to_owned()],
            Worst::NotRun => vec!["not run".to_owned()],
            Worst::Unproven => vec!["unproven".to_owned()],
            Worst::None(of) => vec![format!("0 of {}", thousands(*of))],
            Worst::Seen(verdict, count) => vec![verdict.to_string(), thousands(*count)],
        }
    }
}

/// A line of the table: the first cell of a target, and what the target came to under each fault, over all its cells.
pub(crate) struct Line<'c, 'g> {
    pub(crate) variant: &'c Variant<'g>,
    pub(crate) worst: Vec<Worst>,
}

/// The faults of `cells`, in their order; none where only kills were planned, which have a table of their own.
pub(crate) fn faults(cells: &[Variant<'_>]) -> Vec<Fault> {
    let planned: BTreeSet<Fault> = cells.iter().flat_map(|cell| cell.planned.plan.faults.iter().copied()).collect();
    let several = planned.iter().any(|fault| fault.is_exhaustive());
    let shown = Fault::ALL.into_iter().filter(|fault| *fault == Fault::None || planned.contains(fault));
    shown.filter(|_| several).collect()
}

/// The lines over `cells`, which may be one a fault, in the order of the plan.
pub(crate) fn lines<'c, 'g>(cells: &'c [Variant<'g>], faults: &[Fault]) -> Vec<Line<'c, 'g>> {
    let mut targets: Vec<(String, Vec<&'c Variant<'g>>)> = Vec::new();
    for cell in cells {
        let label = cell.target_label();
        match targets.iter_mut().find(|(target, _)| *target == label) {
            Some((_, same)) => same.push(cell),
            None => targets.push((label, vec![cell])),
        }
    }
    let worst_of = |same: &[&Variant<'_>]| faults.iter().map(|fault| worst(same, *fault)).collect();
    targets.into_iter().map(|(_, same)| Line { variant: same[0], worst: worst_of(&same) }).collect()
}

/// The worst that `cells`, all of one target, came to under `fault`, restarted with a state installed.
fn worst(cells: &[&Variant<'_>], fault: Fault) -> Worst {
    let mut planned = cells.iter().filter(|cell| fault == Fault::None || cell.planned.plan.faults.contains(&fault));
    if planned.next().is_none() {
        return Worst::NotTested;
    }
    let of_fault = |row: &&ResultRow| row.fault == fault && row.start != Some(Start::First);
    let rows: Vec<&ResultRow> = cells.iter().flat_map(|cell| cell.rows()).filter(of_fault).collect();
    let count = |verdict| rows.iter().filter_map(|row| row.verdicts.get(&verdict)).map(|n| n.count).sum::<u64>();
    let violations = Verdict::ALL.into_iter().filter(|verdict| verdict.is_violation());
    match violations.map(|verdict| (verdict, count(verdict))).find(|(_, n)| *n > 0) {
        Some((verdict, n)) => Worst::Seen(verdict, n),
        None if rows.iter().all(|row| row.trials == 0) => Worst::NotRun,
        None if rows.iter().any(|row| !row.conclusiveness.passed) => Worst::Unproven,
        None => Worst::None(rows.iter().map(|row| row::judged(row)).sum()),
    }
}

/// The legend of the table, of the words that are in it.
pub(crate) fn legend(cells: &[Variant<'_>], faults: &[Fault]) -> Vec<String> {
    let lines = lines(cells, faults);
    let any = |wanted: fn(&Worst) -> bool| lines.iter().flat_map(|line| &line.worst).any(wanted);
    let mut legend = vec![
        "A cell is the worst that a restart came to under that fault, with a state installed, and how often; “0 of n”: nothing in n."
            .to_owned(),
    ];
    let tried: Vec<&ResultRow> = cells.iter().flat_map(Variant::rows).filter(|row| row.fault.is_exhaustive()).collect();
    if tried.iter().any(|row| row.trials > 0) {
        let cut: Vec<String> = tried
            .iter()
            .filter(|row| row::is_cut(row))
            .map(|row| format!("{} ({}) {}: {}", row.target, row.loader, row.fault, row::tried_words(row)))
            .collect();
        let but = if cut.is_empty() { String::new() } else { format!(", but for {}", cut.join("; ")) };
        legend.push(format!(
            "sweep counts crash points of one recorded run, io failing calls of it: all there are{but}. They are shares, no rates."
        ));
    }
    if any(|worst| *worst == Worst::NotTested) {
        legend.push("“not tested”: that fault was not injected there; nothing is said about it.".to_owned());
    }
    if any(|worst| *worst == Worst::NotRun) {
        legend.push("“not run”: it was planned, and no trial of it was run.".to_owned());
    }
    if any(|worst| *worst == Worst::Unproven) {
        legend.push("“unproven”: nothing was seen, but the trials prove nothing.".to_owned());
    }
    legend
}
