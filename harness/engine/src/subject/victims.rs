//! The victims of a target: forked in one directory, watched on one board, killed, and what they have left.

use std::io;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;

use crashtest_kit::{BOARD_WORDS, Board, Generations, Opened, Registry};
use crashtest_linux::clock::{now_ns, sleep_until};
use crashtest_linux::deadline::Deadline;
use crashtest_linux::directory::Directory;
use crashtest_linux::process::{Exit, Running, fork_child};
use crashtest_linux::shared;
use crashtest_model::{CallMark, Generation, HarnessBug, Observed, Phase, Plan, Promise, Seed, Signal, Termination};
use crashtest_states::Snapshot;

use super::life::{Life, Script};
use super::timings::Timings;
use crate::error::{EngineError, is_environmental};
use crate::state_dir::StateDir;

/// Pause between two looks at the board when a recovery is nearly due, in ns.
const SOON_NS: u64 = 15_000;
/// Looks at that pace before it becomes [`LATER_NS`]: some tenths of a second. A fast writer makes a dozen saves in one late look.
const SOON_LOOKS: u32 = 4000;
/// Pause between two looks at the board when something takes long, in ns.
const LATER_NS: u64 = 500_000;

/// Where the victims of a target live, one after the other or several at a time.
pub(crate) struct Victims<'a> {
    pub(crate) registry: &'a dyn Registry,
    pub(crate) plan: &'a Plan,
    pub(crate) board: Board,
    /// The state directory.
    pub(crate) dir: Rc<StateDir>,
    /// Where derived crash states are restarted on: in memory, if there is some.
    pub(crate) memory: Rc<StateDir>,
    pub(crate) timings: Timings,
    /// The memory that several processes on one state share, once it was needed: it stays mapped as long as this process.
    shared_words: Option<&'static [AtomicU64]>,
}

/// A victim that runs.
pub(crate) struct Victim {
    pub(crate) running: Running,
    /// When it was forked, or began again, on the clock in ns.
    begun_ns: u64,
    /// When it has taken too long over what it is doing.
    pub(crate) limit: Deadline,
}

/// How a victim was ended.
pub(crate) struct Terminated {
    pub(crate) termination: Termination,
    /// When: the moment of the signal, or, of a life that stopped by itself, that at which it had. On the clock in ns.
    pub(crate) ended_ns: u64,
    /// Where in its work: of a life that went on until it had stopped, where the signal found it.
    pub(crate) at: Whereabouts,
}

/// Where in its work a life is.
pub(crate) struct Whereabouts {
    pub(crate) phase: Option<Phase>,
    /// The last save that it has begun, if it has.
    pub(crate) begun: Option<Generation>,
    pub(crate) last: Option<CallMark>,
}

impl Whereabouts {
    fn read(board: Board) -> Whereabouts {
        Whereabouts { phase: board.phase(), begun: board.begun().ok(), last: board.calls().last() }
    }
}

/// How a recovery came out, as far as the process goes.
pub(crate) enum Recovery {
    /// It reported.
    Opened(Opened),
    /// It ended or hung.
    Failed(Observed),
}

