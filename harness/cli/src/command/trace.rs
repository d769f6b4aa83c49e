//! `crashtest trace`: the file operations of a program, as crashtest sees them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use crashtest_engine::{Kept, Sandbox, TracedProgram, Tracing};
use crashtest_model::{Budget, Bytes, Confirm, KillAt, Loader, Plan, Seed, Signal, TargetSpec, Tears, Trace, Until};
use crashtest_report::render;
use crashtest_strategies::Builtin;

use super::run::OutputFormat;
use crate::check;
use crate::console;
use crate::exit::Exit;
use crate::options;
use crate::problem::Problem;
use crate::program;
use crate::signals;
use crate::values;

/// Show the file operations of a program or a strategy, as crashtest sees them
///
/// Runs the program once and prints every call that changes a file below the state directory or makes it durable: which file, where,
/// how many bytes, and whether what it left would survive a power cut (“un-synced”, “name un-synced”, “durable”). At the end: how each
/// file is written. Nothing is killed and nothing fails. What is read, and what lies elsewhere, is not shown.
///
/// The state directory is --dir; `{dir}` in the command and CRASHTEST_DIR in its environment name it. A program that prints
/// `crashtest: begin N` and `crashtest: ack N` sees its promises among its calls.
///
/// With --strategy it is a built-in strategy that is shown, from its recovery through some saves.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  crashtest trace -- python3 bot.py\n  crashtest trace --dir state -- sh -c 'echo 1 > {dir}/new && mv {dir}/new {dir}/counter'\n  crashtest trace --output-format json -- ./server --once > trace.json\n  crashtest trace --strategy atomic-fsync --saves 1"
)]
pub(crate) struct TraceArgs {
    /// The state directory: calls below it are shown [default: the working directory; for a strategy one of its own]
    #[arg(long, value_name = "DIR", conflicts_with = "strategy")]
    pub dir: Option<PathBuf>,
    /// What standard output gets: lines, or the trace with the data of every write
    #[arg(long, value_enum, default_value = "text")]
    pub output_format: OutputFormat,
    /// A built-in strategy instead of a program: see `crashtest list strategies`
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    pub strategy: Option<String>,
    /// With --strategy: what it persists [default: fills; a system has its own]
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    pub workload: Option<String>,
    /// With --strategy: how many saves are shown
    #[arg(long, value_name = "N", default_value = "3", value_parser = values::count, conflicts_with = "command")]
    pub saves: u64,
    /// With --strategy: bound on the encoded state
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = values::size, conflicts_with = "command")]
    pub state_size: Bytes,
    /// The program and its arguments, after `--`
    #[arg(value_name = "CMD", required_unless_present = "strategy", last = true)]
    pub command: Vec<OsString>,
}

/// How long a program is traced at most.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs the command.
pub(crate) fn trace(args: &TraceArgs) -> Result<Exit, Problem> {
    let stop = signals::stop_on_signals()?;
    let traced = match &args.strategy {
        Some(strategy) => trace_strategy(args, strategy, &stop)?,
        None => {
            let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from("."));
            // Lines say how much was written, and not what.
            let kept = if args.output_format == OutputFormat::Json { Kept::Contents } else { Kept::Lengths };
            let cwd = program::working_directory()?;
            crashtest_engine::trace_program(&Tracing {
                command: &args.command,
                dir: &dir,
                cwd: &cwd,
                kept,
                limit: LIMIT,
                until: Until::default(),
                stop: &stop,
                tell: None,
            })?
        }
    };
    show(&traced.trace, &traced.status, args.output_format);
    if let Some(nonsense) = &traced.nonsense {
        console::complain(&format!("warning: of what the program printed, {nonsense}"));
    }
    Ok(if stop.load(Ordering::Relaxed) { Exit::Interrupted } else { Exit::Clean })
}

fn trace_strategy(args: &TraceArgs, strategy: &str, stop: &AtomicBool) -> Result<TracedProgram, Problem> {
    let workload = options::workload_of(&Builtin, strategy, args.workload.as_deref());
    check::look_up(&Builtin, strategy, &workload)?;
    let plan = Plan {
        target: TargetSpec {
            strategy: strategy.to_owned(),
            workload,
            loader: Loader::Strict,
            state_size: args.state_size,
            idle_us: 0,
            writers: 1,
            threads: false,
            readers: 0,
        },
        faults: Vec::new(),
        kill_at: KillAt::Any,
        signal: Signal::Kill,
        tears: Tears::Kernel,
        confirm: Confirm::Sample,
        max_states: None,
        seed: Seed(1),
        budget: Budget { iterations: None, duration_ms: None, max_ms: None, max_failures: None, jobs: 1 },
        fresh: false,
        limit_ms: LIMIT.as_millis() as u64,
        sandbox_parent: std::env::temp_dir(),
        planted: None,
        program: None,
    };
    let sandbox = Sandbox::make(&plan.sandbox_parent, 1, plan.target.state_size)?;
    Ok(crashtest_engine::trace_target(&Builtin, &plan, &sandbox, args.saves, stop)?)
}

/// Prints `trace`; `status` says how the program ended: "exit status 0".
fn show(trace: &Trace, status: &str, format: OutputFormat) {
    console::print(&match format {
        OutputFormat::Text => render::text::trace(trace, status, console::terminal()),
        OutputFormat::Json => render::json::trace(trace),
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
