//! The checker of a program: started for each crash state, or once for all of them.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use crashtest_linux::clock::now_ns;
use crashtest_linux::deadline::Deadline;
use crashtest_linux::opened::Opened;
use crashtest_linux::process::Exit;
use crashtest_linux::supervision::{self, Group};
use crashtest_model::Check;
use crashtest_states::Snapshot;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;

use crate::error::EngineError;
use crate::output::Output;
use crate::subject::program::answer::{Answer, Answers, LastWord, Nonsense};
use crate::subject::program::copied::{Copied, Ran};
use crate::subject::program::seen::Seen;
use crate::subject::program::start::{self, Place};

/// The statuses with which a shell says that it could not run a command.
const NOT_RUN: [i32; 2] = [126, 127];

/// So many states are asked about by starting the checker for each, before it is copied: fewer are asked about sooner than it is held.
const STARTED_FIRST: u64 = 4;
/// One copy in so many is let end after its answer, and one is started anew for the same state: to see that nothing else follows, and that
/// it says the same.
const ONE_IN: u64 = 32;
/// The same once it was asked about so many states and has always said the same: an interpreter's start and end take as long as forty copies.
const USUALLY: u64 = 256;
const LATER_ONE_IN: u64 = 128;
/// How often the checker is held anew when it is gone.
const MOST_STARTS: u32 = 3;

/// How long it is waited for the line that says that all of what survives was said, in ns.
const DONE_NS: u64 = 50_000_000;

/// What a program is asked with after a crash.
#[derive(Debug)]
pub(crate) struct Checker {
    check: Check,
    place: Place,
    limit: Duration,
    batch: Option<Batch>,
    copied: Option<Copied>,
    /// How often it was held to be copied.
    starts: u32,
    /// Why it is not copied.
    not_copied: Option<&'static str>,
    /// How many states it was asked about, where it is started for each.
    asked: u64,
    seen: Seen,
    /// Sees what it opens, where that can be seen.
    opened: Option<Opened>,
    /// Whether it names what survives, save by save.
    names_survivors: bool,
}

/// A checker that serves one state after the other.
#[derive(Debug)]
struct Batch {
    /// Declared first so that it is dead before its pipes are closed.
    group: Group,
    /// `None` once it was told that there are no more states.
    input: Option<ChildStdin>,
    /// What it was told and has left no room for so far.
    unsent: Vec<u8>,
    output: Output<Answers>,
}

impl Checker {
    /// A checker for the state directory of `place`, with so much time for each state.
    pub(crate) fn new(check: Check, place: Place, limit: Duration) -> Checker {
        Checker {
            check,
            place,
            limit,
            batch: None,
            copied: None,
            starts: 0,
            not_copied: None,
            asked: 0,
            seen: Seen::default(),
            opened: Opened::nothing().ok(),
            names_survivors: false,
        }
    }

    /// Whether it names what survives, save by save: then an answer means something else under each promise.
    pub(crate) fn names_survivors(&self) -> bool {
        self.names_survivors
    }

    /// What it has said of a state that it cannot tell from `state`; `None` where it has not.
    pub(crate) fn known(&self, state: &Snapshot) -> Option<Answer> {
        self.seen.answer(state)
    }

    /// What it says of `state`, which is put into the state directory.
    ///
    /// # Errors
    /// The directory cannot be written, or what is said of [`ask`](Checker::ask).
    pub(crate) fn ask_about(&mut self, state: &Snapshot) -> Result<Answer, EngineError> {
        match self.check {
            Check::Each(_) => Ok(self.ask_and_watch(state)?.0),
            Check::Batch(_) => {
                self.put(state)?;
                self.ask(state)
            }
        }
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
        let is_whole = self.place.dir.lost().is_none();
        let is_seen = self.opened.as_mut().is_some_and(|opened| opened.watch(self.place.dir.path()).is_ok());
        let answer = self.ask(state)?;
        let opened = self.opened.as_ref().filter(|_| is_seen).and_then(|opened| opened.names().ok().flatten());
        // One that serves all states may know what it has opened for another one.
        if let (Check::Each(_), true, Some(opened)) = (&self.check, is_whole, &opened) {
            self.seen.keep(state, opened, &answer);
        }
        Ok((answer, opened))
    }

    fn put(&self, state: &Snapshot) -> Result<(), EngineError> {
        self.place.dir.restore(state)
    }

    /// What it says of `state`, which the state directory holds now.
    ///
    /// # Errors
    /// It cannot be started, or says what nobody understands: then it is not a checker of ours.
    fn ask(&mut self, state: &Snapshot) -> Result<Answer, EngineError> {
        let answer = match self.check {
            Check::Each(_) => self.ask_one(state),
            Check::Batch(_) => self.ask_the_running_one(),
        };
        // It may have had more to say.
        self.place.go_on()?;
        let answer = answer?;
        self.names_survivors |= matches!(answer, Answer::Has(_));
        self.place.dir.check()?;
        Ok(answer)
    }