impl<'a> Victims<'a> {
    /// Victims of the plan's target, whose state directory is made in `sandbox`, and in `memory` the one for restarts.
    pub(crate) fn new(
        registry: &'a dyn Registry,
        plan: &'a Plan,
        sandbox: &Directory,
        memory: Option<&Directory>,
    ) -> Result<Victims<'a>, EngineError> {
        let dir = Rc::new(StateDir::make(sandbox, "state")?);
        let memory = Rc::new(StateDir::make(memory.unwrap_or(sandbox), "restarts")?);
        let board = Board::over(map(BOARD_WORDS)?);
        Ok(Victims { registry, plan, board, dir, memory, timings: Timings::default(), shared_words: None })
    }

    /// So many words that several processes share: the same each time.
    pub(crate) fn shared_words(&mut self, words: usize) -> Result<&'static [AtomicU64], EngineError> {
        let mapped = match self.shared_words {
            Some(mapped) => mapped,
            None => map(words)?,
        };
        self.shared_words = Some(mapped);
        Ok(mapped)
    }

    /// The oracle's fold of `stream`.
    pub(crate) fn generations(&self, stream: Seed) -> Result<Box<dyn Generations>, EngineError> {
        let unknown = || EngineError::UnknownTarget(self.plan.target.strategy.clone());
        self.registry.generations(&self.plan.target, stream).ok_or_else(unknown)
    }

    /// Forks a victim that starts with `promise` in force.
    pub(crate) fn fork(
        &mut self,
        script: Script,
        stream: Seed,
        names: Seed,
        promise: Promise,
    ) -> Result<Victim, EngineError> {
        self.board.reset(promise.acked, promise.begun);
        let life = Life {
            registry: self.registry,
            plan: self.plan,
            stream,
            names,
            dir: self.dir.path().to_owned(),
            board: self.board,
            member: None,
        };
        self.fork_life(life, script)
    }

    /// Forks a victim that lives `life`, whose board is reset.
    pub(crate) fn fork_life(&self, life: Life<'_>, script: Script) -> Result<Victim, EngineError> {
        let begun_ns = now_ns();
        let running = fork_child(move || life.live(script))?;
        Ok(Victim { running, begun_ns, limit: self.limit() })
    }

    /// Forks a victim whose threads live `lives`, whose boards are reset; each waits until the gate of its board is open.
    pub(crate) fn fork_lives(&self, lives: Vec<(Life<'_>, Script)>) -> Result<Victim, EngineError> {
        let begun_ns = now_ns();
        let running = fork_child(move || Life::live_together(lives))?;
        Ok(Victim { running, begun_ns, limit: self.limit() })
    }

    /// Kills a victim from whose life nothing is learnt, and says how it really ended.
    pub(crate) fn terminate_unlearnt(&self, mut victim: Victim) -> Result<Termination, EngineError> {
        match victim.running.try_wait().map_err(EngineError::Wait)? {
            Some(exit) => Ok(termination(exit)),
            None => kill(victim.running),
        }
    }

    /// Whether a victim that refused its state has let go of everything and can begin again; waits until it has.
    pub(crate) fn stands_by(&mut self, victim: &mut Victim) -> Result<bool, EngineError> {
        let board = self.board;
        self.watch(victim, || board.is_at_latch())?;
        Ok(board.is_at_latch())
    }

    /// Lets a victim that stands by begin again, with `promise` in force.
    pub(crate) fn begin_again(&mut self, victim: &mut Victim, promise: Promise) {
        self.board.reset(promise.acked, promise.begun);
        victim.begun_ns = now_ns();
        victim.limit = self.limit();
        shared::open(self.board.latch());
    }

    /// How long one step may take, in ns.
    fn limit_ns(&self) -> u64 {
        self.plan.limit_ms * 1_000_000
    }

    /// The end of the time that one step may take.
    pub(crate) fn limit(&self) -> Deadline {
        Deadline::in_ns(self.limit_ns())
    }

    /// The end of the time that a life may take to a moment between its saves, which are so far apart.
    pub(crate) fn limit_with_pauses(&self) -> Deadline {
        Deadline::in_ns(self.limit_ns() + 10 * self.plan.target.idle_us * 1000)
    }

    /// The same as [`limit`](Victims::limit) on the clock, in ns.
    pub(crate) fn limit_from_now(&self) -> u64 {
        self.limit().at_ns()
    }

    /// Waits until the victim's recovery has reported, it has ended, or its time is up.
    ///
    /// `damaged`: the state file is not whole, so an error is likely, and sooner than a state would be.
    pub(crate) fn await_recovery(&mut self, victim: &mut Victim, damaged: bool) -> Result<Recovery, EngineError> {
        let recovery = if damaged { self.timings.refusal } else { self.timings.recovery };
        let expected = self.timings.start.ns() + recovery.ns();
        sleep_until(victim.begun_ns + expected as u64);
        let board = self.board;
        let ended = self.watch(victim, || board.recovery().is_some())?;
        // Look again: it may have reported and then ended.
        if let Some(opened) = self.board.recovery() {
            return Ok(Recovery::Opened(opened));
        }
        Ok(Recovery::Failed(match ended {
            Some(exit) if exit.by_sigkill() => Observed::Shot,
            Some(exit) => Observed::Crashed { how: self.describe(exit) },
            None => Observed::Hung { limit_ms: self.plan.limit_ms },
        }))
    }

    /// Waits until `done`, or the victim has ended (then how), or its time is up.
    fn watch(&self, victim: &mut Victim, done: impl Fn() -> bool) -> Result<Option<Exit>, EngineError> {
        let mut looks = 0;
        while !done() {
            if let Some(exit) = victim.running.try_wait().map_err(EngineError::Wait)? {
                return Ok(Some(exit));
            }
            if victim.limit.is_over([victim.running.pid()]) {
                return Ok(None);
            }
            looks += 1;
            sleep_until(now_ns() + if looks < SOON_LOOKS { SOON_NS } else { LATER_NS });
        }
        Ok(None)
    }

    /// Waits until the victim is held where it was to be; says whether it is: it may have ended, or its time may be up.
    pub(crate) fn await_held(&self, victim: &mut Victim, expected_ns: u64) -> Result<bool, EngineError> {
        let board = self.board;
        sleep_until((now_ns() + expected_ns).min(victim.limit.at_ns()));
        self.watch(victim, || board.is_held())?;
        Ok(board.is_held())
    }

    /// Waits until the victim has ended by itself; `None` if it makes no progress for longer than the limit.
    pub(crate) fn await_exit(&mut self, victim: &mut Victim) -> Result<Option<Exit>, EngineError> {
        loop {
            let saves = self.board.saves();
            victim.limit = Deadline::in_ns(self.limit_ns() + self.plan.target.idle_us * 1000);
            let exit = self.watch(victim, || false)?;
            if exit.is_some() || self.board.saves() == saves {
                return Ok(exit);
            }
        }
    }

    /// Kills the victim, says how it really ended, and learns from its life.
    pub(crate) fn terminate(&mut self, victim: Victim) -> Result<Termination, EngineError> {
        Ok(self.terminate_by(Signal::Kill, victim, || ())?.termination)
    }

    /// Ends the victim by `signal`, as [`terminate`](Victims::terminate) does, doing `meanwhile` while it ends.
    pub(crate) fn terminate_by(
        &mut self,
        signal: Signal,
        mut victim: Victim,
        meanwhile: impl FnOnce(),
    ) -> Result<Terminated, EngineError> {
        let begun_ns = victim.begun_ns;
        let found = (signal == Signal::Term).then(|| Whereabouts::read(self.board));
        let mut ended_ns = now_ns();
        let termination = match victim.running.try_wait().map_err(EngineError::Wait)? {
            // Whatever ended it, it was not us.
            Some(exit) => termination(exit),
            None if self.plan.planted == Some(HarnessBug::NoKill) => {
                self.board.ask_to_stop();
                self.await_exit(&mut victim)?;
                Termination::Nothing
            }
            None => {
                send(&victim.running, signal).map_err(EngineError::Wait)?;
                meanwhile();
                let minds = signal != Signal::Kill;
                victim.limit = self.limit();
                match if minds { self.watch(&mut victim, || false)? } else { None } {
                    Some(Exit::Status(0)) if signal == Signal::Term => {
                        ended_ns = now_ns();
                        Termination::Stopped
                    }
                    Some(exit) if signal == Signal::Abort && exit.by_sigabrt() => Termination::Abort,
                    Some(exit) => termination(exit),
                    None => match kill(victim.running)? {
                        Termination::Kill if minds => Termination::Forced,
                        termination => termination,
                    },
                }
            }
        };
        self.timings.learn(self.board, begun_ns);
        // Only a life that stopped by itself went further than where it was ended.
        let found = found.filter(|_| termination == Termination::Stopped);
        Ok(Terminated { termination, ended_ns, at: found.unwrap_or_else(|| Whereabouts::read(self.board)) })
    }

    /// Makes sure that a failure of init or a save is the target's, not the machine's.
    ///
    /// # Errors
    /// The file system is full, broken or read-only.
    pub(crate) fn blame_the_machine_first(&self) -> Result<(), EngineError> {
        self.blame_the_machine_for(self.board)
    }

    /// [`blame_the_machine_first`](Victims::blame_the_machine_first), for the failure on `board`.
    ///
    /// # Errors
    /// The file system is full, broken or read-only.
    pub(crate) fn blame_the_machine_for(&self, board: Board) -> Result<(), EngineError> {
        match board.failure() {
            Some(failure) if is_environmental(failure.errno) => {
                let (why, errno) = (failure.why, Some(failure.errno));
                Err(EngineError::Environment { path: self.dir.path().to_owned(), why, errno })
            }
            _ => Ok(()),
        }
    }

    /// How a victim ended that should not have.
    pub(crate) fn describe(&self, exit: Exit) -> String {
        match (self.board.failure(), exit) {
            (Some(failure), _) => failure.why,
            (None, exit) => exit.in_words(),
        }
    }

    /// Empties the state directory and lets the target install generation 0 there, in a victim that is left alone.
    pub(crate) fn install(&mut self, stream: Seed, names: Seed) -> Result<Snapshot, EngineError> {
        self.dir.empty()?;
        let victim = self.fork(Script::Install, stream, names, Promise::default())?;
        self.installs(victim)?;
        self.dir.sync()?;
        self.crash_state()
    }

    /// Waits until a victim has installed what it was to install.
    ///
    /// # Errors
    /// It has not.
    pub(crate) fn installs(&mut self, mut victim: Victim) -> Result<(), EngineError> {
        let exit = self.await_exit(&mut victim)?;
        if exit != Some(Exit::Status(0)) {
            let why = exit.map_or("init did not come back".to_owned(), |exit| self.describe(exit));
            let errno = self.board.failure().map(|failure| failure.errno);
            return Err(EngineError::Environment { path: self.dir.path().to_owned(), why, errno });
        }
        self.terminate(victim).map(drop)
    }

    /// The files as they are now.
    pub(crate) fn crash_state(&self) -> Result<Snapshot, EngineError> {
        self.dir.take()
    }
}

/// Memory that a process shares with those that it forks.
fn map(words: usize) -> Result<&'static [AtomicU64], EngineError> {
    let words = NonZeroUsize::new(words).unwrap_or(NonZeroUsize::MIN);
    shared::map(words).map_err(EngineError::system_refuses("share memory with a victim"))
}

fn send(victim: &Running, signal: Signal) -> io::Result<()> {
    match signal {
        Signal::Kill => victim.send_sigkill(),
        Signal::Term => victim.send_sigterm(),
        Signal::Abort => victim.send_sigabrt(),
    }
}

/// Kills whoever still runs, and says how it really ended.
fn kill(running: Running) -> Result<Termination, EngineError> {
    let exit = running.kill().map_err(EngineError::Wait)?;
    Ok(if exit.by_sigkill() { Termination::Kill } else { termination(exit) })
}

/// An end that nobody brought about who should have.
fn termination(exit: Exit) -> Termination {
    match exit {
        Exit::Status(status) => Termination::Exit { status },
        Exit::Signal(signal) => Termination::Signal { signal },
    }
}
