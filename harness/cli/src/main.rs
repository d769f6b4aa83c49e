//! The program `crashtest`: arguments, terminal and exit codes over the engine and the report.
//!
//! Each command is a file under `command/`. What the user typed becomes a plan; the engine's events become progress and a results
//! folder. Everything that a person reads is rendered from that folder.

mod applicability;
mod args;
mod campaign;
mod check;
mod command;
mod console;
mod exit;
mod github;
mod grid;
mod host;
mod nearest;
mod options;
mod problem;
mod program;
mod progress;
mod project;
mod registry;
mod requirements;
mod scenario;
mod selection;
mod signals;
mod state_directory;
mod under_reaper;
mod until;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::problem::Problem;

fn main() -> ExitCode {
    // Before anything that needs more of it: an overflow is a signal and no message.
    let result = requirements::stack().and_then(|()| {
        let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
        if let Some(arguments) = command::both::without_a_command(&arguments) {
            return command::both::audit_and_run(arguments);
        }
        let arguments = project::expanded(&arguments)?.unwrap_or(arguments);
        let mut command = applicability::with_headings(Cli::command());
        let words = [OsString::from("crashtest")].into_iter().chain(arguments.clone());
        let matches = match command.try_get_matches_from_mut(words) {
            Ok(matches) => matches,
            Err(error) => match args::with_dashes(&error, &arguments) {
                Some(line) => {
                    let why = Problem::usage("the program and its arguments come after `--`".to_owned());
                    return Err(why.hint(Some(line)));
                }
                None => error.exit(),
            },
        };
        let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit());
        // What does not apply is refused before anything else is looked at.
        matches.subcommand_matches("run").map_or(Ok(()), applicability::check)?;
        carry_out(&cli.command)
    });
    let exit = result.unwrap_or_else(|problem: Problem| {
        console::complain(&problem.to_string());
        problem.exit
    });
    match exit {
        Exit::Bug | Exit::Interrupted => exit,
        _ if console::lost_output() => Exit::Usage,
        exit => exit,
    }
    .into()
}

fn carry_out(command: &Command) -> Result<Exit, Problem> {
    requirements::prepare()?;
    if starts_processes(command) {
        requirements::all()?;
    }
    match command {
        Command::Run(args) => command::run::run(args),
        Command::Compare(args) => command::compare::compare(args),
        Command::Init(args) => under_reaper::work(true, || command::init::init(args)),
        Command::Audit(args) => under_reaper::work(true, || command::audit::audit(args)),
        Command::Trace(args) => under_reaper::work(args.strategy.is_none(), || command::trace::trace(args)),
        Command::Replay(args) => command::replay::replay(args),
        Command::Report(args) => command::report::report(args),
        Command::List(args) => command::list::list(args),
        Command::Doctor(args) => command::doctor::doctor(args),
        Command::Matrix(args) => command::matrix::matrix(args),
        Command::Worker => Ok(command::worker::serve()),
    }
}

/// Whether a command needs what processes need; the others only read and print.
fn starts_processes(command: &Command) -> bool {
    !matches!(command, Command::Report(_) | Command::List(_) | Command::Worker)
}
