//! `crashtest report`: render a run again, from its results folder alone.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use crashtest_report::{read, render};

use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;

/// Render a run again, from its results folder alone
///
/// Works on old runs, on interrupted ones, and on one whose supervisor was killed: it shows what there is and says "incomplete".
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
    let recorded = read(&args.run)?;
    console::print(&match args.format {
        Format::Text => render::terminal(&recorded, console::width(), console::color()),
        Format::Markdown => render::markdown(&recorded),
        Format::Junit => render::junit(&recorded),
        Format::Json => render::json(&recorded),
    });
    Ok(Exit::Clean)
}
