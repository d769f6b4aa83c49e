//! Starting a command of a program: its words, its environment, where what it prints goes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crashtest_linux::supervision;
use crashtest_model::{DIR, Seed};

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
    Ok(command)
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
