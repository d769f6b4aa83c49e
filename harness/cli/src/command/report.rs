//! `crashtest report`: render a run again, from its results folder alone.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use crashtest_report::read_results;
use crashtest_report::render::{FORMATS, Format};

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
    #[arg(long, value_parser = formats(), default_value = "text")]
    pub format: Format,
}

/// The values of `--format`: every format that there is.
fn formats() -> impl TypedValueParser<Value = Format> {
    let names = FORMATS.iter().map(|format| PossibleValue::new(format.name).help(format.purpose));
    PossibleValuesParser::new(names)
        .try_map(|name| FORMATS.into_iter().find(|format| format.name == name).ok_or("there is no such format"))
}

/// Runs the command.
pub(crate) fn report(args: &ReportArgs) -> Result<Exit, Problem> {
    console::print(&args.format.render(&read_results(&args.run)?, console::terminal()));
    Ok(Exit::Clean)
}
