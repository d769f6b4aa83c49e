//! `crashtest compare`: strategies side by side, under the same plan.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use crashtest_kit::Registry;
use crashtest_model::{Concurrency, Conditions, Expectations, Fault, Loader, Plan, Shape, Signal, Start, StrategyInfo};
use crashtest_report::render;

use crate::campaign::CampaignSettings;
use crate::check;
use crate::console;
use crate::exit::Exit;
use crate::github;
use crate::grid::{self, GridCell, GridDescription};
use crate::options::{self, BudgetOptions, FaultOptions, LimitOption, ResultsOptions, StateOptions};
use crate::problem::Problem;
use crate::registry::{Known, TargetsOption};
use crate::signals;

/// What a comparison is for.
const WHY: &str = "What each strategy guarantees when its writer is killed at any moment, and what that costs.";

/// Put strategies side by side: what each guarantees under kills, and what that costs
///
/// Runs each strategy as `crashtest run` does, one after the other, with one seed: the same trials, killed at the same positions
/// in their saves. Then shows a row per strategy and a column per guarantee, and whether each shows what it is documented to; with
/// several faults first a column per fault. A column that was not tested says so.
/// --iterations and --duration are those of each strategy.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  crashtest compare direct atomic\n  crashtest compare direct atomic atomic-fsync --loader both --iterations 5000 --seed 1\n  crashtest compare direct atomic-fsync --fault kill,sweep,io\n  crashtest compare --group documents --output-format markdown\n  crashtest compare --group accounts\n\nExit status: 0 when each shows what is documented (direct must fail), 1 when one does not."
)]
pub(crate) struct CompareArgs {
    /// The strategies: see `crashtest list strategies`
    #[arg(value_name = "STRATEGY", required_unless_present = "group")]
    pub strategies: Vec<String>,
    /// All strategies of a kind
    #[arg(long, value_enum, value_name = "GROUP", help_heading = "What")]
    pub group: Option<Group>,
    /// What the loader does with a damaged file: `lenient` is `except: return []`
    #[arg(long, value_enum, default_value = "strict", help_heading = "What")]
    pub loader: Loaders,
    /// What else there is
    #[command(flatten)]
    pub targets: TargetsOption,
    /// What is persisted, and where
    #[command(flatten)]
    pub state: StateOptions,

    /// What breaks
    #[command(flatten)]
    pub fault: FaultOptions,
    /// How long to wait
    #[command(flatten)]
    pub limit: LimitOption,

    /// How much to do
    #[command(flatten)]
    pub budget: BudgetOptions,

    /// Where the results go
    #[command(flatten)]
    pub results: ResultsOptions,
    /// What standard output gets: the report, summary.json or summary.md
    #[arg(long, value_enum, default_value = "text", help_heading = "Output")]
    pub output_format: OutputFormat,
}

/// `--group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Those that persist the whole state with each save
    Documents,
    /// Those that persist one operation after the other
    Logs,
    /// Those that keep several files which belong together
    Systems,
    /// The systems of five published accounts, with each variant, with one writer and with two, and with each signal that is documented; under
    /// `kill` and `sweep`, where no fault is named
    Accounts,
    /// Every strategy
    All,
}

/// `--loader`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Loaders {
    /// Refuse it with an error
    Strict,
    /// Swallow the error and start fresh
    Lenient,
    /// A row for each of them
    Both,
}

/// `--output-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    Text,
    /// The object of summary.json
    Json,
    /// summary.md
    Markdown,
}

impl CompareArgs {
    /// The strategies by name, each once, in the order in which they were named.
    fn strategies(&self, known: &Known) -> Vec<String> {
        let shape = |group| match group {
            Group::Documents => Some(Shape::Document),
            Group::Logs => Some(Shape::Log),
            Group::Systems => Some(Shape::System),
            Group::Accounts | Group::All => None,
        };
        let listed = known.strategies().into_iter().filter(|info| !info.planted);
        let workloads = known.workloads();
        // A workload that is not known is refused with the first strategy; one that nobody names is each strategy's own.
        let fits = |strategy: &StrategyInfo| {
            let name = options::workload_of(known, &strategy.name, self.state.workload.as_deref());
            let workload = workloads.iter().find(|info| info.name == name);
            workload.is_none_or(|workload| known.goes_with(strategy, workload))
        };
        let of_the_accounts = |info: &StrategyInfo| info.shape != Shape::Log && known.binary_of(&info.name).is_none();
        let grouped = listed
            .filter(|info| self.group.is_some_and(|group| shape(group).is_none_or(|shape| shape == info.shape)))
            .filter(|info| self.group != Some(Group::Accounts) || of_the_accounts(info))
            .filter(&fits)
            .map(|info| info.name);
        let mut seen = BTreeSet::new();
        self.strategies.iter().cloned().chain(grouped).filter(|name| seen.insert(name.clone())).collect()
    }

