//! The checker of a program: started for each crash state, or once for all of them.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use crashtest_linux::opened::Opened;
use crashtest_linux::process::Exit;
use crashtest_linux::supervision::{self, Group};
use crashtest_model::Check;
use crashtest_states::Snapshot;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::answer::{self, Answer, Nonsense};
use super::start::{self, Place, last_line};
use crate::error::EngineError;

/// The statuses with which a shell says that it could not run a command.
const NOT_RUN: [i32; 2] = [126, 127];
/// The most that a checker that serves all states may print before it answers.
const LONGEST_ANSWER: usize = 1 << 20;

/// What a program is asked with after a crash.
#[derive(Debug)]
pub(crate) struct Checker {
    check: Check,
    place: Place,
    limit: Duration,
    batch: Option<Batch>,
}

/// A checker that serves one state after the other.
#[derive(Debug)]
struct Batch {
    /// Declared first so that it is dead before its pipes are closed.
    group: Group,
    input: ChildStdin,
    output: ChildStdout,
    /// What it has printed beyond its last answer.
    rest: Vec<u8>,
}

impl Checker {
    /// A checker for the state directory of `place`, with so much time for each state.
    pub(crate) fn new(check: Check, place: Place, limit: Duration) -> Checker {
        Checker { check, place, limit, batch: None }
    }

    /// What it says of `state`, which is put into the state directory.
    ///
    /// # Errors
    /// The directory cannot be written, or what is said of [`ask`](Checker::ask).
    pub(crate) fn ask_about(&mut self, state: &Snapshot) -> Result<Answer, EngineError> {
        self.put(state)?;
        self.ask()
    }

    /// The same, and which files somebody opened there meanwhile; `None` where that cannot be seen.
    ///
    /// # Errors
    /// What is said of [`ask_about`](Checker::ask_about).
    pub(crate) fn ask_and_watch(
        &mut self,
        state: &Snapshot,
    ) -> Result<(Answer, Option<BTreeSet<PathBuf>>), EngineError> {
        self.put(state)?;
        let opened = Opened::below(self.place.dir.path()).ok();
        let answer = self.ask()?;
        Ok((answer, opened.and_then(|opened| opened.names().ok().flatten())))
    }

    fn put(&self, state: &Snapshot) -> Result<(), EngineError> {
        self.place.dir.restore(state)
    }

    /// What it says of what the state directory holds now.
    ///
    /// # Errors
    /// It cannot be started, or says what nobody understands: then it is not a checker of ours.
    fn ask(&mut self) -> Result<Answer, EngineError> {
        let answer = match self.check {
            Check::Each(_) => self.ask_a_new_one(),
            Check::Batch(_) => self.ask_the_running_one(),
        }?;
        self.place.dir.check()?;
        Ok(answer)
    }

    /// The process of the one that serves all states, while it runs.
    pub(crate) fn process(&self) -> Option<i32> {
        self.batch.as_ref().map(|batch| batch.group.leader())
    }

    fn ask_a_new_one(&self) -> Result<Answer, EngineError> {
        let said = self.place.log("check.out");
        let complained = self.place.log("check.err");
        let mut command = start::command(self.check.words(), &self.place)?;
        command.stdin(Stdio::null()).stdout(start::create(&said)?).stderr(start::create(&complained)?);
        let child = self.start(&mut command)?;
        let mut group = Group::lead_by(&child);
        let exit = group.exit_within(self.limit).map_err(EngineError::Wait)?;
        // What it has left running would go on in the state directory.
        drop(group);
        supervision::kill_strays(&[]);
        let output = String::from_utf8_lossy(&std::fs::read(&said).unwrap_or_default()).into_owned();
        let spoken = answer::of_output(&output).map_err(|nonsense| self.not_understood(&nonsense))?;
        Ok(match (exit, spoken) {
            (None, _) => Answer::Hung(self.limit_ms()),
            (Some(Exit::Status(status)), None) if NOT_RUN.contains(&status) => {
                let why = format!("the checker {} ended with status {status}{}", self.words(), last_line(&complained));
                return Err(EngineError::Program(why));
            }
            (Some(_), Some(refused @ Answer::Refused(_))) => refused,
            (Some(Exit::Status(0)), spoken) => spoken.unwrap_or(Answer::Opened),
            (Some(exit), _) => Answer::Broke(format!("ended {exit}{}", last_line(&complained))),
        })
    }

