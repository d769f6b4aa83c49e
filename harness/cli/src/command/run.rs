//! `crashtest run`: kill a strategy's writer again and again, and judge every restart.

use std::time::Duration;

use clap::{Args, ValueEnum};
use crashtest_kit::Registry;
use crashtest_model::{Fault, HarnessBug, KillAt, Plan, Program, Signal};
use crashtest_report::render;

use crate::campaign::{self, CampaignSettings};
use crate::check;
use crate::console;
use crate::exit::Exit;
use crate::github;
use crate::options::{self, BudgetOptions, FaultOptions, LimitOption, LoaderArg, ResultsOptions, StateOptions};
use crate::problem::Problem;
use crate::program::{self, ProgramOptions};
use crate::registry::TargetsOption;
use crate::signals;
use crate::values;

/// Kill a strategy's writer, or a program of your own, again and again, and judge every restart
///
/// Under --fault kill, the default: forks the writer, lets it save, kills it (with SIGKILL, or as --signal says) at a moment drawn from the
/// seed, reads what is left, starts it again and compares what it opens with what it had acknowledged. Under --fault sweep it does so before and after every file-changing call and
/// inside every write of one run: the same crash points and verdicts each time. Under --fault io each call of a run fails in turn,
/// and a save that is acknowledged all the same is a false one. The control (no fault) always runs first.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  crashtest run --strategy direct\n  crashtest run --strategy atomic --iterations 10000 --seed 1\n  crashtest run --strategy direct --fault sweep\n  crashtest run --strategy atomic-fsync --fault kill,sweep,io\n  crashtest run --strategy direct --loader lenient --workload signals\n  crashtest run --strategy persistent-map --signal term\n  crashtest run --strategy atomic-fsync --duration 5m --dir /mnt/xfs\n  crashtest run --setup 'python3 bot.py init {dir}' --check 'python3 check.py {dir}' -- python3 bot.py {dir}\n  crashtest run --cwd -- python3 bot.py"
)]
pub(crate) struct RunArgs {
    /// How the state is persisted: see `crashtest list strategies`
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    pub strategy: Option<String>,
    /// What the loader does with a damaged file: `lenient` is `except: return []`
    #[arg(long, value_enum, default_value = "strict")]
    pub loader: LoaderArg,
    /// What else there is
    #[command(flatten)]
    pub targets: TargetsOption,
    /// What is persisted, and where
    #[command(flatten)]
    pub state: StateOptions,
    /// A fresh directory for each trial instead of life after life
    #[arg(long)]
    pub fresh: bool,

    /// A program of one's own
    #[command(flatten)]
    pub program: ProgramOptions,

    /// What breaks
    #[command(flatten)]
    pub fault: FaultOptions,
    /// Which part of a life is killed. `recovery` kills every second life inside recovery, the others in a save
    #[arg(long, value_enum, default_value = "any", help_heading = "Fault")]
    pub kill_at: KillAtArg,
    /// How long to wait
    #[command(flatten)]
    pub limit: LimitOption,

    /// How much to do
    #[command(flatten)]
    pub budget: BudgetOptions,
    /// End the whole run after this time, whatever there is still to do; the report says what was not asked
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration, help_heading = "How much")]
    pub max_time: Option<Duration>,
    /// Stop after so many failing trials
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "How much")]
    pub max_failures: Option<u64>,

    /// Where the results go
    #[command(flatten)]
    pub results: ResultsOptions,
    /// What standard output gets: the report, or summary.json
    #[arg(long, value_enum, default_value = "text", help_heading = "Output")]
    pub output_format: OutputFormat,

    /// Plant a bug into the harness itself (self-test)
    #[arg(long, value_enum, hide = true)]
    pub plant: Option<PlantArg>,
}

/// `--kill-at`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KillAtArg {
    /// Saves, the time between them, and one life in ten inside recovery
    Any,
    /// Saves only
    Save,
    /// Every second life inside recovery
    Recovery,
}

/// `--output-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    Text,
    /// The object of summary.json
    Json,
}

