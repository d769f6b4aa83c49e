//! The table of outcomes: what each fault came to, with intervals.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Color as Ink, ContentArrangement, Table};
use crashtest_model::{ResultRow, Verdict, VerdictCount};

use crate::number::{Rounding, percent, thousands};
use crate::render::format::Color;
use crate::render::words::row;

/// The width from which on the table also has the trials and the claims.
const WIDE: usize = 110;

/// The lines of the table over `rows`.
pub(super) fn table(rows: &[ResultRow], width: usize, color: Color) -> Vec<String> {
    let wide = width >= WIDE;
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).force_no_tty();
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    if color == Color::Always {
        table.enforce_styling();
    }
    let mut header = vec!["fault", "verdict", "damage", "count", "%", "95 % interval"];
    if wide {
        header.insert(1, "trials");
        header.push("what it means");
    }
    table.set_header(header);
    for row in rows {
        for (n, (verdict, count)) in row.verdicts.iter().enumerate() {
            // Only the first line of a row says which it is.
            let once = |text: String| if n == 0 { text } else { String::new() };
            let trials = wide.then(|| once(thousands(row.trials)));
            let certainty = row::certainty_words(row, &count.interval);
            table.add_row(cells(row, once(row::name(row)), trials, *verdict, count, certainty));
        }
        if row.verdicts.is_empty() {
            table.add_row([row::name(row), "no trial".to_owned()]);
        }
    }
    let numbers: &[usize] = if wide { &[1, 4, 5] } else { &[3, 4] };
    for index in numbers {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The cells of one verdict of `row`; `trials` only in a wide table.
fn cells(
    row: &ResultRow,
    name: String,
    trials: Option<String>,
    verdict: Verdict,
    count: &VerdictCount,
    certainty: String,
) -> Vec<Cell> {
    let (damage, ink) = match verdict.detected() {
        Some(_) if row.unchecked => ("not asked", Ink::Yellow),
        Some(true) => ("detected", Ink::Yellow),
        Some(false) => ("undetected", Ink::Red),
        None if verdict == Verdict::Intact => ("-", Ink::Green),
        None => ("?", Ink::Yellow),
    };
    let mut cells = vec![
        Cell::new(name),
        Cell::new(verdict).fg(ink),
        Cell::new(damage),
        Cell::new(thousands(count.count)),
        Cell::new(percent(count.interval.rate, Rounding::Nearest)),
        Cell::new(certainty),
    ];
    if let Some(trials) = trials {
        cells.insert(1, Cell::new(trials));
        cells.push(Cell::new(verdict.meaning()));
    }
    cells
}