    fn ask_the_running_one(&mut self) -> Result<Answer, EngineError> {
        if self.batch.is_none() {
            self.batch = Some(self.start_batch()?);
        }
        let Some(batch) = &mut self.batch else { return Ok(Answer::Opened) };
        let asked = batch.ask(self.place.dir.path(), self.limit);
        match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(nonsense)) => Err(self.not_understood(&nonsense)),
            Err(silence) => {
                // The next state gets a new one.
                let ended = self.batch.take().map(|mut batch| batch.group.exit_within(Duration::from_millis(50)));
                Ok(match (silence, ended) {
                    (Silence::TooLong, _) => Answer::Hung(self.limit_ms()),
                    (_, Some(Ok(Some(Exit::Status(status))))) if NOT_RUN.contains(&status) => {
                        let why = last_line(&self.place.log("check.err"));
                        return Err(EngineError::Program(format!(
                            "the checker {} ended with status {status}{why}",
                            self.words()
                        )));
                    }
                    (_, Some(Ok(Some(exit)))) => {
                        Answer::Broke(format!("ended {exit}{}", last_line(&self.place.log("check.err"))))
                    }
                    _ => Answer::Broke("closed its output".to_owned()),
                })
            }
        }
    }

    fn start_batch(&self) -> Result<Batch, EngineError> {
        let mut command = start::command(self.check.words(), &self.place)?;
        let complaints = start::create(&self.place.log("check.err"))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(complaints);
        let mut child = self.start(&mut command)?;
        let group = Group::lead_by(&child);
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(EngineError::Program(format!("no pipe to the checker {}", self.words())));
        };
        Ok(Batch { group, input, output, rest: Vec::new() })
    }

    fn start(&self, command: &mut std::process::Command) -> Result<Child, EngineError> {
        let not_started =
            |error| EngineError::Program(format!("failed to start the checker {}: {error}", self.words()));
        command.process_group(0).spawn().map_err(not_started)
    }

    fn words(&self) -> String {
        format!("`{}`", crashtest_model::Program::words_for_a_shell(self.check.words()))
    }

    fn limit_ms(&self) -> u64 {
        u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX)
    }

    fn not_understood(&self, Nonsense(line): &Nonsense) -> EngineError {
        EngineError::Program(format!(
            "the checker {} said “{}”, which is none of: crashtest: state N, fresh, garbage WHY, has N, refused WHY, ok",
            self.words(),
            line.chars().take(120).collect::<String>()
        ))
    }
}

/// Why nothing was answered.
enum Silence {
    TooLong,
    Ended,
}

impl Batch {
    /// Hands it `dir` and waits for a line that is an answer.
    fn ask(&mut self, dir: &Path, limit: Duration) -> Result<Result<Answer, Nonsense>, Silence> {
        use std::os::unix::ffi::OsStrExt;
        let mut line = dir.as_os_str().as_bytes().to_vec();
        line.push(b'\n');
        if self.input.write_all(&line).is_err() {
            return Err(Silence::Ended);
        }
        let deadline = std::time::Instant::now() + limit;
        loop {
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                match answer::of_line(&String::from_utf8_lossy(&line)) {
                    Ok(None) => {}
                    Ok(Some(answer)) => return Ok(Ok(answer)),
                    Err(nonsense) => return Ok(Err(nonsense)),
                }
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() || self.rest.len() > LONGEST_ANSWER {
                return Err(Silence::TooLong);
            }
            self.read_more(left)?;
        }
    }

    /// Takes what it has printed, once there is something, or nothing after `limit`.
    fn read_more(&mut self, limit: Duration) -> Result<(), Silence> {
        let timeout = PollTimeout::try_from(limit.max(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX);
        let mut polled = [PollFd::new(self.output.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, timeout) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => return Ok(()),
            Ok(_) => {}
            Err(_) => return Err(Silence::Ended),
        }
        let mut bytes = [0; 4096];
        match std::io::Read::read(&mut self.output, &mut bytes) {
            Ok(0) => Err(Silence::Ended),
            Ok(length) => {
                self.rest.extend_from_slice(&bytes[..length]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(_) => Err(Silence::Ended),
        }
    }
}
