//! The supervisor of a campaign: control first, then first starts and series, handed to workers as they ask; every outcome counted.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crashtest_linux::supervision;
use crashtest_model::{Aim, FailureDetail, Fault, Plan, Rows, SERIES_LENGTH, Start, StrategyInfo, TrialRecord};

use crate::error::{Blame, EngineError};
use crate::event::Event;
use crate::lists;
use crate::protocol::{Job, Order, Part, Report};
use crate::supervisor::pool::{Death, FromWorker, Worker};
use crate::supervisor::sandbox::Sandbox;

/// A look that comes so late was ours to make: we were stopped, or did not run.
pub(crate) const ABSENT: Duration = Duration::from_secs(2);
/// Clean stops in the control: enough for two counts of left-over files.
pub const CONTROL_LIVES: u64 = 44;
/// A worker that dies costs a trial; more of them than this, and something else is wrong.
const WORKER_DEATHS: usize = 20;
/// A worker may be silent for this long, and for as long as the steps of one trial may take together: then it is lost.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);
/// How often the campaign looks up when nothing happens.
pub(crate) const TICK: Duration = Duration::from_millis(50);
/// First starts in one order: small ones, as they are what is left to share out when the last whole series are under way.
const FIRST_STARTS_AT_ONCE: u64 = 10;

/// The program that is started as worker: it must call [`serve`](crate::serve).
#[derive(Clone, Debug)]
pub struct WorkerProgram {
    /// Its path.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Why a campaign ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every planned trial was run.
    Finished,
    /// The time budget ended.
    TimeUp,
    /// As many trials failed as were asked for.
    EnoughFailures,
    /// It was asked to stop.
    Interrupted,
    /// The control showed what is not documented: this says more about the set-up than about crashes.
    ControlFailed,
    /// It could not go on.
    Broken {
        /// Why, fitting "failed to …".
        why: String,
        /// What a person can do about it.
        hint: Option<String>,
        /// Whose affair it is.
        blame: Blame,
    },
}

/// How a campaign came out.
#[derive(Debug)]
pub struct Ended {
    /// Why it ended.
    pub end: End,
    /// All counts.
    pub rows: Rows,
    /// Seconds that the trials took, without the control.
    pub elapsed_s: f64,
}

struct Campaign<'c> {
    plan: &'c Plan,
    /// Whether somebody's program is under test, which may start others and end what it finds.
    beside_a_program: bool,
    strategy: &'c StrategyInfo,
    program: &'c WorkerProgram,
    sandbox: &'c Sandbox,
    spool: PathBuf,
    emit: &'c mut dyn FnMut(Event<'_>),
    sender: Sender<FromWorker>,
    receiver: Receiver<FromWorker>,
    workers: Vec<Option<Worker>>,
    rows: Rows,
    /// Workers that died by themselves.
    deaths: usize,
    /// Workers that somebody else has killed.
    killed: usize,
    /// Of each worker: whether the last one was killed by somebody else, and nothing was heard since.
    just_killed: Vec<bool>,
    /// Orders that come before what the plan still has.
    waiting: VecDeque<Order>,
    /// Shares of what is not counted in trials: sweeps, failing calls.
    whole: VecDeque<Order>,
    next_first_start: u64,
    next_trial: u64,
    trials_began: Option<Instant>,
}

