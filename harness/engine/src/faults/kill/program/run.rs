//! One run of a program that nobody traces: to its end, or until a moment that the clock names.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use crashtest_linux::clock::now_ns;
use crashtest_linux::process::Exit;
use crashtest_linux::supervision::{self, Group};
use crashtest_model::{Aim, Progress, Promise, Signal, Termination, Until};

use crate::error::EngineError;
use crate::output::Output;
use crate::subject::program::runtime::Runtime;
use crate::subject::program::start;
use crate::trace::line_protocol::Printed;

/// A run that nobody traced.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) termination: Termination,
    /// What it had printed by then.
    pub(super) printed: Printed,
    /// ": " and its last complaint, or nothing.
    pub(super) complaint: String,
    /// From its start to its end, in ns.
    pub(super) took_ns: u64,
    /// From its start to `crashtest: ready`, in ns.
    pub(super) ready_ns: Option<u64>,
    /// Whether we ended it, as it goes on for ever.
    pub(super) is_cut: bool,
    /// Whether it had left processes running that had to be ended.
    pub(super) lingers: bool,
    /// How far it was when it was asked to end, where it was.
    pub(super) asked: Option<Progress>,
}

impl Ran {
    /// From when it was ready, where it says so, to its end, in ns.
    pub(super) fn saves_ns(&self) -> u64 {
        self.took_ns.saturating_sub(self.ready_ns.unwrap_or(0))
    }

    /// A run that was killed when it was so far.
    pub(super) fn killed(progress: Progress) -> Ran {
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

/// Runs it on what the state directory holds, to its end or until the moment that `aim` names.
pub(super) fn run(runtime: &Runtime, promise: Promise, aim: Option<(Aim, &Ran, Signal)>) -> Result<Ran, EngineError> {
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
    if usual_ready.is_some() {
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
                    let ended = |_: &Printed, exit: Option<Exit>| exit.is_some() && !supervision::strays_run(&ours);
                    output.listen_for(&mut group, runtime.limit, ended).map_err(EngineError::Wait)?
                }
                exit => exit,
            }
        }
        _ => {
            let enough = |printed: &Printed, exit: Option<Exit>| {
                if ready_ns.is_none() && printed.progress().opened {
                    ready_ns = Some(now_ns() - begun_ns);
                }
                // Only a run that goes on by itself is given the time for which it is recorded.
                is_over(printed) || (exit.is_some() && (now_ns() >= limit_ns || !supervision::strays_run(&ours)))
            };
            let exit = match over_ns {
                u64::MAX => output.listen_for(&mut group, runtime.limit, enough),
                _ => output.listen(&mut group, over_ns, enough),
            };
            exit.map_err(EngineError::Wait)?
        }
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
