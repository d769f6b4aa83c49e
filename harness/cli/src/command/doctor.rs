//! `crashtest doctor`: what this machine can do, and a self-test with planted bugs.

mod canary;
mod pace;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use crashtest_engine::{EngineError, WorkerProgram};
use crashtest_linux::scratch::{self, Leftovers, Scratch};
use crashtest_linux::trace::{self, TraceError};
use crashtest_linux::{machine, mounts};

use crate::campaign::{self, CampaignSettings};
use crate::console;
use crate::exit::Exit;
use crate::host;
use crate::problem::Problem;
use crate::progress::Steps;
use crate::registry::Known;
use crate::signals;
use canary::{Attempt, Canary};
use pace::Pace;

/// What this machine can do, and a self-test with planted bugs
///
/// Every canary has a known bug. A harness that lets one pass is broken, and says so here. Beside so much other work that nobody can
/// tell, the self-test ends with exit status 3.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Where the sandboxes are made [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// The answer to whether a canary was caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detection {
    Caught,
    /// The harness is broken.
    Missed,
    /// Other work has kept it from its moments, or the harness is broken: nobody knows.
    Unclear,
}

impl Detection {
    /// The detection by the last attempt, which was made between these two measurements.
    fn of_last_attempt(caught: bool, around: [Pace; 2]) -> Detection {
        match caught {
            true => Detection::Caught,
            false if around.iter().any(|pace| pace.is_busy()) => Detection::Unclear,
            false => Detection::Missed,
        }
    }
}

/// How many canaries came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    caught: usize,
    missed: usize,
    unclear: usize,
    /// Canaries that need tracing where that is forbidden.
    untried: usize,
}

impl Count {
    fn all(self) -> usize {
        self.caught + self.missed + self.unclear + self.untried
    }
}

/// The self-test while it runs.
struct SelfTest<'a> {
    known: &'a Known,
    program: WorkerProgram,
    dir: &'a Path,
    results: &'a Path,
    stop: &'a Arc<AtomicBool>,
    /// The pace as last measured.
    pace: Pace,
    /// The slowest start of all.
    worst: Duration,
}

/// Runs the command.
pub(crate) fn doctor(args: &DoctorArgs) -> Result<Exit, Problem> {
    let dir = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let tracing = trace::probe();
    console::print(&machine_report(&dir, &tracing));
    let stop = signals::stop_on_signals()?;
    let program = host::this_program()?;
    let Some(pace) = Pace::measure(&program, &stop)? else { return Ok(Exit::Interrupted) };
    console::print(&format!("  {:<24} {}\n", "a bare start takes", pace_words(pace)));
    let found = scratch::find(&[&dir]);
    console::print(&leftover_words(&found));
    // What is found so is removed before the first sandbox is made.
    let (_announced, results) = Scratch::make_announced(&dir, "doctor").map_err(EngineError::from)?;
    // A self-test is about the harness: it takes nobody else's targets.
    let known = Known::default();
    let mut test =
        SelfTest { known: &known, program, dir: &dir, results: results.path(), stop: &stop, pace, worst: pace.worst };
    let Some(count) = test.run(tracing.is_ok())? else { return Ok(Exit::Interrupted) };
    conclude(count, test.worst, tracing)
}

/// Describes what dead runs have left.
fn leftover_words(found: &Leftovers) -> String {
    let mut text = format!(
        "  {:<24} {}\n",
        "left by killed runs",
        match found.dead.len() {
            0 => "nothing".to_owned(),
            1 => "one directory, removed now".to_owned(),
            n => format!("{n} directories, removed now"),
        }
    );
    found.dead.iter().for_each(|path| text += &format!("    {}\n", path.display()));
    for (path, why) in &found.kept {
        text += &format!("    {} stays: {why}; remove it by hand if it is not yours\n", path.display());
    }
    text
}

