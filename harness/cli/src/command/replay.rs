//! `crashtest replay`: show one failure again.

mod audited;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};
use crashtest_engine::{Replayer, Sandbox};
use crashtest_model::{Digest, Fault, RunRecord, Start, TrialRecord, Verdict};
use crashtest_report::{AuditedFailure, KeptFailure, explanation, find_trials, read_failure, read_run};

use crate::check;
use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::registry::Known;
use crate::signals;
use crate::values;

/// A kill by the clock that has not shown by then will hardly do so.
const PATIENCE: u64 = 10;

/// Show one failure again
///
/// First its stored crash state is recovered once more: the same answer every time. Then its trial is run again, with the same
/// seed, the same state and the same aim: a kill by the clock lands a little earlier or later, so it is tried several times and
/// how often it showed is said. Under sweep and io it is run again to the very call: that shows the same every time.
///
/// Of an audit the stored crash state is looked at again; of what its checker found, by that checker. The audited program is not started.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  crashtest replay results/latest/failures/direct-fills-strict.kill.empty.save-in-create\n  crashtest replay results/latest --trial 17\n\nExit status: 1 when the failure shows again, 0 when it does not."
)]
pub(crate) struct ReplayArgs {
    /// A folder under `failures/`, or a results folder together with --trial
    pub failure: PathBuf,
    /// The trial of the results folder
    #[arg(long, value_name = "N")]
    pub trial: Option<u64>,
    /// With --trial: which start the crash preceded
    #[arg(long, value_enum, default_value = "again", requires = "trial")]
    pub start: StartArg,
    /// With --trial: what broke, where the run has trials of several faults
    #[arg(long, value_name = "FAULT", value_parser = values::fault(), requires = "trial")]
    pub fault: Option<Fault>,
    /// How often the trial is run again; while it has not shown, up to ten times as often
    #[arg(long, value_name = "N", default_value = "20", value_parser = values::count)]
    pub tries: u64,
    /// Where the sandbox is made [default: where the run had it, if that is still there]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `--start`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StartArg {
    /// The very first start, in an empty directory
    First,
    /// A start with a state installed
    Again,
}

/// What is to be shown again.
enum Wanted {
    Trial(Box<WantedTrial>),
    Audit(Box<AuditedFailure>),
}

/// A trial that is to be shown again.
struct WantedTrial {
    run: RunRecord,
    record: TrialRecord,
    crash_state: Option<PathBuf>,
}

impl ReplayArgs {
    fn wanted(&self) -> Result<Wanted, Problem> {
        let Some(trial) = self.trial else {
            return Ok(match read_failure(&self.failure)? {
                KeptFailure::Audit(failure) => Wanted::Audit(failure),
                KeptFailure::Trial(failure) => Wanted::Trial(Box::new(WantedTrial {
                    run: failure.run,
                    record: failure.record,
                    crash_state: failure.crash_state,
                })),
            });
        };
        let run = read_run(&self.failure)?.run;
        let start = match self.start {
            StartArg::First => Start::First,
            StartArg::Again => Start::Again,
        };
        let mut found = find_trials(&self.failure, start, trial)?;
        match self.fault {
            Some(fault) => found.retain(|record| record.fault == fault),
            // The control has trials of the same numbers, and nothing broke in them.
            None => found.retain(|record| record.fault != Fault::None),
        }
        let folder = self.failure.display();
        match found.len() {
            0 => Err(Problem::usage(format!("`{folder}` has no trial {trial}{}", self.which()))),
            1 => Ok(Wanted::Trial(Box::new(WantedTrial { run, record: found.remove(0), crash_state: None }))),
            _ => {
                let faults: Vec<&str> = found.iter().map(|record| record.fault.name()).collect();
                let why = format!("`{folder}` has a trial {trial} of each of {}", faults.join(", "));
                Err(Problem::usage(why).hint("say which with --fault".to_owned()))
            }
        }
    }

    /// " of sweep in the first start".
    fn which(&self) -> String {
        let fault = self.fault.map_or(String::new(), |fault| format!(" of {}", fault.name()));
        let start = match self.start {
            StartArg::First => " in the first start",
            StartArg::Again => "",
        };
        fault + start
    }
}

/// Runs the command.
pub(crate) fn replay(args: &ReplayArgs) -> Result<Exit, Problem> {
    match args.wanted()? {
        Wanted::Trial(trial) => replay_trial(args, *trial),
        Wanted::Audit(failure) => audited::replay(&failure, args.dir.as_deref()),
    }
}

