//! Everything that can be named: the built-in strategies and workloads, and those of the binaries that `--targets` names.
//!
//! A binary describes itself what it holds. Only it can make its targets, so it is run as worker in place of this program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use crashtest_engine::{Description, WorkerProgram};
use crashtest_kit::{Generations, Place, Registry, Shared, Target};
use crashtest_model::{Environment, Seed, StrategyInfo, TargetSpec, WorkloadInfo};
use crashtest_strategies::Builtin;

use crate::host;
use crate::problem::Problem;

/// How long a binary may take to describe itself.
const LIMIT: Duration = Duration::from_secs(10);

/// `--targets`.
#[derive(Debug, Default, Args)]
pub(crate) struct TargetsOption {
    /// A binary with targets of your own, known beside the built-in ones; may be given several times. Its `main` is
    /// `crashtest_engine::main`
    #[arg(long, value_name = "PATH", help_heading = "What")]
    pub targets: Vec<PathBuf>,
}

impl TargetsOption {
    /// Everything that is known with these binaries.
    pub(crate) fn known(&self) -> Result<Known, Problem> {
        Known::with(&self.targets)
    }
}

/// A binary with targets.
#[derive(Debug)]
struct Binary {
    /// Where it is: absolute.
    path: PathBuf,
    description: Description,
}

/// Everything that can be named.
#[derive(Debug, Default)]
pub(crate) struct Known {
    binaries: Vec<Binary>,
}

impl Known {
    /// The built-in targets and those of the binaries at `paths`.
    pub(crate) fn with(paths: &[PathBuf]) -> Result<Known, Problem> {
        let mut known = Known::default();
        for path in paths {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let description = crashtest_engine::describe(&path, LIMIT)?;
            known.add(Binary { path, description })?;
        }
        Ok(known)
    }

    /// Everything that a run with `environment` knew: a replay needs the binary that it was made with.
    pub(crate) fn of_run(environment: &Environment) -> Result<Known, Problem> {
        let Some(path) = &environment.targets else { return Ok(Known::default()) };
        Known::with(std::slice::from_ref(path))
            .map_err(|problem| problem.hint("the run was made with the targets of that binary".to_owned()))
    }

    fn add(&mut self, binary: Binary) -> Result<(), Problem> {
        let taken = |what: &str, name: &str| {
            let path = binary.path.display();
            Err(Problem::usage(format!("the targets of `{path}` have a {what} `{name}`: that name is taken already"))
                .hint(format!("give the {what} another name, or leave one of the two binaries away")))
        };
        for info in binary.description.strategies() {
            if self.strategies().iter().any(|known| known.name == info.name) {
                return taken("strategy", &info.name);
            }
        }
        for info in binary.description.workloads() {
            if self.workloads().iter().any(|known| known.name == info.name && *known != info) {
                return taken("workload", &info.name);
            }
        }
        self.binaries.push(binary);
        Ok(())
    }

    /// The binary that holds `strategy`; `None` where it is this program, or nobody.
    pub(crate) fn binary_of(&self, strategy: &str) -> Option<&Path> {
        self.binary(strategy).map(|binary| &*binary.path)
    }

    /// The program that is run as worker for `strategy`.
    pub(crate) fn program_of(&self, strategy: &str) -> Result<WorkerProgram, Problem> {
        match self.binary_of(strategy) {
            Some(path) => Ok(WorkerProgram { path: path.to_owned(), arguments: vec!["worker".to_owned()] }),
            None => host::this_program(),
        }
    }

    /// The targets of each binary, with the place of those that are not built in.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Option<&Path>, &dyn Registry)> {
        let builtin: (_, &dyn Registry) = (None, &Builtin);
        std::iter::once(builtin)
            .chain(self.binaries.iter().map(|binary| (Some(&*binary.path), &binary.description as &dyn Registry)))
    }

    fn binary(&self, strategy: &str) -> Option<&Binary> {
        let holds = |binary: &&Binary| binary.description.strategies.iter().any(|known| known.info.name == strategy);
        self.binaries.iter().find(holds)
    }

    /// The registry that holds `strategy`.
    fn part(&self, strategy: &str) -> &dyn Registry {
        match self.binary(strategy) {
            Some(binary) => &binary.description,
            None => &Builtin,
        }
    }
}

impl Registry for Known {
    fn strategies(&self) -> Vec<StrategyInfo> {
        self.parts().flat_map(|(_, part)| part.strategies()).collect()
    }

    /// Each once: several binaries may hold the same.
    fn workloads(&self) -> Vec<WorkloadInfo> {
        let mut all: Vec<WorkloadInfo> = Vec::new();
        for info in self.parts().flat_map(|(_, part)| part.workloads()) {
            if !all.contains(&info) {
                all.push(info);
            }
        }
        all
    }

    fn own_workload(&self, strategy: &str) -> Option<&str> {
        self.part(strategy).own_workload(strategy)
    }

    /// A binary persists workloads of its own and no others.
    fn goes_with(&self, strategy: &StrategyInfo, workload: &WorkloadInfo) -> bool {
        let part = self.part(&strategy.name);
        part.workloads().contains(workload) && part.goes_with(strategy, workload)
    }

    fn documents(&self, spec: &TargetSpec) -> u32 {
        self.part(&spec.strategy).documents(spec)
    }

    fn fewest_writers(&self, spec: &TargetSpec) -> u32 {
        self.part(&spec.strategy).fewest_writers(spec)
    }

    fn shares_state(&self, spec: &TargetSpec) -> bool {
        self.part(&spec.strategy).shares_state(spec)
    }

    fn shared(&self, spec: &TargetSpec) -> Option<Box<dyn Shared>> {
        self.part(&spec.strategy).shared(spec)
    }

    fn target(&self, spec: &TargetSpec, stream: Seed, place: Place) -> Option<Box<dyn Target>> {
        self.part(&spec.strategy).target(spec, stream, place)
    }

    fn generations(&self, spec: &TargetSpec, stream: Seed) -> Option<Box<dyn Generations>> {
        self.part(&spec.strategy).generations(spec, stream)
    }
}
