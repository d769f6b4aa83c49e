//! The very first start: killed inside `init`, then started again. A directory of its own for each trial.
//!
//! Until `init` has returned nothing was promised, so a fresh state is intact; what counts is that the program starts at all.

use crashtest_model::{FailureDetail, Fault, Outcome, Promise, RawState, Start, Termination, TrialRecord, Verdict};

use crate::context::Context;
use crate::context::trial::because;
use crate::error::EngineError;
use crate::faults::kill::aim;
use crate::judge::{file_state, oracle};
use crate::subject::life::Script;
use crate::subject::victims::{Recovery, Victims};

/// Runs first-start trial `number`.
pub(crate) fn run(context: &mut Context<'_>, victims: &mut Victims<'_>, number: u64) -> Result<(), EngineError> {
    let seed = context.plan.first_start_seed(number);
    let stream = context.plan.seed.derive("first-start-stream", number);
    let aim = context.plan.first_start_aim(number);
    let mut generations = victims.generations(stream)?;
    let nothing = Promise::default();

    victims.dir.empty()?;
    let victim = victims.fork(Script::FirstStart, stream, stream.derive("names", 1), nothing)?;
    let board = victims.board;
    while board.started_ns().is_none() && crashtest_linux::clock::now_ns() < victim.limit.at_ns() {
        std::hint::spin_loop();
    }
    let moment = aim::wait(aim, &victims.timings, board, 0, false, victims.limit_from_now());
    let termination = victims.terminate(victim)?;
    victims.blame_the_machine_first()?;
    let promise = Promise { installed: board.installed_ns().is_some(), ..nothing };
    let phase = board.phase();
    let calls = board.calls();
    let state = victims.crash_state()?;
    let raw = file_state::of_crash_state(&state, &mut *generations, promise);
    let mut record = TrialRecord {
        series: number,
        stream,
        delay_ns: moment.delay_ns,
        calibrated_ns: moment.calibrated_ns,
        promise,
        termination: termination.clone(),
        phase: phase.map_or_else(|| "unknown".to_owned(), String::from),
        raw: Some(raw.clone()),
        crash_state: Some(state.digest()),
        ..TrialRecord::planned(number, Fault::Kill, Start::First, seed, aim)
    };
    if termination != Termination::Kill {
        record.detail = because("the victim was not killed by us");
        return context.report(record, &state, None);
    }

    let mut victim = victims.fork(Script::SecondStart, stream, stream.derive("names", 2), nothing)?;
    let recovery = victims.await_recovery(&mut victim, raw.state != RawState::Whole)?;
    victims.terminate(victim)?;
    victims.blame_the_machine_first()?;
    let observed = match recovery {
        Recovery::Opened(opened) => oracle::identify(&opened.as_what, &mut *generations, promise),
        Recovery::Failed(observed) => observed,
    };
    let (verdict, why) = oracle::judge(promise, &observed, &raw);
    record.outcome = Outcome::Judged(verdict);
    record.observed = Some(observed);
    if verdict != Verdict::Intact {
        record.detail = Some(FailureDetail { why, calls: calls.marks(), ..FailureDetail::default() });
    }
    let dir = victims.dir.clone();
    context.report(record, &state, Some(&dir))
}
