//! A program without any fault, and killed at random moments, by the clock.

mod control;
mod run;

use std::time::Duration;

use crashtest_model::{
    Aim, FailureDetail, Fault, Gaps, Generation, Observed, Outcome, Plan, Promise, Seed, Signal, Start, Termination,
    TrialRecord, Verdict,
};
use crashtest_states::Snapshot;

use self::control::check_words;
use self::run::{Ran, run};
use crate::context::Context;
use crate::error::EngineError;
use crate::faults::kill::at_calls::{self, Calls};
use crate::judge::{file_state, oracle};
use crate::subject::Subject;
use crate::subject::life::Script;
use crate::subject::program::STARTED_AGAIN;
use crate::subject::program::runtime::Runtime;
use crate::trace::orders::Orders;

pub(crate) use self::control::control;

/// How often a run is killed that may have ended before, each time sooner by this factor.
const TRIES: i32 = 8;
const SOONER: f64 = 0.8;
/// Runs from which it is learnt how long one takes.
const RUNS_TO_LEARN_FROM: u64 = 3;
/// Kills fall up to so much behind the usual end of a run: some runs take longer than others.
const BEHIND: f64 = 1.02;

/// Kills the program at a moment of its run, once for each of `trials`.
pub(crate) fn kills(
    context: &mut Context<'_>,
    runtime: &mut Runtime,
    trials: std::ops::Range<u64>,
) -> Result<(), EngineError> {
    let mut installed = runtime.set_up()?;
    let mut promise = runtime.promised_by_setup();
    runtime.learn(&installed, Fault::Kill)?;
    runtime.place.dir.restore(&installed)?;
    // How long a run takes is learnt from some that nobody kills: from the fastest, as the others have waited for something.
    let mut usual = run(runtime, promise, None)?;
    for _ in 1..RUNS_TO_LEARN_FROM {
        runtime.place.dir.restore(&installed)?;
        let ran = run(runtime, promise, None)?;
        usual = if ran.took_ns < usual.took_ns { ran } else { usual };
    }
    let from = runtime.beginning(installed.clone(), Script::Install);
    if usual.is_cut {
        // What it was doing when it was ended may be half done.
        runtime.record(&from, Orders::Record)?;
    }
    let left = runtime.files()?;
    runtime.files.learn_state(&left);
    runtime.try_checker(&installed, &left)?;
    // A run that begins on what the one before has left makes other calls, and one that is asked to end goes on to make some.
    let by_the_clock = runtime.program.continues || context.plan.signal != Signal::Kill;
    let calls = if by_the_clock { Calls::default() } else { Calls::recorded(runtime, &from)? };
    for number in trials {
        let plan = context.plan;
        if let Some(point) = calls.of_trial(number)
            && let Some(progress) = at_calls::kill(runtime, &from, point)?
        {
            let seed = plan.trial_seed(number);
            let record = TrialRecord::planned(number, Fault::Kill, Start::Again, seed, Aim::Call(point));
            judge(context, runtime, record, &Ran::killed(progress), None)?;
            continue;
        }
        let aim = aim(plan, number);
        if let Aim::Run(at) = aim
            && runtime.has_other_files_each_time()
            && !calls.is_empty()
            && let Some(progress) =
                at_calls::kill_after(runtime, &from, Duration::from_nanos(usual.saves_ns()).mul_f64(at))?
        {
            let record = TrialRecord::planned(number, Fault::Kill, Start::Again, plan.trial_seed(number), aim);
            judge(context, runtime, record, &Ran::killed(progress), None)?;
            continue;
        }
        runtime.place.dir.restore(&installed)?;
        let mut ran = run(runtime, promise, Some((aim, &usual, plan.signal)))?;
        for again in 1..TRIES {
            // It was faster than the clock: nothing was killed.
            let (Termination::Exit { status: 0 }, Aim::Run(at)) = (&ran.termination, aim) else { break };
            runtime.place.dir.restore(&installed)?;
            ran = run(runtime, promise, Some((Aim::Run(at * SOONER.powi(again)), &usual, plan.signal)))?;
        }
        let record = TrialRecord::planned(number, Fault::Kill, Start::Again, plan.trial_seed(number), aim);
        let wrong = ended_by_itself(runtime, &ran);
        let is_wrong = wrong.is_some();
        let (state, observed) = judge(context, runtime, record, &ran, wrong)?;
        if runtime.program.continues && is_wrong {
            // What it does not start on is kept as evidence; what comes after begins afresh.
            installed = runtime.set_up()?;
            promise = runtime.promised_by_setup();
        } else if runtime.program.continues {
            // Life after life: what was found is what is promised from now on.
            match observed {
                Observed::State { generation: Some(found), .. } => {
                    (installed, promise) =
                        (state, Promise { acked: found, begun: found, installed: true, gaps: Gaps::NONE });
                }
                Observed::Opened => installed = state,
                _ => {}
            }
        }
    }
    Ok(())
}

