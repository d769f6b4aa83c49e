//! Which procedure carries out which order: the only file that knows them all.

use std::ops::Range;

use crashtest_model::{About, Fault, HarnessBug, Plan};

use crate::context::Context;
use crate::context::trial::Trial;
use crate::error::EngineError;
use crate::faults::kill::series::Series;
use crate::faults::kill::{first_start, metadata, program};
use crate::faults::together::Participants;
use crate::faults::{io, states};
use crate::protocol::Order;
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
        (order, UnderTest::Target(victims)) if context.plan.target.is_shared() => together(context, victims, order),
        (Order::Sweep(part), under_test) => states::run(context, under_test, *part),
        (Order::Io(part), under_test) => io::run(context, under_test, *part),
        (Order::Control(trials), UnderTest::Target(victims)) => control(context, victims, trials.clone()),
        (Order::Series(trials), UnderTest::Target(victims)) => series(context, victims, trials.clone()),
        (Order::FirstStart(trials), UnderTest::Target(victims)) => {
            trials.clone().try_for_each(|number| first_start::run(context, victims, number))
        }
        (order, UnderTest::Program(runtime)) => of_a_program(context, runtime, order),
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
fn together(context: &mut Context<'_>, victims: &mut Victims<'_>, order: &Order) -> Result<(), EngineError> {
    match order {
        Order::Control(trials) => Participants::start(context, victims, Fault::None, 0)?.control(trials.clone()),
        Order::Series(trials) => {
            Participants::start(context, victims, Fault::Kill, Plan::series_of(trials.start))?.kills(trials.clone())
        }
        Order::Sweep(part) => Participants::start(context, victims, Fault::Sweep, 0)?.sweep(*part),
        // Not planned: a first start is one process alone, and which of several meets a failing call is not told apart.
        Order::FirstStart(_) | Order::Io(_) | Order::Replay(_) => Ok(()),
    }
}

/// The runs of a program that nobody records.
fn of_a_program(context: &mut Context<'_>, runtime: &mut Runtime, order: &Order) -> Result<(), EngineError> {
    match order {
        Order::Control(trials) if trials.start == 0 => program::control(context, runtime),
        Order::Series(trials) => program::kills(context, runtime, trials.clone()),
        // A control is run as a whole; what there is before the first start is what the set-up makes.
        Order::Control(_) | Order::FirstStart(_) | Order::Sweep(_) | Order::Io(_) | Order::Replay(_) => Ok(()),
    }
}
