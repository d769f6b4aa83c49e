//! A series of lives in one directory: each trial's crash is judged by the recovery with which the next life starts.
//!
//! fork → recovery of the previous crash state (this *is* the restart) → saves until killed → the files are read → next. Damage
//! compounds as it does in production. After a violation the evidence is kept and the directory starts afresh; a life whose
//! recovery refused the damage then opens the fresh directory, any other is replaced.
//!
//! The control is the same series with clean stops in place of kills.

mod clean;
mod judge;

use crashtest_kit::{Generations, Opened, OpenedAs};
use crashtest_linux::clock::now_ns;
use crashtest_model::{
    About, Aim, Call, FailureDetail, Fault, Generation, LAST_WRITE, Observed, Outcome, Phase, Promise, RawState, Seed,
    Signal, Start, Termination, TrialRecord, Verdict,
};
use crashtest_states::Snapshot;

use crate::context::Context;
use crate::context::trial::{Trial, because};
use crate::error::EngineError;
use crate::faults::kill::aim::{self, Moment};
use crate::judge::file_state;
use crate::judge::lost_acks::Acked;
use crate::subject::life::Script;
use crate::subject::progress::{self, just_installed};
use crate::subject::victims::{Recovery, Terminated, Victim, Victims, Whereabouts};
use judge::{Crash, Inherited, Judged};

/// Left-over files are counted each time the directory has survived this many crashes.
const RESIDUE_INTERVAL: u64 = 20;
/// From one count to the next, fewer new left-overs than this are not growth.
const RESIDUE_GROWTH: usize = 2;
/// So often is a trial tried whose victim cannot even open what it was given.
const ATTEMPTS: u32 = 3;

#[derive(PartialEq, Eq)]
enum Attempt {
    Done,
    Void,
}

/// The series of one series.
pub(crate) struct Series<'c, 'a, 'v> {
    context: &'c mut Context<'a>,
    victims: &'c mut Victims<'v>,
    fault: Fault,
    number: u64,
    stream: Seed,
    generations: Box<dyn Generations>,
    installed: Snapshot,
    /// What the files in the directory have to give.
    promise: Promise,
    pending: Option<Crash>,
    inherited: Option<Inherited>,
    /// Crashes since the directory was fresh.
    crashes: u64,
    /// Left-over files when they were last counted.
    left_over: usize,
    /// Lives so far.
    lives: u64,
}

