//! Whether a plan can be carried out: its names are known, and what it asks of its target goes together.

use crashtest_kit::Registry;
use crashtest_model::{Fault, Plan, Shape, Signal, StrategyInfo, WorkloadInfo};

use crate::nearest;
use crate::problem::Problem;
use crate::program;

/// Finds a strategy and a workload by their names; an unknown name, or a pair that does not fit, is the problem.
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

/// Describes what `plan` tests: a strategy and a workload, or a program in their place.
pub(crate) fn strategy_and_workload(
    registry: &dyn Registry,
    plan: &Plan,
) -> Result<(StrategyInfo, WorkloadInfo), Problem> {
    match &plan.program {
        Some(program) => Ok(program::as_strategy(program)),
        None => look_up(registry, &plan.target.strategy, &plan.target.workload),
    }
}

/// Checks that the settings of `plan` go together and suit its target.
pub(crate) fn check_plan(registry: &dyn Registry, plan: &Plan) -> Result<(), Problem> {
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
