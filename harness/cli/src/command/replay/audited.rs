//! A failure of an audit, shown again: its stored crash state is looked at once more, and its program is not started.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crashtest_engine::Answered;
use crashtest_linux::directory::{Directory, DirectoryError, Kind};
use crashtest_model::{AuditFailure, CheckedExample, Digest, Example, PlainName, Program};
use crashtest_report::{AuditedFailure, thousands};

use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::signals;
use crate::under_reaper;

/// What to do where a kept failure is of no use.
const RUN_AGAIN: &str = "run the audit again: `crashtest audit --out DIR -- CMD`";
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
    let found = stored(&failure.crash_state, path)?;
    if found.is_none() && example.found.is_some() {
        let why = format!("`{}` has no file {path} any more", failure.crash_state.display());
        return Err(Problem::usage(why).hint(Some(RUN_AGAIN.into())));
    }
    let length = |length: Option<u64>| match length {
        Some(1) => "1 byte".to_owned(),
        Some(bytes) => format!("{} bytes", thousands(bytes)),
        None => "no file".to_owned(),
    };
    let is_a_version = match &found {
        Some(bytes) => example.versions.contains(&Digest::of_bytes(bytes)),
        None => false,
    };
    let versions = match example.after {
        Some(_) => format!("{}, then {}", length(example.before), length(example.after)),
        None => length(example.before),
    };
    let (path, found) = (PlainName(path), length(found.map(|bytes| bytes.len() as u64)));
    console::print(&match is_a_version {
        false => format!(
            "\nThe stored crash state: {path} is {} again\n  {found}; the versions are {versions}\n",
            example.damage
        ),
        true => format!("\nThe stored crash state: {path} is a whole version\n  {found}\n"),
    });
    Ok(!is_a_version)
}

/// The file `path` of the stored crash state; `None` where there is none. No link leads out of there.
fn stored(crash_state: &Path, path: &str) -> Result<Option<Vec<u8>>, Problem> {
    let unread = |error: DirectoryError| {
        Problem::usage(format!("failed to read the stored crash state: {error}")).hint(Some(RUN_AGAIN.into()))
    };
    let state = Directory::named(crash_state).map_err(unread)?;
    match state.kind(Path::new(path)) {
        Ok(Some(Kind::File)) => state.read(Path::new(path)).map(Some).map_err(unread),
        Ok(_) => Ok(None),
        Err(error) if matches!(error.io_kind(), Some(ErrorKind::NotFound | ErrorKind::NotADirectory)) => Ok(None),
        Err(error) => Err(unread(error)),
    }
}

/// Asks the checker about the stored crash state.
fn ask(failure: &AuditedFailure, example: &CheckedExample, parent: Option<&Path>) -> Result<Exit, Problem> {
    let Some(recheck) = &failure.kept.recheck else {
        return Err(Problem::usage("the failure does not say which checker found it").hint(Some(RUN_AGAIN.into())));
    };
    let stop: Arc<AtomicBool> = signals::stop_on_signals()?;
    let words = Program::words_for_a_shell(recheck.check.command());
    // It is a command out of a folder, which may come from somebody else.
    console::print(&format!("\nAsks the checker `{}`, named in {}\n", PlainName(&words), recheck.cwd.display()));
    let temporary = parent.map_or_else(std::env::temp_dir, Path::to_owned);
    let answered = crashtest_engine::ask_again(recheck, &failure.crash_state, example, &temporary, &stop)?;
    let Some(Answered { verdict, why }) = answered else { return Ok(Exit::Interrupted) };
    let word = match verdict {
        same if same == example.verdict => "shows again".to_owned(),
        other if other.is_violation() => format!("shows, recorded was {}", example.verdict),
        _ => format!("is what it says now, recorded was {}", example.verdict),
    };
    console::print(&format!("\nThe stored crash state: {verdict} {word}\n  {why}\n"));
    Ok(if verdict.is_violation() { Exit::Broken } else { Exit::Clean })
}
