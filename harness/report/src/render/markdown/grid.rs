//! The report of a grid for a CI job summary: GitHub Markdown, what it comes to first. It stays under the 1 MiB that a step may write.

use std::fmt::Write as _;

use crashtest_model::{Conformance, Finding};

use super::escape::{code, plain};
use crate::number::{duration, thousands};
use crate::render::words::counts::largest_first;
use crate::render::words::grid::conclusion::{GridConclusion, GridJudgement};
use crate::render::words::grid::guarantee::{Guarantee, bound, mark};
use crate::render::words::grid::variant::{self, Variant};
use crate::render::words::grid::{conditions, conformance, faults, metadata};
use crate::render::words::{coverage, findings, row};
use crate::results::RecordedGrid;

/// Cells that have rows in the table; with the longest texts they stay below the limit.
const MOST_ROWS: usize = 400;
/// Failures are shown in full until the report has so many bytes: the rest of it has room in as many again.
const MOST_BYTES: usize = 500_000;
/// Notes on the folder.
const MOST_NOTES: usize = 30;
/// Consequences of one cell.
const MOST_COSTS: usize = 8;

/// The report in GitHub Markdown, below 1 MiB.
#[must_use]
pub fn grid(grid: &RecordedGrid) -> String {
    let mut text = String::new();
    let cells = variant::all(grid);
    head(&mut text, grid);
    departures(&mut text, &cells);
    by_fault(&mut text, &cells);
    if conditions::kills(grid) {
        table(&mut text, &cells);
    }
    examples(&mut text, &cells);
    beside_documented(&mut text, &cells);
    kept(&mut text, &cells);
    text.push_str("### How it was compared\n\n");
    for fact in conditions::facts(grid) {
        let _ = writeln!(text, "- {}", plain(&fact));
    }
    text.push_str("\n### What this test cannot show\n\n");
    for (name, words) in conditions::limits(grid) {
        let _ = writeln!(text, "- **{}**: {}", plain(&name), plain(&words));
    }
    text
}

fn head(text: &mut String, grid: &RecordedGrid) {
    let conclusion = GridConclusion::new(grid);
    let sign = match conclusion.judgement {
        GridJudgement::ControlFailed | GridJudgement::Differs => "❌",
        GridJudgement::Incomplete | GridJudgement::Inconclusive => "⚠️",
        GridJudgement::AsDocumented => "✅",
    };
    let _ = writeln!(text, "## {sign} crashtest {}: {}\n", plain(&grid.grid.name), plain(&conditions::subject(grid)));
    let _ = writeln!(text, "**{}**\n\n{}\n", plain(&conclusion.sentence), plain(&grid.grid.why));
    for note in grid.notes.iter().take(MOST_NOTES) {
        let _ = writeln!(text, "> {}\n", plain(note));
    }
}

