//! `crashtest doctor`: what this machine can do, and a self-test with planted bugs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use crashtest_engine::EngineError;
use crashtest_kit::Registry;
use crashtest_linux::trace::{self, TraceError};
use crashtest_linux::{machine, mounts};
use crashtest_model::{
    Budget, Bytes, Confirm, Fault, HarnessBug, KillAt, Loader, Plan, Seed, Signal, Start, StrategyInfo, TargetSpec,
    Tears, Verdict,
};

use crate::conduct::{self, Conducted, Manner};
use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::registry::Known;

/// What this machine can do, and a self-test with planted bugs
///
/// Every canary has a known bug. A harness that lets one pass is broken, and says so here.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Where the sandboxes are made [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// A planted bug and what must be seen of it.
struct Canary {
    name: String,
    summary: String,
    strategy: String,
    bug: Option<HarnessBug>,
    fault: Fault,
    signal: Signal,
    expected: Vec<Verdict>,
    exit: Exit,
}

impl Canary {
    /// The canary that a planted strategy is, with what it is documented to show.
    fn of(info: StrategyInfo) -> Canary {
        let expected = |fault| info.expectation(Loader::Strict, fault, Start::Again).map(|e| e.must.clone());
        let stopped = info.documented.iter().find(|row| row.lives.signal == Signal::Term);
        let by_sigterm = stopped.map(|row| row.expectation.must.clone());
        let signal = if stopped.is_some() { Signal::Term } else { Signal::Kill };
        let (fault, exit, expected) = match (expected(Fault::None), expected(Fault::Kill), expected(Fault::Io)) {
            (Some(control), ..) => (Fault::Kill, Exit::ControlFailed, control),
            (None, Some(kill), _) if kill == [Verdict::Inconclusive] => (Fault::Kill, Exit::Inconclusive, kill),
            (None, Some(kill), _) => (Fault::Kill, Exit::Broken, kill),
            (None, None, _) if by_sigterm.is_some() => (Fault::Kill, Exit::Broken, by_sigterm.unwrap_or_default()),
            (None, None, io) => (Fault::Io, Exit::Broken, io.unwrap_or_default()),
        };
        let strategy = info.name.clone();
        Canary { name: info.name, summary: info.summary, strategy, bug: None, fault, signal, expected, exit }
    }

    fn harness(name: &str, summary: &str, bug: HarnessBug, fault: Fault) -> Canary {
        Canary {
            name: name.to_owned(),
            summary: summary.to_owned(),
            strategy: "atomic".to_owned(),
            bug: Some(bug),
            fault,
            signal: Signal::Kill,
            expected: vec![Verdict::Inconclusive],
            exit: Exit::Inconclusive,
        }
    }

    fn plan(&self, dir: &Path) -> Plan {
        // One worker that dies is more than 1 % of forty trials; rare damage takes more of them to show.
        // One that is not ended by its signal takes the limit for each.
        let iterations = match (self.bug, self.signal) {
            (Some(_), _) => 40,
            (None, Signal::Kill) => 100,
            (None, Signal::Term | Signal::Abort) => 20,
        };
        Plan {
            target: TargetSpec {
                strategy: self.strategy.clone(),
                workload: "fills".to_owned(),
                loader: Loader::Strict,
                state_size: Bytes::kib(32),
                idle_us: 0,
                writers: 1,
                threads: false,
                readers: 0,
            },
            faults: vec![self.fault],
            kill_at: KillAt::Any,
            signal: self.signal,
            tears: Tears::Kernel,
            confirm: Confirm::Sample,
            max_states: None,
            seed: Seed(1),
            budget: Budget { iterations: Some(iterations), duration_ms: None, max_failures: None, jobs: 1 },
            fresh: false,
            limit_ms: 200,
            sandbox_parent: dir.to_owned(),
            planted: self.bug,
            program: None,
        }
    }

    /// What was seen, and whether that is what must be seen.
    fn judge(&self, conducted: &Conducted) -> (String, bool) {
        let seen: Vec<Verdict> = conducted
            .recorded
            .rows
            .iter()
            .flat_map(|(.., tally)| tally.verdicts.keys().copied().collect::<Vec<_>>())
            .filter(|verdict| *verdict != Verdict::Intact)
            .collect();
        let caught = self.expected.iter().any(|verdict| seen.contains(verdict)) && conducted.exit == self.exit;
        let names: BTreeSet<Verdict> = seen.into_iter().collect();
        let names: Vec<&str> = names.iter().map(|verdict| verdict.name()).collect();
        let seen = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        (seen, caught)
    }
}

