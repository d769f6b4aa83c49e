//! `crashtest run`: kill a strategy's writer again and again, and judge every restart.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use crashtest_linux::machine;
use crashtest_model::{Budget, Bytes, Fault, HarnessBug, KillAt, Loader, Plan, Seed, TargetSpec};
use crashtest_report::render;
use crashtest_strategies::Builtin;

use crate::conduct::{self, Manner};
use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::values;

/// Kill a strategy's writer again and again, and judge every restart
///
/// Forks the writer, lets it save, kills it with SIGKILL at a moment drawn from the seed, reads what is left, starts it again and
/// compares what it opens with what it had acknowledged. The control (no fault) always runs first.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  crashtest run --strategy direct\n  crashtest run --strategy atomic --iterations 10000 --seed 1\n  crashtest run --strategy direct --loader lenient --workload signals\n  crashtest run --strategy atomic-fsync --duration 5m --dir /mnt/xfs"
)]
pub(crate) struct RunArgs {
    /// How the state is persisted: see `crashtest list strategies`
    #[arg(long, value_name = "NAME", help_heading = "What")]
    pub strategy: String,
    /// What state is persisted: see `crashtest list workloads`
    #[arg(long, value_name = "NAME", default_value = "fills", help_heading = "What")]
    pub workload: String,
    /// What the loader does with a damaged file: `lenient` is `except: return []`
    #[arg(long, value_enum, default_value = "strict", help_heading = "What")]
    pub loader: LoaderArg,
    /// Bound on the encoded state: 1 KiB to 64 MiB. States below 8 KiB are saved in one write and hide tears
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = values::size, help_heading = "What")]
    pub state_size: Bytes,
    /// How long the writer idles between two saves
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = values::duration, help_heading = "What")]
    pub idle: Duration,
    /// Where the sandbox is made: this file system is tested [default: beside the results]
    #[arg(long, value_name = "DIR", help_heading = "What")]
    pub dir: Option<PathBuf>,
    /// A fresh directory for each trial instead of life after life
    #[arg(long, help_heading = "What")]
    pub fresh: bool,

    /// What breaks. The control, `none`, runs before any other
    #[arg(long, value_enum, value_delimiter = ',', default_value = "kill", help_heading = "Fault")]
    pub fault: Vec<FaultArg>,
    /// Which part of a life is killed. `recovery` kills every second life inside recovery, the others in a save
    #[arg(long, value_enum, default_value = "any", help_heading = "Fault")]
    pub kill_at: KillAtArg,
    /// How long one recovery or one save may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::positive_duration, help_heading = "Fault")]
    pub limit: Duration,

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
    /// Stop after so many failing trials
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "How much")]
    pub max_failures: Option<u64>,

    /// The folder under which the results are written
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    pub out: PathBuf,
    /// What standard output gets: the report, or summary.json
    #[arg(long, value_enum, default_value = "text", help_heading = "Output")]
    pub output_format: OutputFormat,
    /// No progress
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,

    /// Plant a bug into the harness itself (self-test)
    #[arg(long, value_enum, hide = true)]
    pub plant: Option<PlantArg>,
}

/// `--loader`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LoaderArg {
    /// Refuse it with an error
    Strict,
    /// Swallow the error and start fresh
    Lenient,
}

/// `--fault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FaultArg {
    /// The control only: clean stops
    None,
    /// SIGKILL at random moments; the page cache survives
    Kill,
}

impl FaultArg {
    fn fault(self) -> Fault {
        match self {
            FaultArg::None => Fault::None,
            FaultArg::Kill => Fault::Kill,
        }
    }
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
}

impl RunArgs {
    /// What was typed, as a plan. The sandbox's place is empty where it was not named.
    pub(crate) fn plan(&self) -> Result<Plan, Problem> {
        let iterations = match (self.iterations, self.duration) {
            (None, None) => Some(1000),
            (iterations, _) => iterations,
        };
        if self.fresh && matches!(self.kill_at, KillAtArg::Recovery) {
            return Err(Problem::usage(
                "--kill-at recovery needs the crash of the trial before, which --fresh takes away",
            ));
        }
        Ok(Plan {
            target: TargetSpec {
                strategy: self.strategy.clone(),
                workload: self.workload.clone(),
                loader: match self.loader {
                    LoaderArg::Strict => Loader::Strict,
                    LoaderArg::Lenient => Loader::Lenient,
                },
                state_size: self.state_size,
                idle_us: values::micros(self.idle),
            },
            faults: self.fault.iter().map(|fault| fault.fault()).collect(),
            kill_at: match self.kill_at {
                KillAtArg::Any => KillAt::Any,
                KillAtArg::Save => KillAt::Save,
                KillAtArg::Recovery => KillAt::Recovery,
            },
            seed: self.seed.unwrap_or_else(fresh_seed),
            budget: Budget {
                iterations,
                duration_ms: self.duration.map(values::millis),
                max_failures: self.max_failures,
                jobs: self.jobs.unwrap_or_else(machine::processors),
            },
            fresh: self.fresh,
            limit_ms: values::millis(self.limit).max(1),
            sandbox_parent: self.dir.clone().unwrap_or_default(),
            planted: self.plant.map(|plant| match plant {
                PlantArg::NoKill => HarnessBug::NoKill,
                PlantArg::WorkerDies => HarnessBug::WorkerDies,
            }),
        })
    }
}

/// A seed that nobody asked for: small enough to be typed, always printed and recorded.
fn fresh_seed() -> Seed {
    use std::hash::{BuildHasher, RandomState};
    Seed(RandomState::new().hash_one(Fault::Kill) >> 32)
}

/// Runs the command.
pub(crate) fn run(args: &RunArgs) -> Result<Exit, Problem> {
    let plan = args.plan()?;
    conduct::look_up(&Builtin, &plan.target.strategy, &plan.target.workload)?;
    let stop = conduct::stop_on_signals()?;
    let manner = Manner { out: &args.out, quiet: args.quiet, stop: &stop };
    let conducted = conduct::conduct(&Builtin, &plan, &manner)?;
    // Where nothing could be run there is nothing to show but why; the folder says the same.
    let nothing = conducted.problem.is_some() && conducted.recorded.rows.iter().next().is_none();
    match args.output_format {
        OutputFormat::Text if nothing => {}
        OutputFormat::Text => {
            console::print(&render::terminal(&conducted.recorded, console::width(), console::color()));
        }
        OutputFormat::Json => console::print(&render::json(&conducted.recorded)),
    }
    if let Some(problem) = conducted.problem {
        console::complain(&problem.to_string());
    }
    Ok(conducted.exit)
}
