//! A program without any fault, and killed at random moments, by the clock.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use crashtest_linux::clock::now_ns;
use crashtest_linux::process::Exit;
use crashtest_linux::supervision::{self, Group};
use crashtest_linux::trace::Ending;
use crashtest_model::{
    About, Aim, FailureDetail, Fault, Gaps, Generation, Observed, Outcome, Plan, Progress, Promise, Seed, Signal,
    Start, Termination, TrialRecord, Until, Verdict,
};
use crashtest_states::Snapshot;

use crate::context::Context;
use crate::error::EngineError;
use crate::faults::kill::at_calls::{self, Calls};
use crate::judge::{file_state, oracle};
use crate::output::Output;
use crate::subject::life::Script;
use crate::subject::program::named::{self, Named};
use crate::subject::program::runtime::Runtime;
use crate::subject::program::{STARTED_AGAIN, numbers_do_not_go_on, start};
use crate::subject::{Recording, Subject};
use crate::trace::line_protocol::Printed;
use crate::trace::orders::Orders;

/// Runs of the control.
const CONTROL_RUNS: u64 = 3;
/// Of a program that goes on for ever.
const CONTROL_RUNS_IN_PART: u64 = 2;
/// How often a run is killed that may have ended before, each time sooner by this factor.
const TRIES: i32 = 8;
const SOONER: f64 = 0.8;
/// Runs from which it is learnt how long one takes.
const RUNS_TO_LEARN_FROM: u64 = 3;
/// Kills fall up to so much behind the usual end of a run: some runs take longer than others.
const BEHIND: f64 = 1.02;

/// A run that nobody traced.
#[derive(Debug)]
struct Ran {
    termination: Termination,
    /// What it had printed by then.
    printed: Printed,
    /// ": " and its last complaint, or nothing.
    complaint: String,
    /// From its start to its end, in ns.
    took_ns: u64,
    /// From its start to `crashtest: ready`, in ns.
    ready_ns: Option<u64>,
    /// Whether we ended it, as it goes on for ever.
    is_cut: bool,
    /// Whether it had left processes running that had to be ended.
    lingers: bool,
    /// How far it was when it was asked to end, where it was.
    asked: Option<Progress>,
}

impl Ran {
    /// From when it was ready, where it says so, to its end, in ns.
    fn saves_ns(&self) -> u64 {
        self.took_ns.saturating_sub(self.ready_ns.unwrap_or(0))
    }