/// Runs the command.
pub(crate) fn doctor(args: &DoctorArgs) -> Result<Exit, Problem> {
    let dir = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let tracing = trace::probe();
    console::print(&machine_report(&dir, &tracing));
    let stop = conduct::stop_on_signals()?;
    let results = tempfile::Builder::new()
        .prefix(".crashtest-doctor-")
        .tempdir_in(&dir)
        .map_err(|error| Problem::usage(format!("failed to make a folder in `{}`: {error}", dir.display())))?;
    // A self-test is about the harness: it takes nobody else's targets.
    let known = Known::default();
    let mut canaries: Vec<Canary> =
        known.strategies().into_iter().filter(|info| info.planted).map(Canary::of).collect();
    canaries.push(Canary::harness("no-kill", "a worker that never sends the kill", HarnessBug::NoKill, Fault::Kill));
    canaries.push(Canary::harness("worker-dies", "a worker that dies", HarnessBug::WorkerDies, Fault::Kill));
    let summary = "a sweep that derives other files than a kill leaves";
    canaries.push(Canary::harness("misderives", summary, HarnessBug::Misderives, Fault::Sweep));
    console::print("\nSelf-test: every planted bug must be caught\n");
    let (mut missed, mut untried) = (0, 0);
    for canary in &canaries {
        if canary.fault.is_exhaustive() && tracing.is_err() {
            untried += 1;
            console::print(&format!("  not tried  {:<19} {}\n", canary.name, canary.summary));
            continue;
        }
        let manner = Manner { out: results.path(), quiet: true, stop: &stop, cell: None };
        let conducted = conduct::conduct(&known, &canary.plan(&dir), &manner)?;
        if conducted.exit == Exit::Interrupted {
            return Ok(Exit::Interrupted);
        }
        let (seen, caught) = canary.judge(&conducted);
        let word = if caught { "caught" } else { "MISSED" };
        missed += u64::from(!caught);
        console::print(&format!("  {word}  {:<22} {}\n          saw {seen}\n", canary.name, canary.summary));
    }
    if missed > 0 {
        return Err(Problem::bug(format!("{missed} of {} planted bugs were not caught", canaries.len())));
    }
    conclude(tracing, canaries.len() - untried, untried)
}

/// What is said when all that were tried were caught.
fn conclude(tracing: Result<(), TraceError>, caught: usize, untried: usize) -> Result<Exit, Problem> {
    match tracing {
        Ok(()) => {
            console::print(&format!("All {caught} planted bugs were caught.\n"));
            Ok(Exit::Clean)
        }
        Err(error) => {
            console::print(&format!("{caught} planted bugs were caught; {untried} need tracing and were not tried.\n"));
            Err(EngineError::from(error).into())
        }
    }
}

fn machine_report(dir: &Path, tracing: &Result<(), TraceError>) -> String {
    let (ptrace, faults) = match tracing {
        Ok(()) => ("yes".to_owned(), "ready: they need ptrace and seccomp, no privilege"),
        Err(TraceError::Forbidden(what)) => {
            (format!("no: {what} is not permitted here"), "end with exit status 5 here")
        }
        Err(other) => (format!("no: failed to {other}"), "do not work here"),
    };
    let mount = |path: &Path| {
        let free = mounts::free_bytes(path).map_or("unknown".to_owned(), |n| format!("{} MiB", n >> 20));
        mounts::mount_of(path).map_or_else(|e| format!("unknown ({e})"), |m| format!("{}, {free} free", m.kind))
    };
    format!(
        "crashtest {} on {}, {} processors\n  {:<24} {}\n  {:<24} {}\n  {:<24} {}\n  {:<24} {}\n  {:<24} {}\n  {:<24} {}\n",
        env!("CARGO_PKG_VERSION"),
        machine::kernel(),
        machine::processors(),
        format!("sandbox {}", dir.display()),
        mount(dir),
        "memory /dev/shm",
        mount(Path::new("/dev/shm")),
        "faults none, kill",
        "ready: they need nothing",
        "ptrace",
        ptrace,
        "faults sweep, io",
        faults,
        "faults power, disk",
        "not in this version",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_self_test_that_could_not_try_everything_ends_with_exit_5_and_a_hint() {
        let problem = conclude(Err(TraceError::Forbidden("ptrace")), 14, 4).unwrap_err();
        assert_eq!(problem.exit, Exit::Lacking);
        assert!(problem.to_string().contains("\n  hint: sweep, io and trace need ptrace(2)"), "{problem}");
        assert_eq!(conclude(Ok(()), 18, 0).unwrap(), Exit::Clean);
    }
}
