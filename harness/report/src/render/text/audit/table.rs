//! The table of an audit: its files, worst first; those of which the same is to be said share a row.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color as Ink, ColumnConstraint, ContentArrangement, Table, Width};
use crashtest_model::{Audit, AuditedFile, PlainName, UnderKill};

use crate::number::thousands;
use crate::render::format::Color;
use crate::render::words::audit::file;

/// Names that one row lists.
const MOST_NAMES: usize = 4;
/// The share of the width that a name takes at most, in per cent.
const NAME_SHARE: usize = 32;

/// The lines of the table. `is_checked`: there is a checker.
pub(super) fn lines(audit: &Audit, is_checked: bool, width: usize, color: Color) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).force_no_tty();
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    if color == Color::Always {
        table.enforce_styling();
    }
    table.set_header(["file", "written", "under kill", "power cut"]);
    for (files, written, under_kill) in rows(audit, is_checked) {
        let ink = match files[0].under_kill {
            UnderKill::Broken => Ink::Red,
            UnderKill::Unknown | UnderKill::NeedsCheck => Ink::Yellow,
            UnderKill::WrittenOnce | UnderKill::Whole => Ink::Green,
        };
        let mut names: Vec<String> =
            files.iter().take(MOST_NAMES).map(|file| shortened(&file.path, width * NAME_SHARE / 100)).collect();
        if let Some(more) = files.len().checked_sub(MOST_NAMES).filter(|more| *more > 0) {
            names.push(format!("and {} more", thousands(more as u64)));
        }
        table.add_row([
            Cell::new(names.join("\n")),
            Cell::new(written),
            Cell::new(under_kill).fg(ink),
            Cell::new("not tested"),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // Names are broken nowhere; what is said of them is.
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    if let Some(column) = table.column_mut(3) {
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(12)));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// A name that takes up at most `most` columns; a longer one has its middle left out. The whole ones are said below the table.
fn shortened(name: &str, most: usize) -> String {
    let name = PlainName(name).to_string();
    let length = name.chars().count();
    if length <= most {
        return name;
    }
    let end = most / 2;
    let begin = most - end - 1;
    name.chars().take(begin).chain(['…']).chain(name.chars().skip(length - end)).collect()
}

/// The rows: files, and what is said of how they are written and of kills.
fn rows(audit: &Audit, is_checked: bool) -> Vec<(Vec<&AuditedFile>, String, String)> {
    let mut rows: Vec<(Vec<&AuditedFile>, String, String)> = Vec::new();
    for file in &audit.files {
        let (written, under_kill) = (file::written(file), file::under_kill(file, audit.crash_points, is_checked));
        match rows.iter_mut().find(|(_, w, k)| (w, k) == (&written, &under_kill)) {
            Some((files, ..)) => files.push(file),
            None => rows.push((vec![file], written, under_kill)),
        }
    }
    rows
}
