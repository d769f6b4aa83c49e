//! A participant while it runs, why it stops for a moment, and what a trial of several has come to.

use std::cell::RefCell;
use std::rc::Rc;

use crashtest_kit::Board;
use crashtest_linux::locks::Wait;
use crashtest_linux::shared;
use crashtest_model::{Termination, Verdict};

use crate::error::EngineError;
use crate::subject::victims::{Victim, Victims};

/// A participant that runs: a process, or a thread of one.
pub(super) struct Process {
    pub(super) number: usize,
    pub(super) board: Board,
    pub(super) body: Rc<Body>,
}

/// The process that a participant is, or is a thread of.
pub(super) struct Body {
    end: RefCell<End>,
}

enum End {
    Runs(Victim),
    /// It was ended; how that came out.
    Ended(Termination),
}

/// Why a process does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// It is held where it was to be, or after its save.
    Held,
    /// It waits for somebody's lock.
    Blocked(Wait),
    /// It refused what it found.
    Refused,
    /// It has ended.
    Ended,
    /// It makes no progress.
    TimeUp,
}

/// What a trial has come to, before anybody starts on what it left.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub(super) termination: Option<Termination>,
    /// Everything that went wrong.
    pub(super) wrong: Vec<(Verdict, String)>,
    pub(super) delay_ns: u64,
    pub(super) calibrated_ns: u64,
    /// The writer whose phase the trial is named after.
    pub(super) of: usize,
}

impl Process {
    /// Lets a thread begin.
    pub(super) fn begin(&self) {
        shared::open(self.board.latch());
    }

    pub(super) fn has_ended(&self) -> Result<bool, EngineError> {
        self.body.has_ended()
    }

    /// Whether it does nothing any more: also a thread whose process goes on.
    pub(super) fn is_over(&self) -> Result<bool, EngineError> {
        Ok(self.board.failure().is_some() || self.has_ended()?)
    }

    /// Its number, until it was ended.
    pub(super) fn pid(&self) -> Option<i32> {
        match &*self.body.end.borrow() {
            End::Runs(victim) => Some(victim.running.pid()),
            End::Ended(_) => None,
        }
    }

    /// Ends it, if it still runs, and says how it really ended; of threads the process they are.
    pub(super) fn end(&self, victims: &Victims<'_>) -> Result<Termination, EngineError> {
        self.body.end(victims)
    }
}

impl Body {
    pub(super) fn new(victim: Victim) -> Body {
        Body { end: RefCell::new(End::Runs(victim)) }
    }

    pub(super) fn has_ended(&self) -> Result<bool, EngineError> {
        match &mut *self.end.borrow_mut() {
            End::Runs(victim) => Ok(victim.running.try_wait().map_err(EngineError::Wait)?.is_some()),
            End::Ended(_) => Ok(true),
        }
    }

    pub(super) fn end(&self, victims: &Victims<'_>) -> Result<Termination, EngineError> {
        // What is put there for the moment stays only where the kernel does not say how it ended.
        let termination = match self.end.replace(End::Ended(Termination::Nothing)) {
            End::Runs(victim) => victims.terminate_unlearnt(victim)?,
            End::Ended(termination) => termination,
        };
        self.end.replace(End::Ended(termination.clone()));
        Ok(termination)
    }
}
