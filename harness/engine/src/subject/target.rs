//! A target of a registry as a subject: its lives are forked, its restarts share a process.

use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crashtest_kit::{Board, Generations, Registry};
use crashtest_linux::clock::{now_ns, sleep_until};
use crashtest_linux::trace;
use crashtest_model::{Observed, Plan, Progress, Promise, Seed, Shape, Start, StrategyInfo};
use crashtest_states::{CrashState, Snapshot};

use super::life::{Life, Script};
use super::one_process::OneProcess;
use super::progress::{self, just_installed};
use super::victims::{Victim, Victims};
use super::{Beginning, Confirms, Pace, Recording, Restarts, SecondLives, Subject};
use crate::error::EngineError;
use crate::trace::orders::Orders;
use crate::trace::recorder::{Recorded, Recorder};

/// Saves of the recorded life of a document: some grow it, some shrink it.
const SAVES_OF_A_DOCUMENT: u64 = 6;
/// Saves of the recorded life of a log: enough records to cross the boundary of a page.
const SAVES_OF_A_LOG: u64 = 60;
/// Saves of the recorded life of what acknowledges them before it writes: enough that it still saves while it writes.
const SAVES_OF_A_QUEUE: u64 = 40;
/// Of the points that show nothing, one in so many is confirmed by a real kill all the same: drawn from the seed, and the first.
const CONFIRMED: u64 = 16;
/// Of those in the lives after the first, which are much alike and as many as it has states. A real kill takes as long as some
/// dozens of restarts.
const CONFIRMED_NESTED: u64 = 128;

/// A target, with the operations that its lives persist.
pub(crate) struct Target<'v, 'a> {
    victims: &'v mut Victims<'a>,
    stream: Seed,
    generations: Box<dyn Generations>,
    restarts: OneProcess,
}

/// How thoroughly a target is gone through.
pub(crate) fn pace(registry: &dyn Registry, plan: &Plan) -> Pace {
    let strategies = registry.strategies();
    let strategy = strategies.iter().find(|info| info.name == plan.target.strategy);
    let saves = match strategy.map_or(Shape::Document, |info| info.shape) {
        Shape::Document | Shape::System if strategy.is_some_and(StrategyInfo::acks_early) => SAVES_OF_A_QUEUE,
        Shape::Document | Shape::System => SAVES_OF_A_DOCUMENT,
        Shape::Log => SAVES_OF_A_LOG,
    };
    Pace {
        starts: &[Start::First, Start::Again],
        saves,
        confirms: Confirms::OneIn { first: CONFIRMED, nested: CONFIRMED_NESTED },
        second_lives: SecondLives::All,
        starts_on_damage: 0,
        looks_around_first: false,
        follows_scripts: true,
        repeats: true,
    }
}

impl<'v, 'a> Target<'v, 'a> {
    /// One whose restarts are `start`s, and whose lives persist the operations of `stream`.
    pub(crate) fn new(victims: &'v mut Victims<'a>, start: Start, stream: Seed) -> Result<Target<'v, 'a>, EngineError> {
        let generations = victims.generations(stream)?;
        let restarts = OneProcess::new(Rc::clone(&victims.memory), start, stream);
        Ok(Target { victims, stream, generations, restarts })
    }

    fn begin_unseen(&mut self, beginning: &Beginning) -> Result<Victim, EngineError> {
        self.victims.dir.restore(&beginning.files)?;
        self.victims.fork(beginning.script, beginning.stream, beginning.names, beginning.before)
    }
}

impl Restarts for Target<'_, '_> {
    fn generations(&mut self) -> &mut dyn Generations {
        &mut *self.generations
    }

    fn restart(&mut self, state: &CrashState, promise: Promise) -> Result<Observed, EngineError> {
        self.restarts.once_on(self.victims, &mut *self.generations, state, promise)
    }

