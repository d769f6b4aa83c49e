//! `crashtest trace`: the file operations of a program, as crashtest sees them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use crashtest_model::Trace;
use crashtest_report::render;

use super::run::OutputFormat;
use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;

/// Show the file operations of a program, as crashtest sees them
///
/// Runs the program once and prints every call that changes a file below the state directory or makes it durable: which file, where,
/// how many bytes, and whether what it left would survive a power cut (“un-synced”, “name un-synced”, “durable”). At the end: how each
/// file is written. Nothing is killed and nothing fails. What is read, and what lies elsewhere, is not shown.
///
/// The state directory is --dir; `{dir}` in the command and CRASHTEST_DIR in its environment name it. A program that prints
/// `crashtest: begin N` and `crashtest: ack N` sees its promises among its calls.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  crashtest trace -- python3 bot.py\n  crashtest trace --dir state -- sh -c 'echo 1 > {dir}/new && mv {dir}/new {dir}/counter'\n  crashtest trace --output-format json -- ./server --once > trace.json"
)]
pub(crate) struct TraceArgs {
    /// The state directory: calls below it are shown [default: the working directory]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// What standard output gets: lines, or the trace with the data of every write
    #[arg(long, value_enum, default_value = "text")]
    pub output_format: OutputFormat,
    /// The program and its arguments, after `--`
    #[arg(value_name = "CMD", required = true, last = true)]
    pub command: Vec<OsString>,
}

/// How long a program is traced at most.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs the command.
pub(crate) fn trace(args: &TraceArgs) -> Result<Exit, Problem> {
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from("."));
    let traced = crashtest_engine::trace_program(&args.command, &dir, LIMIT)?;
    show(&traced.trace, &traced.status, args.output_format);
    Ok(Exit::Clean)
}

/// Prints `trace`; `status` says how the program ended: "exit status 0".
fn show(trace: &Trace, status: &str, format: OutputFormat) {
    console::print(&match format {
        OutputFormat::Text => render::trace::terminal(trace, status, console::width(), console::color()),
        OutputFormat::Json => render::trace::json(trace),
    });
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        trace: TraceArgs,
    }

    #[test]
    fn everything_after_the_dashes_is_the_program() {
        let Cli { trace } = Cli::try_parse_from(["trace", "--dir", "d", "--", "sh", "-c", "--dir"]).unwrap();
        assert_eq!(trace.command, ["sh", "-c", "--dir"]);
        assert_eq!((trace.dir, trace.output_format), (Some("d".into()), OutputFormat::Text));
        assert!(Cli::try_parse_from(["trace", "--dir", "d"]).is_err(), "there is nothing to run");
    }

    #[test]
    fn an_empty_trace_is_shown_in_each_format() {
        show(&Trace::default(), "exit status 0", OutputFormat::Text);
        show(&Trace::default(), "exit status 0", OutputFormat::Json);
    }
}
