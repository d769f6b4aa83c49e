//! One campaign, from its plan to a finished results folder: runs it, records every event, shows progress, obeys Ctrl-C.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crashtest_engine::{End, Ended, Event, Sandbox};
use crashtest_model::{
    Completion, Documented, Environment, Expectations, FORMAT, Outcome, Plan, RunRecord, Start, StrategyInfo, Verdict,
};
use crashtest_report::{FolderError, Recorded, RunFolder, thousands};

use crate::check;
use crate::console;
use crate::exit::Exit;
use crate::host;
use crate::problem::Problem;
use crate::progress::Progress;
use crate::registry::Known;

/// A campaign that has come to its end, or was stopped.
pub(crate) struct FinishedCampaign {
    /// The finished folder.
    pub recorded: Recorded,
    /// What the program exits with.
    pub exit: Exit,
    /// What went wrong underway.
    pub problem: Option<Problem>,
}

/// The settings of a campaign that are no part of its plan.
pub(crate) struct CampaignSettings<'a> {
    /// The folder under which the run's folder is made.
    pub out: &'a Path,
    /// Show no progress.
    pub quiet: bool,
    /// Set when the program is asked to stop.
    pub stop: &'a Arc<AtomicBool>,
    /// Where it is one cell of a grid.
    pub cell: Option<CellSettings<'a>>,
}

/// The settings of a campaign that is a cell of a grid.
pub(crate) struct CellSettings<'a> {
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

/// Runs `plan` and writes its folder. A campaign that cannot even start leaves none: it is an error.
pub(crate) fn run(registry: &Known, plan: &Plan, settings: &CampaignSettings<'_>) -> Result<FinishedCampaign, Problem> {
    let (mut strategy, workload) = check::strategy_and_workload(registry, plan)?;
    if let Some(cell) = &settings.cell {
        replace_expectations(&mut strategy, plan, cell.expect);
    }
    let program = registry.program_of(&plan.target.strategy)?;
    let mut plan = plan.clone();
    let mut sandbox = make_sandbox(&mut plan, settings.out)?;
    let record = RunRecord {
        format: FORMAT.to_owned(),
        started: jiff::Timestamp::now().to_string(),
        command: std::env::args().collect(),
        plan: plan.clone(),
        strategy: strategy.clone(),
        workload,
        environment: Environment {
            targets: registry.binary_of(&plan.target.strategy).map(Path::to_owned),
            ..host::environment(&program, sandbox.file_system().clone())
        },
    };
    // The evidence of trials lies beside their folder until it is kept.
    let parent = settings.cell.as_ref().map_or(Some(settings.out), |cell| cell.folder.parent());
    sandbox.announce(&std::path::absolute(parent.unwrap_or(settings.out)).unwrap_or_default())?;
    let mut log = EventLog {
        folder: make_folder(&record, settings)?,
        written: Ok(()),
        progress: progress(&plan, settings),
        settings,
        started: false,
    };
    let spool = log.folder.spool().to_owned();
    let ended = crashtest_engine::run(&plan, &strategy, &program, &sandbox, spool, settings.stop, &mut |event| {
        log.record(event);
    });
    let EventLog { mut folder, written, progress, started, .. } = log;
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
    Ok(finish(folder, written, &ended, &plan))
}

/// The results folder of a running campaign and the progress beside it: every event goes to both.
struct EventLog<'a> {
    folder: RunFolder,
    /// The first failure to write, which stops the campaign.
    written: Result<(), FolderError>,
    progress: Progress,
    settings: &'a CampaignSettings<'a>,
    /// Whether a trial has been judged.
    started: bool,
}

