//! The table of targets × faults on a terminal.

use comfy_table::Color as Ink;
use crashtest_model::Fault;

use super::table::{self, Align, Column, Room};
use crate::render::format::Color;
use crate::render::words::grid::faults::{Line, Worst, lines};
use crate::render::words::grid::variant::Variant;

/// The table for a terminal of `width` columns: one where it fits, else stacked ones.
pub(super) fn tables(cells: &[Variant<'_>], faults: &[Fault], width: usize, color: Color) -> Vec<Vec<String>> {
    let lines = lines(cells, faults);
    table::fitted(width, color, |room| {
        let name = |line: &Line<'_, '_>| {
            let (strategy, rest) = line.variant.target_parts();
            (table::name_lines(&line.variant.target_label(), strategy, &rest, room), None)
        };
        let label = Column { heading: "strategy", cells: lines.iter().map(name).collect(), right: Align::Left };
        let column = |(n, fault): (usize, &Fault)| {
            let cell = |line: &Line<'_, '_>| {
                let words = line.worst[n].cell_words();
                (if room == Room::Narrow { words } else { vec![words.join(" ")] }, ink(&line.worst[n]))
            };
            Column { heading: fault.name(), cells: lines.iter().map(cell).collect(), right: Align::Left }
        };
        (label, vec![faults.iter().enumerate().map(column).collect()])
    })
}

/// The colour of a cell.
fn ink(worst: &Worst) -> Option<Ink> {
    match worst {
        Worst::NotTested | Worst::NotRun => None,
        Worst::Unproven => Some(Ink::Yellow),
        Worst::None(_) => Some(Ink::Green),
        Worst::Seen(verdict, _) if verdict.detected() == Some(true) => Some(Ink::Yellow),
        Worst::Seen(..) => Some(Ink::Red),
    }
}
