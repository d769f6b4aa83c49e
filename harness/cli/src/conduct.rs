//! From a plan to a finished results folder: runs the campaign, writes every event down, shows progress, obeys Ctrl-C.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crashtest_engine::{End, Ended, Event, Sandbox, WorkerProgram};
use crashtest_kit::Registry;
use crashtest_linux::machine;
use crashtest_model::{
    Completion, Digest, Documented, Environment, Expectations, FORMAT, Fault, FileSystem, Outcome, Plan, RunRecord,
    Shape, Signal, Start, StrategyInfo, Verdict, WorkloadInfo,
};
use crashtest_report::{FolderError, Recorded, RunFolder, thousands};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::console;
use crate::exit::Exit;
use crate::nearest;
use crate::problem::Problem;
use crate::program;
use crate::progress::Progress;
use crate::registry::Known;

/// What came of a campaign.
pub(crate) struct Conducted {
    /// The finished folder.
    pub recorded: Recorded,
    /// What the program exits with.
    pub exit: Exit,
    /// What went wrong underway.
    pub problem: Option<Problem>,
}

/// How a campaign is conducted, apart from its plan.
pub(crate) struct Manner<'a> {
    /// The folder under which the run's folder is made.
    pub out: &'a Path,
    /// Show no progress.
    pub quiet: bool,
    /// Set when the program is asked to stop.
    pub stop: &'a Arc<AtomicBool>,
    /// Where it is one cell of a grid.
    pub cell: Option<CellManner<'a>>,
}

/// What is different for a campaign that is a cell of a grid.
pub(crate) struct CellManner<'a> {
    /// The folder that is made for it.
    pub folder: &'a Path,
    /// What stands before its progress: "cell 3 of 24: atomic × fills, lenient".
    pub label: String,
    /// To be called when the first of its trials was judged: it has started.
    pub started: &'a dyn Fn(),
    /// When a log last had a line, over all cells.
    pub shown: &'a Cell<Instant>,
    /// What is expected of it, in place of what the strategy documents.
    pub expect: &'a Expectations,
}

/// A flag that Ctrl-C, SIGTERM and a hang-up set. What follows is bounded, so a second Ctrl-C changes nothing.
pub(crate) fn stop_on_signals() -> Result<Arc<AtomicBool>, Problem> {
    let stop = Arc::new(AtomicBool::new(false));
    let register = |signal| -> io::Result<()> {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
        Ok(())
    };
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        register(signal).map_err(|error| Problem::lacking(format!("failed to handle signals: {error}")))?;
    }
    Ok(stop)
}

/// The strategy and the workload that a plan names.
pub(crate) fn look_up(
    registry: &dyn Registry,
    strategy: &str,
    workload: &str,
) -> Result<(StrategyInfo, WorkloadInfo), Problem> {
    let strategies = registry.strategies();
    let workloads = registry.workloads();
    let found = strategies.iter().find(|info| info.name == strategy).ok_or_else(|| {
        let names: Vec<&str> = strategies.iter().filter(|info| !info.planted).map(|info| info.name.as_str()).collect();
        nearest::unknown("strategy", strategy, &names)
    })?;
    let work = workloads.iter().find(|info| info.name == workload).ok_or_else(|| {
        let names: Vec<&str> = workloads.iter().map(|info| info.name.as_str()).collect();
        nearest::unknown("workload", workload, &names)
    })?;
    if !registry.goes_with(found, work) {
        let fitting = workloads.iter().filter(|info| registry.goes_with(found, info));
        let names: Vec<&str> = fitting.map(|info| info.name.as_str()).collect();
        let why = format!("{strategy} persists a {}, and {workload} cannot be persisted as one", found.shape);
        return Err(Problem::usage(why).hint(Some(format!("{strategy} goes with {}", names.join(", ")))));
    }
    Ok((found.clone(), work.clone()))
}

/// What is said of what a plan tests.
pub(crate) fn subject(registry: &dyn Registry, plan: &Plan) -> Result<(StrategyInfo, WorkloadInfo), Problem> {
    match &plan.program {
        Some(program) => Ok(program::described(program)),
        None => look_up(registry, &plan.target.strategy, &plan.target.workload),
    }
}