    fn restart_anew(&mut self, state: &Snapshot, promise: Promise) -> Result<Observed, EngineError> {
        self.restarts.restart(self.victims, &mut *self.generations, state, promise)
    }

    fn files_after(&mut self, state: &CrashState, promise: Promise) -> Result<Snapshot, EngineError> {
        self.restarts.files_after(self.victims, &mut *self.generations, state, promise)
    }

    fn files_of_restart(&self) -> Result<Snapshot, EngineError> {
        self.restarts.files()
    }
}

impl Subject for Target<'_, '_> {
    fn pace(&self) -> Pace {
        pace(self.victims.registry, self.victims.plan)
    }

    fn install(&mut self, script: Script) -> Result<Beginning, EngineError> {
        install(self.victims, self.stream, script)
    }

    fn live(&mut self, beginning: &Beginning, orders: Orders) -> Result<Recording, EngineError> {
        live(self.victims, beginning, orders, None)
    }

    fn live_unseen(&mut self, beginning: &Beginning, until: Option<Duration>) -> Result<Option<Duration>, EngineError> {
        let begun_ns = now_ns();
        let mut victim = self.begin_unseen(beginning)?;
        match until {
            Some(time) => sleep_until(now_ns() + time.as_nanos() as u64),
            None => drop(self.victims.await_exit(&mut victim)?),
        }
        self.victims.terminate(victim)?;
        Ok(Some(Duration::from_nanos(now_ns() - begun_ns)))
    }

    fn files(&self) -> Result<Snapshot, EngineError> {
        self.victims.crash_state()
    }
}

/// Installs generation 0 of `stream`, and says how a life that does `script` begins: promised throughout.
pub(crate) fn install(victims: &mut Victims<'_>, stream: Seed, script: Script) -> Result<Beginning, EngineError> {
    let files = victims.install(stream, stream.derive("install", 0))?;
    let promise = just_installed();
    Ok(Beginning { files, stream, names: stream.derive("names", 1), before: promise, after: promise, script })
}

/// Lives the life that begins so, recorded, under `orders`. It ends once `stop` is set.
pub(crate) fn live(
    victims: &Victims<'_>,
    beginning: &Beginning,
    orders: Orders,
    stop: Option<&AtomicBool>,
) -> Result<Recording, EngineError> {
    let (dir, board) = (Rc::clone(&victims.dir), victims.board);
    dir.restore(&beginning.files)?;
    board.reset(beginning.before.acked, beginning.before.begun);
    let life = Life {
        registry: victims.registry,
        plan: victims.plan,
        stream: beginning.stream,
        names: beginning.names,
        dir: dir.path().to_owned(),
        board,
        member: None,
    };
    let progress = || progress(board, beginning);
    let mut recorder =
        Recorder::new(dir.path(), orders, &progress).map_err(EngineError::sandbox("read", dir.path()))?;
    recorder.stop_at(stop);
    let script = beginning.script;
    let traced = trace::trace(move || life.live(script), &mut recorder, limit(victims.plan))?;
    let Recorded { trace, obeyed, failed, .. } = recorder.finish();
    let complaint = board.failure().map(|failure| failure.why);
    Ok(Recording {
        trace,
        obeyed,
        ending: traced.ending,
        complaint,
        reused: None,
        least_begun: None,
        failed,
        cut: None,
    })
}

/// How long a recorded life may take: one step of it may take the plan's limit, and it makes some.
pub(crate) fn limit(plan: &Plan) -> Duration {
    Duration::from_millis(plan.limit_ms.saturating_mul(4))
}

/// How far a life is, by the board.
fn progress(board: Board, beginning: &Beginning) -> Progress {
    let opened = board.recovery().is_some();
    let base = if opened { beginning.after } else { beginning.before };
    // A board that was overwritten promises nothing more.
    let promise = progress::promise(board, base).unwrap_or(base);
    Progress { activity: board.phase().map(|phase| phase.activity), opened, promise }
}
