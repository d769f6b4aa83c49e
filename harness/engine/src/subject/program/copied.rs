//! A checker that is started once, held before it looks at the state directory, and copied for each crash state.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use crashtest_linux::process::Exit;
use crashtest_linux::trace::{Copies, CopyEnd, NotHeld};

use crate::error::EngineError;
use crate::output::Output;
use crate::subject::program::answer::{Answer, LastWord, Nonsense};
use crate::subject::program::runtime::NOT_STARTED;
use crate::subject::program::start::Place;

/// A checker that is held to be copied.
pub(super) struct Copied {
    copies: Copies,
    output: Output<LastWord>,
    /// What it had said when it was held.
    said: LastWord,
}

/// What one copy came to.
pub(super) struct Ran {
    /// How it ended; `None` where it did not in time. One that was ended as it had answered counts as one that ended well.
    pub(super) exit: Option<Exit>,
    pub(super) spoken: Result<Option<Answer>, Nonsense>,
    /// ": " and the last line of what it has complained of, or nothing.
    pub(super) complaint: String,
}

impl Copied {
    /// Starts `command` and holds it before it looks at the state directory of `place`; or says why it cannot be held.
    pub(super) fn start(
        mut command: Command,
        place: &Place,
        limit: Duration,
    ) -> Result<Result<Copied, &'static str>, EngineError> {
        let mut output = Output::capture(&mut command, LastWord::default())?.until(place.stop.as_ref());
        let started = move || {
            let _ = command.exec();
            NOT_STARTED
        };
        let mut heard = || {
            output.take_all();
            output.is_stopped()
        };
        Ok(match Copies::hold(started, place.dir.path(), limit, &mut heard) {
            Ok(Ok(copies)) => {
                let said = output.listener().clone();
                Ok(Copied { copies, output, said })
            }
            Ok(Err(NotHeld::NeverLooked)) => Err("it does not look at the state directory"),
            Ok(Err(NotHeld::Several)) => {
                Err("it has threads, or other processes, when it looks at the state directory")
            }
            Ok(Err(NotHeld::Open)) => Err("it has something open there before it looks"),
            Ok(Err(NotHeld::Unsupported)) | Err(_) => Err("programs cannot be copied on this machine"),
        })
    }

    /// The process that is held.
    pub(super) fn process(&self) -> i32 {
        self.copies.process()
    }

    /// Asks a copy about what the state directory holds now; `None` where there are no more copies. Unless it is `to_end`, it is ended as
    /// soon as it has answered.
    pub(super) fn ask(&mut self, limit: Duration, to_end: bool) -> Option<Ran> {
        let output = &mut self.output;
        output.begin_anew(self.said.clone());
        let mut heard = || {
            output.take_all();
            output.is_stopped() || (!to_end && output.listener().is_answer())
        };
        let exit = match self.copies.run(limit, &mut heard) {
            Ok(CopyEnd::Exited(exit)) => Some(exit),
            Ok(CopyEnd::Enough) => Some(Exit::Status(0)),
            Ok(CopyEnd::TimeUp) => None,
            Ok(CopyEnd::Lost) | Err(_) => return None,
        };
        self.output.take_all();
        let spoken = std::mem::take(self.output.listener_mut()).end();
        Some(Ran { exit, spoken, complaint: self.output.complaint() })
    }
}

impl std::fmt::Debug for Copied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copied").field("process", &self.process()).finish_non_exhaustive()
    }
}
