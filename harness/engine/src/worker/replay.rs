//! Showing a failure again: its crash state recovered once more, and its trial run once more.
//!
//! The first gives the same answer every time. The second does so under `sweep` and `io`, which kill or fail the same call again.
//! Under `kill` it is a kill by the clock: the same plan, and yet the kill lands a little earlier or later, so it has to be tried,
//! and how often it showed is said.

use std::path::Path;

use crashtest_linux::directory::Directory;
use crashtest_model::{FailureDetail, Fault, Generation, Outcome, Start, TrialRecord};

use crate::context::Context;
use crate::context::trial::Trial;
use crate::error::EngineError;
use crate::faults::kill::first_start;
use crate::faults::kill::series::Series;
use crate::faults::together::{self, Participants};
use crate::faults::{io, kill, states};
use crate::judge::replayed::Replayed;
use crate::protocol::{Replay, Report};
use crate::snapshot;
use crate::subject::UnderTest;
use crate::subject::victims::Victims;

/// Does what a replay asks for, and reports what it came to as the trial's record.
pub(super) fn carry_out(
    context: &mut Context<'_>,
    under_test: &mut UnderTest<'_>,
    replay: &Replay,
) -> Result<(), EngineError> {
    match replay {
        Replay::Restart { record, crash_state } => restart(context, under_test, record, crash_state),
        Replay::Trial(record) => run_again(context, under_test, record),
    }
}

fn restart(
    context: &mut Context<'_>,
    under_test: &mut UnderTest<'_>,
    record: &TrialRecord,
    crash_state: &Path,
) -> Result<(), EngineError> {
    let state = snapshot::take(&Directory::named(crash_state)?)?;
    let Replayed { raw, observed, verdict, why } = match under_test {
        UnderTest::Target(victims) if context.plan.target.is_shared() => {
            together::restart_on(context, victims, record, &state)?
        }
        under_test => states::restart_on(context, under_test, record, state)?,
    };
    let record = TrialRecord {
        raw: Some(raw),
        observed: Some(observed),
        outcome: Outcome::Judged(verdict),
        detail: Some(FailureDetail { why, ..FailureDetail::default() }),
        ..record.clone()
    };
    (context.outlet)(Report::Trial(Box::new(record), None))
}

/// Runs the trial of `record` again, on a new directory that holds the generation from which it started, under `sweep` and `io` the
/// files of the recorded life.
fn run_again(
    context: &mut Context<'_>,
    under_test: &mut UnderTest<'_>,
    record: &TrialRecord,
) -> Result<(), EngineError> {
    let trial = Trial { number: record.trial, seed: record.seed, aim: record.aim };
    if let (UnderTest::Target(victims), true) = (&mut *under_test, context.plan.target.is_shared()) {
        return Participants::start(context, victims, record.fault, record.series)?.run(trial);
    }
    under_test.as_subject(record.start, record.stream, |subject| subject.learn_for_replay(record.fault))?;
    match (record.fault, under_test) {
        (Fault::Sweep, under_test) => states::once(context, under_test, record),
        (Fault::Io, under_test) => io::once(context, under_test, record),
        (Fault::None | Fault::Kill, UnderTest::Program(runtime)) => kill::program::once(context, runtime, record),
        (Fault::None | Fault::Kill, UnderTest::Target(victims)) => kill_again(context, victims, record, trial),
    }
}

fn kill_again(
    context: &mut Context<'_>,
    victims: &mut Victims<'_>,
    record: &TrialRecord,
    trial: Trial,
) -> Result<(), EngineError> {
    if record.start == Start::First {
        return first_start::run(context, victims, record.trial);
    }
    let mut series = Series::start(context, victims, record.fault, record.series)?;
    if record.base > Generation::ZERO {
        series.advance_to(record.base)?;
    }
    series.run(trial)?;
    series.finish()
}