    /// The process of the one that serves all states, while it runs.
    pub(crate) fn process(&self) -> Option<i32> {
        let batch = self.batch.as_ref().map(|batch| batch.group.leader());
        batch.or_else(|| self.copied.as_ref().map(Copied::process))
    }

    /// Why it was started anew for each state, where there were many.
    pub(crate) fn remark(&self) -> Option<String> {
        let why = self.not_copied.filter(|_| self.asked > STARTED_FIRST)?;
        Some(format!("the checker was started anew for each crash state: {why}"))
    }

    /// What one says that is a copy of one that is held, or is started for it.
    fn ask_one(&mut self, state: &Snapshot) -> Result<Answer, EngineError> {
        self.asked += 1;
        let to_end = is_a_sample(self.asked);
        let Some(answer) = self.ask_a_copy(to_end)? else { return self.ask_a_new_one() };
        if !to_end && answer.is_sound() {
            return Ok(answer);
        }
        self.place.go_on()?;
        self.put(state)?;
        let anew = self.ask_a_new_one()?;
        if !anew.agrees_with(&answer) {
            self.copied = None;
            self.not_copied = Some("a copy of one that had been started before said something else");
        }
        Ok(anew)
    }

    /// What a copy says; `None` where there is none.
    fn ask_a_copy(&mut self, to_end: bool) -> Result<Option<Answer>, EngineError> {
        if self.asked <= STARTED_FIRST || self.not_copied.is_some() {
            return Ok(None);
        }
        if self.copied.is_none() {
            self.starts += 1;
            let command = self.command()?;
            match Copied::start(command, &self.place, self.limit)? {
                Ok(copied) => self.copied = Some(copied),
                Err(why) => self.not_copied = Some(why),
            }
        }
        let Some(copied) = &mut self.copied else { return Ok(None) };
        let Some(Ran { exit, spoken, complaint }) = copied.ask(self.limit, to_end) else {
            self.copied = None;
            self.not_copied = (self.starts >= MOST_STARTS).then_some("it ended again and again while it was held");
            return Ok(None);
        };
        self.answer(exit, spoken, &complaint).map(Some)
    }

    /// The command that starts it for one state.
    fn command(&self) -> Result<std::process::Command, EngineError> {
        let mut command = start::command(self.check.command(), &self.place)?;
        command.stdin(Stdio::null()).process_group(0);
        Ok(command)
    }

    fn ask_a_new_one(&self) -> Result<Answer, EngineError> {
        let mut command = self.command()?;
        let mut output = Output::capture(&mut command, LastWord::default())?.until(self.place.stop.as_ref());
        let child = self.start(&mut command)?;
        let mut group = Group::lead_by(&child);
        let exit = output.listen_for(&mut group, self.limit, |_, exit| exit.is_some()).map_err(EngineError::Wait)?;
        // What it has left running would go on in the state directory.
        drop(group);
        supervision::kill_strays(&self.process().into_iter().collect::<Vec<i32>>());
        output.take_all();
        let complaint = output.complaint();
        self.answer(exit, output.into_listener().end(), &complaint)
    }

    /// What one has answered that has said this and ended so.
    fn answer(
        &self,
        exit: Option<Exit>,
        spoken: Result<Option<Answer>, Nonsense>,
        complaint: &str,
    ) -> Result<Answer, EngineError> {
        let spoken = spoken.map_err(|nonsense| self.not_understood(&nonsense))?;
        Ok(match (exit, spoken) {
            (None, _) => Answer::Hung(self.limit_ms()),
            (Some(Exit::Status(status)), None) if NOT_RUN.contains(&status) => {
                let why = format!("the checker {} ended with status {status}{complaint}", self.command_line());
                return Err(EngineError::Program(why));
            }
            (Some(_), Some(refused @ Answer::Refused(_))) => refused,
            (Some(Exit::Status(0)), spoken) => spoken.unwrap_or(Answer::Opened),
            (Some(exit), _) => Answer::Broke(format!("ended {exit}{complaint}")),
        })
    }