/// Whether `plan` can be carried out as it stands.
pub(crate) fn fits(registry: &dyn Registry, plan: &Plan) -> Result<(), Problem> {
    if plan.program.is_some() {
        return Ok(());
    }
    let target = &plan.target;
    let (strategy, _) = look_up(registry, &target.strategy, &target.workload)?;
    let (name, fewest) = (&strategy.name, registry.fewest_writers(target));
    if target.writers < fewest {
        let why = format!("{name} is about what writers do to each other: it needs at least {fewest}");
        return Err(Problem::usage(why).hint(Some(format!("--writers {fewest}"))));
    }
    if target.threads {
        if registry.shares_state(target) {
            let why = format!("{name} locks by process: threads of one process would all hold its lock");
            return Err(Problem::usage(why).hint(Some("leave --threads away".into())));
        }
        if target.writers < 2 {
            return Err(Problem::usage("one thread has nobody beside it").hint(Some("--writers 2 --threads".into())));
        }
    }
    if target.is_shared() {
        if strategy.shape != Shape::Document && !registry.shares_state(target) {
            let why = format!("{name} has one writer and no readers beside it");
            return Err(
                Problem::usage(why).hint(Some("--writers and --readers are for documents and shared systems".into()))
            );
        }
        if plan.faults.contains(&Fault::Io) {
            let why = "which of several processes meets a failing call is not told apart";
            return Err(Problem::usage(why).hint(Some("--fault io goes with one writer and no readers".into())));
        }
        if plan.signal != Signal::Kill {
            let why = format!("several processes are ended by SIGKILL, not by --signal {}", plan.signal.name());
            return Err(Problem::usage(why));
        }
    }
    Ok(())
}

