//! Starting a command of a program: its words, its environment, where what it prints goes.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crashtest_linux::process::Exit;
use crashtest_linux::signals;
use crashtest_linux::supervision::{self, Group};
use crashtest_model::{DIR, Program, Seed};

use crate::error::EngineError;

/// The longest piece of what a command has complained of that is quoted, in bytes.
const QUOTED: usize = 300;

/// Where the commands of a program work.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The state directory.
    pub(crate) dir: PathBuf,
    /// Where what they print goes.
    pub(crate) logs: PathBuf,
    /// The directory that they are started in.
    pub(crate) cwd: PathBuf,
    /// `CRASHTEST_SEED`.
    pub(crate) seed: Seed,
}

impl Place {
    /// A file for what one of them prints.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs.join(name)
    }
}

/// `words` as a command for `place`, `{dir}` in them replaced.
///
/// # Errors
/// There are none.
pub(crate) fn command(words: &[String], place: &Place) -> Result<Command, EngineError> {
    let dir = place.dir.to_string_lossy();
    let mut words = words.iter().map(|word| word.replace(DIR, &dir));
    let Some(program) = words.next() else { return Err(EngineError::Program("no program".into())) };
    let mut command = Command::new(program);
    command
        .args(words)
        .current_dir(&place.cwd)
        .env("CRASHTEST_DIR", &place.dir)
        .env("CRASHTEST_SEED", place.seed.0.to_string());
    supervision::dies_with_us(&mut command);
    signals::with_the_usual_limit_signal(&mut command);
    Ok(command)
}

/// Runs the set-up `words`, for which there is time until `limit` is over.
///
/// # Errors
/// It cannot be run, or does not exit with 0 in time.
pub(crate) fn set_up(words: &[String], place: &Place, limit: Duration) -> Result<(), EngineError> {
    let problem =
        |why: String| EngineError::Program(format!("the set-up `{}` {why}", Program::words_for_a_shell(words)));
    let complained = place.log("setup.err");
    let mut command = command(words, place)?;
    command.stdin(Stdio::null()).stdout(create(&place.log("setup.out"))?);
    command.stderr(create(&complained)?).process_group(0);
    let child = command.spawn().map_err(|error| problem(format!("cannot be started: {error}")))?;
    match Group::lead_by(&child).exit_within(limit).map_err(EngineError::Wait)? {
        Some(Exit::Status(0)) => Ok(()),
        Some(exit) => Err(problem(format!("ended {exit}{}", last_line(&complained)))),
        None => Err(problem(format!("did not end within {} s", limit.as_secs_f64()))),
    }
}

/// An empty file for what a command prints.
///
/// # Errors
/// It cannot be made.
pub(crate) fn create(path: &Path) -> Result<File, EngineError> {
    File::create(path).map_err(EngineError::sandbox("make", path))
}

/// ": " and the last line of a log, or nothing.
pub(crate) fn last_line(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(64 * 1024)..]);
    match text.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => format!(": {}", line.chars().take(QUOTED).collect::<String>()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn place(scratch: &Path) -> Place {
        let dir = scratch.join("state");
        std::fs::create_dir(&dir).unwrap();
        Place { dir, logs: scratch.to_owned(), cwd: scratch.to_owned(), seed: Seed(7) }
    }

    #[test]
    fn the_directory_is_named_in_the_words_and_in_the_environment() {
        let scratch = tempfile::tempdir().unwrap();
        let place = place(scratch.path());
        let line = "printf one > \"$1/one\" && printf $CRASHTEST_SEED > \"$CRASHTEST_DIR/two\"";
        set_up(&["sh", "-c", line, "sh", DIR].map(str::to_owned), &place, LIMIT).unwrap();
        assert_eq!(std::fs::read(place.dir.join("one")).unwrap(), b"one");
        assert_eq!(std::fs::read(place.dir.join("two")).unwrap(), b"7");
    }

    #[test]
    fn a_set_up_that_fails_is_not_there_or_takes_too_long_is_an_error_that_says_which() {
        let scratch = tempfile::tempdir().unwrap();
        let place = place(scratch.path());
        let error = |words: &[&str], limit| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            set_up(&words, &place, limit).unwrap_err().to_string()
        };
        assert!(error(&["sh", "-c", "echo no >&2; exit 3"], LIMIT).contains("ended with status 3: no"));
        assert!(error(&["no-such-program-9"], LIMIT).contains("cannot be started"));
        assert!(error(&["sleep", "30"], Duration::from_millis(50)).contains("did not end within"));
    }
}
