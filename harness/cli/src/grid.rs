//! A grid: many campaigns, one after the other, each in a folder of its own below the grid's, reported as one.
//!
//! A cell that fails its control, or differs from what is documented, is a result; the grid goes on. It ends early only with what
//! would end every further cell as well: Ctrl-C, an unusable sandbox, a bug of ours.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crashtest_kit::Registry;
use crashtest_linux::mounts;
use crashtest_model::{Completion, Expectations, FORMAT, Fault, FileSystem, GridRecord, Plan, PlannedCell, Start};
use crashtest_report::{GridFolder, RecordedCell, RecordedGrid, cell_folders};

use crate::campaign::{self, CampaignSettings, CellSettings, FinishedCampaign};
use crate::check;
use crate::console;
use crate::exit::Exit;
use crate::host;
use crate::problem::Problem;
use crate::registry::Known;

/// One campaign of a grid.
pub(crate) struct GridCell {
    /// What is run.
    pub plan: Plan,
    /// What it must and may show, by fault; where a fault is not named, what its strategy documents.
    pub expect: Expectations,
}

/// The name and the purpose of a grid, beside its cells.
pub(crate) struct GridDescription<'a> {
    /// Its name, which names its folder.
    pub name: &'a str,
    /// What it is for, in a sentence.
    pub why: &'a str,
    /// What it cannot show, beyond what no such test can.
    pub limits: &'a [String],
}

/// A grid that has come to its end, or was stopped.
pub(crate) struct FinishedGrid {
    /// The finished folder.
    pub recorded: RecordedGrid,
    /// What the program exits with.
    pub exit: Exit,
    /// What went wrong underway.
    pub problem: Option<Problem>,
}

/// Runs `cells` one after the other and writes their folders and the grid's. Writes nothing if a cell names something unknown.
pub(crate) fn run(
    registry: &Known,
    description: &GridDescription<'_>,
    cells: Vec<GridCell>,
    settings: &CampaignSettings<'_>,
) -> Result<FinishedGrid, Problem> {
    let began = Instant::now();
    let record = record(registry, description, cells, settings.out)?;
    let folder = GridFolder::create(settings.out, &record)?;
    // Once a cell has a trial, the grid has started.
    let folder = RefCell::new(folder);
    let started = Cell::new(false);
    let start = || {
        if !started.replace(true) {
            point_latest(&mut folder.borrow_mut());
        }
    };
    let mut exits = Vec::new();
    let mut recorded: Vec<Option<RecordedCell>> = Vec::new();
    let mut problem = None;
    let shown = Cell::new(Instant::now());
    for (n, cell) in record.cells.iter().enumerate() {
        if settings.stop.load(Ordering::Relaxed) {
            exits.push(Exit::Interrupted);
            break;
        }
        let path = folder.borrow().path().join(&cell.folder);
        let label = format!("cell {} of {}: {}", n + 1, record.cells.len(), name(&cell.plan));
        let cell_settings = CellSettings { folder: &path, label, started: &start, shown: &shown, expect: &cell.expect };
        let settings = CampaignSettings { cell: Some(cell_settings), ..*settings };
        match campaign::run(registry, &cell.plan, &settings) {
            Ok(FinishedCampaign { recorded: run, exit, problem: trouble }) => {
                // It has come to a result, be that inconclusive.
                start();
                recorded.push(Some(run.into()));
                exits.push(exit);
                problem = trouble;
            }
            // No cell has started.
            Err(trouble) if !started.get() => {
                folder.into_inner().discard();
                return Err(trouble);
            }
            // What there is of the others is still reported.
            Err(trouble) => {
                recorded.push(None);
                exits.push(trouble.exit);
                problem = Some(trouble);
            }
        }
        if matches!(exits.last(), Some(Exit::Bug | Exit::Interrupted | Exit::Usage | Exit::Lacking)) {
            break;
        }
    }
    recorded.resize(record.cells.len(), None);
    let mut folder = folder.into_inner();
    point_latest(&mut folder);
    finish(folder, recorded, &exits, problem, began.elapsed().as_secs_f64())
}

