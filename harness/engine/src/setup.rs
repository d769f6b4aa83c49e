//! The set-up of a program: a command of the person's that prepares its state directory, before anything is recorded.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::EngineError;

/// Runs `command` by a shell. `{dir}` in it and CRASHTEST_DIR in its environment name `dir`. What it prints goes to our standard error.
///
/// # Errors
/// It cannot be run, or does not exit with 0.
pub fn set_up(command: &str, dir: &Path) -> Result<(), EngineError> {
    let dir = std::fs::canonicalize(dir).map_err(EngineError::sandbox("use as state directory", dir))?;
    let run = |line: &str| {
        Command::new("sh")
            .args(["-c", line])
            .env("CRASHTEST_DIR", &dir)
            .stdin(Stdio::null())
            .stdout(io::stderr())
            .status()
    };
    let line = command.replace("{dir}", &quoted(&dir.to_string_lossy()));
    match run(&line) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(EngineError::Program(format!("the set-up `{command}` ended with {status}"))),
        Err(error) => Err(EngineError::Program(format!("failed to start the set-up `{command}`: {error}"))),
    }
}

/// A path as a shell takes it; one of harmless characters as it is, so that it can stand within quotes.
fn quoted(path: &str) -> String {
    if path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@:,=".contains(c)) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_named_in_the_command_and_in_the_environment_whatever_it_is_called() {
        let place = tempfile::tempdir().unwrap();
        for name in ["plain", "with a space", "it's $HOME"] {
            let dir = place.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            set_up("printf one > {dir}/one && printf two > \"$CRASHTEST_DIR/two\"", &dir).unwrap();
            assert_eq!(std::fs::read(dir.join("one")).unwrap(), b"one");
            assert_eq!(std::fs::read(dir.join("two")).unwrap(), b"two");
        }
    }

    #[test]
    fn a_set_up_that_fails_is_an_error_that_says_how() {
        let dir = tempfile::tempdir().unwrap();
        let error = set_up("exit 3", dir.path()).unwrap_err().to_string();
        assert!(error.contains("`exit 3`") && error.contains("exit status: 3"), "{error}");
    }
}
