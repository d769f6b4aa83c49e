//! What a person reads after `crashtest compare`: the table first, what it comes to last.

mod faults;
mod table;

use crashtest_model::Conformance;

use super::terminal_text::{Style, TerminalText};
use crate::number::thousands;
use crate::render::format::Terminal;
use crate::render::words::counts::largest_first;
use crate::render::words::grid::conclusion::{GridConclusion, GridJudgement};
use crate::render::words::grid::guarantee::Guarantee;
use crate::render::words::grid::variant::{self, Variant};
use crate::render::words::grid::{conditions, conformance, faults as fault_words, metadata};
use crate::render::words::{coverage, findings, row};
use crate::results::RecordedGrid;

/// The report for a terminal of `width` columns. Only replay lines and paths may be longer, so that they can be copied.
#[must_use]
pub fn grid(grid: &RecordedGrid, terminal: Terminal) -> String {
    let mut out = TerminalText::new(terminal);
    let cells = variant::all(grid);
    out.wrapped_in("", &conditions::subject(grid), Some(Style::Bold));
    out.wrapped("  ", &grid.grid.why);
    by_fault(&mut out, &cells);
    if conditions::kills(grid) {
        guarantees(&mut out, &cells);
    }
    for cell in cells.iter().filter(|cell| cell.example().is_some()) {
        failures(&mut out, cell);
    }
    beside_documented(&mut out, &cells);
    kept(&mut out, &cells);
    out.heading("How it was compared", "");
    for fact in conditions::facts(grid) {
        out.wrapped("  ", &fact);
    }
    out.heading("What this test cannot show", "");
    let limits = conditions::limits(grid);
    let names = limits.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, words) in &limits {
        out.wrapped(&format!("  {name:<names$}  "), words);
    }
    verdict(&mut out, grid);
    out.finish()
}

/// The worst under each fault, where there are several kinds.
fn by_fault(out: &mut TerminalText, cells: &[Variant<'_>]) {
    let faults = fault_words::faults(cells);
    if faults.is_empty() {
        return;
    }
    out.heading("The worst under each fault", "");
    for (n, lines) in faults::tables(cells, &faults, out.width, out.color).iter().enumerate() {
        if n > 0 {
            out.blank();
        }
        lines.iter().for_each(|line| out.line(line));
    }
    out.blank();
    for line in fault_words::legend(cells, &faults) {
        out.wrapped_in("  ", &line, Some(Style::Dim));
    }
}

/// The tables and how they are read.
fn guarantees(out: &mut TerminalText, cells: &[Variant<'_>]) {
    let columns = Guarantee::columns(cells.iter().filter_map(Variant::kills));
    let tables = table::tables(cells, &columns, out.width, out.color);
    for (n, lines) in tables.iter().enumerate() {
        match (n, tables.len()) {
            (0, _) => out.heading(&format!("What a restart found after {}", conditions::signals(cells)), ""),
            (n, all) if n + 1 == all => out.heading("What that rests on, and what it costs", ""),
            _ => out.blank(),
        }
        for line in lines {
            out.line(line);
        }
    }
    out.blank();
    for line in conditions::legend(cells, &columns) {
        out.wrapped_in("  ", line, Some(Style::Dim));
    }
}

/// Describes the failures of one cell.
fn failures(out: &mut TerminalText, cell: &Variant<'_>) {
    let recipe = cell.cell.map_or("", |cell| cell.run.strategy.recipe.as_str());
    out.heading(&cell.label(), "how it fails");
    out.wrapped("  calls   ", recipe);
    if let Some(kills) = cell.kills() {
        out.wrapped("  kills   ", &row::failures_words(kills));
        if let Some(words) = row::lost_words(kills) {
            out.wrapped("  lost    ", &words);
        }
        if !kills.raw.is_empty() {
            let files: Vec<String> =
                largest_first(&kills.raw).iter().map(|(state, n)| format!("{} {state}", thousands(*n))).collect();
            out.wrapped("  files   ", &format!("before recovery: {}", files.join(", ")));
        }
        for (n, cost) in kills.consequences.iter().enumerate() {
            let label = if n == 0 { "  cost    " } else { "          " };
            out.wrapped(label, &format!("{} {}", thousands(cost.count), cost.words));
        }
    }
    for row in cell.faulty().filter(|row| row.fault.is_exhaustive()) {
        out.wrapped(&format!("  {:<8}", row.fault), &row::failures_words(row));
        for note in coverage::notes(row) {
            out.wrapped_in("          ", &note, Some(Style::Warn));
        }
    }
    if let Some(first) = cell.first_starts().filter(|row| row::violations(row) > 0) {
        out.wrapped("  init    ", &row::failures_words(first));
    }
    if let Some(finding) = cell.example() {
        out.wrapped("  e.g.    ", &format!("{}: {}", finding.verdict, finding.explanation));
        out.wrapped("          ", &findings::first_words(finding));
        out.line(&format!("  replay  {}", finding.replay));
    }
}

/// Each cell beside what is documented.
fn beside_documented(out: &mut TerminalText, cells: &[Variant<'_>]) {
    out.heading("Beside what is documented", "");
    let width = cells.iter().map(|cell| cell.label().chars().count()).max().unwrap_or(0).min(out.width / 2);
    for cell in cells {
        let style = match cell.summary.conformance {
            Conformance::ControlFailed | Conformance::Differs => Some(Style::Bad),
            Conformance::Inconclusive | Conformance::Incomplete | Conformance::NotRun => Some(Style::Warn),
            Conformance::AsDocumented => None,
        };
        out.wrapped_in(&format!("  {:<width$}  ", cell.label()), &conformance::conformance_words(cell.summary), style);
    }
}

/// Writes what a save keeps of its file, once somebody has tried it.
fn kept(out: &mut TerminalText, cells: &[Variant<'_>]) {
    let groups = metadata::groups(cells);
    if groups.is_empty() {
        return;
    }
    out.heading("What a save keeps of the file", "");
    for (strategies, words) in &groups {
        let said: Vec<String> =
            metadata::HEADINGS.iter().zip(words).map(|(what, word)| format!("{what} {word}")).collect();
        out.wrapped("  ", &strategies.join(", "));
        out.wrapped("    ", &said.join(", "));
    }
}

/// Writes where the record lies, and what it comes to.
fn verdict(out: &mut TerminalText, grid: &RecordedGrid) {
    out.blank();
    for note in &grid.notes {
        out.wrapped_in("note: ", note, Some(Style::Warn));
    }
    out.line(&format!("results: {}", grid.path.display()));
    let conclusion = GridConclusion::new(grid);
    let style = match conclusion.judgement {
        GridJudgement::ControlFailed | GridJudgement::Differs => Style::Bad,
        GridJudgement::Incomplete | GridJudgement::Inconclusive => Style::Warn,
        GridJudgement::AsDocumented => Style::Good,
    };
    out.wrapped_in("", &conclusion.sentence, Some(style));
}
