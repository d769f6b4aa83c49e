//! What the user typed. The doc comments are the help.

use clap::{Parser, Subcommand};

use crate::command::audit::AuditArgs;
use crate::command::trace::TraceArgs;
use crate::command::{
    compare::CompareArgs, doctor::DoctorArgs, list::ListArgs, matrix::MatrixArgs, replay::ReplayArgs,
    report::ReportArgs, run::RunArgs,
};

/// If my program dies right now, what will it find when it starts again?
///
/// crashtest starts a real writer, kills it with SIGKILL at a random moment (also in the middle of a write), starts it again, and
/// says whether the file came back torn, empty, missing, silently reset, or without an acknowledged save.
#[derive(Debug, Parser)]
#[command(name = "crashtest", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Start with:\n  crashtest run --strategy direct --iterations 1000\n  crashtest run --strategy atomic --iterations 1000\n  crashtest run --strategy direct --fault sweep\n  crashtest compare direct atomic\n  crashtest audit -- python3 bot.py\n\nExit status: 0 no broken claim · 1 a claim is broken (compare: not as documented; audit: a file can be left torn, empty or missing) · 2 usage · 3 inconclusive · 4 the control failed ·\n5 this machine lacks what the fault needs · 70 a bug of crashtest · 130 interrupted, partial report written"
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Kill a strategy's writer again and again, and judge every restart
    Run(RunArgs),
    /// Put strategies side by side: what each guarantees under kills, and what that costs
    Compare(CompareArgs),
    /// Run the campaigns of a scenario file, and say whether each shows what is documented
    Matrix(MatrixArgs),
    // Its help is that of its arguments, with all of its paragraphs: a line here would hide them.
    Audit(AuditArgs),
    /// Show the file operations of a program, as crashtest sees them
    Trace(TraceArgs),
    /// Show one failure again
    Replay(ReplayArgs),
    /// Render a run again, from its results folder alone
    Report(ReportArgs),
    /// What there is: strategies, workloads, faults, verdicts
    List(ListArgs),
    /// What this machine can do, and a self-test with planted bugs
    Doctor(DoctorArgs),
    /// A worker process of another command
    #[command(hide = true)]
    Worker,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
