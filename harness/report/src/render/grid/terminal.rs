//! What a person reads after `crashtest compare`: the table first, what it comes to last.

use crashtest_model::Standing;

use super::conclusion::{GridConclusion, GridJudgement};
use super::contender::{self, Contender};
use super::guarantee::Guarantee;
use super::{agreement, conditions, faults, metadata, table};
use crate::number::thousands;
use crate::render::page::{Color, Page, Style};
use crate::render::{findings, histogram, row, swept};
use crate::results::RecordedGrid;

/// The report for a terminal of `width` columns. Only replay lines and paths may be longer, so that they can be copied.
#[must_use]
pub fn terminal(grid: &RecordedGrid, width: u16, color: Color) -> String {
    let mut page = Page::new(width, color);
    let cells = contender::all(grid);
    page.wrapped_in("", &conditions::subject(grid), Some(Style::Bold));
    page.wrapped("  ", &grid.grid.why);
    by_fault(&mut page, &cells);
    if conditions::kills(grid) {
        guarantees(&mut page, &cells);
    }
    for cell in cells.iter().filter(|cell| cell.example().is_some()) {
        failures(&mut page, cell);
    }
    standings(&mut page, &cells);
    kept(&mut page, &cells);
    page.heading("How it was compared", "");
    for fact in conditions::facts(grid) {
        page.wrapped("  ", &fact);
    }
    page.heading("What this test cannot show", "");
    let limits = conditions::limits(grid);
    let names = limits.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, words) in &limits {
        page.wrapped(&format!("  {name:<names$}  "), words);
    }
    verdict(&mut page, grid);
    page.finish()
}

/// The worst under each fault, where there are several kinds.
fn by_fault(page: &mut Page, cells: &[Contender<'_>]) {
    let faults = faults::faults(cells);
    if faults.is_empty() {
        return;
    }
    page.heading("The worst under each fault", "");
    for (n, lines) in faults::tables(cells, &faults, page.width, page.color).iter().enumerate() {
        if n > 0 {
            page.blank();
        }
        lines.iter().for_each(|line| page.line(line));
    }
    page.blank();
    for line in faults::legend(cells, &faults) {
        page.wrapped_in("  ", &line, Some(Style::Dim));
    }
}

/// The tables and how they are read.
fn guarantees(page: &mut Page, cells: &[Contender<'_>]) {
    let columns = Guarantee::columns(cells.iter().filter_map(Contender::kills));
    let tables = table::tables(cells, &columns, page.width, page.color);
    for (n, lines) in tables.iter().enumerate() {
        match (n, tables.len()) {
            (0, _) => page.heading(&format!("What a restart found after {}", conditions::signals(cells)), ""),
            (n, all) if n + 1 == all => page.heading("What that rests on, and what it costs", ""),
            _ => page.blank(),
        }
        for line in lines {
            page.line(line);
        }
    }
    page.blank();
    for line in conditions::legend(cells, &columns) {
        page.wrapped_in("  ", line, Some(Style::Dim));
    }
}

/// What one cell's failures were like.
fn failures(page: &mut Page, cell: &Contender<'_>) {
    let recipe = cell.cell.map_or("", |cell| cell.run.strategy.recipe.as_str());
    page.heading(&cell.label(), "how it fails");
    page.wrapped("  calls   ", recipe);
    if let Some(kills) = cell.kills() {
        page.wrapped("  kills   ", &row::failures_words(kills));
        if let Some(words) = row::lost_words(kills) {
            page.wrapped("  lost    ", &words);
        }
        if !kills.raw.is_empty() {
            let files: Vec<String> =
                histogram::sorted(&kills.raw).iter().map(|(state, n)| format!("{} {state}", thousands(*n))).collect();
            page.wrapped("  files   ", &format!("before recovery: {}", files.join(", ")));
        }
        for (n, cost) in kills.consequences.iter().enumerate() {
            let label = if n == 0 { "  cost    " } else { "          " };
            page.wrapped(label, &format!("{} {}", thousands(cost.count), cost.words));
        }
    }
    for row in cell.faulty().filter(|row| row.fault.is_exhaustive()) {
        page.wrapped(&format!("  {:<8}", row.fault), &row::failures_words(row));
        for note in swept::notes(row) {
            page.wrapped_in("          ", &note, Some(Style::Warn));
        }
    }
    if let Some(first) = cell.first_starts().filter(|row| row::violations(row) > 0) {
        page.wrapped("  init    ", &row::failures_words(first));
    }
    if let Some(finding) = cell.example() {
        page.wrapped("  e.g.    ", &format!("{}: {}", finding.verdict, finding.explanation));
        page.wrapped("          ", &findings::first_words(finding));
        page.line(&format!("  replay  {}", finding.replay));
    }
}

/// Each cell beside what is documented.
fn standings(page: &mut Page, cells: &[Contender<'_>]) {
    page.heading("Beside what is documented", "");
    let width = cells.iter().map(|cell| cell.label().chars().count()).max().unwrap_or(0).min(page.width / 2);
    for cell in cells {
        let style = match cell.summary.standing {
            Standing::ControlFailed | Standing::Differs => Some(Style::Bad),
            Standing::Inconclusive | Standing::Incomplete | Standing::NotRun => Some(Style::Warn),
            Standing::AsDocumented => None,
        };
        page.wrapped_in(&format!("  {:<width$}  ", cell.label()), &agreement::words(cell.summary), style);
    }
}

/// What a save keeps of its file, once somebody has tried it.
fn kept(page: &mut Page, cells: &[Contender<'_>]) {
    let groups = metadata::groups(cells);
    if groups.is_empty() {
        return;
    }
    page.heading("What a save keeps of the file", "");
    for (strategies, words) in &groups {
        let said: Vec<String> =
            metadata::HEADINGS.iter().zip(words).map(|(what, word)| format!("{what} {word}")).collect();
        page.wrapped("  ", &strategies.join(", "));
        page.wrapped("    ", &said.join(", "));
    }
}

/// Where the record lies, and what it comes to.
fn verdict(page: &mut Page, grid: &RecordedGrid) {
    page.blank();
    for note in &grid.notes {
        page.wrapped_in("note: ", note, Some(Style::Warn));
    }
    page.line(&format!("results: {}", grid.path.display()));
    let conclusion = GridConclusion::of(grid);
    let style = match conclusion.judgement {
        GridJudgement::ControlFailed | GridJudgement::Differs => Style::Bad,
        GridJudgement::Incomplete | GridJudgement::Inconclusive => Style::Warn,
        GridJudgement::AsDocumented => Style::Good,
    };
    page.wrapped_in("", &conclusion.sentence, Some(style));
}