/// `--plant`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PlantArg {
    /// A worker that never sends the kill
    NoKill,
    /// A worker that dies
    WorkerDies,
    /// A sweep that derives other files than a kill leaves
    Misderives,
    /// A victim that writes over what it shares with the supervisor
    OverwritesBoard,
}

impl RunArgs {
    /// What was typed, as a plan.
    pub(crate) fn plan(&self, registry: &dyn Registry) -> Result<Plan, Problem> {
        if self.fresh && matches!(self.kill_at, KillAtArg::Recovery) {
            return Err(Problem::usage(
                "--kill-at recovery needs the crash of the trial before, which --fresh takes away",
            ));
        }
        let program = self.program.program()?;
        let name = program.as_ref().map_or_else(|| self.strategy.clone().unwrap_or_default(), Program::name);
        let loader = self.loader.loader();
        let mut plan = options::plan(registry, &name, loader, &self.state, &self.fault, &self.limit, &self.budget);
        plan.kill_at = match self.kill_at {
            KillAtArg::Any => KillAt::Any,
            KillAtArg::Save => KillAt::Save,
            KillAtArg::Recovery => KillAt::Recovery,
        };
        if program.is_some() {
            plan.target.workload = program::WORKLOAD.to_owned();
            if self.fault.fault.is_empty() {
                // It finds all that a kill can leave, and a program starts too slowly for many kills.
                plan.faults = vec![Fault::Sweep];
            }
        }
        if program.is_some() && plan.signal == Signal::Abort {
            let why = "--signal abort is for strategies: a program of your own is killed, or asked to end";
            return Err(Problem::usage(why).hint("leave it out, or use --signal term".to_owned()));
        }
        self.fault.check(&plan.faults)?;
        plan.program = program;
        if !plan.kills() && self.budget.iterations.is_some() {
            let why = "--iterations counts kills, and none is planned: sweep and io take all that one run has";
            let faults: Vec<&str> = [Fault::Kill].iter().chain(&plan.faults).map(|fault| fault.name()).collect();
            let hint =
                format!("leave it out, bound them with --max-states, or add kills: --fault {}", faults.join(","));
            return Err(Problem::usage(why.to_owned()).hint(Some(hint)));
        }
        plan.budget.max_ms = self.max_time.map(values::millis);
        plan.budget.max_failures = self.max_failures;
        plan.fresh = self.fresh;
        plan.planted = self.plant.map(|plant| match plant {
            PlantArg::NoKill => HarnessBug::NoKill,
            PlantArg::WorkerDies => HarnessBug::WorkerDies,
            PlantArg::Misderives => HarnessBug::Misderives,
            PlantArg::OverwritesBoard => HarnessBug::OverwritesBoard,
        });
        Ok(plan)
    }
}

/// Runs the command.
pub(crate) fn run(args: &RunArgs) -> Result<Exit, Problem> {
    let known = args.targets.known()?;
    let plan = args.plan(&known)?;
    check::check_plan(&known, &plan)?;
    if let Some(outside) = plan.program.as_ref().and_then(Program::outside).filter(|_| !args.results.quiet) {
        console::complain(&format!("note: the program starts inside the state directory; {outside}"));
    }
    let stop = signals::stop_on_signals()?;
    let settings = CampaignSettings { out: &args.results.out, quiet: args.results.quiet, stop: &stop, cell: None };
    let finished = campaign::run(&known, &plan, &settings)?;
    // Where nothing could be run there is nothing to show but why; the folder says the same.
    let nothing = finished.problem.is_some() && finished.recorded.rows.iter().next().is_none();
    match args.output_format {
        OutputFormat::Text if nothing => {}
        OutputFormat::Text => {
            console::print(&render::text::run(&finished.recorded, console::terminal()));
        }
        OutputFormat::Json => console::print(&render::json::run(&finished.recorded)),
    }
    if let Some(problem) = finished.problem {
        console::complain(&problem.to_string());
    }
    github::publish(&github::of_run(&finished.recorded), &render::markdown::run(&finished.recorded));
    Ok(finished.exit)
}
