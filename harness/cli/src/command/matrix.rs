//! `crashtest matrix`: the campaigns of a scenario file, one after the other.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Args;
use crashtest_linux::machine;
use crashtest_model::{Expectation, Fault, Plan, Verdict};
use crashtest_report::thousands;
use jiff::SignedDuration;

use crate::command::compare::{OutputFormat, run_grid};
use crate::console;
use crate::exit::Exit;
use crate::grid::{GridCell, GridDescription};
use crate::options::ResultsOptions;
use crate::problem::Problem;
use crate::registry::TargetsOption;
use crate::scenario::{self, Cell, Scenario};
use crate::values;

/// Run the campaigns of a scenario file, and say whether each shows what is documented
///
/// One cell after the other: a strategy, a workload, a loader. Scenarios in `regressions/` beside the file are run first: failing
/// seeds that were kept. scenarios/README.md describes the format.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  crashtest matrix scenarios/smoke.toml\n  crashtest matrix scenarios/nightly.toml --dir /mnt/xfs --jobs 4\n  crashtest matrix scenarios/nightly.toml --plan\n\nExit status: 0 when each cell shows what is documented (direct must fail), 1 when one does not."
)]
pub(crate) struct MatrixArgs {
    /// The scenario: a TOML file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What else there is
    #[command(flatten)]
    pub targets: TargetsOption,
    /// Only show what would be run
    #[arg(long)]
    pub plan: bool,
    /// Where the sandboxes are made: this file system is tested [default: beside the results]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Worker processes [default: one per processor]
    #[arg(long, short = 'j', value_name = "N", value_parser = values::jobs)]
    pub jobs: Option<usize>,

    /// Where the results go
    #[command(flatten)]
    pub results: ResultsOptions,
    /// What standard output gets: the report, summary.json or summary.md
    #[arg(long, value_enum, default_value = "text", help_heading = "Output")]
    pub output_format: OutputFormat,
}

/// Runs the command.
pub(crate) fn matrix(args: &MatrixArgs) -> Result<Exit, Problem> {
    let jobs = args.jobs.unwrap_or_else(machine::processors);
    let known = args.targets.known()?;
    let scenario = scenario::load(&args.file, &known, jobs)?;
    let mut kept = Vec::new();
    for file in regressions(&args.file)? {
        kept.push(scenario::load(&file, &known, jobs)?);
    }
    if args.plan {
        kept.iter().chain([&scenario]).for_each(|scenario| console::print(&shown(scenario)));
        return Ok(Exit::Clean);
    }
    let cells = kept.into_iter().flat_map(|kept| kept.cells).chain(scenario.cells);
    let cells = cells.map(|cell| grid_cell(cell, args.dir.as_deref())).collect();
    let description = GridDescription { name: &scenario.name, why: &scenario.why, limits: &scenario.limits };
    run_grid(&known, &description, cells, &args.results, args.output_format)
}

/// The scenarios in `regressions/` beside `file`, by name; none where there is no such folder, or where `file` lies in it.
fn regressions(file: &Path) -> Result<Vec<PathBuf>, Problem> {
    let folder = file.parent().unwrap_or(Path::new("")).join("regressions");
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
    };
    let entries = entries
        .map_err(|error| Problem::usage(format!("failed to read the folder `{}`: {error}", folder.display())))?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|suffix| suffix == "toml"));
    files.sort();
    Ok(files)
}

/// A cell of a scenario as it is run, with its sandbox in `dir`.
fn grid_cell(cell: Cell, dir: Option<&Path>) -> GridCell {
    let mut plan = cell.plan;
    plan.sandbox_parent = dir.map(Path::to_owned).unwrap_or_default();
    let fault = plan.faults.first().copied().unwrap_or(Fault::None);
    GridCell { expect: cell.expect.into_iter().map(|expectation| (fault, expectation)).collect(), plan }
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
        how_much(&cell.plan),
        cell.expect.as_ref().map_or_else(|| "not documented".to_owned(), expected),
    ]
}

fn how_much(plan: &Plan) -> String {
    if plan.is_exhaustive() {
        return plan.max_states.map_or_else(|| "exhaustive".to_owned(), |n| format!("at most {}", thousands(n)));
    }
    if !plan.kills() {
        return "the control alone".to_owned();
    }
    let budget = &plan.budget;
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
