//! Options that several commands share, and the plan that they come to.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use crashtest_kit::Registry;
use crashtest_linux::machine;
use crashtest_model::{Budget, Bytes, Confirm, Fault, KillAt, Loader, Plan, Seed, Signal, TargetSpec, Tears};

use crate::problem::Problem;
use crate::values;

/// The workload where nobody names one.
pub(crate) const DEFAULT_WORKLOAD: &str = "fills";

/// What is persisted, and where.
#[derive(Debug, Args)]
pub(crate) struct StateOptions {
    /// What state is persisted: see `crashtest list workloads` [default: fills; a system has its own]
    #[arg(long, value_name = "NAME", help_heading = "What")]
    pub workload: Option<String>,
    /// Bound on the encoded state: 1 KiB to 64 MiB. States below 16 KiB may be saved in one write, which hides tears: what must show of
    /// a strategy then does not
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = values::size, help_heading = "What")]
    pub state_size: Bytes,
    /// How long the writer idles between two saves
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = values::duration, help_heading = "What")]
    pub idle: Duration,
    /// Writer processes that save to one directory at the same time: each a document of its own, or, for a system, its share of the
    /// work [default: 1, but 2 where a strategy is about two]
    #[arg(long, value_name = "N", value_parser = values::writers, help_heading = "What")]
    pub writers: Option<u32>,
    /// The writers are threads of one process: none dies without the others
    #[arg(long, help_heading = "What")]
    pub threads: bool,
    /// Processes that load the state all the while: what they see must be one whole save
    #[arg(long, value_name = "N", default_value = "0", value_parser = values::readers, help_heading = "What")]
    pub readers: u32,
    /// Where the sandbox is made: this file system is tested [default: beside the results]
    #[arg(long, value_name = "DIR", help_heading = "Where")]
    pub dir: Option<PathBuf>,
}

/// What breaks.
#[derive(Debug, Args)]
pub(crate) struct FaultOptions {
    /// What breaks, one or several: `kill` finds what is likely, `sweep` all that a kill can leave. The control, `none`, runs before
    /// any other [default: kill; of a program of your own, sweep]
    #[arg(
        long,
        value_name = "FAULT",
        value_parser = values::fault(),
        value_delimiter = ',',
        help_heading = "Fault"
    )]
    pub fault: Vec<Fault>,
    /// Under `kill`: by which signal a life is ended [default: kill]
    #[arg(long, value_parser = values::signal(), help_heading = "Fault")]
    pub signal: Option<Signal>,
    /// Under `sweep`: inside which bytes of a write it crashes
    #[arg(long, value_parser = values::tears(), default_value = "kernel", help_heading = "Fault")]
    pub tears: Tears,
    /// Under `sweep`: which crash points are reached by a real SIGKILL too, to see that it leaves the files that were derived from the
    /// recording
    #[arg(long, value_parser = values::confirm(), default_value = "sample", help_heading = "Fault")]
    pub confirm: Confirm,
    /// Under `sweep` and `io`: at most so many crash points or failing calls, spread evenly, and under `sweep` about as many again in
    /// the lives after them; the report says how many were left out [default: all there are; of a program of your own, of those lives a
    /// sample, which is larger with --check-batch]
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "How much")]
    pub max_states: Option<u64>,
}

impl FaultOptions {
    /// What was asked for, each once, in the order in which they are run.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let asked: BTreeSet<Fault> = self.fault.iter().copied().collect();
        if asked.is_empty() { vec![Fault::Kill] } else { asked.into_iter().collect() }
    }

    /// Refuses a signal that nothing would be sent, as `faults` are what is run.
    pub(crate) fn check(&self, faults: &[Fault]) -> Result<(), Problem> {
        match self.signal {
            Some(signal) if !faults.contains(&Fault::Kill) => {
                let why = format!("--signal {} needs the fault `kill`: no other ends lives by a signal", signal.name());
                let faults: Vec<&str> = [Fault::Kill].iter().chain(&self.fault).map(|fault| fault.name()).collect();
                Err(Problem::usage(why).hint(Some(format!("add it: --fault {}", faults.join(",")))))
            }
            _ => Ok(()),
        }
    }
}