    /// A run that was killed when it was so far.
    fn killed(progress: Progress) -> Ran {
        let printed = Printed::so_far(progress);
        Ran {
            termination: Termination::Kill,
            printed,
            complaint: String::new(),
            took_ns: 0,
            ready_ns: None,
            is_cut: false,
            lingers: false,
            asked: None,
        }
    }
}

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
fn check_words(printed: &Printed, observed: &Observed) -> Result<(), EngineError> {
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

/// Runs it on what the state directory holds, to its end or until the moment that `aim` names.
fn run(runtime: &Runtime, promise: Promise, aim: Option<(Aim, &Ran, Signal)>) -> Result<Ran, EngineError> {
    let _turn = runtime.turn()?;
    let mut command = start::writer(&runtime.program, &runtime.place)?;
    command.stdin(Stdio::null());
    let mut output = Output::capture(&mut command, Printed::after(promise, promise))?;
    let ours = runtime.ours();
    let begun_ns = now_ns();
    let child = command.process_group(0).spawn();
    let child = child
        .map_err(|error| EngineError::Program(format!("failed to start `{}`: {error}", runtime.command_line())))?;
    let mut group = Group::lead_by(&child);
    let ns = |limit: Duration| begun_ns + u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX / 2);
    let limit_ns = ns(runtime.limit);
    let is_over = |printed: &Printed| is_over(runtime.program.until, printed, now_ns() - begun_ns);
    // Who prints nothing more is looked at when its time is over.
    let over_ns = runtime.program.until.after_ms.map_or(u64::MAX, |ms| ns(Duration::from_millis(ms)));
    let (mut ready_ns, mut asked) = (None, None);
    let usual_ready = aim.and_then(|(_, usual, _)| usual.ready_ns);
    if aim.is_none() || usual_ready.is_some() {
        let ready = |printed: &Printed, exit: Option<Exit>| {
            ready_ns = printed.progress().opened.then(|| now_ns() - begun_ns);
            ready_ns.is_some() || exit.is_some() || is_over(printed)
        };
        output.listen(&mut group, limit_ns.min(over_ns), ready).map_err(EngineError::Wait)?;
    }
    let exit = match aim {
        Some((Aim::Run(at), usual, signal)) => {
            // From when it is ready, where it says so: before that it saves nothing.
            let from_ns = begun_ns + ready_ns.unwrap_or(0);
            let length_ns = usual.saves_ns();
            let moment_ns = (from_ns + (at * length_ns as f64) as u64).min(limit_ns);
            output.listen(&mut group, moment_ns, |_, _| false).map_err(EngineError::Wait)?;
            match group.exit_within(Duration::ZERO).map_err(EngineError::Wait)? {
                None if signal == Signal::Term => {
                    asked = Some(output.listener().progress());
                    group.ask_all_to_end();
                    let until_ns = now_ns() + u64::try_from(runtime.limit.as_nanos()).unwrap_or(u64::MAX / 2);
                    let ended = |_: &Printed, exit: Option<Exit>| exit.is_some() && !supervision::strays_run(&ours);
                    output.listen(&mut group, until_ns, ended).map_err(EngineError::Wait)?
                }
                exit => exit,
            }
        }
        _ => output
            .listen(&mut group, ns(runtime.longest(runtime.program.until)).min(over_ns), |printed, exit| {
                // Only a run that goes on by itself is given the time for which it is recorded.
                is_over(printed) || (exit.is_some() && (now_ns() >= limit_ns || !supervision::strays_run(&ours)))
            })
            .map_err(EngineError::Wait)?,
    };
    // A run ends with the last process that it has started.
    let lingers = exit.is_some() && supervision::strays_run(&ours);
    let took_ns = now_ns() - begun_ns;
    let is_cut = aim.is_none() && exit.is_none() && is_over(output.listener());
    group.kill();
    supervision::kill_strays(&ours);
    let termination = match (exit, group.exit_within(Duration::ZERO).map_err(EngineError::Wait)?) {
        (Some(_), _) if asked.is_some() && !lingers => Termination::Stopped,
        _ if asked.is_some() => Termination::Forced,
        (Some(Exit::Status(0)), _) if lingers && aim.is_none() => Termination::Forced,
        (Some(Exit::Status(0)), _) if lingers => Termination::Kill,
        (Some(Exit::Status(status)), _) | (None, Some(Exit::Status(status))) => Termination::Exit { status },
        (Some(Exit::Signal(signal)), _) => Termination::Signal { signal },
        (None, Some(exit)) if exit.by_sigkill() && aim.is_none() => Termination::Forced,
        (None, Some(exit)) if exit.by_sigkill() => Termination::Kill,
        (None, Some(Exit::Signal(signal))) => Termination::Signal { signal },
        (None, None) => Termination::Nothing,
    };
    // All that it has printed by its end.
    output.take_all();
    runtime.place.dir.check()?;
    Ok(Ran {
        termination,
        complaint: output.complaint(),
        printed: output.into_listener(),
        took_ns,
        ready_ns,
        is_cut,
        lingers,
        asked,
    })
}

/// Whether a run that has printed this after so many ns is to be ended, if it has not ended by itself.
fn is_over(until: Until, printed: &Printed, ran_ns: u64) -> bool {
    let is_late = until.after_ms.is_some_and(|after| ran_ns / 1_000_000 >= after);
    is_late || until.saves.is_some_and(|saves| printed.saves() >= saves)
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
