//! `crashtest report`: render a run again, from its results folder alone.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use crashtest_report::{Results, read_results, render};

use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;

/// Render a run again, from its results folder alone
///
/// Works on runs and grids, on old ones, on interrupted ones, and on one whose supervisor was killed: it shows what there is and says "incomplete".
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  crashtest report\n  crashtest report results/latest --format markdown >> \"$GITHUB_STEP_SUMMARY\""
)]
pub(crate) struct ReportArgs {
    /// The results folder
    #[arg(default_value = "results/latest")]
    pub run: PathBuf,
    /// What to make of it
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// `--format`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For a terminal
    Text,
    /// For a CI job summary
    Markdown,
    /// For a CI's test view: one case per target, fault and claim
    Junit,
    /// The object of summary.json
    Json,
}

/// Runs the command.
pub(crate) fn report(args: &ReportArgs) -> Result<Exit, Problem> {
    let (width, color) = (console::width(), console::color());
    console::print(&match (read_results(&args.run)?, args.format) {
        (Results::Run(run), Format::Text) => render::terminal(&run, width, color),
        (Results::Run(run), Format::Markdown) => render::markdown(&run),
        (Results::Run(run), Format::Junit) => render::junit(&run),
        (Results::Run(run), Format::Json) => render::json(&run),
        (Results::Grid(grid), Format::Text) => render::grid::terminal(&grid, width, color),
        (Results::Grid(grid), Format::Markdown) => render::grid::markdown(&grid),
        (Results::Grid(grid), Format::Junit) => render::grid::junit(&grid),
        (Results::Grid(grid), Format::Json) => render::grid::json(&grid),
    });
    Ok(Exit::Clean)
}