impl EventLog<'_> {
    /// Writes `event` down and shows it.
    fn record(&mut self, event: Event<'_>) {
        let done = match event {
            Event::Trial { record, evidence, rows } => {
                self.progress.show(rows);
                if let Some(cell) = &self.settings.cell {
                    cell.shown.set(self.progress.last_shown());
                }
                if !self.started && record.outcome != Outcome::Judged(Verdict::Inconclusive) {
                    self.started = true;
                    point_latest(&mut self.folder);
                    self.settings.cell.iter().for_each(|cell| (cell.started)());
                }
                self.folder.record(record, evidence.as_deref())
            }
            Event::Note(note) => self.folder.note(note),
            Event::Tick => self.folder.flush(),
            Event::WorkerDied { how } => {
                console::complain(&format!("warning: a worker {how}; its trial is inconclusive"));
                Ok(())
            }
            Event::TrialsBegin => Ok(()),
        };
        if let (Err(error), Ok(())) = (done, &self.written) {
            self.written = Err(error);
            self.settings.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Makes the results folder of `run`, under the name that a grid gives it or one of its own.
fn make_folder(run: &RunRecord, settings: &CampaignSettings<'_>) -> Result<RunFolder, FolderError> {
    let target = &run.plan.target;
    match &settings.cell {
        Some(cell) => RunFolder::create_at(cell.folder, run),
        None => RunFolder::create(settings.out, run, &format!("{}-{}", target.strategy, target.workload)),
    }
}

/// The progress of a campaign, labelled where it is a cell.
fn progress(plan: &Plan, settings: &CampaignSettings<'_>) -> Progress {
    let progress = Progress::new(plan.trials().filter(|_| plan.kills()), settings.quiet);
    match &settings.cell {
        Some(cell) => progress.labelled(&cell.label, cell.shown.get()),
        None => progress,
    }
}

/// Works out what the campaign comes to and writes it down.
fn finish(mut folder: RunFolder, written: Result<(), FolderError>, ended: &Ended, plan: &Plan) -> FinishedCampaign {
    let exit = Exit::of_campaign(ended, plan);
    let completion = Completion {
        complete: matches!(ended.end, End::Finished | End::TimeUp | End::EnoughFailures),
        stopped: stopped(ended, plan),
        exit_code: Some(exit as u8),
        elapsed_s: (ended.elapsed_s > 0.0).then_some(ended.elapsed_s),
    };
    match written.and_then(|()| folder.finish(&ended.rows, &completion)) {
        Ok(recorded) => FinishedCampaign { recorded, exit, problem: problem(&ended.end) },
        Err(error) => {
            let stopped = Some(format!("failed to {error}"));
            let completion = Completion { complete: false, stopped, exit_code: Some(Exit::Usage as u8), ..completion };
            let recorded = folder.abandon(&ended.rows, &completion);
            FinishedCampaign { recorded, exit: Exit::Usage, problem: Some(error.into()) }
        }
    }
}

/// Replaces what `strategy` documents for lives as in `plan` by what is expected of a cell.
fn replace_expectations(strategy: &mut StrategyInfo, plan: &Plan, expect: &Expectations) {
    let loader = plan.target.loader;
    let replaced = |entry: &Documented| {
        entry.loader == loader && entry.start == Start::Again && entry.conditions == plan.conditions(entry.fault)
    };
    strategy.documented.retain(|entry| !replaced(entry));
    strategy.documented.extend(expect.iter().map(|(fault, expectation)| Documented {
        loader,
        fault: *fault,
        start: Start::Again,
        conditions: plan.conditions(*fault),
        expectation: expectation.clone(),
    }));
}

/// Makes the sandbox: where it was asked for, else beside the results.
fn make_sandbox(plan: &mut Plan, out: &Path) -> Result<Sandbox, crashtest_engine::EngineError> {
    if plan.sandbox_parent.as_os_str().is_empty() {
        plan.sandbox_parent = out.to_owned();
        // Only the results' own folder is made; a missing --dir is more likely a slip.
        let _ = std::fs::create_dir_all(out);
    }
    plan.sandbox_parent = std::path::absolute(&plan.sandbox_parent).unwrap_or_else(|_| plan.sandbox_parent.clone());
    Sandbox::make(&plan.sandbox_parent, plan.budget.jobs, plan.target.state_size)
}

/// Why the campaign did less than it planned; `None` where it did all.
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

/// Makes `latest` lead to `folder`, and says where it cannot.
fn point_latest(folder: &mut RunFolder) {
    folder.point_latest();
    folder.notes().iter().for_each(|note| console::complain(&format!("note: {note}")));
}

/// The problem that ended the campaign, if one did.
fn problem(end: &End) -> Option<Problem> {
    match end {
        End::Broken { why, hint, blame } => Some(Problem::failed_to(why, *blame, hint.clone())),
        _ => None,
    }
}