    fn ask_the_running_one(&mut self) -> Result<Answer, EngineError> {
        if self.batch.is_none() {
            self.batch = Some(self.start_batch()?);
        }
        let Some(batch) = &mut self.batch else { return Ok(Answer::Opened) };
        let asked = batch.ask(self.place.dir.path(), self.limit);
        if asked.is_ok() && batch.input.is_none() {
            // The next state gets a new one.
            self.batch = None;
        }
        match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(nonsense)) => Err(self.not_understood(&nonsense)),
            Err(silence) => {
                // The next state gets a new one.
                let Some(mut batch) = self.batch.take() else { return Ok(Answer::Opened) };
                let soon = start::after(Duration::from_millis(50));
                let ended = batch.output.listen(&mut batch.group, soon, |_, exit| exit.is_some());
                let why = batch.output.complaint();
                Ok(match (silence, ended) {
                    (Silence::TooLong, _) => Answer::Hung(self.limit_ms()),
                    (_, Ok(Some(Exit::Status(status)))) if NOT_RUN.contains(&status) => {
                        return Err(EngineError::Program(format!(
                            "the checker {} ended with status {status}{why}",
                            self.command_line()
                        )));
                    }
                    (_, Ok(Some(exit))) => Answer::Broke(format!("ended {exit}{why}")),
                    _ => Answer::Broke("closed its output".to_owned()),
                })
            }
        }
    }

    fn start_batch(&self) -> Result<Batch, EngineError> {
        let mut command = start::command(self.check.command(), &self.place)?;
        command.stdin(Stdio::piped());
        let output = Output::capture(&mut command, Answers::default())?.until(self.place.stop.as_ref());
        let mut child = self.start(&mut command)?;
        let group = Group::lead_by(&child);
        let no_pipe = || EngineError::Program(format!("no pipe to the checker {}", self.command_line()));
        let input = child.stdin.take().ok_or_else(no_pipe)?;
        // One that does not read what it is told must not stop us.
        fcntl(&input, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|_| no_pipe())?;
        Ok(Batch { group, input: Some(input), unsent: Vec::new(), output })
    }

    fn start(&self, command: &mut std::process::Command) -> Result<Child, EngineError> {
        let not_started =
            |error| EngineError::Program(format!("failed to start the checker {}: {error}", self.command_line()));
        command.process_group(0).spawn().map_err(not_started)
    }

    /// Its command, as one types it in a shell, in backquotes.
    fn command_line(&self) -> String {
        format!("`{}`", crashtest_model::Program::words_for_a_shell(self.check.command()))
    }

    fn limit_ms(&self) -> u64 {
        u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX)
    }

    fn not_understood(&self, Nonsense(line): &Nonsense) -> EngineError {
        EngineError::Program(format!(
            "the checker {} said “{}”, which is none of: crashtest: state N, fresh, garbage WHY, has N (and done behind the last), refused WHY, ok",
            self.command_line(),
            line.chars().take(120).collect::<String>()
        ))
    }
}

/// Whether the copy that is asked about the state of this number is let end, and held against one that is started anew.
fn is_a_sample(number: u64) -> bool {
    number.is_multiple_of(if number <= USUALLY { ONE_IN } else { LATER_ONE_IN })
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
        self.unsent.extend_from_slice(dir.as_os_str().as_bytes());
        self.unsent.push(b'\n');
        let mut deadline = Deadline::after(limit);
        let mut quiet_ns = None;
        loop {
            self.send()?;
            let end = self.output.is_closed();
            if let Some(answer) = self.output.listener_mut().take(end) {
                return Ok(answer);
            }
            if deadline.is_over(supervision::descendants()) || self.output.is_stopped() {
                return Err(Silence::TooLong);
            }
            let now = now_ns();
            if self.output.listener_mut().is_begun() && now >= *quiet_ns.get_or_insert(now + DONE_NS) {
                // It does not say when it is done: it is when it ends, as there are no more states.
                self.input = None;
            }
            if self.output.take() == 0 {
                if self.output.is_closed() {
                    match self.output.listener_mut().take(true) {
                        Some(answer) => return Ok(answer),
                        None => return Err(Silence::Ended),
                    }
                }
                let more = self.input.as_ref().map(|input| (input.as_fd(), PollFlags::POLLOUT));
                let latest_ns = deadline.at_ns();
                let until_ns = quiet_ns.filter(|_| self.input.is_some()).unwrap_or(latest_ns);
                self.output.wait(more.filter(|_| !self.unsent.is_empty()), until_ns.min(latest_ns));
            }
        }
    }

    /// Tells it as much of what it was not told yet as there is room for.
    fn send(&mut self) -> Result<(), Silence> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let Some(input) = &mut self.input else { return Err(Silence::Ended) };
        match input.write(&self.unsent) {
            Ok(length) => drop(self.unsent.drain(..length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return Err(Silence::Ended),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_held_against_a_new_one_sooner_at_first() {
        let samples: Vec<u64> = (STARTED_FIRST + 1..=600).filter(|number| is_a_sample(*number)).collect();
        assert_eq!(samples, [32, 64, 96, 128, 160, 192, 224, 256, 384, 512]);
    }
}
