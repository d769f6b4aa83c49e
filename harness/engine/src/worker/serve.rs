//! A worker process: takes orders on its input, runs the trials, tells each outcome on its output. It has one thread, so that
//! forking a victim is safe and cheap.

use std::io::BufRead;

use crashtest_kit::Registry;
use crashtest_linux::directory::Directory;
use crashtest_linux::{clock, reaper, signals, stdio, supervision};
use crashtest_model::{Fault, HarnessBug, Plan};

use crate::context::bench::Bench;
use crate::error::EngineError;
use crate::faults::kill::series::{Chain, Trial};
use crate::faults::kill::{first_start, metadata, program};
use crate::faults::together::Crew;
use crate::faults::{io, states};
use crate::protocol::{Job, Order, Report};
use crate::subject::timings::Timings;
use crate::worker::replay;
use crate::worker::reports::Voice;

/// Clean lives from which a worker learns how long everything takes.
const CALIBRATION_LIVES: u64 = 6;
/// The trial of the first series in which a worker dies under [`HarnessBug::WorkerDies`].
const DEADLY_TRIAL: u64 = 5;

/// Serves one supervisor on standard input and output, until the input ends.
///
/// Returns whether everything went well; what did not was told to the supervisor.
#[must_use]
pub fn serve(registry: &dyn Registry) -> bool {
    // First of all: what holds the ends of our pipes must be the process that works.
    let parent = reaper::under_reaper();
    let Ok(output) = stdio::own_stdout() else { return false };
    let mut voice = Voice::new(output);
    let worked = match parent {
        Ok(parent) => work(registry, parent, &mut voice),
        Err(error) => Err(error.into()),
    };
    match worked {
        Ok(()) => true,
        Err(error) => {
            let report = Report::Failed { why: error.to_string(), hint: error.hint(), blame: error.blame() };
            let _ = voice.tell(&report);
            false
        }
    }
}

/// Does what the supervisor asks for, which must be `parent`: the process that had started the reaper.
fn work(registry: &dyn Registry, parent: u32, voice: &mut Voice) -> Result<(), EngineError> {
    stdio::silence_stdout().map_err(EngineError::system_refuses("point standard output at /dev/null"))?;
    signals::survive_the_file_size_limit().map_err(EngineError::system_refuses("ignore SIGXFSZ"))?;
    let mut lines = std::io::stdin().lock().lines();
    let mut next_line = || lines.next().transpose().map_err(EngineError::system_refuses("read an order"));
    let Some(line) = next_line()? else { return Ok(()) };
    let job: Job = parse(&line)?;
    if job.supervisor != parent {
        // It was gone before the reaper could hear of it: nobody is left to report to.
        return Ok(());
    }
    clock::precise_timers();
    supervision::usual_umask();
    let mut outlet = |report| voice.tell(&report);
    let sandbox = Directory::ours(&job.sandbox)?;
    let memory = job.memory.as_deref().map(Directory::ours).transpose()?;
    let spool = Directory::ours(&job.spool)?;
    let mut bench = Bench::new(registry, &job.plan, sandbox, memory.as_ref(), Some(spool), &mut outlet)?;
    supervision::adopt_orphans().map_err(EngineError::system_refuses("adopt orphans"))?;
    if !job.plan.target.is_shared() && bench.program.is_none() {
        calibrate(&mut bench)?;
    }
    while let Some(line) = next_line()? {
        carry_out(&mut bench, &parse(&line)?)?;
        (bench.outlet)(Report::Done)?;
    }
    Ok(())
}

/// Clean lives before the first kill: the first delays are drawn from what these took.
fn calibrate(bench: &mut Bench<'_>) -> Result<(), EngineError> {
    let stream = bench.plan.seed.derive("calibration", 0);
    // The very first one finds every cache cold, and would be remembered for long.
    Chain::start(bench, Fault::Kill, u64::MAX)?.calibrate(1)?;
    bench.timings = Timings::default();
    for _ in 0..CALIBRATION_LIVES {
        bench.install(stream, stream)?;
    }
    Chain::start(bench, Fault::Kill, u64::MAX)?.calibrate(CALIBRATION_LIVES)
}

fn carry_out(bench: &mut Bench<'_>, order: &Order) -> Result<(), EngineError> {
    let plan: &Plan = bench.plan;
    if plan.program.is_some() {
        return carry_out_with_a_program(bench, order);
    }
    if plan.target.is_shared() {
        return carry_out_together(bench, order);
    }
    match order {
        Order::Control(trials) => {
            let mut chain = Chain::start(bench, Fault::None, 0)?;
            if trials.start == 0 {
                chain.metadata = Some(metadata::try_out(&mut chain)?);
            }
            for number in trials.clone() {
                chain.run(Trial::control(plan, number))?;
            }
            chain.finish()
        }
        Order::Sweep(part) => states::run(bench, *part),
        Order::Io(part) => io::run(bench, *part),
        Order::Replay(again) => replay::carry_out(bench, again),
        Order::FirstStart(trials) => {
            for number in trials.clone() {
                first_start::run(bench, number)?;
            }
            Ok(())
        }
        Order::Series(trials) => {
            let mut chain = Chain::start(bench, Fault::Kill, Plan::series_of(trials.start))?;
            for number in trials.clone() {
                if plan.planted == Some(HarnessBug::WorkerDies) && number == DEADLY_TRIAL && trials.start == 0 {
                    std::process::abort();
                }
                chain.run(Trial::of(plan, number))?;
            }
            chain.finish()
        }
    }
}

/// The same for several processes on one state.
fn carry_out_together(bench: &mut Bench<'_>, order: &Order) -> Result<(), EngineError> {
    match order {
        Order::Control(trials) => Crew::start(bench, Fault::None, 0)?.control(trials.clone()),
        Order::Series(trials) => Crew::start(bench, Fault::Kill, Plan::series_of(trials.start))?.kills(trials.clone()),
        Order::Sweep(part) => Crew::start(bench, Fault::Sweep, 0)?.sweep(*part),
        Order::Replay(again) => replay::carry_out(bench, again),
        // Not planned: a first start is one process alone, and which of several meets a failing call is not told apart.
        Order::FirstStart(_) | Order::Io(_) => Ok(()),
    }
}

/// The same for somebody's own program.
fn carry_out_with_a_program(bench: &mut Bench<'_>, order: &Order) -> Result<(), EngineError> {
    match order {
        Order::Control(trials) if trials.start == 0 => program::control(bench),
        Order::Series(trials) => program::kills(bench, trials.clone()),
        Order::Sweep(part) => states::run(bench, *part),
        Order::Io(part) => io::run(bench, *part),
        Order::Replay(again) => replay::carry_out(bench, again),
        // A control is run as a whole; what there is before the first start is what the set-up makes.
        Order::Control(_) | Order::FirstStart(_) => Ok(()),
    }
}

fn parse<M: serde::de::DeserializeOwned>(line: &str) -> Result<M, EngineError> {
    serde_json::from_str(line).map_err(|error| EngineError::Worker(format!("not a message: {error}")))
}