/// Runs `plan` in `sandbox` with worker processes, telling everything to `emit`, until it is done or `stop` is set.
///
/// Evidence is left in `spool`. Must be called by a thread that lives as long as the process (the workers die with it). When it
/// returns, no worker and no victim is left.
pub fn run(
    plan: &Plan,
    strategy: &StrategyInfo,
    program: &WorkerProgram,
    sandbox: &Sandbox,
    spool: PathBuf,
    stop: &AtomicBool,
    emit: &mut dyn FnMut(Event<'_>),
) -> Ended {
    let (sender, receiver) = mpsc::channel();
    let mut campaign = Campaign {
        plan,
        beside_a_program: plan.program.is_some(),
        strategy,
        program,
        sandbox,
        spool,
        emit,
        sender,
        receiver,
        workers: Vec::new(),
        rows: Rows::default(),
        deaths: 0,
        killed: 0,
        just_killed: Vec::new(),
        waiting: VecDeque::from([Order::Control(0..CONTROL_LIVES)]),
        whole: shares(plan),
        next_first_start: 0,
        next_trial: 0,
        trials_began: None,
    };
    let end = campaign.run(stop).unwrap_or_else(|error| End::Broken {
        why: error.to_string(),
        hint: error.hint(),
        blame: error.blame(),
    });
    let elapsed_s = campaign.trials_began.map_or(0.0, |began| began.elapsed().as_secs_f64());
    // Killed and waited for here, before anybody touches the sandbox.
    // All at once: each may take its time.
    campaign.workers.iter().flatten().for_each(Worker::ask_to_end);
    campaign.workers.clear();
    if campaign.beside_a_program {
        // What a program has started is ours now.
        supervision::kill_strays(&[]);
    }
    Ended { end, rows: campaign.rows, elapsed_s }
}

impl Campaign<'_> {
    fn run(&mut self, stop: &AtomicBool) -> Result<End, EngineError> {
        supervision::adopt_orphans().map_err(EngineError::system_refuses("adopt orphans"))?;
        // The control is the first one's alone; the others start and calibrate meanwhile.
        for worker in 0..self.plan.budget.jobs {
            self.start_worker(worker)?;
        }
        let began = Instant::now();
        let mut looked = began;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Ok(End::Interrupted);
            }
            let up = self.plan.budget.duration_ms.is_some_and(|ms| began.elapsed() >= Duration::from_millis(ms));
            let over = self.plan.budget.max_ms.is_some_and(|ms| began.elapsed() >= Duration::from_millis(ms));
            if over || (up && self.trials_began.is_some()) {
                return Ok(End::TimeUp);
            }
            if self.plan.budget.max_failures.is_some_and(|max| self.failures() >= max) {
                return Ok(End::EnoughFailures);
            }
            if looked.elapsed() >= TICK {
                // Nobody spoke to us while we were stopped, or did not run: that is no silence of theirs.
                let absent = looked.elapsed() > ABSENT;
                looked = Instant::now();
                self.look_after_workers(absent)?;
                (self.emit)(Event::Tick);
            }
            match self.receiver.recv_timeout(TICK) {
                Ok(FromWorker::Said { worker, report }) => {
                    if let Some(end) = self.hear(worker, report)? {
                        return Ok(end);
                    }
                }
                Ok(FromWorker::Ended { worker, note }) => {
                    self.replace(worker, note)?;
                    if self.is_finished() {
                        return Ok(End::Finished);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("the campaign holds a sender"),
            }
        }
    }

    /// Kills the workers that say nothing any more. One that is stopped would wait for ever, and so would we.
    fn look_after_workers(&mut self, absent: bool) -> Result<(), EngineError> {
        if self.workers.iter().flatten().any(Worker::is_stopped) {
            return Err(EngineError::Stopped);
        }
        if absent {
            self.workers.iter_mut().flatten().for_each(|worker| worker.heard = Instant::now());
        }
        let limit = SILENCE + 8 * Duration::from_millis(self.plan.limit_ms);
        self.workers.iter_mut().flatten().for_each(|worker| worker.kill_if_silent(limit));
        Ok(())
    }

    fn hear(&mut self, worker: usize, report: Report) -> Result<Option<End>, EngineError> {
        match report {
            Report::Trial(record, evidence) => {
                self.just_killed[worker] = false;
                if let Some(worker) = &mut self.workers[worker] {
                    worker.reported += 1;
                    worker.heard = Instant::now();
                }
                self.count(&record, evidence);
                Ok((self.trials_began.is_none() && self.control_failed()).then_some(End::ControlFailed))
            }
            Report::Note(note) => {
                if let Some(worker) = &mut self.workers[worker] {
                    worker.heard = Instant::now();
                }
                self.rows.note(&note);
                (self.emit)(Event::Note(&note));
                Ok(None)
            }
            Report::Failed { why, hint, blame } => Ok(Some(End::Broken { why, hint, blame })),
            Report::Done => {
                if let Some(worker) = &mut self.workers[worker] {
                    worker.order = None;
                }
                if self.trials_began.is_some() {
                    self.give_order(worker)?;
                } else if self.control_failed() {
                    return Ok(Some(End::ControlFailed));
                } else {
                    self.begin_trials()?;
                }
                Ok(self.is_finished().then_some(End::Finished))
            }
        }
    }

    /// Nobody works on anything, and nothing is left to hand out: whoever becomes free is given an order at once.
    fn is_finished(&self) -> bool {
        self.trials_began.is_some() && self.workers.iter().flatten().all(|worker| worker.order.is_none())
    }

    /// The control has passed: everything that the plan has is handed out. The worker that has run the control comes first, as it knows most.
    fn begin_trials(&mut self) -> Result<(), EngineError> {
        self.trials_began = Some(Instant::now());
        (self.emit)(Event::TrialsBegin);
        (0..self.workers.len()).try_for_each(|worker| self.give_order(worker))
    }

    /// Trials of the control that its documentation does not allow.
    fn control_failed(&self) -> bool {
        let Some(control) = self.rows.get(Fault::None, Start::Again) else { return true };
        let expectation = self.strategy.expectation_of(self.plan, Fault::None, Start::Again);
        let allowed = |verdict| expectation.is_some_and(|e| e.allows(verdict) && !self.strategy.planted);
        control.verdicts.keys().any(|verdict| verdict.is_violation() && !allowed(*verdict))
    }

    /// Failing trials that count towards `--max-failures`: the control has its own end.
    fn failures(&self) -> u64 {
        self.rows.iter().filter(|(fault, ..)| *fault != Fault::None).map(|(.., tally)| tally.violations()).sum()
    }

    fn next_order(&mut self) -> Option<Order> {
        if let Some(order) = self.waiting.pop_front() {
            return Some(order);
        }
        self.trials_began?;
        if let Some(order) = self.whole.pop_front() {
            return Some(order);
        }
        match self.plan.trials() {
            Some(trials) => self.next_series(trials).or_else(|| self.next_first_starts()),
            // Series without end: the first starts would never have their turn.
            None => self.next_first_starts().or_else(|| self.next_series(u64::MAX)),
        }
    }

    fn next_series(&mut self, end: u64) -> Option<Order> {
        next(&mut self.next_trial, SERIES_LENGTH, end).map(Order::Series)
    }

    fn next_first_starts(&mut self) -> Option<Order> {
        next(&mut self.next_first_start, FIRST_STARTS_AT_ONCE, self.plan.first_starts()).map(Order::FirstStart)
    }

    fn start_worker(&mut self, worker: usize) -> Result<(), EngineError> {
        let job = Job {
            plan: self.plan.clone(),
            supervisor: std::process::id(),
            sandbox: self.sandbox.worker(worker)?.path().to_owned(),
            memory: self.sandbox.memory_of(worker)?.map(|dir| dir.path().to_owned()),
            spool: self.spool.clone(),
        };
        let started = Worker::start(self.program, &job, worker, self.sender.clone())?;
        if self.workers.len() <= worker {
            self.workers.resize_with(worker + 1, || None);
            self.just_killed.resize(worker + 1, false);
        }
        self.workers[worker] = Some(started);
        self.give_order(worker)
    }

    fn give_order(&mut self, worker: usize) -> Result<(), EngineError> {
        if self.workers[worker].is_some()
            && let Some(order) = self.next_order()
            && let Some(worker) = &mut self.workers[worker]
        {
            worker.give(order)?;
        }
        Ok(())
    }

    /// A worker has died: its current trial is inconclusive, the rest of its order goes to its successor.
    fn replace(&mut self, worker: usize, note: Option<String>) -> Result<(), EngineError> {
        let Some(dead) = self.workers[worker].take() else { return Ok(()) };
        let (order, reported) = (dead.order.clone(), dead.reported);
        let death = dead.reap();
        if self.beside_a_program {
            // Its reaper has ended what it had started. Where the reaper itself was killed, its children are ours now.
            let ours: Vec<i32> = self.workers.iter().flatten().map(Worker::process).collect();
            supervision::kill_strays(&ours);
        }
        if death == Death::Stopped {
            return Err(EngineError::Stopped);
        }
        let mut how = death.to_string();
        if let Some(note) = note {
            how = format!("{how}; {note}");
        }
        let beside_a_program = self.beside_a_program;
        if death.is_foreign(beside_a_program) {
            self.killed += 1;
            let again = std::mem::replace(&mut self.just_killed[worker], true);
            if again || self.killed > WORKER_DEATHS {
                return Err(EngineError::Killed { how, times: self.killed, beside_a_program });
            }
        } else {
            self.deaths += 1;
        }
        let Some(order) = order else {
            return match death.is_foreign(beside_a_program) {
                true => self.start_worker(worker),
                false => Err(EngineError::Worker(format!("it {how} before its first trial"))),
            };
        };
        (self.emit)(Event::WorkerDied { how: how.clone() });
        if self.deaths > WORKER_DEATHS {
            return Err(EngineError::Worker(format!("{} of them died; the last one {how}", self.deaths)));
        }
        if let Order::Share(fault, part) = &order {
            lists::leave_nothing(&self.spool, *fault, *part)?;
        }
        let trials = order.trials();
        let lost = trials.start + reported;
        // Of a sweep nobody knows what it would have come to.
        if lost < trials.end || trials.is_empty() {
            self.count(&lost_trial(self.plan, &order, lost, &how), None);
        }
        // Of the control nothing may be left to do: its end is still what everybody waits for.
        if lost + 1 < trials.end || matches!(order, Order::Control(_)) {
            let lost = lost.min(trials.end - 1);
            self.waiting.push_front(order.with(lost + 1..trials.end));
        }
        self.start_worker(worker)
    }

    fn count(&mut self, record: &TrialRecord, evidence: Option<PathBuf>) {
        self.rows.add(record);
        (self.emit)(Event::Trial { record, evidence, rows: &self.rows });
    }
}

