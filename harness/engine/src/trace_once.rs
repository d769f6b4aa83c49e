//! A program, somebody's own or a built-in target, traced once: nothing is killed, nothing judged.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crashtest_kit::Registry;
use crashtest_linux::process::Exit;
use crashtest_linux::signals;
use crashtest_linux::trace::{Ending, LINGER};
use crashtest_model::{DIR, Plan, Program, Trace, Until};

use crate::error::EngineError;
use crate::subject::life::Script;
use crate::subject::program::runtime;
use crate::subject::target;
use crate::subject::victims::Victims;
use crate::supervisor::Sandbox;
use crate::trace::line_protocol::Printed;
use crate::trace::orders::Orders;
use crate::trace::recorder::{Cut, Recorded, Recorder, SoFar};

/// A program that was traced.
#[derive(Clone, Debug)]
pub struct TracedProgram {
    /// What it did below the state directory.
    pub trace: Trace,
    /// How it ended: "exit status 0".
    pub status: String,
    /// What is wrong with what it printed of its saves, if something is.
    pub nonsense: Option<String>,
    /// How far it was when we ended it, as it did not end by itself.
    pub(crate) cut: Option<Cut>,
}

/// What is kept of what a program does to its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// How much it writes: that may be more than there is memory.
    Lengths,
    /// What it writes.
    Contents,
    /// What it writes, and what its files have besides: crash states are derived from that.
    Everything,
}

/// A program that is to be traced.
#[derive(Clone, Copy)]
pub struct Tracing<'a> {
    /// The program and its arguments.
    pub command: &'a [OsString],
    /// Its state directory.
    pub dir: &'a Path,
    /// Where it is started.
    pub cwd: &'a Path,
    /// What is kept.
    pub kept: Kept,
    /// How long it may take, where it does not make calls until it is ended.
    pub limit: Duration,
    /// When it is ended.
    pub until: Until,
    /// It is ended once this is set.
    pub stop: &'a AtomicBool,
    /// Who is told how far it is.
    pub tell: Option<&'a dyn Fn(SoFar)>,
}

/// Runs the program of `tracing` and records what it does to the files in its state directory, with the promises that it prints
/// in between. What it prints goes to our standard error. This process must have one thread.
/// Everything that the program has started is dead when this returns.
///
/// # Errors
/// The program cannot be started, the directory cannot be read, or programs cannot be traced here.
pub fn trace_program(tracing: &Tracing<'_>) -> Result<TracedProgram, EngineError> {
    let Tracing { dir, cwd, stop, .. } = *tracing;
    let dir = std::fs::canonicalize(dir).map_err(EngineError::sandbox("use as state directory", dir))?;
    let name = |word: &OsString| match word.to_str() {
        Some(text) => OsString::from(text.replace(DIR, &dir.to_string_lossy())),
        None => word.clone(),
    };
    let words: Vec<OsString> = tracing.command.iter().map(name).collect();
    let Some((program, arguments)) = words.split_first() else { return Err(EngineError::Program("no program".into())) };
    let printed = RefCell::new(Printed::default());
    let progress = || printed.borrow().progress();
    let mut recorder = Recorder::new(&dir, Orders::Record, &progress).map_err(EngineError::sandbox("read", &dir))?;
    recorder.stop_at(Some(stop));
    recorder.end_at(tracing.until);
    if let Some(tell) = tracing.tell {
        recorder.tell(tell);
    }
    match tracing.kept {
        Kept::Lengths => recorder.keep_lengths_only(),
        Kept::Contents => {}
        Kept::Everything => recorder.keep_attributes(),
    }
    if let Ok(output) = std::fs::read_link("/proc/self/fd/2") {
        recorder.listen(output, &printed);
    }
    let mut command = Command::new(program);
    // Our output is for the trace.
    command.args(arguments).env("CRASHTEST_DIR", &dir).stdout(std::io::stderr());
    if std::env::current_dir().ok().as_deref() != Some(cwd) {
        command.current_dir(cwd).env("PWD", cwd);
    }
    signals::with_the_usual_limit_signal(&mut command);
    let more = tracing.until.after_ms.map_or(Duration::ZERO, Duration::from_millis);
    let limit = tracing.limit + more;
    let traced = runtime::execute(command, &program.to_string_lossy(), &mut recorder, limit)?;
    if traced.foreign {
        let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        return Err(EngineError::Foreign(Program::words_for_a_shell(&words)));
    }
    let Recorded { trace, cut, .. } = recorder.finish();
    let cut = cut.filter(|_| traced.ending == Ending::Killed);
    let nonsense = printed.borrow().nonsense().map(str::to_owned);
    let status = match &cut {
        Some(cut) => cut.in_words(stop.load(Ordering::Relaxed)),
        None => status(traced.ending, limit, stop),
    };
    Ok(TracedProgram { trace, status, nonsense, cut })
}

/// Traces a life of the plan's target: an opening of an installed state and `saves` saves. This process must have one thread.
/// It is ended once `stop` is set.
///
/// # Errors
/// The sandbox cannot be used, the target is unknown, or programs cannot be traced here.
pub fn trace_target(
    registry: &dyn Registry,
    plan: &Plan,
    sandbox: &Sandbox,
    saves: u64,
    stop: &AtomicBool,
) -> Result<TracedProgram, EngineError> {
    let stream = plan.seed.derive("trace", 0);
    let mut victims = Victims::new(registry, plan, &sandbox.worker(0)?, None)?;
    let beginning = target::install(&mut victims, stream, Script::SaveThenStop(saves))?;
    let recording = target::live(&victims, &beginning, Orders::Record, Some(stop))?;
    let status = status(recording.ending, target::limit(plan), stop);
    Ok(TracedProgram { trace: recording.trace, status, nonsense: None, cut: None })
}

/// "exit status 0".
fn status(ending: Ending, limit: Duration, stop: &AtomicBool) -> String {
    if stop.load(Ordering::Relaxed) {
        return "interrupted".to_owned();
    }
    match ending {
        Ending::Exited(Exit::Status(status)) => format!("exit status {status}"),
        Ending::Exited(Exit::Signal(signal)) => format!("killed by signal {signal}"),
        Ending::Lingers(_) => {
            format!("what it had left running was stopped after {} s", limit.min(LINGER).as_secs_f64())
        }
        Ending::Killed | Ending::TimeUp => format!("stopped after {} s", limit.as_secs()),
    }
}