fn replay_trial(args: &ReplayArgs, wanted: WantedTrial) -> Result<Exit, Problem> {
    let WantedTrial { run, record, crash_state } = wanted;
    let known = Known::of_run(&run.environment)?;
    check::strategy_and_workload(&known, &run.plan)?;
    let program = known.program_of(&run.plan.target.strategy)?;
    if changed(&run) {
        let path = program.path.display();
        console::complain(&format!("note: `{path}` is another build than that of the run: it may show something else"));
    }
    let parent = match &args.dir {
        Some(dir) => dir.clone(),
        None if run.plan.sandbox_parent.is_dir() => run.plan.sandbox_parent.clone(),
        None => std::env::temp_dir(),
    };
    let stop = signals::stop_on_signals()?;
    let sandbox = Sandbox::make(&parent, 1, run.plan.target.state_size)?;
    console::print(&heading(&run, &record, &sandbox));
    let mut shown = false;
    let mut replayer = Replayer::start(&program, &run.plan, &sandbox)?;
    if let Some(dir) = crash_state {
        shown |= restart(&mut replayer, &record, &dir, &stop)?;
    }
    if record.is_interleaved() {
        console::print("\nNot killed again: calls overlap there, and a kill may come upon them in another order\n");
    } else {
        shown |= again(&mut replayer, &record, args.tries, &stop)?;
    }
    if stop.load(Ordering::Relaxed) {
        return Ok(Exit::Interrupted);
    }
    Ok(if shown { Exit::Broken } else { Exit::Clean })
}

fn heading(run: &RunRecord, record: &TrialRecord, sandbox: &Sandbox) -> String {
    let target = &run.plan.target;
    let verdict = record.verdict().map_or("recovery-killed", |v| v.name());
    let mut text = format!(
        "{} × {} ({}), trial {}: {verdict}\n{}\n",
        target.strategy,
        target.workload,
        target.loader,
        record.trial,
        explanation(record)
    );
    text += &format!(
        "aimed at {}; started from save {}, save {} acked, save {} begun\nsandbox on {}\n",
        record.aim,
        record.base,
        record.promise.acked,
        record.promise.begun,
        sandbox.file_system().kind
    );
    if let Some(detail) = &record.detail
        && !detail.calls.is_empty()
    {
        text += "\nThe last calls before the kill:\n";
        let first = detail.calls.len().saturating_sub(16);
        detail.calls[first..].iter().for_each(|call| text += &format!("  {call}\n"));
    }
    if let Some(detail) = record.detail.as_ref().filter(|detail| !detail.around.is_empty()) {
        text += "\nThe calls around it:\n";
        detail.around.iter().for_each(|line| text += &format!("  {line}\n"));
    }
    text
}

/// Whether the targets binary of a run has been built anew since.
fn changed(run: &RunRecord) -> bool {
    let now = run.environment.targets.as_ref().and_then(|path| std::fs::read(path).ok());
    now.is_some_and(|bytes| Digest::of_bytes(&bytes).to_string() != run.environment.binary)
}

/// Recovers the stored crash state; says whether the failure shows.
fn restart(replayer: &mut Replayer<'_>, record: &TrialRecord, dir: &Path, stop: &AtomicBool) -> Result<bool, Problem> {
    let Some(replayed) = replayer.restart(record, dir, stop)? else { return Ok(false) };
    let (recorded, verdict) = (record.verdict(), replayed.verdict().unwrap_or(Verdict::Inconclusive));
    let why = replayed.detail.map_or_else(String::new, |detail| detail.why);
    // What was acknowledged after a failed call is judged by more than its files.
    let false_ack = recorded == Some(Verdict::FalseAck);
    let same = Some(verdict) == recorded || (false_ack && verdict.is_violation());
    let word = match same {
        true => "shows again",
        false if false_ack => "is what the files come to: what the failed call may have lost is still there",
        false => "is not what was recorded",
    };
    console::print(&format!("\nRestart on the stored crash state: {verdict} {word}\n  {why}\n"));
    Ok(same)
}

/// Runs the trial again; says whether the failure showed.
fn again(replayer: &mut Replayer<'_>, record: &TrialRecord, tries: u64, stop: &AtomicBool) -> Result<bool, Problem> {
    let (mut run, mut showed) = (0, 0);
    let mut other: Vec<String> = Vec::new();
    for _ in 0..tries * PATIENCE {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let Some(seen) = replayer.again(record, stop)? else { continue };
        run += 1;
        if seen.verdict() == record.verdict() {
            showed += 1;
        } else if let Some(verdict) = seen.verdict().filter(|v| v.is_violation()) {
            other.push(verdict.name().to_owned());
        }
        if run >= tries && showed > 0 {
            break;
        }
    }
    let verdict = record.verdict().map_or("recovery-killed", |v| v.name());
    let failed = record.verdict().is_some_and(|v| v.is_violation());
    let how = match record.fault {
        Fault::None => "Run again",
        Fault::Kill => "Killed again, by the clock",
        Fault::Sweep => "Killed again, at the same call",
        Fault::Io => "Run again, with the same call failing",
    };
    let mut text = format!("\n{how}: {verdict} reproduced {showed} of {run}\n");
    if !other.is_empty() {
        other.sort();
        other.dedup();
        text += &format!("  other damage that showed: {}\n", other.join(", "));
    }
    console::print(&text);
    // A trial that had passed shows a failure only if something else did.
    Ok(if failed { showed > 0 } else { !other.is_empty() })
}