impl SelfTest<'_> {
    /// Tries every canary; `None` where it is interrupted.
    fn run(&mut self, can_trace: bool) -> Result<Option<Count>, Problem> {
        let canaries = Canary::all(self.known);
        console::print("\nSelf-test: every planted bug must be caught\n");
        let steps = Steps::new("canary", canaries.len());
        let mut count = Count::default();
        for (done, canary) in canaries.iter().enumerate() {
            steps.begin(done, &canary.name);
            if canary.fault.is_exhaustive() && !can_trace {
                count.untried += 1;
                steps.print(&format!("  not tried  {:<19} {}\n", canary.name, canary.summary));
                continue;
            }
            let Some((detection, seen)) = self.catch(canary)? else { return Ok(None) };
            let line = match detection {
                Detection::Caught => format!("  caught  {:<22} {}", canary.name, canary.summary),
                Detection::Missed => format!("  MISSED  {:<22} {}", canary.name, canary.summary),
                Detection::Unclear => format!("  not told  {:<20} {}", canary.name, canary.summary),
            };
            match detection {
                Detection::Caught => count.caught += 1,
                Detection::Missed => count.missed += 1,
                Detection::Unclear => count.unclear += 1,
            }
            steps.print(&format!("{line}\n          saw {seen}\n"));
        }
        Ok(Some(count))
    }

    /// Tries to catch `canary`, and says what was seen; `None` where it is interrupted.
    fn catch(&mut self, canary: &Canary) -> Result<Option<(Detection, String)>, Problem> {
        let mut last = None;
        for attempt in Attempt::ALL {
            let settings = CampaignSettings { out: self.results, quiet: true, stop: self.stop, cell: None };
            let finished = campaign::run(self.known, &canary.plan(self.dir, attempt, self.pace), &settings)?;
            if finished.exit == Exit::Interrupted {
                return Ok(None);
            }
            let seen = canary::seen_words(&finished);
            if canary.is_caught(&finished) {
                return Ok(Some((Detection::Caught, seen)));
            }
            let Some(after) = Pace::measure(&self.program, self.stop)? else { return Ok(None) };
            let detection = Detection::of_last_attempt(false, [self.pace, after]);
            self.pace = after;
            self.worst = self.worst.max(after.worst);
            match finished.problem {
                // A full disk is no bug of ours.
                Some(problem) if detection == Detection::Missed && problem.exit != Exit::Bug => return Err(problem),
                Some(problem) => last = Some((detection, problem.to_string())),
                None => last = Some((detection, seen)),
            }
        }
        Ok(last)
    }
}

/// Prints what the self-test comes to; `worst` is the slowest bare start.
fn conclude(count: Count, worst: Duration, tracing: Result<(), TraceError>) -> Result<Exit, Problem> {
    let Count { caught, missed, unclear, untried } = count;
    if missed > 0 {
        return Err(Problem::bug(format!("{missed} of {} planted bugs were not caught", count.all())));
    }
    if unclear > 0 {
        console::print(&format!("{caught} planted bugs were caught; of {unclear} it cannot be told.\n"));
        let why = format!("this machine is too busy to tell (a bare start took {} ms)", worst.as_millis());
        return Err(Problem::inconclusive(why).hint("run it again when less runs beside it".to_owned()));
    }
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

/// `4 ms, 9 ms at most`.
fn pace_words(pace: Pace) -> String {
    let busy = if pace.is_busy() { ": this machine is busy" } else { "" };
    format!("{} ms, {} ms at most{busy}", pace.usual.as_millis(), pace.worst.as_millis())
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
    use super::pace::tests::{BESIDE_LOAD, QUIET};
    use super::*;

    const WORST: Duration = Duration::from_millis(340);

    #[test]
    fn a_canary_missed_on_a_quiet_machine_is_a_bug() {
        assert_eq!(Detection::of_last_attempt(false, [QUIET, QUIET]), Detection::Missed);
        let count = Count { caught: 19, missed: 1, unclear: 1, untried: 0 };
        let problem = conclude(count, WORST, Ok(())).unwrap_err();
        assert_eq!(problem.exit, Exit::Bug);
        assert!(problem.to_string().starts_with("error: 1 of 21 planted bugs were not caught"), "{problem}");
    }

    #[test]
    fn a_canary_missed_beside_load_cannot_be_told() {
        assert_eq!(Detection::of_last_attempt(false, [QUIET, BESIDE_LOAD]), Detection::Unclear);
        assert_eq!(Detection::of_last_attempt(false, [BESIDE_LOAD, QUIET]), Detection::Unclear);
        assert_eq!(Detection::of_last_attempt(true, [BESIDE_LOAD, BESIDE_LOAD]), Detection::Caught);
        let count = Count { caught: 18, missed: 0, unclear: 3, untried: 0 };
        let problem = conclude(count, WORST, Ok(())).unwrap_err();
        assert_eq!(problem.exit, Exit::Inconclusive);
        let said = problem.to_string();
        assert!(said.contains("this machine is too busy to tell (a bare start took 340 ms)"), "{said}");
    }

    #[test]
    fn a_self_test_that_could_not_try_everything_ends_with_exit_5_and_a_hint() {
        let some = Count { caught: 14, untried: 4, ..Count::default() };
        let problem = conclude(some, WORST, Err(TraceError::Forbidden("ptrace"))).unwrap_err();
        assert_eq!(problem.exit, Exit::Lacking);
        assert!(problem.to_string().contains("\n  hint: sweep, io and trace need ptrace(2)"), "{problem}");
        let all = Count { caught: 18, ..Count::default() };
        assert_eq!(conclude(all, WORST, Ok(())).unwrap(), Exit::Clean);
    }
}
