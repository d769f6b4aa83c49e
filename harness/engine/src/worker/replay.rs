//! Showing a failure again: its crash state recovered once more, and its trial run once more.
//!
//! The first gives the same answer every time. The second does so under `sweep` and `io`, which kill or fail the same call again.
//! Under `kill` it is a kill by the clock: the same plan, and yet the kill lands a little earlier or later, so it has to be tried,
//! and how often it showed is said.

use std::path::Path;

use crashtest_linux::directory::Directory;
use crashtest_model::{FailureDetail, Fault, Generation, Outcome, RawState, Start, TrialRecord};
use crashtest_states::Snapshot;

use crate::context::bench::{Bench, Recovery};
use crate::error::EngineError;
use crate::faults::kill::first_start;
use crate::faults::kill::series::{Chain, Trial};
use crate::faults::together::{self, Crew};
use crate::faults::{io, kill, states};
use crate::judge::replayed::Replayed;
use crate::judge::{file_state, oracle};
use crate::protocol::{Replay, Report};
use crate::snapshot;
use crate::subject::life::Script;
use crate::subject::program;

/// Does what a replay asks for, and reports what it came to as the trial's record.
pub(crate) fn carry_out(bench: &mut Bench<'_>, replay: &Replay) -> Result<(), EngineError> {
    match replay {
        Replay::Restart { record, crash_state } => restart(bench, record, crash_state),
        Replay::Trial(record) => run_again(bench, record),
    }
}

fn restart(bench: &mut Bench<'_>, record: &TrialRecord, crash_state: &Path) -> Result<(), EngineError> {
    let state = snapshot::take(&Directory::named(crash_state)?)?;
    let Replayed { raw, observed, verdict, why } = match bench.plan.target.is_shared() {
        true => together::restart_on(bench, record, &state)?,
        false => restart_on(bench, record, &state)?,
    };
    let record = TrialRecord {
        raw: Some(raw),
        observed: Some(observed),
        outcome: Outcome::Judged(verdict),
        detail: Some(FailureDetail { why, ..FailureDetail::default() }),
        ..record.clone()
    };
    (bench.outlet)(Report::Trial(Box::new(record), None))
}

/// Restarts the target on a stored crash state and judges it by the promises that were in force.
fn restart_on(bench: &mut Bench<'_>, record: &TrialRecord, crash_state: &Snapshot) -> Result<Replayed, EngineError> {
    let mut generations = bench.generations(record.stream)?;
    learn(bench, record.fault)?;
    let reference = states::reference(bench, record)?;
    if let Some(runtime) = bench.program() {
        let raw = record
            .raw
            .clone()
            .unwrap_or_else(|| file_state::of_crash_state(crash_state, &mut *generations, record.promise));
        let observed = match (reference, states::place(record.aim)) {
            (Some((trace, oracle)), Some((point, _))) => {
                let answer = program::Files::judge_at(&oracle, &trace, point, crash_state);
                answer.observed(record.promise, crash_state.digest())
            }
            _ => runtime.restart(crash_state, record.promise)?,
        };
        let (verdict, why) = oracle::judge(record.promise, &observed, &raw);
        return Ok(Replayed { raw, observed, verdict, why });
    }
    bench.dir.restore(crash_state)?;
    let raw = file_state::of_crash_state(crash_state, &mut *generations, record.promise);
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

/// Learns what the files of a program are like when they are whole: from recorded runs, as its campaign did.
fn learn(bench: &mut Bench<'_>, fault: Fault) -> Result<(), EngineError> {
    if let Some(runtime) = bench.program() {
        let installed = runtime.set_up()?;
        runtime.learn(&installed, fault)?;
    }
    Ok(())
}

/// Runs the trial of `record` again, on a new directory that holds the generation from which it started, under `sweep` and `io` the
/// files of the recorded life.
fn run_again(bench: &mut Bench<'_>, record: &TrialRecord) -> Result<(), EngineError> {
    if bench.plan.target.is_shared() {
        let trial = Trial { number: record.trial, seed: record.seed, aim: record.aim };
        return Crew::start(bench, record.fault, record.series)?.run(trial);
    }
    learn(bench, record.fault)?;
    match (record.fault, record.start) {
        (Fault::Sweep, _) => states::once(bench, record),
        (Fault::Io, _) => io::once(bench, record),
        (Fault::None | Fault::Kill, _) if bench.program.is_some() => kill::program::once(bench, record),
        (Fault::None | Fault::Kill, Start::First) => first_start::run(bench, record.trial),
        (Fault::None | Fault::Kill, Start::Again) => {
            let mut chain = Chain::start(bench, record.fault, record.series)?;
            if record.base > Generation::ZERO {
                chain.advance_to(record.base)?;
            }
            chain.run(Trial { number: record.trial, seed: record.seed, aim: record.aim })?;
            chain.finish()
        }
    }
}
