//! Which procedure carries out which order: the only file that knows them all.

use std::ops::Range;

use crashtest_model::{About, Fault, Generation, HarnessBug, Plan, Start, TrialRecord};
use crashtest_states::Snapshot;

use crate::context::Context;
use crate::context::trial::Trial;
use crate::error::EngineError;
use crate::faults::kill::series::Series;
use crate::faults::kill::{first_start, metadata, program};
use crate::faults::together::{self, Participants};
use crate::faults::{io, states};
use crate::judge::replayed::Replayed;
use crate::protocol::{Order, Part};
use crate::subject::UnderTest;
use crate::subject::program::Runtime;
use crate::subject::timings::Timings;
use crate::subject::victims::Victims;
use crate::worker::replay;

/// Clean lives from which a worker learns how long everything takes.
const CALIBRATION_LIVES: u64 = 6;
/// The trial of the first series in which a worker dies under [`HarnessBug::WorkerDies`].
const DEADLY_TRIAL: u64 = 5;

/// Prepares for the first order: the first delays are drawn from what some clean lives took.
pub(super) fn prepare(context: &mut Context<'_>, under_test: &mut UnderTest<'_>) -> Result<(), EngineError> {
    // Several processes take their time together; a program is measured when it is killed.
    if let UnderTest::Target(victims) = under_test
        && !context.plan.target.is_shared()
    {
        calibrate(context, victims)?;
    }
    Ok(())
}

fn calibrate(context: &mut Context<'_>, victims: &mut Victims<'_>) -> Result<(), EngineError> {
    let stream = context.plan.seed.derive("calibration", 0);
    // The very first one finds every cache cold, and would be remembered for long.
    Series::start(context, victims, Fault::Kill, u64::MAX)?.calibrate(1)?;
    victims.timings = Timings::default();
    for _ in 0..CALIBRATION_LIVES {
        victims.install(stream, stream)?;
    }
    Series::start(context, victims, Fault::Kill, u64::MAX)?.calibrate(CALIBRATION_LIVES)
}

/// Has the procedure that `order` is for carry it out.
pub(super) fn carry_out(
    context: &mut Context<'_>,
    under_test: &mut UnderTest<'_>,
    order: &Order,
) -> Result<(), EngineError> {
    match (order, under_test) {
        (Order::Replay(again), under_test) => replay::carry_out(context, under_test, again),
        (order, UnderTest::Target(victims)) if context.plan.target.is_shared() => concurrent(context, victims, order),
        (Order::Share(fault, part), under_test) => share(context, under_test, *fault, *part),
        (Order::Control(trials), UnderTest::Target(victims)) => control(context, victims, trials.clone()),
        (Order::Series(trials), UnderTest::Target(victims)) => series(context, victims, trials.clone()),
        (Order::FirstStart(trials), UnderTest::Target(victims)) => {
            trials.clone().try_for_each(|number| first_start::run(context, victims, number))
        }
        (order, UnderTest::Program(runtime)) => of_a_program(context, runtime, order),
    }
}

/// A share of what there is to try under `fault`.
fn share(
    context: &mut Context<'_>,
    under_test: &mut UnderTest<'_>,
    fault: Fault,
    part: Part,
) -> Result<(), EngineError> {
    match fault {
        Fault::Sweep => states::run(context, under_test, part),
        Fault::Io => io::run(context, under_test, part),
        // Their trials are counted: they come in series.
        Fault::None | Fault::Kill => Ok(()),
    }
}

/// Clean stops of a target.
fn control(context: &mut Context<'_>, victims: &mut Victims<'_>, trials: Range<u64>) -> Result<(), EngineError> {
    let plan = context.plan;
    let mut series = Series::start(context, victims, Fault::None, 0)?;
    if trials.start == 0 {
        let kept = metadata::try_out(&mut series)?;
        series.note(About::Metadata(kept))?;
    }
    for number in trials {
        series.run(Trial::control(plan, number))?;
    }
    series.finish()
}

/// Kills of a target, life after life.
fn series(context: &mut Context<'_>, victims: &mut Victims<'_>, trials: Range<u64>) -> Result<(), EngineError> {
    let plan = context.plan;
    let mut series = Series::start(context, victims, Fault::Kill, Plan::series_of(trials.start))?;
    for number in trials.clone() {
        if plan.planted == Some(HarnessBug::WorkerDies) && number == DEADLY_TRIAL && trials.start == 0 {
            std::process::abort();
        }
        series.run(Trial::planned(plan, number))?;
    }
    series.finish()
}

/// Several processes on one state.
fn concurrent(context: &mut Context<'_>, victims: &mut Victims<'_>, order: &Order) -> Result<(), EngineError> {
    match order {
        Order::Control(trials) => Participants::start(context, victims, Fault::None, 0)?.control(trials.clone()),
        Order::Series(trials) => {
            Participants::start(context, victims, Fault::Kill, Plan::series_of(trials.start))?.kills(trials.clone())
        }
        Order::Share(Fault::Sweep, part) => Participants::start(context, victims, Fault::Sweep, 0)?.sweep(*part),
        // Not planned: a first start is one process alone, and which of several meets a failing call is not told apart.
        Order::FirstStart(_) | Order::Share(..) | Order::Replay(_) => Ok(()),
    }
}

/// The runs of a program that nobody records.
fn of_a_program(context: &mut Context<'_>, runtime: &mut Runtime, order: &Order) -> Result<(), EngineError> {
    match order {
        Order::Control(trials) if trials.start == 0 => program::control(context, runtime),
        Order::Series(trials) => program::kills(context, runtime, trials.clone()),
        // A control is run as a whole; what there is before the first start is what the set-up makes.
        Order::Control(_) | Order::FirstStart(_) | Order::Share(..) | Order::Replay(_) => Ok(()),
    }
}

/// Restarts on `state`, the crash state of `record`, and says what that comes to.
pub(super) fn restart_on(
    context: &mut Context<'_>,
    under_test: &mut UnderTest<'_>,
    record: &TrialRecord,
    state: Snapshot,
) -> Result<Replayed, EngineError> {
    match under_test {
        UnderTest::Target(victims) if context.plan.target.is_shared() => {
            together::restart_on(context, victims, record, &state)
        }
        under_test => states::restart_on(context, under_test, record, state),
    }
}

/// Runs the trial of `record` again, on a new directory that holds the generation from which it started, under `sweep` and `io` the
/// files of the recorded life.
pub(super) fn run_again(
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
        (Fault::None | Fault::Kill, UnderTest::Program(runtime)) => program::once(context, runtime, record),
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