/// What a plan has that is not counted in trials, shared out among its workers.
fn shares(plan: &Plan) -> VecDeque<Order> {
    let of = plan.budget.jobs as u64;
    let parts = |fault: Fault| (0..of).map(move |number| Order::Share(fault, Part { number, of }));
    plan.faults.iter().copied().filter(|fault| fault.is_exhaustive()).flat_map(parts).collect()
}

/// The next `at_once` numbers before `end`.
fn next(number: &mut u64, at_once: u64, end: u64) -> Option<Range<u64>> {
    let from = *number;
    *number = end.min(from.saturating_add(at_once)).max(from);
    (from < *number).then_some(from..*number)
}

/// The record of a trial whose worker died.
fn lost_trial(plan: &Plan, order: &Order, trial: u64, how: &str) -> TrialRecord {
    let (fault, start, seed, aim) = match order {
        Order::Control(_) => (Fault::None, Start::Again, plan.seed.derive("control", trial), Aim::Save(0.0)),
        Order::FirstStart(_) => (Fault::Kill, Start::First, plan.first_start_seed(trial), plan.first_start_aim(trial)),
        Order::Series(_) => (Fault::Kill, Start::Again, plan.trial_seed(trial), plan.aim(trial)),
        Order::Share(fault, _) => (*fault, Start::Again, plan.trial_seed(trial), Aim::Save(0.0)),
        Order::Replay(replay) => {
            let TrialRecord { fault, start, seed, aim, .. } = replay.record();
            (*fault, *start, *seed, *aim)
        }
    };
    TrialRecord {
        series: Plan::series_of(trial),
        detail: Some(FailureDetail { why: format!("its worker {how}"), ..FailureDetail::default() }),
        ..TrialRecord::planned(trial, fault, start, seed, aim)
    }
}