    /// The lives of `strategy` that are compared: as the options say (`None`), or, of the accounts, all that are documented.
    fn conditions(&self, strategy: &StrategyInfo) -> Vec<Option<Conditions>> {
        if self.group != Some(Group::Accounts) {
            return vec![None];
        }
        let mut conditions = Vec::new();
        for documented in &strategy.documented {
            if !conditions.contains(&Some(documented.conditions)) {
                conditions.push(Some(documented.conditions));
            }
        }
        conditions
    }

    /// The cells: a strategy with each of its loaders.
    fn cells(&self, known: &Known) -> Result<Vec<GridCell>, Problem> {
        let loaders: &[Loader] = match self.loader {
            Loaders::Strict => &[Loader::Strict],
            Loaders::Lenient => &[Loader::Lenient],
            Loaders::Both => &[Loader::Strict, Loader::Lenient],
        };
        self.fault.check(&self.fault.faults())?;
        let mut cells = Vec::new();
        // Drawn once: all cells share it.
        let mut seed = self.budget.seed;
        for strategy in self.strategies(known) {
            let workload = options::workload_of(known, &strategy, self.state.workload.as_deref());
            let (info, _) = check::look_up(known, &strategy, &workload)?;
            for (loader, conditions) in
                loaders.iter().flat_map(|loader| self.conditions(&info).into_iter().map(move |l| (loader, l)))
            {
                let (state, fault, limit, budget) = (&self.state, &self.fault, &self.limit, &self.budget);
                let mut plan = options::plan(known, &strategy, *loader, state, fault, limit, budget);
                plan.seed = *seed.get_or_insert(plan.seed);
                if let Some(conditions) = conditions {
                    if self.fault.fault.is_empty() {
                        // What two writers do to each other is rare by the clock.
                        plan.faults = vec![Fault::Kill, Fault::Sweep];
                    }
                    set_conditions(&mut plan, conditions);
                }
                // Of a group, what nobody says anything about is not tested.
                let documented = |fault: &Fault| info.expectation_of(&plan, *fault, Start::Again).is_some();
                let faults: Vec<Fault> = plan.faults.iter().copied().filter(documented).collect();
                if !self.strategies.contains(&strategy) {
                    plan.faults = faults;
                }
                cells.push(GridCell { plan, expect: Expectations::new() });
            }
        }
        if cells.is_empty() {
            return Err(Problem::usage("there is no strategy of that group for that workload"));
        }
        Ok(cells)
    }
}

/// Gives `plan` the signal and the concurrent processes of `lives`.
fn set_conditions(plan: &mut Plan, conditions: Conditions) {
    plan.signal = conditions.signal;
    match conditions.concurrency {
        Concurrency::None => {}
        Concurrency::Readers => plan.target.readers = plan.target.readers.max(1),
        Concurrency::Writers => plan.target.writers = plan.target.writers.max(2),
        Concurrency::Threads => {
            plan.target.threads = true;
            plan.target.writers = plan.target.writers.max(2);
        }
    }
    if conditions.signal != Signal::Kill {
        // The others know SIGKILL only.
        plan.faults.retain(|fault| matches!(fault, Fault::None | Fault::Kill));
    }
}

/// Runs the command.
pub(crate) fn compare(args: &CompareArgs) -> Result<Exit, Problem> {
    let description = GridDescription { name: "compare", why: WHY, limits: &[] };
    let known = args.targets.known()?;
    run_grid(&known, &description, args.cells(&known)?, &args.results, args.output_format)
}

/// Runs a grid and shows it.
pub(crate) fn run_grid(
    known: &Known,
    description: &GridDescription<'_>,
    cells: Vec<GridCell>,
    results: &ResultsOptions,
    output_format: OutputFormat,
) -> Result<Exit, Problem> {
    let stop = signals::stop_on_signals()?;
    let settings = CampaignSettings { out: &results.out, quiet: results.quiet, stop: &stop, cell: None };
    let finished = grid::run(known, description, cells, &settings)?;
    let recorded = &finished.recorded;
    // Where nothing could be run there is nothing to show but why; the folder says the same.
    let nothing = finished.problem.is_some() && recorded.summary.results.iter().all(|row| row.trials == 0);
    match output_format {
        OutputFormat::Text if nothing => {}
        OutputFormat::Text => {
            console::print(&render::text::grid(recorded, console::terminal()));
        }
        OutputFormat::Json => console::print(&render::json::grid(recorded)),
        OutputFormat::Markdown => console::print(&render::markdown::grid(recorded)),
    }
    if let Some(problem) = &finished.problem {
        console::complain(&problem.to_string());
    }
    github::publish(&github::of_grid(recorded), &render::markdown::grid(recorded));
    Ok(finished.exit)
}
