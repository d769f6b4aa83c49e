//! The table of a comparison on a terminal: one where it fits, else stacked ones, guarantees first, with the rows in one order.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Color as Ink, ContentArrangement, Table};

use crate::number::{duration, thousands};
use crate::render::format::Color;
use crate::render::words::grid::guarantee::{Detected, Guarantee, Mark, bound, mark};
use crate::render::words::grid::variant::Variant;

/// A longer strategy's name is broken after a hyphen in a narrow table.
const LONGEST_NAME: usize = 16;

/// The room that cells take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// A line a heading, a line a cell.
    Wide,
    /// Headings over several lines, a line a cell.
    Medium,
    /// Headings and cells over several lines.
    Narrow,
}

/// A column: its heading, and for each row the lines of its cell with their colour.
pub(super) struct Column {
    pub(super) heading: &'static str,
    pub(super) cells: Vec<(Vec<String>, Option<Ink>)>,
    pub(super) right: Align,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// The tables over `cells`, each as its lines.
pub(super) fn tables(cells: &[Variant<'_>], columns: &[Guarantee], width: usize, color: Color) -> Vec<Vec<String>> {
    fitted(width, color, |room| {
        let guarantees = columns.iter().map(|column| guarantee_column(cells, *column, room)).collect::<Vec<_>>();
        (names(cells, room), vec![guarantees, evidence_columns(cells)])
    })
}

/// The groups of columns beside their label as one table, with as much room as `width` allows; else each group stacked.
pub(super) fn fitted(
    width: usize,
    color: Color,
    columns: impl Fn(Room) -> (Column, Vec<Vec<Column>>),
) -> Vec<Vec<String>> {
    for room in [Room::Wide, Room::Medium, Room::Narrow] {
        let (label, groups) = columns(room);
        let every: Vec<&Column> = groups.iter().flatten().collect();
        if width_of(&label, &every, room) <= width {
            return vec![draw(&label, &every, room, color)];
        }
    }
    let (label, groups) = columns(Room::Narrow);
    let parts = groups.iter().flat_map(|group| stacked(&label, group, width));
    parts.map(|part| draw(&label, &part, Room::Narrow, color)).collect()
}

/// `columns` in as few parts as fit `width`, each beside the label.
fn stacked<'c>(label: &Column, columns: &'c [Column], width: usize) -> Vec<Vec<&'c Column>> {
    let mut parts: Vec<Vec<&Column>> = vec![Vec::new()];
    for column in columns {
        let part = parts.last_mut().expect("there is always a part");
        part.push(column);
        if part.len() > 1 && width_of(label, part, Room::Narrow) > width {
            part.pop();
            parts.push(vec![column]);
        }
    }
    parts
}

fn names(cells: &[Variant<'_>], room: Room) -> Column {
    let lines = |cell: &Variant<'_>| {
        let (strategy, rest) = cell.label_parts();
        name_lines(&cell.label(), strategy, &rest, room)
    };
    Column { heading: "strategy", cells: cells.iter().map(|cell| (lines(cell), None)).collect(), right: Align::Left }
}

/// `label` in one line, or its parts, the strategy and the rest, in several.
pub(super) fn name_lines(label: &str, strategy: &str, rest: &[String], room: Room) -> Vec<String> {
    match room {
        Room::Wide | Room::Medium => vec![label.to_owned()],
        Room::Narrow => {
            let rest: Vec<String> = rest.iter().map(|word| format!("  {word}")).collect();
            [broken_name(strategy), rest].concat()
        }
    }
}

