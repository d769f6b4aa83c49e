//! What the user typed. The doc comments are the help.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand};
use crashtest_model::Program;

use crate::command::audit::AuditArgs;
use crate::command::trace::TraceArgs;
use crate::command::{
    compare::CompareArgs, doctor::DoctorArgs, init::InitArgs, list::ListArgs, matrix::MatrixArgs, replay::ReplayArgs,
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
    Run(Box<RunArgs>),
    /// Put strategies side by side: what each guarantees under kills, and what that costs
    Compare(CompareArgs),
    /// Run the campaigns of a scenario file, and say whether each shows what is documented
    Matrix(MatrixArgs),
    // The help of these two is that of their arguments, with all of its paragraphs: a line here would hide them.
    Audit(AuditArgs),
    Init(InitArgs),
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

/// The commands that take a program after `--`.
const WITH_PROGRAMS: [&str; 4] = ["audit", "init", "run", "trace"];

/// The command line of `arguments` with the `--` that is missing in it, where that is what `error` is about.
pub(crate) fn with_dashes(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let Some(ContextValue::String(first)) = error.get(ContextKind::InvalidArg) else { return None };
    let is_missing = error.kind() == ErrorKind::UnknownArgument && !first.starts_with('-');
    let takes_one = words.first().is_some_and(|command| WITH_PROGRAMS.contains(&command.as_str()));
    if !is_missing || !takes_one || words.iter().any(|word| word == "--") {
        return None;
    }
    let (options, program) = words.split_at(words.iter().position(|word| word == first)?);
    let typed = |words: &[String]| Program::words_for_a_shell(words);
    Some(format!("crashtest {} -- {}", typed(options), typed(program)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_program_without_dashes_before_it_is_shown_with_them() {
        let corrected = |line: &str| {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            let error = Cli::try_parse_from(std::iter::once("crashtest".into()).chain(words.clone())).unwrap_err();
            with_dashes(&error, &words)
        };
        let wanted = "crashtest audit --dir d -- python3 bot.py".to_owned();
        assert_eq!(corrected("audit --dir d python3 bot.py"), Some(wanted));
        assert_eq!(corrected("audit --frob -- python3 bot.py"), None);
        assert_eq!(corrected("list python3"), None);
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
