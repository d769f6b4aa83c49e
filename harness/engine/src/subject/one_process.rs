//! Starting a target again on one crash state after the other, once on each, without a process for each.
//!
//! A victim that has come back from one state is handed the next one: a new target, the same process. Where a recovery ends its
//! process or does not come back, the next state gets a new one.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use crashtest_kit::{Generations, OpenedAs};
use crashtest_linux::process::{Running, fork_child};
use crashtest_linux::shared;
use crashtest_model::{Digest, Observed, Promise, Seed, Start};
use crashtest_states::{CrashState, Snapshot};

use super::life::{Life, Script};
use super::victims::Victims;
use crate::error::EngineError;
use crate::judge::oracle;
use crate::state_dir::StateDir;

/// How long to wait for a restart before asking whether its process is still there.
const LOOK: Duration = Duration::from_millis(2);

/// The most states whose restarts are remembered.
const REMEMBERED: usize = 100_000;

/// A place where a target is started again and again.
pub(crate) struct OneProcess {
    dir: Rc<StateDir>,
    start: Start,
    stream: Seed,
    victim: Option<Running>,
    /// By the digest of a state: what a restart on it gave. Lives after different crashes leave the same states again and again.
    known: HashMap<Digest, OpenedAs>,
    /// The state of the last restart, where it is known: the directory is as that restart has left it.
    last: Option<Digest>,
}

impl OneProcess {
    /// OneProcess in `dir`, which is ours: it is emptied for each.
    pub(crate) fn new(dir: Rc<StateDir>, start: Start, stream: Seed) -> OneProcess {
        OneProcess { dir, start, stream, victim: None, known: HashMap::new(), last: None }
    }

    /// What a restart on `state` gives, with `promise` in force: a content is looked for among the generations from its acked one on.
    /// It is not made twice on equal states.
    pub(crate) fn once_on(
        &mut self,
        victims: &Victims<'_>,
        generations: &mut dyn Generations,
        state: &CrashState,
        promise: Promise,
    ) -> Result<Observed, EngineError> {
        match self.known.get(&state.digest) {
            Some(opened) => Ok(oracle::identify(opened, generations, promise)),
            None => {
                let observed = self.restart(victims, generations, &state.snapshot, promise)?;
                self.last = Some(state.digest);
                if let Some(opened) = victims.board.recovery().filter(|_| self.known.len() < REMEMBERED) {
                    self.known.insert(state.digest, opened.as_what);
                }
                Ok(observed)
            }
        }
    }

    /// The files as a restart on `state` leaves them. It is made again where another one came since, or this one was made on an equal
    /// state some lives ago.
    pub(crate) fn files_after(
        &mut self,
        victims: &Victims<'_>,
        generations: &mut dyn Generations,
        state: &CrashState,
        promise: Promise,
    ) -> Result<Snapshot, EngineError> {
        if self.last != Some(state.digest) {
            self.restart(victims, generations, &state.snapshot, promise)?;
            self.last = Some(state.digest);
        }
        self.files()
    }

    /// The files as the last restart has left them.
    pub(crate) fn files(&self) -> Result<Snapshot, EngineError> {
        self.dir.take()
    }

    /// Starts the target on `state`, with `promise` in force: a content is looked for among the generations from its acked one on.
    pub(crate) fn restart(
        &mut self,
        victims: &Victims<'_>,
        generations: &mut dyn Generations,
        state: &Snapshot,
        promise: Promise,
    ) -> Result<Observed, EngineError> {
        self.last = None;
        self.dir.restore(state)?;
        let board = victims.board;
        let mut limit = victims.limit();
        board.reset(promise.acked, promise.begun);
        match &self.victim {
            Some(_) => shared::open(board.latch()),
            None => self.victim = Some(self.fork(victims)?),
        }
        let Some(victim) = &mut self.victim else { return Ok(Observed::Shot) };
        let mut exit = None;
        while !shared::wait_at_for(board.at_latch(), LOOK) && exit.is_none() && !limit.is_over([victim.pid()]) {
            exit = victim.try_wait().map_err(EngineError::Wait)?;
        }
        let opened = board.recovery();
        if !board.is_at_latch() {
            // Killed by the drop where it has not ended.
            self.victim = None;
        }
        Ok(match (opened, exit) {
            (Some(opened), _) => oracle::identify(&opened.as_what, generations, promise),
            (None, Some(exit)) if exit.by_sigkill() => Observed::Shot,
            (None, Some(exit)) => Observed::Crashed { how: victims.describe(exit) },
            (None, None) => Observed::Hung { limit_ms: victims.plan.limit_ms },
        })
    }

    fn fork(&self, victims: &Victims<'_>) -> Result<Running, EngineError> {
        let names = self.stream.derive("names of restarts", 0);
        let life = Life {
            registry: victims.registry,
            plan: victims.plan,
            stream: self.stream,
            names,
            dir: self.dir.path().to_owned(),
            board: victims.board,
            member: None,
        };
        let script = Script::Restart(self.start);
        Ok(fork_child(move || life.live(script))?)
    }
}
