//! The control of a program: runs to which nothing is done.

use std::time::Duration;

use crashtest_linux::trace::Ending;
use crashtest_model::{
    About, Aim, Fault, Gaps, Generation, Observed, Promise, Start, Termination, TrialRecord, Verdict,
};
use crashtest_states::Snapshot;

use super::judge;
use super::run::{Ran, run};
use crate::context::Context;
use crate::error::EngineError;
use crate::subject::life::Script;
use crate::subject::program::named::{self, Named};
use crate::subject::program::numbers_do_not_go_on;
use crate::subject::program::runtime::Runtime;
use crate::subject::{Recording, Subject};
use crate::trace::line_protocol::Printed;
use crate::trace::orders::Orders;

/// Runs of the control.
const CONTROL_RUNS: u64 = 3;
/// Of a program that goes on for ever.
const CONTROL_RUNS_IN_PART: u64 = 2;

/// Runs the program to its end, and checks what it left, some times.
pub(crate) fn control(context: &mut Context<'_>, runtime: &mut Runtime) -> Result<(), EngineError> {
    let longest = runtime.longest(runtime.program.until);
    for number in 0..CONTROL_RUNS {
        let seed = context.plan.seed.derive("control", number);
        let installed = runtime.set_up()?;
        named::check_set_up(&runtime.program, &installed)?;
        if number == 0 && runtime.program.until.was_said() {
            let outside = Named::look(&runtime.program);
            let recording = runtime.record(&runtime.beginning(installed.clone(), Script::Install), Orders::Record)?;
            outside.check()?;
            if recording.cut.is_some() {
                return control_of_one_that_goes_on(context, runtime, &installed, Some(recording));
            }
            if recording.ending == Ending::TimeUp {
                let record = TrialRecord::planned(number, Fault::None, Start::Again, seed, Aim::Run(1.0));
                let ran = Ran { termination: Termination::Forced, ..Ran::killed(recording.trace.end) };
                let wrong = (Verdict::FailedSave, did_not_end(longest, recording.trace.operations.is_empty()));
                return judge(context, runtime, record, &ran, Some(wrong)).map(drop);
            }
            // It ends by itself all the same.
            runtime.place.dir.restore(&installed)?;
        }
        let promise = runtime.promised_by_setup();
        let outside = Named::look(&runtime.program);
        let ran = run(runtime, promise, None)?;
        // Before anything is run again: it may be somebody's real state.
        outside.check()?;
        if ran.is_cut {
            return control_of_one_that_goes_on(context, runtime, &installed, None);
        }
        let wrong = match (&ran.termination, &ran.complaint) {
            (Termination::Exit { status: 0 }, _) => None,
            (Termination::Exit { status }, why) => Some(format!("the program exited with status {status}{why}")),
            (Termination::Signal { signal }, why) => Some(format!("the program died of signal {signal}{why}")),
            _ => Some(did_not_end(if ran.lingers { runtime.limit } else { longest }, false)),
        };
        let aim = Aim::Run(1.0);
        let record = TrialRecord::planned(number, Fault::None, Start::Again, seed, aim);
        if number == 0 && wrong.is_none() {
            let left = runtime.files()?;
            if let Some(sensitivity) = runtime.try_checker(&installed, &left)?.cloned() {
                context.note(Fault::None, Start::Again, About::Sensitivity(sensitivity))?;
            }
            runtime.place.dir.restore(&left)?;
        }
        let wrong = wrong.map(|why| (Verdict::FailedSave, why));
        let (left, observed) = judge(context, runtime, record, &ran, wrong)?;
        if number == 0 {
            check_numbers(runtime, &left, &observed)?;
        }
    }
    Ok(())
}

/// What is wrong with a program that has not ended within `limit`; whether it has changed no file by then is `idle`.
fn did_not_end(limit: Duration, idle: bool) -> String {
    let limit = limit.as_secs_f64();
    match idle {
        true => format!(
            "the program did not end within {limit} s, and changed no file until then (raise --limit for one that needs longer)"
        ),
        false => format!(
            "the program did not end within {limit} s, with all that it has started: it has to do so by itself (or raise --limit; \
             one that goes on for ever is ended by --for 5s or --saves N)"
        ),
    }
}

/// Runs a program that goes on for ever some times, for as long as it is recorded, and checks what there was the last time that it was
/// between two saves.
fn control_of_one_that_goes_on(
    context: &mut Context<'_>,
    runtime: &mut Runtime,
    installed: &Snapshot,
    mut first: Option<Recording>,
) -> Result<(), EngineError> {
    let mut kept = Vec::new();
    for number in 0..CONTROL_RUNS_IN_PART {
        let seed = context.plan.seed.derive("control", number);
        let script = if number == 0 { Script::Install } else { Script::SaveThenStop(1) };
        let beginning = runtime.beginning(installed.clone(), script);
        let recording = match first.take() {
            Some(recording) => recording,
            None => runtime.record(&beginning, Orders::Record)?,
        };
        let left = runtime.files()?;
        if number == 0 {
            if let Some(sensitivity) = runtime.try_checker(installed, &left)?.cloned() {
                context.note(Fault::None, Start::Again, About::Sensitivity(sensitivity))?;
            }
            runtime.place.dir.restore(&left)?;
        }
        let record = TrialRecord::planned(number, Fault::None, Start::Again, seed, Aim::Run(1.0));
        let wrong = recording.complaint.clone().map(|how| (Verdict::FailedSave, format!("the program {how}")));
        // What it has acknowledged is held against it where it is killed: nobody has stopped it cleanly.
        let mut so_far = recording.trace.end;
        so_far.promise.acked = beginning.before.acked;
        let ran = Ran { termination: Termination::Derived, ..Ran::killed(so_far) };
        let (_, observed) = judge(context, runtime, record, &ran, wrong)?;
        if number == 0 {
            check_numbers(runtime, &left, &observed)?;
        }
        kept.push((beginning, recording, left));
    }
    // They took as long as the program is recorded: whoever looks at crash states begins with them.
    kept.into_iter().for_each(|(beginning, recording, left)| runtime.keep(beginning, recording, left));
    Ok(())
}

/// Makes sure that the program, started again on what a whole run has left, gives its saves new numbers.
fn check_numbers(runtime: &mut Runtime, left: &Snapshot, observed: &Observed) -> Result<(), EngineError> {
    let Observed::State { generation: Some(found), .. } = observed else { return Ok(()) };
    if *found == Generation::ZERO || runtime.names_survivors() {
        return Ok(());
    }
    runtime.place.dir.restore(left)?;
    let promise = Promise { acked: *found, begun: *found, installed: true, gaps: Gaps::NONE };
    match run(runtime, promise, None)?.printed.reused() {
        Some(reused) => Err(numbers_do_not_go_on(reused, *found)),
        None => Ok(()),
    }
}

/// Whether what the program and its checker say of its saves can be taken together.
pub(super) fn check_words(printed: &Printed, observed: &Observed) -> Result<(), EngineError> {
    let promise = printed.progress().promise;
    match observed {
        Observed::State { generation: Some(found), .. } if promise.begun < *found => {
            Err(EngineError::Program(format!(
                "the checker found state {found}, and the program had printed no “crashtest: begin {found}”: it has to print \
             “crashtest: begin N” before save N and “crashtest: ack N” after it"
            )))
        }
        _ => Ok(()),
    }
}
