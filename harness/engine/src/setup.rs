//! The set-up of a program that is run once: what prepares its state directory before anything is recorded.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crashtest_linux::process::Exit;
use crashtest_linux::supervision::Group;
use crashtest_model::{DIR, Program};

use crate::error::EngineError;

/// Runs the command `words`, for which there is time until `limit` is over. `{dir}` in them and CRASHTEST_DIR in its environment name
/// `dir`. What it prints goes to our standard error.
///
/// # Errors
/// It cannot be run, or does not exit with 0 in time.
pub fn set_up(words: &[String], dir: &Path, limit: Duration) -> Result<(), EngineError> {
    let dir = std::fs::canonicalize(dir).map_err(EngineError::sandbox("use as state directory", dir))?;
    let shown = Program::words_for_a_shell(words);
    let problem = |why: String| EngineError::Program(format!("the set-up `{shown}` {why}"));
    let named: Vec<String> = words.iter().map(|word| word.replace(DIR, &dir.to_string_lossy())).collect();
    let Some((program, arguments)) = named.split_first() else { return Err(problem("is empty".into())) };
    let mut command = Command::new(program);
    command.args(arguments).env("CRASHTEST_DIR", &dir).stdin(Stdio::null()).stdout(io::stderr()).process_group(0);
    let child = command.spawn().map_err(|error| problem(format!("cannot be started: {error}")))?;
    match Group::lead_by(&child).exit_within(limit).map_err(EngineError::Wait)? {
        Some(Exit::Status(0)) => Ok(()),
        Some(exit) => Err(problem(format!("ended {exit}"))),
        None => Err(problem(format!("did not end within {} s", limit.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn the_directory_is_named_in_the_words_and_in_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let line = "printf one > \"$1/one\" && printf two > \"$CRASHTEST_DIR/two\"";
        set_up(&["sh", "-c", line, "sh", DIR].map(str::to_owned), dir.path(), LIMIT).unwrap();
        assert_eq!(std::fs::read(dir.path().join("one")).unwrap(), b"one");
        assert_eq!(std::fs::read(dir.path().join("two")).unwrap(), b"two");
    }

    #[test]
    fn a_set_up_that_fails_is_not_there_or_takes_too_long_is_an_error_that_says_which() {
        let dir = tempfile::tempdir().unwrap();
        let error = |words: &[&str], limit| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            set_up(&words, dir.path(), limit).unwrap_err().to_string()
        };
        assert!(error(&["sh", "-c", "exit 3"], LIMIT).contains("`sh -c 'exit 3'` ended"));
        assert!(error(&["no-such-program-9"], LIMIT).contains("cannot be started"));
        assert!(error(&["sleep", "30"], Duration::from_millis(50)).contains("did not end within"));
    }
}