/// What is wrong with a run that nobody killed and that ended with an error, as on what a kill has left it does not start; or with one that
/// was asked to end and did not.
fn ended_by_itself(runtime: &Runtime, ran: &Ran) -> Option<(Verdict, String)> {
    if ran.termination == Termination::Forced {
        let limit = runtime.limit.as_secs_f64();
        return Some((Verdict::Stuck, format!("the program did not end within {limit} s after SIGTERM")));
    }
    let Termination::Exit { status } = ran.termination else { return None };
    let how = format!("ended with status {status}{}", ran.complaint);
    (status != 0).then(|| match runtime.program.continues {
        true => (Verdict::WontOpen, format!("{STARTED_AGAIN}{how}")),
        false => (Verdict::FailedSave, format!("the program {how}")),
    })
}

/// Where trial `number` is aimed.
fn aim(plan: &Plan, number: u64) -> Aim {
    Aim::Run(plan.trial_seed(number).derive("moment", 0).unit() * BEHIND)
}

/// Kills the program once as `record` was.
pub(crate) fn once(context: &mut Context<'_>, runtime: &mut Runtime, record: &TrialRecord) -> Result<(), EngineError> {
    kills(context, runtime, record.trial..record.trial + 1)
}

/// Judges what a run has left, and reports it; `wrong` is what went wrong before that.
fn judge(
    context: &mut Context<'_>,
    runtime: &mut Runtime,
    record: TrialRecord,
    ran: &Ran,
    wrong: Option<(Verdict, String)>,
) -> Result<(Snapshot, Observed), EngineError> {
    let state = runtime.files()?;
    let progress = ran.printed.progress();
    let promise = progress.promise;
    if record.fault == Fault::None {
        runtime.files.learn_state(&state);
    }
    let raw = file_state::of_crash_state(&state, &mut runtime.files.clone(), promise);
    let observed = runtime.ask(&state)?.observed(promise, state.digest());
    if record.fault == Fault::None {
        ran.printed.make_sense()?;
        check_words(&ran.printed, &observed)?;
    }
    let (mut verdict, mut why) = oracle::judge(promise, &observed, &raw);
    if let (Observed::Hung { .. }, Some(words)) = (&observed, runtime.silent()) {
        why = words;
    }
    let mut raw = runtime.files.know_some().then_some(raw);
    if let Some(wrong) = wrong {
        // What the files are like is not what is wrong.
        ((verdict, why), raw) = (wrong, None);
    }
    let then = ran.asked.unwrap_or(progress);
    let in_save = then.promise.begun > then.promise.acked;
    let phase = match (in_save, then.opened, then.promise.acked) {
        (true, ..) => "save",
        (false, true, _) => "between-saves",
        (false, false, Generation::ZERO) => "run",
        (false, false, _) => "between-saves",
    };
    // Nothing was killed, so nothing is known of kills.
    let escaped = record.fault == Fault::Kill && ran.termination == Termination::Exit { status: 0 };
    let aim = record.aim;
    let record = TrialRecord {
        stream: Seed(0),
        delay_ns: ran.took_ns,
        promise,
        acks: promise.acked.0,
        termination: ran.termination.clone(),
        phase: phase.to_owned(),
        in_save,
        raw,
        crash_state: Some(state.digest()),
        observed: Some(observed.clone()),
        outcome: if escaped { Outcome::Unreached } else { Outcome::Judged(verdict) },
        detail: (verdict != Verdict::Intact).then(|| FailureDetail { why, ..FailureDetail::default() }),
        aim,
        ..record
    };
    let after = runtime.files()?;
    context.report_with(record, &state, Some(&after), None)?;
    Ok((state, observed))
}
