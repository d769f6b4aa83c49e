//! `crashtest -- CMD`: an audit of a program, then its crash states, each asked about, where that can be.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::atomic::Ordering;

use crashtest_model::DIR;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::console;
use crate::exit::Exit;
use crate::host;
use crate::problem::Problem;
use crate::signals;

/// The options that name a checker.
const CHECKERS: [&str; 2] = ["--check", "--check-batch"];

/// The words behind the name of crashtest, where they are options and a program and no command.
pub(crate) fn without_a_command(arguments: &[OsString]) -> Option<&[OsString]> {
    let dashes = arguments.iter().position(|word| word == "--")?;
    let is_program = arguments.len() > dashes + 1;
    let begins_with_option = arguments[0].to_str().is_some_and(|word| word.starts_with("--"));
    (is_program && begins_with_option).then_some(arguments)
}

/// Audits the program of `arguments`, then runs it under crashes if it names its state directory: only there are crashes of ours.
/// Exits with the worse of both.
pub(crate) fn audit_and_run(arguments: &[OsString]) -> Result<Exit, Problem> {
    let stop = signals::stop_on_signals()?;
    let (options, program) = arguments.split_at(arguments.iter().position(|word| word == "--").unwrap_or(0));
    let names_dir = program.iter().any(|word| word.to_string_lossy().contains(DIR));
    let audited = ours("audit", arguments)?;
    let goes_on = matches!(audited, Exit::Clean | Exit::Broken | Exit::Inconclusive);
    if !goes_on || stop.load(Ordering::Relaxed) {
        return Ok(audited);
    }
    if !names_dir {
        let checks =
            options.iter().any(|word| CHECKERS.iter().any(|checker| word.to_string_lossy().starts_with(checker)));
        if !checks {
            console::complain(
                "crashtest: an audit alone, as no word of the command is {dir}: with it, or with --check, the program is also started on what a crash leaves",
            );
        }
        return Ok(audited);
    }
    console::complain("");
    let run = ours("run", arguments)?;
    Ok([Exit::Bug, Exit::Interrupted, Exit::Usage, Exit::Lacking, Exit::ControlFailed, Exit::Broken]
        .into_iter()
        .find(|exit| [audited, run].contains(exit))
        // What an audit cannot tell by itself the run has looked at.
        .unwrap_or(run))
}

/// Does `command` in a process of its own.
fn ours(command: &str, arguments: &[OsString]) -> Result<Exit, Problem> {
    let program = host::this_program()?;
    let status = Command::new(&program.path).arg(command).args(arguments).status();
    let status =
        status.map_err(|error| Problem::lacking(format!("failed to start {}: {error}", program.path.display())))?;
    if matches!(status.signal(), Some(SIGINT | SIGTERM | SIGHUP)) {
        return Ok(Exit::Interrupted);
    }
    status.code().and_then(Exit::from_status).ok_or_else(|| Problem::bug(format!("crashtest {command} ended {status}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_program_without_a_command_before_it_is_audited_and_run() {
        for line in ["-- python3 bot.py", "--check c -- sh bot.sh {dir}"] {
            assert!(without_a_command(&words(line)).is_some(), "{line}");
        }
        for line in ["--version", "run -- sh", "--help", "--", "-V", "audit"] {
            assert!(without_a_command(&words(line)).is_none(), "{line}");
        }
    }
}