/// Writes what is not as documented, worst first, before everything else.
fn departures(text: &mut String, cells: &[Variant<'_>]) {
    let mut departed: Vec<_> =
        cells.iter().filter(|cell| cell.summary.conformance != Conformance::AsDocumented).collect();
    departed.sort_by_key(|cell| cell.summary.conformance);
    if departed.is_empty() {
        return;
    }
    text.push_str("### Not as documented, worst first\n\n");
    for cell in departed.iter().take(MOST_ROWS) {
        let _ =
            writeln!(text, "- **{}**: {}", plain(&cell.label()), plain(&conformance::conformance_words(cell.summary)));
    }
    text.push('\n');
}

/// The worst under each fault, where there are several kinds.
fn by_fault(text: &mut String, cells: &[Variant<'_>]) {
    let faults = faults::faults(cells);
    if faults.is_empty() {
        return;
    }
    let headings: String = faults.iter().map(|fault| format!(" {fault} |")).collect();
    let _ = writeln!(
        text,
        "### The worst under each fault\n\n| strategy |{headings}\n|---|{}",
        "---|".repeat(faults.len())
    );
    let lines = faults::lines(cells, &faults);
    for line in lines.iter().take(MOST_ROWS) {
        let worst: String = line.worst.iter().map(|worst| format!(" {} |", worst.cell_words().join(" "))).collect();
        let _ = writeln!(text, "| {} |{worst}", plain(&line.variant.target_label()));
    }
    text.push('\n');
    for line in faults::legend(cells, &faults) {
        let _ = writeln!(text, "{}  ", plain(&line));
    }
    text.push('\n');
}

fn table(text: &mut String, cells: &[Variant<'_>]) {
    let columns = Guarantee::columns(cells.iter().filter_map(Variant::kills));
    let _ = write!(text, "### What a restart found after {}\n\n| strategy |", conditions::signals(cells));
    for column in &columns {
        let _ = write!(text, " {} |", column.name());
    }
    text.push_str(" kept means | kills landed | saves per second | ack p50 | ack p99 | of the fastest |\n|---|");
    text.push_str(&"---|".repeat(columns.len()));
    text.push_str("--:|--:|--:|--:|--:|--:|\n");
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for cell in cells.iter().take(MOST_ROWS) {
        let _ = write!(text, "| {} |", plain(&cell.label()));
        for column in &columns {
            let (rate, range) = mark(cell.kills(), *column).cell_words();
            let range = range.map(|range| format!(" ({range})")).unwrap_or_default();
            let _ = write!(text, " {rate}{range} |");
        }
        let share = cell.share_of_fastest(cells).map(|share| format!("{:.0} %", (share * 100.0).max(1.0)));
        let _ = writeln!(
            text,
            " {} | {} | {} | {} | {} | {} |",
            or_dash(cell.kills().and_then(bound).map(|bound| format!("≤ {bound} %"))),
            or_dash(cell.kills().and_then(|row| row.kills_landed).map(thousands)),
            or_dash(cell.saves_per_second().map(|saves| thousands(saves as u64))),
            or_dash(cell.ack_latency().map(|latency| duration(latency.p50))),
            or_dash(cell.ack_latency().map(|latency| duration(latency.p99))),
            or_dash(share),
        );
    }
    text.push('\n');
    if cells.len() > MOST_ROWS {
        let _ = writeln!(text, "…and {} more: `summary.json` has them all.\n", cells.len() - MOST_ROWS);
    }
    for line in conditions::legend(cells, &columns) {
        let _ = writeln!(text, "{}  ", plain(line));
    }
    text.push('\n');
}

fn examples(text: &mut String, cells: &[Variant<'_>]) {
    let failing: Vec<_> = cells.iter().filter_map(|cell| Some((cell, cell.example()?))).collect();
    for (n, (cell, finding)) in failing.iter().enumerate() {
        let example = example(cell, finding);
        if text.len() + example.len() > MOST_BYTES {
            let _ = writeln!(text, "…and {} more that failed: their folders tell.\n", failing.len() - n);
            return;
        }
        text.push_str(&example);
    }
}

/// Describes the failures of one cell.
fn example(cell: &Variant<'_>, finding: &Finding) -> String {
    let mut text = String::new();
    let recipe = cell.cell.map_or("", |cell| cell.run.strategy.recipe.as_str());
    let _ = writeln!(text, "### {}: how it fails\n\n`{}`\n", plain(&cell.label()), code(recipe));
    if let Some(kills) = cell.kills() {
        let _ = writeln!(text, "- {}", row::failures_words(kills));
        if let Some(words) = row::lost_words(kills) {
            let _ = writeln!(text, "- lost acks: {words}");
        }
        let files = largest_first(&kills.raw);
        let files: Vec<String> = files.iter().map(|(state, n)| format!("{} {state}", thousands(*n))).collect();
        let _ = writeln!(text, "- files before recovery: {}", plain(&files.join(", ")));
        for cost in kills.consequences.iter().take(MOST_COSTS) {
            let _ = writeln!(text, "- cost: {} {}", thousands(cost.count), plain(&cost.words));
        }
    }
    for row in cell.faulty().filter(|row| row.fault.is_exhaustive()) {
        let _ = writeln!(text, "- {}: {}", row.fault, row::failures_words(row));
        coverage::notes(row).iter().for_each(|note| text += &format!("  - {}\n", plain(note)));
    }
    if let Some(first) = cell.first_starts().filter(|row| row::violations(row) > 0) {
        let _ = writeln!(text, "- {}", row::failures_words(first));
    }
    let words = format!("{}: {}", finding.verdict, finding.explanation);
    let _ = writeln!(text, "- e.g. {}; {}", plain(&words), plain(&findings::first_words(finding)));
    let _ = writeln!(text, "- replay: `{}`\n", code(&finding.replay));
    text
}

fn beside_documented(text: &mut String, cells: &[Variant<'_>]) {
    text.push_str("### Beside what is documented\n\n| strategy | |\n|---|---|\n");
    for cell in cells.iter().take(MOST_ROWS) {
        let _ =
            writeln!(text, "| {} | {} |", plain(&cell.label()), plain(&conformance::conformance_words(cell.summary)));
    }
    text.push('\n');
}

fn kept(text: &mut String, cells: &[Variant<'_>]) {
    let Some(rows) = metadata::rows(cells) else { return };
    let _ = writeln!(text, "### What a save keeps of the file\n\n| strategy | {} |", metadata::HEADINGS.join(" | "));
    text.push_str("|---|---|---|---|---|\n");
    for (label, words) in rows.iter().take(MOST_ROWS) {
        let _ = writeln!(text, "| {} | {} |", plain(label), words.join(" | "));
    }
    text.push('\n');
}