/// Runs `plan` and writes its folder. A campaign that cannot even start leaves none: it is an error.
pub(crate) fn conduct(registry: &Known, plan: &Plan, manner: &Manner<'_>) -> Result<Conducted, Problem> {
    let (mut strategy, workload) = subject(registry, plan)?;
    if let Some(cell) = &manner.cell {
        expect(&mut strategy, plan, cell.expect);
    }
    let program = registry.program_of(&plan.target.strategy)?;
    let mut plan = plan.clone();
    let mut sandbox = place(&mut plan, manner.out)?;
    let run = RunRecord {
        format: FORMAT.to_owned(),
        started: jiff::Timestamp::now().to_string(),
        command: std::env::args().collect(),
        plan: plan.clone(),
        strategy: strategy.clone(),
        workload,
        environment: Environment {
            targets: registry.binary_of(&plan.target.strategy).map(Path::to_owned),
            ..environment(&program, sandbox.file_system().clone())
        },
    };
    // The evidence of trials lies beside their folder until it is kept.
    let place = manner.cell.as_ref().map_or(Some(manner.out), |cell| cell.folder.parent());
    sandbox.announce(&std::path::absolute(place.unwrap_or(manner.out)).unwrap_or_default())?;
    let name = format!("{}-{}", plan.target.strategy, plan.target.workload);
    let mut folder = match &manner.cell {
        Some(cell) => RunFolder::create_at(cell.folder, &run)?,
        None => RunFolder::create(manner.out, &run, &name)?,
    };
    let mut written: Result<(), FolderError> = Ok(());
    let mut progress = Progress::new(plan.trials().filter(|_| plan.kills()), manner.quiet);
    if let Some(cell) = &manner.cell {
        progress = progress.labelled(&cell.label, cell.shown.get());
    }
    let spool = folder.spool().to_owned();
    let broken_folder = Arc::clone(manner.stop);
    let mut started = false;
    let ended = crashtest_engine::run(&plan, &strategy, &program, &sandbox, spool, manner.stop, &mut |event| {
        let done = match event {
            Event::Trial { record, evidence, rows } => {
                progress.show(rows);
                if let Some(cell) = &manner.cell {
                    cell.shown.set(progress.last_shown());
                }
                if !started && record.outcome != Outcome::Judged(Verdict::Inconclusive) {
                    started = true;
                    point_latest(&mut folder);
                    manner.cell.iter().for_each(|cell| (cell.started)());
                }
                folder.record(record, evidence.as_deref())
            }
            Event::Note(note) => folder.note(note),
            Event::Tick => folder.flush(),
            Event::WorkerDied { how } => {
                console::complain(&format!("warning: a worker {how}; its trial is inconclusive"));
                Ok(())
            }
            Event::TrialsBegin => Ok(()),
        };
        if let (Err(error), Ok(())) = (done, &written) {
            written = Err(error);
            broken_folder.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    drop(progress);
    if let Err(error) = sandbox.remove() {
        console::complain(&format!("note: a directory of crashtest stays behind: failed to {error}"));
    }
    if !started {
        // A run of which nothing was judged, and that cannot go on, is none. One that was interrupted is what somebody asked for.
        if let Some(problem) = problem(&ended.end) {
            folder.discard();
            return Err(problem);
        }
        point_latest(&mut folder);
    }
    let exit = Exit::of(&ended, &plan);
    let completion = Completion {
        complete: matches!(ended.end, End::Finished | End::TimeUp | End::EnoughFailures),
        stopped: stopped(&ended, &plan),
        exit_code: Some(exit as u8),
        elapsed_s: (ended.elapsed_s > 0.0).then_some(ended.elapsed_s),
    };
    match written.and_then(|()| folder.finish(&ended.rows, &completion)) {
        Ok(recorded) => Ok(Conducted { recorded, exit, problem: problem(&ended.end) }),
        Err(error) => {
            let stopped = Some(format!("failed to {error}"));
            let completion = Completion { complete: false, stopped, exit_code: Some(Exit::Usage as u8), ..completion };
            let recorded = folder.abandon(&ended.rows, &completion);
            Ok(Conducted { recorded, exit: Exit::Usage, problem: Some(error.into()) })
        }
    }
}

/// Puts what is expected of a cell in the place of what its strategy documents for lives as in `plan`.
fn expect(strategy: &mut StrategyInfo, plan: &Plan, expect: &Expectations) {
    let loader = plan.target.loader;
    let replaced = |entry: &Documented| {
        entry.loader == loader && entry.start == Start::Again && entry.lives == plan.lives(entry.fault)
    };
    strategy.documented.retain(|entry| !replaced(entry));
    strategy.documented.extend(expect.iter().map(|(fault, expectation)| Documented {
        loader,
        fault: *fault,
        start: Start::Again,
        lives: plan.lives(*fault),
        expectation: expectation.clone(),
    }));
}

/// The sandbox: where it was asked for, else beside the results.
fn place(plan: &mut Plan, out: &Path) -> Result<Sandbox, crashtest_engine::EngineError> {
    if plan.sandbox_parent.as_os_str().is_empty() {
        plan.sandbox_parent = out.to_owned();
        // Only the results' own folder is made; a missing --dir is more likely a slip.
        let _ = std::fs::create_dir_all(out);
    }
    plan.sandbox_parent = std::path::absolute(&plan.sandbox_parent).unwrap_or_else(|_| plan.sandbox_parent.clone());
    Sandbox::make(&plan.sandbox_parent, plan.budget.jobs, plan.target.state_size)
}

fn stopped(ended: &Ended, plan: &Plan) -> Option<String> {
    match &ended.end {
        End::Finished => None,
        End::TimeUp => Some("the time budget ended".to_owned()),
        End::EnoughFailures => {
            Some(format!("--max-failures {} was reached", thousands(plan.budget.max_failures.unwrap_or(0))))
        }
        End::Interrupted => Some("interrupted".to_owned()),
        End::ControlFailed => {
            Some("the control failed: without any fault, the target shows what is not documented".to_owned())
        }
        End::Broken { why, .. } => Some(format!("failed to {why}")),
    }
}

fn point_latest(folder: &mut RunFolder) {
    folder.point_latest();
    folder.notes().iter().for_each(|note| console::complain(&format!("note: {note}")));
}

fn problem(end: &End) -> Option<Problem> {
    match end {
        End::Broken { why, hint, blame } => Some(Problem::failed_to(why, *blame, hint.clone())),
        _ => None,
    }
}

/// This very program, as worker.
pub(crate) fn this_program() -> Result<WorkerProgram, Problem> {
    let path: PathBuf =
        std::env::current_exe().map_err(|error| Problem::lacking(format!("failed to find this program: {error}")))?;
    Ok(WorkerProgram { path, arguments: vec!["worker".to_owned()] })
}

pub(crate) fn environment(program: &WorkerProgram, file_system: FileSystem) -> Environment {
    let binary =
        std::fs::read(&program.path).map_or_else(|_| "unknown".to_owned(), |b| Digest::of_bytes(&b).to_string());
    Environment {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        binary,
        targets: None,
        kernel: machine::kernel(),
        processors: machine::processors(),
        file_system,
    }
}