/// `forward-journal-promote` → `forward-journal-`, `promote`.
fn broken_name(name: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for part in name.split_inclusive('-') {
        match lines.last_mut() {
            Some(line) if line.is_empty() || line.len() + part.len() <= LONGEST_NAME => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    lines
}

fn guarantee_column(cells: &[Variant<'_>], guarantee: Guarantee, room: Room) -> Column {
    let cell = |cell: &Variant<'_>| {
        let mark = mark(cell.kills(), guarantee);
        let ink = match mark {
            Mark::Kept => Some(Ink::Green),
            Mark::Broken(_, Detected::Yes) | Mark::Unproven => Some(Ink::Yellow),
            Mark::Broken(_, Detected::No) => Some(Ink::Red),
            Mark::NotTested | Mark::Hidden => None,
        };
        let lines = match (mark.cell_words(), room) {
            ((rate, Some(range)), Room::Wide | Room::Medium) => vec![format!("{rate} ({range})")],
            ((word, None), Room::Wide | Room::Medium) => vec![word],
            ((rate, range), Room::Narrow) => [rate].into_iter().chain(range).collect(),
        };
        (lines, ink)
    };
    Column { heading: guarantee.name(), cells: cells.iter().map(cell).collect(), right: Align::Left }
}

/// The columns of what the guarantees rest on, and what they cost.
fn evidence_columns(cells: &[Variant<'_>]) -> Vec<Column> {
    let column = |heading, text: &dyn Fn(&Variant<'_>) -> Option<String>| Column {
        heading,
        cells: cells.iter().map(|cell| (vec![text(cell).unwrap_or_else(|| "-".to_owned())], None)).collect(),
        right: Align::Right,
    };
    vec![
        column("kept means", &|cell| cell.kills().and_then(bound).map(|bound| format!("≤ {bound} %"))),
        column("kills landed", &|cell| cell.kills()?.kills_landed.map(thousands)),
        column("saves per second", &|cell| cell.saves_per_second().map(|saves| thousands(saves as u64))),
        column("ack p50", &|cell| cell.ack_latency().map(|latency| duration(latency.p50))),
        column("ack p99", &|cell| cell.ack_latency().map(|latency| duration(latency.p99))),
        column("of the fastest", &|cell| {
            cell.share_of_fastest(cells).map(|share| format!("{:.0} %", (share * 100.0).max(1.0)))
        }),
    ]
}

fn width_of(label: &Column, columns: &[&Column], room: Room) -> usize {
    draw(label, columns, room, Color::Never).iter().map(|line| line.chars().count()).max().unwrap_or(0)
}

fn draw(label: &Column, columns: &[&Column], room: Room, color: Color) -> Vec<String> {
    let columns: Vec<&Column> = [label].into_iter().chain(columns.iter().copied()).collect();
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
    if color == Color::Always {
        table.enforce_styling();
    }
    let headings: Vec<Vec<&str>> = columns.iter().map(|column| heading_lines(column.heading, room)).collect();
    let height = headings.iter().map(Vec::len).max().unwrap_or(1);
    table.set_header(headings.iter().map(|lines| {
        let above = std::iter::repeat_n("", height - lines.len());
        above.chain(lines.iter().copied()).collect::<Vec<_>>().join("\n")
    }));
    let tall = columns.iter().flat_map(|column| &column.cells).any(|(lines, _)| lines.len() > 1);
    for row in 0..label.cells.len() {
        let cells = columns.iter().enumerate().map(|(n, column)| {
            let (lines, ink) = &column.cells[row];
            let mut text = lines.join("\n");
            // An empty line between rows that take several.
            if n == 0 && tall && row + 1 < label.cells.len() {
                let height = columns.iter().map(|column| column.cells[row].0.len()).max().unwrap_or(1);
                text.push_str(&"\n".repeat(height + 1 - lines.len()));
                text.push(' ');
            }
            let cell = Cell::new(text);
            ink.map_or(cell.clone(), |ink| cell.fg(ink))
        });
        table.add_row(cells.collect::<Vec<_>>());
    }
    for (drawn, column) in table.column_iter_mut().zip(&columns) {
        drawn.set_padding((0, 2));
        if column.right == Align::Right {
            drawn.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn heading_lines(heading: &'static str, room: Room) -> Vec<&'static str> {
    match room {
        Room::Wide => vec![heading],
        Room::Medium | Room::Narrow => heading.split(' ').collect(),
    }
}