fn point_latest(folder: &mut GridFolder) {
    let noted = folder.notes().len();
    folder.point_latest();
    folder.notes().iter().skip(noted).for_each(|note| console::complain(&format!("note: {note}")));
}

/// Works out what the grid comes to and writes it down.
fn finish(
    folder: GridFolder,
    cells: Vec<Option<RecordedCell>>,
    exits: &[Exit],
    problem: Option<Problem>,
    elapsed_s: f64,
) -> Result<FinishedGrid, Problem> {
    let stopped = match exits.last() {
        Some(Exit::Interrupted) => Some("interrupted".to_owned()),
        Some(Exit::Usage | Exit::Bug | Exit::Lacking) => {
            let why = problem.as_ref().map(Problem::message);
            Some(why.unwrap_or_else(|| "a cell could not be run".to_owned()))
        }
        _ => None,
    };
    let completion = Completion { complete: stopped.is_none(), stopped, exit_code: None, elapsed_s: Some(elapsed_s) };
    let mut recorded = folder.recorded(cells, &completion);
    let exit = Exit::of_grid(exits, &recorded.summary);
    recorded.summary.completion.exit_code = Some(exit as u8);
    match folder.finish(&recorded) {
        Ok(()) => Ok(FinishedGrid { recorded, exit, problem }),
        Err(error) => {
            recorded.summary.completion.complete = false;
            recorded.summary.completion.stopped = Some(format!("failed to {error}"));
            recorded.summary.completion.exit_code = Some(Exit::Usage as u8);
            Ok(FinishedGrid { recorded, exit: Exit::Usage, problem: Some(error.into()) })
        }
    }
}

/// The record of a grid that is going to be run.
fn record(
    registry: &dyn Registry,
    description: &GridDescription<'_>,
    mut cells: Vec<GridCell>,
    out: &Path,
) -> Result<GridRecord, Problem> {
    let mut planned = Vec::new();
    let folders = cell_folders(cells.iter().map(|cell| &cell.plan));
    for (cell, folder) in cells.iter_mut().zip(folders) {
        check::check_plan(registry, &cell.plan)?;
        let target = &cell.plan.target;
        let (strategy, _) = check::look_up(registry, &target.strategy, &target.workload)?;
        let documented = |fault| strategy.expectation_of(&cell.plan, fault, Start::Again).cloned();
        let expect = Fault::ALL.into_iter().filter_map(|fault| {
            let expectation = cell.expect.remove(&fault).or_else(|| documented(fault))?;
            Some((fault, expectation))
        });
        planned.push(PlannedCell { folder, expect: expect.collect(), plan: cell.plan.clone() });
    }
    let Some(first) = planned.first() else { return Err(Problem::usage("there is nothing to run")) };
    // The sandboxes lie there, or beside the results.
    let place = if first.plan.sandbox_parent.as_os_str().is_empty() { out } else { &first.plan.sandbox_parent };
    let nearest = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
    let mount = nearest.ancestors().find(|path| path.exists()).and_then(|path| mounts::mount_of(path).ok());
    let file_system =
        mount.map_or_else(FileSystem::default, |mount| FileSystem { kind: mount.kind, options: mount.options });
    Ok(GridRecord {
        format: FORMAT.to_owned(),
        started: jiff::Timestamp::now().to_string(),
        command: std::env::args().collect(),
        name: description.name.to_owned(),
        why: description.why.to_owned(),
        limits: description.limits.to_vec(),
        cells: planned,
        environment: host::environment(&host::this_program()?, file_system),
    })
}

/// The name of a cell: "atomic × fills, lenient".
fn name(plan: &Plan) -> String {
    format!("{} × {}, {}", plan.target.strategy, plan.target.workload, plan.target.loader)
}
