//! What is under test, as the rest of the engine sees it: a target of a registry, or a program of somebody's own.

#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod life;
mod one_process;
mod pace;
pub(crate) mod program;
pub(crate) mod progress;
mod recording;
pub(crate) mod target;
pub(crate) mod timings;
pub(crate) mod victims;

use std::rc::Rc;
use std::time::Duration;

use crashtest_kit::{Generations, Registry};
use crashtest_linux::directory::Directory;
use crashtest_model::{Fault, Observed, Plan, Promise, RawFile, Seed, Start, Trace};
use crashtest_states::{CrashState, Oracle, Snapshot};

use crate::error::EngineError;
use crate::judge::file_state;
use crate::state_dir::StateDir;
use crate::trace::orders::Orders;
use life::Script;
use program::{Place, Runtime};
use target::Target;
use victims::Victims;

pub(crate) use pace::{Confirms, Pace, SecondLives};
pub(crate) use recording::{Beginning, Recording};

/// What a crash state is restarted on with.
pub(crate) trait Restarts {
    /// What its saves leave: contents that those which a restart finds are held against.
    fn generations(&mut self) -> &mut dyn Generations;

    /// Restarts on `state` and says what that gave: also how the restart ended, where it gave nothing. Under `promise` a content is looked
    /// for among the generations from its acked one on. Equal states are restarted on once.
    fn restart(&mut self, state: &CrashState, promise: Promise) -> Result<Observed, EngineError>;

    /// Whether what a restart is said to give depends on what was promised: then it is asked for at each point.
    fn answers_by_promise(&self) -> bool {
        false
    }

    /// Restarts on `state`, whatever was restarted on before.
    fn restart_anew(&mut self, state: &Snapshot, promise: Promise) -> Result<Observed, EngineError>;

    /// The files as a restart on `state` leaves them.
    fn files_after(&mut self, state: &CrashState, promise: Promise) -> Result<Snapshot, EngineError>;

    /// The files as the last restart has left them.
    fn files_of_restart(&self) -> Result<Snapshot, EngineError>;
}

/// What is under test, as the faults see it that go by recorded lives.
///
/// It has one directory. A life, and a restart, begins with the files that it is given, and leaves others there.
pub(crate) trait Subject: Restarts {
    /// How thoroughly it is gone through.
    fn pace(&self) -> Pace;

    /// Makes the state that its lives begin on, and says how one that does `script` begins.
    fn install(&mut self, script: Script) -> Result<Beginning, EngineError>;

    /// Lives the life that begins so, recorded, under `orders`.
    fn live(&mut self, beginning: &Beginning, orders: Orders) -> Result<Recording, EngineError>;

    /// Lives the same life unrecorded, to its end or until it is killed after that time, and says how long it took; `None` where only
    /// recorded lives can be compared.
    fn live_unseen(
        &mut self,
        _beginning: &Beginning,
        _until: Option<Duration>,
    ) -> Result<Option<Duration>, EngineError> {
        Ok(None)
    }

    /// The files as the last life has left them.
    fn files(&self) -> Result<Snapshot, EngineError>;

    /// Learns from a whole life that began with the files `before` and left `left`.
    fn learn_from_whole(&mut self, _before: &Snapshot, _left: &Snapshot) -> Result<(), EngineError> {
        Ok(())
    }

    /// Learns what a campaign under `fault` had learnt before its first trial, to show one of its trials again.
    fn learn_for_replay(&mut self, _fault: Fault) -> Result<(), EngineError> {
        Ok(())
    }

    /// Makes sure that what it says of its saves in `trace` was said when it was so.
    fn check_promises(&self, _trace: &Trace) -> Result<(), EngineError> {
        Ok(())
    }

    /// How a life that began on an intact state did not start as `whole`, a whole one, did: it ended by itself with an error, or did not
    /// say what that said. `None` where it did.
    fn did_not_start(&self, _whole: &Trace, _recording: &Recording) -> Option<String> {
        None
    }

    /// Makes sure that the saves of a life, which began on a state of which a restart makes `observed`, have new numbers.
    fn check_numbers(&self, _recording: &Recording, _observed: &Observed) -> Result<(), EngineError> {
        Ok(())
    }

    /// From now on, calls that read are seen in its lives as well, or no longer.
    fn also_reads(&mut self, _reads: bool) {}

    /// What of the state that its last life began on cannot be put back, where that is not the one that was meant.
    fn lost(&self) -> Option<String> {
        None
    }

    /// What has to be said of how its restarts were made, a sentence each.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether what becomes of the file of this name is judged by whoever restarts.
    fn counts(&self, _path: &str) -> bool {
        true
    }

    /// Whether whoever restarts notices no damage at all to the file of this name.
    fn overlooks(&self, _path: &str) -> bool {
        false
    }

    /// What its files are to be at each point of `trace`, which began with the files `before`, where no restart says what they hold.
    fn oracle(&self, _trace: &Trace, _before: &Snapshot) -> Option<Oracle> {
        None
    }

    /// What the files of a stored crash state are like; `recorded` is what was said of them then.
    fn stored_file_state(&mut self, _recorded: Option<&RawFile>, state: &Snapshot, promise: Promise) -> RawFile {
        file_state::of_crash_state(state, self.generations(), promise)
    }
}

/// What a worker has under test.
pub(crate) enum UnderTest<'a> {
    /// A target of the registry.
    Target(Box<Victims<'a>>),
    /// A program of somebody's own.
    Program(Box<Runtime>),
}

impl<'a> UnderTest<'a> {
    /// What `plan` puts under test, with its directories in `sandbox` and, where there is one, in `memory`.
    pub(crate) fn new(
        registry: &'a dyn Registry,
        plan: &'a Plan,
        sandbox: Directory,
        memory: Option<&Directory>,
    ) -> Result<UnderTest<'a>, EngineError> {
        let Some(program) = &plan.program else {
            return Ok(UnderTest::Target(Box::new(Victims::new(registry, plan, &sandbox, memory)?)));
        };
        let lock = sandbox.path().parent().map(|all| all.join("turn"));
        let dir = Rc::new(StateDir::make(&sandbox, "state")?.guarded(sandbox));
        let place = Place { dir, cwd: program.cwd.clone(), seed: plan.seed, stop: None };
        let runtime = Runtime::new(program, place, Duration::from_millis(plan.limit_ms));
        Ok(UnderTest::Program(Box::new(match lock {
            Some(lock) => runtime.taking_turns(lock),
            None => runtime,
        })))
    }

    /// How thoroughly it is gone through.
    pub(crate) fn pace(&self) -> Pace {
        match self {
            UnderTest::Target(victims) => target::pace(victims.registry, victims.plan),
            UnderTest::Program(_) => program::PACE,
        }
    }

    /// Does `work` with it as a subject: one whose lives are `start`s that save the operations of `stream`.
    pub(crate) fn as_subject<R>(
        &mut self,
        start: Start,
        stream: Seed,
        work: impl FnOnce(&mut dyn Subject) -> Result<R, EngineError>,
    ) -> Result<R, EngineError> {
        match self {
            UnderTest::Target(victims) => work(&mut Target::new(victims, start, stream)?),
            UnderTest::Program(runtime) => work(&mut **runtime),
        }
    }
}
