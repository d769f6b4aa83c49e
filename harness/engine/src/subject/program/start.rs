//! Starting a command of a program: its words and its environment.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crashtest_linux::clock::now_ns;
use crashtest_linux::process::Exit;
use crashtest_linux::signals;
use crashtest_linux::supervision::{self, Group};
use crashtest_model::{DIR, Program, Seed};

use crate::error::EngineError;
use crate::output::{Listener, Output};
use crate::state_dir::StateDir;

/// Where the commands of a program work.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The state directory.
    pub(crate) dir: Rc<StateDir>,
    /// The directory that they are started in.
    pub(crate) cwd: PathBuf,
    /// `CRASHTEST_SEED`.
    pub(crate) seed: Seed,
    /// Nobody waits for them any more once it is set; `None` where whoever has enough kills this process.
    pub(crate) stop: Option<Arc<AtomicBool>>,
}

impl Place {
    /// Returns an error once nobody waits for its commands any more.
    ///
    /// # Errors
    /// Somebody has had enough.
    pub(crate) fn go_on(&self) -> Result<(), EngineError> {
        match &self.stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Err(EngineError::Interrupted),
            _ => Ok(()),
        }
    }
}

/// `words` as a command for `place`, `{dir}` in them replaced.
///
/// # Errors
/// There are none.
pub(crate) fn command(words: &[String], place: &Place) -> Result<Command, EngineError> {
    let dir = place.dir.path().to_string_lossy();
    let mut words = words.iter().map(|word| word.replace(DIR, &dir));
    let Some(program) = words.next() else { return Err(EngineError::Program("no program".into())) };
    let mut command = Command::new(program);
    command
        .args(words)
        .current_dir(&place.cwd)
        .env("CRASHTEST_DIR", place.dir.path())
        .env("CRASHTEST_SEED", place.seed.0.to_string());
    supervision::dies_with_us(&mut command);
    signals::with_the_usual_limit_signal(&mut command);
    Ok(command)
}

/// `program` as a command for `place`: started there, or inside the state directory where the program says so.
///
/// # Errors
/// What is said of [`command`].
pub(crate) fn writer(program: &Program, place: &Place) -> Result<Command, EngineError> {
    let mut command = command(&program.command, place)?;
    if program.inside {
        // Who trusts PWD would take the directory of crashtest for its own.
        command.current_dir(place.dir.path()).env("PWD", place.dir.path());
    }
    Ok(command)
}

/// Runs the set-up `words`, for which there is time until `limit` is over.
///
/// # Errors
/// It cannot be run, or does not exit with 0 in time.
pub(crate) fn set_up(words: &[String], place: &Place, limit: Duration) -> Result<(), EngineError> {
    let problem =
        |why: String| EngineError::Program(format!("the set-up `{}` {why}", Program::words_for_a_shell(words)));
    let mut command = command(words, place)?;
    command.stdin(Stdio::null()).process_group(0);
    let mut output = Output::capture(&mut command, Nobody)?.until(place.stop.as_ref());
    let child = command.spawn().map_err(|error| problem(format!("cannot be started: {error}")))?;
    let mut group = Group::lead_by(&child);
    match output.listen_for(&mut group, limit, |_, exit| exit.is_some()).map_err(EngineError::Wait)? {
        Some(Exit::Status(0)) => Ok(()),
        Some(exit) => Err(problem(format!("ended {exit}{}", output.complaint()))),
        None => place.go_on().and_then(|()| Err(problem(format!("did not end within {} s", limit.as_secs_f64())))),
    }
}

/// The moment when `limit` is over that begins now, in ns.
pub(crate) fn after(limit: Duration) -> u64 {
    now_ns().saturating_add(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX))
}

/// What a set-up says is of no interest.
struct Nobody;

impl Listener for Nobody {
    fn hear(&mut self, _bytes: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crashtest_linux::directory::Directory;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn place(scratch: &Path) -> Place {
        let ours = Directory::named(scratch).unwrap();
        let dir = Rc::new(StateDir::make(&ours, "state").unwrap());
        Place { dir, cwd: scratch.to_owned(), seed: Seed(7), stop: None }
    }

    #[test]
    fn the_directory_is_named_in_the_words_and_in_the_environment() {
        let scratch = tempfile::tempdir().unwrap();
        let place = place(scratch.path());
        let line = "printf one > \"$1/one\" && printf $CRASHTEST_SEED > \"$CRASHTEST_DIR/two\"";
        set_up(&["sh", "-c", line, "sh", DIR].map(str::to_owned), &place, LIMIT).unwrap();
        assert_eq!(std::fs::read(place.dir.path().join("one")).unwrap(), b"one");
        assert_eq!(std::fs::read(place.dir.path().join("two")).unwrap(), b"7");
    }

    #[test]
    fn a_program_is_started_inside_the_state_directory_where_it_says_so() {
        let scratch = tempfile::tempdir().unwrap();
        let place = place(scratch.path());
        let words = ["sh", "-c", "pwd -P; echo $PWD"].map(str::to_owned).to_vec();
        for (inside, dir) in [(true, place.dir.path()), (false, &*place.cwd)] {
            let program = Program { command: words.clone(), inside, ..Program::default() };
            let output = writer(&program, &place).unwrap().output().unwrap();
            let dir = std::fs::canonicalize(dir).unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(said.lines().next(), dir.to_str(), "{said}");
        }
    }

    #[test]
    fn nobody_waits_for_a_set_up_once_somebody_has_had_enough() {
        let scratch = tempfile::tempdir().unwrap();
        let place = Place { stop: Some(Arc::new(AtomicBool::new(true))), ..place(scratch.path()) };
        let ended = set_up(&["sleep", "1000"].map(str::to_owned), &place, Duration::from_secs(1000));
        assert!(matches!(ended, Err(EngineError::Interrupted)), "{ended:?}");
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
