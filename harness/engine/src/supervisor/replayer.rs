//! Replays as the supervisor sees them: a worker that is asked to show a failure again.
//!
//! A worker, because only the program that holds the target can start it: crashtest itself, or somebody's targets binary.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crashtest_linux::supervision;
use crashtest_model::{Plan, TrialRecord};

use crate::error::EngineError;
use crate::protocol::{Job, Order, Replay, Report};
use crate::supervisor::campaign::{ABSENT, SILENCE, TICK, WorkerProgram};
use crate::supervisor::pool::{Death, FromWorker, Worker};
use crate::supervisor::sandbox::Sandbox;

/// A worker for replays.
pub struct Replayer<'s> {
    /// `None` once it has died.
    worker: Option<Worker>,
    /// Whether somebody's program is replayed, which may start others.
    beside_a_program: bool,
    receiver: Receiver<FromWorker>,
    /// How long it may be silent.
    patience: Duration,
    /// Where it works: it is dead before that is removed.
    _sandbox: &'s Sandbox,
}

impl Drop for Replayer<'_> {
    fn drop(&mut self) {
        self.worker = None;
        if self.beside_a_program {
            // What it has started is ours now.
            supervision::kill_strays(&[]);
        }
    }
}

impl<'s> Replayer<'s> {
    /// Starts one for the trials of `plan`. Must be called by a thread that lives as long as it.
    ///
    /// # Errors
    /// The sandbox cannot be used, or the program cannot be started.
    pub fn start(program: &WorkerProgram, plan: &Plan, sandbox: &'s Sandbox) -> Result<Replayer<'s>, EngineError> {
        supervision::adopt_orphans().map_err(EngineError::system_refuses("adopt orphans"))?;
        let job = Job {
            plan: plan.clone(),
            supervisor: std::process::id(),
            sandbox: sandbox.worker(0)?.path().to_owned(),
            memory: sandbox.memory_of(0)?.map(|dir| dir.path().to_owned()),
            // What fails again is shown and not kept: it goes with the sandbox.
            spool: sandbox.spool()?.path().to_owned(),
        };
        let (sender, receiver) = mpsc::channel();
        let worker = Some(Worker::start(program, &job, 0, sender)?);
        let patience = SILENCE + 8 * Duration::from_millis(plan.limit_ms);
        let beside_a_program = plan.program.is_some();
        Ok(Replayer { worker, beside_a_program, receiver, patience, _sandbox: sandbox })
    }

    /// Restarts the target on the crash state in `crash_state` and judges it by the promises of `record`: the record as it is with
    /// that outcome. `None` once `stop` is set.
    ///
    /// # Errors
    /// The crash state cannot be read, or the worker cannot go on.
    pub fn restart(
        &mut self,
        record: &TrialRecord,
        crash_state: &Path,
        stop: &AtomicBool,
    ) -> Result<Option<TrialRecord>, EngineError> {
        let crash_state = std::path::absolute(crash_state).unwrap_or_else(|_| crash_state.to_owned());
        self.ask(Replay::Restart { record: Box::new(record.clone()), crash_state }, stop)
    }

    /// Runs the trial of `record` once more: its record this time. `None` once `stop` is set, or if it did not come to a trial.
    ///
    /// # Errors
    /// The worker cannot go on.
    pub fn again(&mut self, record: &TrialRecord, stop: &AtomicBool) -> Result<Option<TrialRecord>, EngineError> {
        self.ask(Replay::Trial(Box::new(record.clone())), stop)
    }

    /// The last record that the worker tells of `replay`.
    fn ask(&mut self, replay: Replay, stop: &AtomicBool) -> Result<Option<TrialRecord>, EngineError> {
        let Some(worker) = &mut self.worker else { return Err(EngineError::Worker("it is dead".to_owned())) };
        worker.give(Order::Replay(replay))?;
        let (mut last, mut looked) = (None, Instant::now());
        while !stop.load(Ordering::Relaxed) {
            // Nobody spoke to us while we were stopped, or did not run.
            if std::mem::replace(&mut looked, Instant::now()).elapsed() > ABSENT {
                worker.heard = Instant::now();
            }
            match self.receiver.recv_timeout(TICK) {
                Ok(FromWorker::Said { report: Report::Trial(record, _), .. }) => {
                    worker.heard = Instant::now();
                    last = Some(*record);
                }
                // What is known of a fault as a whole is in the record of its run.
                Ok(FromWorker::Said { report: Report::Note(_), .. }) => worker.heard = Instant::now(),
                Ok(FromWorker::Said { report: Report::Done, .. }) => return Ok(last),
                Ok(FromWorker::Said { report: Report::Failed { why, hint, blame }, .. }) => {
                    return Err(EngineError::Told { why, hint, blame });
                }
                Ok(FromWorker::Ended { note, .. }) => {
                    let Some(death) = self.worker.take().map(Worker::reap) else { break };
                    let note = note.map_or_else(String::new, |note| format!("; {note}"));
                    return Err(match death {
                        Death::Stopped => EngineError::Stopped,
                        death if death.is_foreign(self.beside_a_program) => EngineError::Killed {
                            how: death.to_string(),
                            times: 1,
                            beside_a_program: self.beside_a_program,
                        },
                        death => EngineError::Worker(format!("it {death}{note}")),
                    });
                }
                Err(RecvTimeoutError::Timeout) if worker.is_stopped() => return Err(EngineError::Stopped),
                Err(RecvTimeoutError::Timeout) => worker.kill_if_silent(self.patience),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(EngineError::Worker("it says nothing any more".to_owned()));
                }
            }
        }
        Ok(None)
    }
}
