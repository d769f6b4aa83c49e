//! A failure of an audit, shown again: its stored crash state is looked at once more, and its program is not started.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crashtest_engine::Answered;
use crashtest_model::{AuditFailure, CheckedExample, Digest, Example, PlainName, Program};
use crashtest_report::{AuditedFailure, thousands};

use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::signals;
use crate::under_reaper;

/// Lines around the crash that are shown.
const MOST_CALLS: usize = 14;

/// Shows it again; says whether it showed.
pub(super) fn replay(failure: &AuditedFailure, parent: Option<&Path>) -> Result<Exit, Problem> {
    console::print(&heading(failure));
    let shown = match &failure.kept.failure {
        AuditFailure::File { path, example } => look(failure, path, example)?,
        // What a checker starts must not outlive it.
        AuditFailure::Checker(example) => return under_reaper::work(true, || ask(failure, example, parent)),
    };
    Ok(if shown { Exit::Broken } else { Exit::Clean })
}

fn heading(failure: &AuditedFailure) -> String {
    let (what, place, call) = match &failure.kept.failure {
        AuditFailure::File { path, example } => {
            (format!("{} {}", PlainName(path), example.damage), &example.place, &example.call)
        }
        AuditFailure::Checker(example) => (example.verdict.to_string(), &example.place, &example.call),
    };
    let command = Program::words_for_a_shell(&failure.kept.command);
    let mut text = format!("audit of {}: {what}\n  killed {place}: {}\n", PlainName(&command), PlainName(call));
    let around = around(&failure.calls);
    if !around.is_empty() {
        text += "\nThe calls around it:\n";
        around.iter().for_each(|line| text += &format!("  {}\n", PlainName(line)));
    }
    text
}

/// The lines around the one that is marked.
fn around(calls: &str) -> Vec<&str> {
    let lines: Vec<&str> = calls.lines().collect();
    let at = lines.iter().position(|line| line.starts_with('▶')).unwrap_or(0);
    let first = at.saturating_sub(MOST_CALLS * 2 / 3).min(lines.len().saturating_sub(MOST_CALLS));
    lines.into_iter().skip(first).take(MOST_CALLS).collect()
}

/// Compares the stored file with the versions that it may be; says whether it is none of them.
fn look(failure: &AuditedFailure, path: &str, example: &Example) -> Result<bool, Problem> {
    let file = failure.crash_state.join(path);
    // Not through a link: what that points to is not the state's.
    let found = match fs::symlink_metadata(&file) {
        Ok(metadata) if metadata.is_file() => Some(fs::read(&file).map_err(|error| unread(&file, &error))?),
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(unread(&file, &error)),
    };
    let length = |length: Option<u64>| match length {
        Some(1) => "1 byte".to_owned(),
        Some(bytes) => format!("{} bytes", thousands(bytes)),
        None => "no file".to_owned(),
    };
    let is_a_version = match &found {
        Some(bytes) => example.versions.contains(&Digest::of_bytes(bytes)),
        None => example.found.is_some(),
    };
    let versions = match example.after {
        Some(_) => format!("{}, then {}", length(example.before), length(example.after)),
        None => length(example.before),
    };
    let mut text = String::from("\nThe stored crash state: ");
    let found = length(found.map(|bytes| bytes.len() as u64));
    let _ = match is_a_version {
        false => writeln!(text, "{} is {} again\n  {found}; the versions are {versions}", PlainName(path), example.damage),
        true => writeln!(text, "{} is not what was recorded\n  {found}; recorded were {}", PlainName(path), length(example.found)),
    };
    console::print(&text);
    Ok(!is_a_version)
}

fn unread(file: &Path, error: &std::io::Error) -> Problem {
    Problem::usage(format!("failed to read `{}`: {error}", file.display()))
}

/// Asks the checker about the stored crash state.
fn ask(failure: &AuditedFailure, example: &CheckedExample, parent: Option<&Path>) -> Result<Exit, Problem> {
    let Some(recheck) = &failure.kept.recheck else {
        return Err(Problem::usage("the failure does not say which checker found it"));
    };
    let stop: Arc<AtomicBool> = signals::stop_on_signals()?;
    let temporary = parent.map_or_else(std::env::temp_dir, Path::to_owned);
    let answered = crashtest_engine::ask_again(recheck, &failure.crash_state, example.promise, &temporary, &stop)?;
    let Some(Answered { verdict, why }) = answered else { return Ok(Exit::Interrupted) };
    let shown = verdict.is_violation();
    let word = if shown { "shows again" } else { "is not what was recorded" };
    let words = Program::words_for_a_shell(recheck.check.command());
    console::print(&format!("\nThe checker `{}` on the stored crash state: {verdict} {word}\n  {why}\n", PlainName(&words)));
    Ok(if shown { Exit::Broken } else { Exit::Clean })
}
