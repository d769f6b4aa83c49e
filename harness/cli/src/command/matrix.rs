//! `crashtest matrix`: the campaigns of a scenario file, one after the other.

use std::path::PathBuf;

use clap::Args;
use crashtest_linux::machine;
use crashtest_model::{Budget, Expectation, Verdict};
use crashtest_report::thousands;
use crashtest_strategies::Builtin;
use jiff::SignedDuration;

use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::scenario::{self, Cell, Scenario};

/// Run the campaigns of a scenario file
#[derive(Debug, Args)]
pub(crate) struct MatrixArgs {
    /// The scenario: a TOML file, see scenarios/README.md
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only show what would be run
    #[arg(long)]
    pub plan: bool,
}

/// Runs the command.
pub(crate) fn matrix(args: &MatrixArgs) -> Result<Exit, Problem> {
    let scenario = scenario::load(&args.file, &Builtin, machine::processors())?;
    if !args.plan {
        return Err(Problem::usage("running a scenario is not there yet")
            .hint(Some("--plan shows what would be run".to_owned())));
    }
    console::print(&shown(&scenario));
    Ok(Exit::Clean)
}

/// What it is for, its cells, one a line, and what it cannot show.
fn shown(scenario: &Scenario) -> String {
    let rows: Vec<[String; 5]> = scenario.cells.iter().map(row).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 4] = std::array::from_fn(width);
    let mut text = format!("{}: {}\n\n", scenario.name, scenario.why);
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
        text += &format!("{}{}\n", cells.collect::<String>(), row[4]);
    }
    if !scenario.limits.is_empty() {
        text += &format!("\nIt cannot show:\n  - {}\n", scenario.limits.join("\n  - "));
    }
    text
}

/// Target, loader, fault, how much, and what is expected.
fn row(cell: &Cell) -> [String; 5] {
    let target = &cell.plan.target;
    let faults: Vec<&str> = cell.plan.faults.iter().map(|fault| fault.name()).collect();
    [
        format!("{} × {}", target.strategy, target.workload),
        target.loader.to_string(),
        faults.join(", "),
        if cell.plan.kills() { how_much(&cell.plan.budget) } else { "the control alone".to_owned() },
        cell.expect.as_ref().map_or_else(|| "not documented".to_owned(), expected),
    ]
}

fn how_much(budget: &Budget) -> String {
    let time = budget.duration_ms.map(|ms| format!("{:#}", SignedDuration::from_millis_i128(ms.into())));
    match (budget.iterations, time) {
        (Some(n), None) => format!("{} iterations", thousands(n)),
        (Some(n), Some(time)) => format!("{} iterations, at most {time}", thousands(n)),
        (None, Some(time)) => time,
        (None, None) => "until stopped".to_owned(),
    }
}

fn expected(expectation: &Expectation) -> String {
    let names = |verdicts: &[Verdict], joint| verdicts.iter().map(|v| v.name()).collect::<Vec<_>>().join(joint);
    let parts: Vec<String> = [
        ("must show", names(&expectation.must, ", ")),
        ("one of", names(&expectation.one_of, ", ")),
        ("may show", names(&expectation.may, ", ")),
    ]
    .into_iter()
    .filter(|(_, verdicts)| !verdicts.is_empty())
    .map(|(what, verdicts)| format!("{what} {verdicts}"))
    .collect();
    if parts.is_empty() { "intact only".to_owned() } else { parts.join("; ") }
}
