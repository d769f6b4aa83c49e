//! Targets × faults: in each cell the worst that a restart came to, and how often. What was not tested says so.

use std::collections::BTreeSet;

use comfy_table::Color as Ink;
use crashtest_model::{Fault, ResultRow, Start, Verdict};

use super::contender::Contender;
use super::table::{self, Align, Column, Room};
use crate::number::thousands;
use crate::render::page::Color;
use crate::render::row;

/// What a target came to under a fault.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Worst {
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
    pub(super) fn words(&self) -> Vec<String> {
        match self {
            Worst::NotTested => vec!["not tested".to_owned()],
            Worst::NotRun => vec!["not run".to_owned()],
            Worst::Unproven => vec!["unproven".to_owned()],
            Worst::None(of) => vec![format!("0 of {}", thousands(*of))],
            Worst::Seen(verdict, count) => vec![verdict.to_string(), thousands(*count)],
        }
    }

    fn ink(&self) -> Option<Ink> {
        match self {
            Worst::NotTested | Worst::NotRun => None,
            Worst::Unproven => Some(Ink::Yellow),
            Worst::None(_) => Some(Ink::Green),
            Worst::Seen(verdict, _) if verdict.detected() == Some(true) => Some(Ink::Yellow),
            Worst::Seen(..) => Some(Ink::Red),
        }
    }
}

/// A line of the table: the first cell of a target, and what the target came to under each fault, over all its cells.
pub(super) struct Line<'c, 'g> {
    pub(super) contender: &'c Contender<'g>,
    pub(super) worst: Vec<Worst>,
}

/// The faults of `cells`, in their order; none where only kills were planned, which have a table of their own.
pub(super) fn faults(cells: &[Contender<'_>]) -> Vec<Fault> {
    let planned: BTreeSet<Fault> = cells.iter().flat_map(|cell| cell.planned.plan.faults.iter().copied()).collect();
    let several = planned.iter().any(|fault| fault.is_exhaustive());
    let shown = Fault::ALL.into_iter().filter(|fault| *fault == Fault::None || planned.contains(fault));
    shown.filter(|_| several).collect()
}

/// The lines over `cells`, which may be one a fault, in the order of the plan.
pub(super) fn lines<'c, 'g>(cells: &'c [Contender<'g>], faults: &[Fault]) -> Vec<Line<'c, 'g>> {
    let mut targets: Vec<(String, Vec<&'c Contender<'g>>)> = Vec::new();
    for cell in cells {
        let label = cell.target_label();
        match targets.iter_mut().find(|(target, _)| *target == label) {
            Some((_, same)) => same.push(cell),
            None => targets.push((label, vec![cell])),
        }
    }
    let worst_of = |same: &[&Contender<'_>]| faults.iter().map(|fault| worst(same, *fault)).collect();
    targets.into_iter().map(|(_, same)| Line { contender: same[0], worst: worst_of(&same) }).collect()
}

/// What `cells`, all of one target, came to under `fault`, restarted with a state installed.
fn worst(cells: &[&Contender<'_>], fault: Fault) -> Worst {
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
        None if rows.iter().any(|row| !row.gate.passed) => Worst::Unproven,
        None => Worst::None(rows.iter().map(|row| row::judged(row)).sum()),
    }
}

/// The table for a terminal of `width` columns: one where it fits, else stacked ones.
pub(super) fn tables(cells: &[Contender<'_>], faults: &[Fault], width: usize, color: Color) -> Vec<Vec<String>> {
    let lines = lines(cells, faults);
    table::fitted(width, color, |room| {
        let name = |line: &Line<'_, '_>| {
            let (strategy, rest) = line.contender.target_parts();
            (table::name_lines(&line.contender.target_label(), strategy, &rest, room), None)
        };
        let label = Column { heading: "strategy", cells: lines.iter().map(name).collect(), right: Align::Left };
        let column = |(n, fault): (usize, &Fault)| {
            let cell = |line: &Line<'_, '_>| {
                let words = line.worst[n].words();
                (if room == Room::Narrow { words } else { vec![words.join(" ")] }, line.worst[n].ink())
            };
            Column { heading: fault.name(), cells: lines.iter().map(cell).collect(), right: Align::Left }
        };
        (label, vec![faults.iter().enumerate().map(column).collect()])
    })
}

/// How the table is read: only the words that are in it.
pub(super) fn legend(cells: &[Contender<'_>], faults: &[Fault]) -> Vec<String> {
    let lines = lines(cells, faults);
    let any = |wanted: fn(&Worst) -> bool| lines.iter().flat_map(|line| &line.worst).any(wanted);
    let mut legend = vec![
        "A cell is the worst that a restart came to under that fault, with a state installed, and how often; “0 of n”: nothing in n."
            .to_owned(),
    ];
    let tried: Vec<&ResultRow> =
        cells.iter().flat_map(Contender::rows).filter(|row| row.fault.is_exhaustive()).collect();
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
