//! Showing a failure again: its crash state recovered once more, and its trial run once more.
//!
//! The first gives the same answer every time. The second does so under `sweep` and `io`, which kill or fail the same call again.
//! Under `kill` it is a kill by the clock: the same plan, and yet the kill lands a little earlier or later, so it has to be tried,
//! and how often it showed is said.

use std::cell::RefCell;

use crashtest_kit::Registry;
use crashtest_linux::clock;
use crashtest_model::{Fault, Generation, Observed, Plan, RawFile, RawState, Start, TrialRecord, Verdict};
use crashtest_states::Snapshot;

use crate::bench::{Bench, Recovery};
use crate::chain::{Chain, Trial};
use crate::crew::{self, Crew};
use crate::error::EngineError;
use crate::life::Script;
use crate::message::Report;
use crate::record::Orders;
use crate::recording;
use crate::sandbox::Sandbox;
use crate::{first_start, io, oracle, program, raw, snapshot, sweep};

/// Clean lives before a replay, from which it learns how long everything takes here.
const CALIBRATION_LIVES: u64 = 4;

/// What a restart on a stored crash state gave.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The state file before the restart.
    pub raw: RawFile,
    /// What recovery gave.
    pub observed: Observed,
    /// The verdict.
    pub verdict: Verdict,
    /// One sentence.
    pub why: String,
}

/// Restarts the target on a stored crash state and judges it by the promises that were in force. This process must have one thread.
///
/// # Errors
/// The sandbox cannot be used, or no victim can be forked.
pub fn restart_on(
    registry: &dyn Registry,
    plan: &Plan,
    sandbox: &Sandbox,
    record: &TrialRecord,
    crash_state: &Snapshot,
) -> Result<Replayed, EngineError> {
    clock::precise_timers();
    let mut ignore = |_| Ok(());
    let dir = sandbox.worker(0)?;
    let mut bench = Bench::new(registry, plan, &dir, None, &mut ignore)?;
    if plan.target.is_shared() {
        return crew::restart_on(&mut bench, record, crash_state);
    }
    let mut generations = bench.generations(record.stream)?;
    learn(&mut bench, record)?;
    if let Some(runtime) = bench.program() {
        let raw =
            record.raw.clone().unwrap_or_else(|| raw::of_crash_state(crash_state, &mut *generations, record.promise));
        let observed = runtime.restart(crash_state, record.promise)?;
        let (verdict, why) = oracle::judge(record.promise, &observed, &raw);
        return Ok(Replayed { raw, observed, verdict, why });
    }
    snapshot::restore(crash_state, &bench.dir)
        .map_err(EngineError::sandbox("restore the crash state in", &bench.dir))?;
    let raw = raw::of_crash_state(crash_state, &mut *generations, record.promise);
    let script = match record.start {
        Start::First => Script::SecondStart,
        Start::Again => Script::SaveThenStop(0),
    };
    let names = record.seed.derive("replay", 0);
    let mut victim = bench.fork(script, record.stream, names, record.promise)?;
    let observed = match bench.await_recovery(&mut victim, raw.state != RawState::Whole)? {
        Recovery::Opened(opened) => oracle::identify(&opened.as_what, &mut *generations, record.promise),
        Recovery::Failed(observed) => observed,
    };
    bench.strike(victim)?;
    let (verdict, why) = oracle::judge(record.promise, &observed, &raw);
    Ok(Replayed { raw, observed, verdict, why })
}

/// Learns what the files of a program are like when they are whole: from the recorded run, as its campaign did.
fn learn(bench: &mut Bench<'_>, record: &TrialRecord) -> Result<(), EngineError> {
    if bench.program.is_some() && record.fault.is_exhaustive() {
        let from = recording::Start::installed(bench, record.stream, Script::Install)?;
        recording::record(bench, &from, Orders::Record)?;
    }
    Ok(())
}

/// Runs the trial of `record` again `tries` times, each on a new directory that holds the generation from which it started, under
/// `sweep` and `io` the files of the recorded life; tells each outcome to `each`, which says whether to go on. This process must have one thread.
///
/// # Errors
/// The sandbox cannot be used, or no victim can be forked.
pub fn run_again(
    registry: &dyn Registry,
    plan: &Plan,
    sandbox: &Sandbox,
    record: &TrialRecord,
    tries: u64,
    each: &mut dyn FnMut(&TrialRecord) -> bool,
) -> Result<(), EngineError> {
    clock::precise_timers();
    let dir = sandbox.worker(0)?;
    let last = RefCell::new(None);
    let mut keep = |report| {
        if let Report::Trial(record, _) = report {
            *last.borrow_mut() = Some(*record);
        }
        Ok(())
    };
    let mut bench = Bench::new(registry, plan, &dir, None, &mut keep)?;
    if plan.target.is_shared() {
        for _ in 0..tries {
            let trial = Trial { number: record.trial, seed: record.seed, aim: record.aim };
            Crew::start(&mut bench, record.fault, record.series)?.run(trial)?;
            if let Some(record) = last.take()
                && !each(&record)
            {
                break;
            }
        }
        return Ok(());
    }
    if !record.fault.is_exhaustive() && bench.program.is_none() {
        for _ in 0..CALIBRATION_LIVES {
            bench.install(record.stream, record.seed)?;
        }
        Chain::start(&mut bench, Fault::Kill, record.series)?.calibrate(CALIBRATION_LIVES)?;
    }
    learn(&mut bench, record)?;
    for _ in 0..tries {
        match (record.fault, record.start) {
            (Fault::Sweep, _) => sweep::once(&mut bench, record)?,
            (Fault::Io, _) => io::once(&mut bench, record)?,
            (Fault::None | Fault::Kill, _) if bench.program.is_some() => program::once(&mut bench, record)?,
            (Fault::None | Fault::Kill, Start::First) => first_start::run(&mut bench, record.trial)?,
            (Fault::None | Fault::Kill, Start::Again) => {
                let mut chain = Chain::start(&mut bench, record.fault, record.series)?;
                if record.base > Generation::ZERO {
                    chain.advance_to(record.base)?;
                }
                chain.run(Trial { number: record.trial, seed: record.seed, aim: record.aim })?;
                chain.finish()?;
            }
        }
        if let Some(record) = last.take()
            && !each(&record)
        {
            break;
        }
    }
    Ok(())
}