/// How long to wait.
#[derive(Debug, Args)]
pub(crate) struct LimitOption {
    /// How long one recovery or one save may take; of a program of your own, one run and one answer of its checker
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::positive_duration, help_heading = "Fault")]
    pub limit: Duration,
}

/// How much to do.
#[derive(Debug, Args)]
pub(crate) struct BudgetOptions {
    /// Trials; first starts come on top [default: 1000, or until --duration ends]
    #[arg(long, short = 'n', value_name = "N", value_parser = values::count, help_heading = "How much")]
    pub iterations: Option<u64>,
    /// Stop after this time
    #[arg(long, value_name = "TIME", value_parser = values::duration, help_heading = "How much")]
    pub duration: Option<Duration>,
    /// The master seed: the same seed gives the same plan on any machine [default: a new one, printed]
    #[arg(long, value_name = "SEED", value_parser = values::seed, help_heading = "How much")]
    pub seed: Option<Seed>,
    /// Worker processes [default: one per processor]
    #[arg(long, short = 'j', value_name = "N", value_parser = values::jobs, help_heading = "How much")]
    pub jobs: Option<usize>,
}

/// Where the results go.
#[derive(Debug, Args)]
pub(crate) struct ResultsOptions {
    /// The folder under which the results are written
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    pub out: PathBuf,
    /// No progress
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

/// `--loader` of one campaign.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LoaderArg {
    /// Refuse it with an error
    Strict,
    /// Swallow the error and start fresh
    Lenient,
}

impl LoaderArg {
    /// The loader.
    pub(crate) fn loader(self) -> Loader {
        match self {
            LoaderArg::Strict => Loader::Strict,
            LoaderArg::Lenient => Loader::Lenient,
        }
    }
}

/// The workload that `strategy` is tested with, where `named` may have been asked for.
pub(crate) fn workload_of(registry: &dyn Registry, strategy: &str, named: Option<&str>) -> String {
    named.or_else(|| registry.own_workload(strategy)).unwrap_or(DEFAULT_WORKLOAD).to_owned()
}

/// Fills in the writers of `target` where nobody has said how many (0): as many as it is about, of threads two at least.
pub(crate) fn with_writers(registry: &dyn Registry, target: TargetSpec) -> TargetSpec {
    let writers = match target.writers {
        0 if target.threads => registry.fewest_writers(&target).max(2),
        0 => registry.fewest_writers(&target),
        writers => writers,
    };
    TargetSpec { writers, ..target }
}

/// The plan to break `strategy`, restarted with `loader`. The sandbox's place is empty where it was not named.
pub(crate) fn plan(
    registry: &dyn Registry,
    strategy: &str,
    loader: Loader,
    state: &StateOptions,
    fault: &FaultOptions,
    limit: &LimitOption,
    budget: &BudgetOptions,
) -> Plan {
    let iterations = match (budget.iterations, budget.duration) {
        (None, None) => Some(1000),
        (iterations, _) => iterations,
    };
    Plan {
        target: with_writers(
            registry,
            TargetSpec {
                strategy: strategy.to_owned(),
                workload: workload_of(registry, strategy, state.workload.as_deref()),
                loader,
                state_size: state.state_size,
                idle_us: values::micros(state.idle),
                writers: state.writers.unwrap_or(0),
                threads: state.threads,
                readers: state.readers,
            },
        ),
        faults: fault.faults(),
        kill_at: KillAt::Any,
        signal: fault.signal.unwrap_or_default(),
        tears: fault.tears,
        confirm: fault.confirm,
        max_states: fault.max_states,
        seed: budget.seed.unwrap_or_else(fresh_seed),
        budget: Budget {
            iterations,
            duration_ms: budget.duration.map(values::millis),
            max_ms: None,
            max_failures: None,
            jobs: budget.jobs.unwrap_or_else(machine::processors),
        },
        fresh: false,
        limit_ms: values::millis(limit.limit).max(1),
        sandbox_parent: state.dir.clone().unwrap_or_default(),
        planted: None,
        program: None,
    }
}

/// A seed that nobody asked for: small enough to be typed, always printed and recorded.
fn fresh_seed() -> Seed {
    use std::hash::{BuildHasher, RandomState};
    Seed(RandomState::new().hash_one(Fault::Kill) >> 32)
}