impl<'c, 'a, 'v> Series<'c, 'a, 'v> {
    /// Installs generation 0 of the series' stream and stands ready for its first trial.
    pub(crate) fn start(
        context: &'c mut Context<'a>,
        victims: &'c mut Victims<'v>,
        fault: Fault,
        number: u64,
    ) -> Result<Series<'c, 'a, 'v>, EngineError> {
        let stream = match fault {
            Fault::None => context.plan.seed.derive("control-stream", number),
            _ => context.plan.stream(number),
        };
        let generations = victims.generations(stream)?;
        let installed = victims.install(stream, stream.derive("install", 0))?;
        let left_over = left_over(&installed, &*generations);
        Ok(Series {
            context,
            victims,
            fault,
            number,
            stream,
            generations,
            installed,
            promise: just_installed(),
            pending: None,
            inherited: None,
            crashes: 0,
            left_over,
            lives: 0,
        })
    }

    /// Reports what is known of its fault as a whole.
    pub(crate) fn note(&mut self, about: About) -> Result<(), EngineError> {
        self.context.note(self.fault, Start::Again, about)
    }

    /// Goes on from generation `base` instead of 0, as if the saves up to it had been made and the program stopped cleanly.
    pub(crate) fn advance_to(&mut self, base: Generation) -> Result<(), EngineError> {
        let saves = base.0 - self.promise.acked.0;
        let mut victim = self.fork(Script::SaveThenStop(saves))?;
        self.await_recovery(&mut victim)?;
        self.victims.await_exit(&mut victim)?;
        self.victims.terminate(victim)?;
        self.promise = progress::promise(self.victims.board, self.promise).unwrap_or(self.promise);
        if self.promise.acked != base {
            let why = format!("save {base} could not be reached without a fault");
            return Err(EngineError::Environment { path: self.victims.dir.path().to_owned(), why, errno: None });
        }
        Ok(())
    }

    /// Runs one trial; the outcome of the one before is reported on the way.
    pub(crate) fn run(&mut self, trial: Trial) -> Result<(), EngineError> {
        for _ in 0..ATTEMPTS {
            if self.attempt(trial)? == Attempt::Done {
                return Ok(());
            }
        }
        let mut record = self.record(trial, Moment::default());
        record.detail = because("the freshly installed state could not be opened");
        self.context.report(record, &Snapshot::default(), None)
    }

    /// Judges the last crash.
    pub(crate) fn finish(&mut self) -> Result<(), EngineError> {
        if self.pending.is_some() { self.recover_save_and_stop() } else { Ok(()) }
    }

    fn attempt(&mut self, trial: Trial) -> Result<Attempt, EngineError> {
        let counts = self.crashes > 0 && self.crashes.is_multiple_of(RESIDUE_INTERVAL);
        if self.pending.is_some() && (counts || self.context.plan.fresh) {
            self.recover_save_and_stop()?;
            if self.context.plan.fresh {
                self.start_afresh()?;
            }
        }
        match self.fault {
            Fault::None => self.attempt_clean_stop(trial),
            _ => self.attempt_kill(trial),
        }
    }

    fn attempt_kill(&mut self, trial: Trial) -> Result<Attempt, EngineError> {
        let hold = aim::hold(trial.aim, &self.victims.timings);
        let signal = self.context.plan.conditions(self.fault).signal;
        let mut victim = self.fork(Script::Save(hold, signal))?;
        let into_recovery = trial.aim.into_recovery();
        if into_recovery {
            let board = self.victims.board;
            while board.started_ns().is_none() && now_ns() < victim.limit.at_ns() {
                std::hint::spin_loop();
            }
        } else {
            victim = match self.restart(victim)? {
                Some(victim) => victim,
                None => return Ok(Attempt::Void),
            };
        }
        let idle_ns = self.context.plan.target.idle_us * 1000;
        let limit = self.victims.limit_with_pauses();
        let damaged = self.is_damaged();
        if matches!(trial.aim, Aim::Gap(_) | Aim::RecoveryGap(_)) {
            victim.limit = limit;
            self.victims.await_held(&mut victim, aim::expected_ns(trial.aim, &self.victims.timings))?;
        }
        let moment = aim::wait(trial.aim, &self.victims.timings, self.victims.board, idle_ns, damaged, limit.at_ns());
        let is_stuck = progress::is_stuck(self.victims.board, victim.running.pid(), limit);
        let terminated = self.terminate(signal, victim)?;
        if into_recovery {
            let recovery = match (self.victims.board.recovery(), &terminated.termination) {
                // The kill came too late, or asked it to stop: the recovery that it was meant for has completed.
                (Some(opened), _) => Some(Recovery::Opened(opened)),
                (None, Termination::Forced) => {
                    Some(Recovery::Failed(Observed::Hung { limit_ms: self.context.plan.limit_ms }))
                }
                (None, Termination::Kill | Termination::Abort | Termination::Nothing) => None,
                (None, Termination::Signal { .. }) => Some(Recovery::Failed(Observed::Shot)),
                (None, ended) => Some(Recovery::Failed(Observed::Crashed { how: self.unwanted_end(ended).1 })),
            };
            match recovery {
                None => self.hand_on()?,
                Some(recovery) => {
                    let judged = self.judge(&recovery);
                    if !self.conclude(judged)? {
                        return Ok(Attempt::Void);
                    }
                }
            }
        }
        let ended = match &terminated.termination {
            Termination::Forced => Some((Verdict::Stuck, self.deaf_to(signal))),
            termination if termination.by_us() => is_stuck.then(|| (Verdict::Stuck, self.stuck())),
            Termination::Nothing => Some((Verdict::Inconclusive, "the victim was not killed".to_owned())),
            termination => Some(self.unwanted_end(termination)),
        };
        self.post_mortem(trial, self.promise.acked, moment, terminated, ended)?;
        Ok(Attempt::Done)
    }

    /// Judges the pending crash by the recovery of `victim`, which comes back ready to save; `None` where it cannot.
    fn restart(&mut self, mut victim: Victim) -> Result<Option<Victim>, EngineError> {
        let recovery = self.await_recovery(&mut victim)?;
        let judged = self.judge(&recovery);
        let refused = matches!(&recovery, Recovery::Opened(Opened { as_what: OpenedAs::Refused { .. }, .. }));
        if !refused || !matches!(judged, Judged::Violated(_)) || !self.victims.stands_by(&mut victim)? {
            return self.settle(judged, victim);
        }
        self.conclude(judged)?;
        self.victims.begin_again(&mut victim, self.promise);
        let recovery = self.await_recovery(&mut victim)?;
        let judged = self.judge(&recovery);
        self.settle(judged, victim)
    }

    /// Ends the victim, and derives the generations that it may leave while the kernel takes it apart.
    fn terminate(&mut self, signal: Signal, victim: Victim) -> Result<Terminated, EngineError> {
        let (board, promise, generations) = (self.victims.board, self.promise, &mut self.generations);
        self.victims.terminate_by(signal, victim, || {
            if let Some(promise) = progress::promise(board, promise) {
                generations.prepare(promise);
            }
        })
    }

    /// A victim that ended before it should have: its save failed, or it is nobody's fault that we know of.
    fn unwanted_end(&self, termination: &Termination) -> (Verdict, String) {
        match (self.victims.board.failure(), termination) {
            (Some(failure), Termination::Exit { .. }) => (Verdict::FailedSave, failure.why),
            (_, Termination::Exit { status }) => {
                (Verdict::Inconclusive, format!("the victim exited by itself with status {status}"))
            }
            (_, Termination::Signal { signal }) => {
                (Verdict::Inconclusive, format!("signal {signal}, which was not to end it, ended the victim"))
            }
            (_, _) => (Verdict::Inconclusive, "the victim did not stop".to_owned()),
        }
    }

    /// A victim that had to be killed as the signal that it was sent did not end it.
    fn deaf_to(&self, signal: Signal) -> String {
        let limit_ms = self.context.plan.limit_ms;
        format!("not ended {limit_ms} ms after {}, {}", signal.system_name(), self.phase())
    }

    fn stuck(&self) -> String {
        format!("no progress for {} ms, {}", self.context.plan.limit_ms, self.phase())
    }

    /// Takes stock after a life: leaves a crash for the next recovery to judge, or reports the outcome if there is one already.
    fn post_mortem(
        &mut self,
        trial: Trial,
        base: Generation,
        moment: Moment,
        terminated: Terminated,
        ended: Option<(Verdict, String)>,
    ) -> Result<(), EngineError> {
        self.victims.blame_the_machine_first()?;
        self.crashes += 1;
        let overwritten =
            || (Verdict::Inconclusive, "the board shows saves that the victim cannot have made".to_owned());
        let promise = progress::promise(self.victims.board, self.promise);
        let ended = if promise.is_none() { Some(overwritten()) } else { ended };
        self.promise = promise.unwrap_or(self.promise);
        let state = self.victims.crash_state()?;
        let calls = self.victims.board.calls();
        let Terminated { termination, ended_ns, at } = terminated;
        let acks = self.victims.board.acks(self.promise.acked);
        let mut record = TrialRecord {
            termination,
            phase: phase_name(at.phase),
            in_save: at.phase.is_some_and(Phase::in_save),
            gap: at.phase.and_then(Phase::gap),
            ack_latencies_ns: acks.latencies_ns(),
            ..self.record(trial, moment)
        };
        record.base = base;
        record.crash_state = Some(state.digest());
        if let Some((verdict, why)) = ended {
            record.outcome = Outcome::Judged(verdict);
            record.detail = Some(FailureDetail { why, calls: calls.marks(), ..FailureDetail::default() });
            self.context.report(record, &state, None)?;
            return self.start_afresh();
        }
        let raw = file_state::of_crash_state(&state, &mut *self.generations, self.promise);
        record.raw = Some(raw.clone());
        if let Some(gap) = &mut record.gap
            && gap.starts_with("after write")
            && self.wrote_everything(&at)
        {
            // The victim did not know yet that nothing follows.
            LAST_WRITE.clone_into(gap);
        }
        if let Some(inherited) = &self.inherited
            && inherited.state == record.crash_state
        {
            record.damaged_in = Some(inherited.phase.clone());
        }
        let acked = match &self.inherited {
            // What it was to find again was acked in a life before it.
            Some(inherited) if acks.is_empty() => inherited.acked.clone(),
            _ => Acked { acks, ended_ns },
        };
        self.pending = Some(Crash { record, state, raw, calls, acked });
        Ok(())
    }

    /// Whether the last call of a life was the write that completed the in-flight generation.
    fn wrote_everything(&mut self, at: &Whereabouts) -> bool {
        let last = at.last.as_ref().filter(|last| last.call == Call::Write);
        let begun = at.begun.unwrap_or(self.promise.begun);
        last.is_some_and(|last| self.generations.completes(begun, last.offset + last.length))
    }

    fn await_recovery(&mut self, victim: &mut Victim) -> Result<Recovery, EngineError> {
        let damaged = self.is_damaged();
        self.victims.await_recovery(victim, damaged)
    }

    /// Whether the state file is not whole, so that recovery is likely to refuse it.
    fn is_damaged(&self) -> bool {
        self.pending.as_ref().is_some_and(|crash| crash.raw.state != RawState::Whole)
    }

    fn fork(&mut self, script: Script) -> Result<Victim, EngineError> {
        let names = self.names();
        self.victims.fork(script, self.stream, names, self.promise)
    }

    /// Temporary names of its own for each life.
    fn names(&mut self) -> Seed {
        self.lives += 1;
        self.stream.derive("names", self.lives)
    }

    fn start_afresh(&mut self) -> Result<(), EngineError> {
        self.victims.dir.restore(&self.installed)?;
        self.promise = just_installed();
        self.pending = None;
        self.inherited = None;
        self.crashes = 0;
        self.left_over = left_over(&self.installed, &*self.generations);
        Ok(())
    }

    fn phase(&self) -> String {
        phase_name(self.victims.board.phase())
    }

    /// The record of a life that is over, as far as it is known without a recovery.
    fn record(&mut self, trial: Trial, moment: Moment) -> TrialRecord {
        let board = self.victims.board;
        TrialRecord {
            series: self.number,
            stream: self.stream,
            delay_ns: moment.delay_ns,
            calibrated_ns: moment.calibrated_ns,
            base: self.promise.acked,
            promise: self.promise,
            acks: board.saves(),
            saving_ns: board.saving_ns(),
            phase: self.phase(),
            ..TrialRecord::planned(trial.number, self.fault, Start::Again, trial.seed, trial.aim)
        }
    }
}

/// How many files there are besides those that the state is kept in.
fn left_over(state: &Snapshot, generations: &dyn Generations) -> usize {
    let beside = generations.files().iter().skip(1).filter(|name| state.has(name)).count();
    state.others_than(&generations.state_file()) - beside
}

/// A phase as records write it.
fn phase_name(phase: Option<Phase>) -> String {
    phase.map_or_else(|| "unknown".to_owned(), String::from)
}
