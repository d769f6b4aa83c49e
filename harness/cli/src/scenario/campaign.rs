//! One `[[campaign]]`: the product of its targets, loaders and faults, each with the same settings.
//!
//! What it does not say is as `crashtest run` has it, but for the seed: a scenario is the same plan each time.

use std::time::Duration;

use crashtest_model::{Budget, Bytes, Confirm, Fault, KillAt, Loader, Plan, Seed, Signal, Start, TargetSpec, Tears};

use super::Cell;
use super::keys;
use super::mistake::Mistake;
use super::table::Table;
use super::targets::Catalogue;
use crate::{options, values};

/// How much a campaign does when it says neither `iterations` nor `duration`.
const DEFAULT_ITERATIONS: u64 = 1000;

/// The cells of a campaign: strategy by strategy, workload by workload, loader by loader.
pub(crate) fn cells(
    campaign: &Table<'_>,
    catalogue: &Catalogue<'_>,
    seed: Seed,
    jobs: usize,
) -> Result<Vec<Cell>, Mistake> {
    let pairs = catalogue.pairs(campaign)?;
    let loaders = match campaign.get(&keys::LOADERS) {
        Some(value) => value.filled_set(|value| value.one_of("loader", &loaders()))?,
        None => vec![(Loader::Strict, 0..0)],
    };
    let faults = match campaign.get(&keys::FAULTS) {
        Some(value) => value.filled_set(|value| value.one_of("fault", &faults()))?,
        None => vec![(Fault::Kill, 0..0)],
    };
    let settings = Settings::read(campaign)?;
    let mut cells = Vec::new();
    for (strategy, workload) in pairs {
        for (loader, _) in &loaders {
            for (fault, _) in &faults {
                let mut plan = settings.plan(&strategy.name, &workload.name, *loader, *fault, seed, jobs);
                plan.target = options::with_writers(catalogue.registry, plan.target);
                let expect = strategy.expectation_of(&plan, *fault, Start::Again).cloned();
                // Of a group, what nobody says anything about is not tested.
                if expect.is_some() || campaign.get(&keys::GROUP).is_none() {
                    cells.push(Cell { plan, expect });
                }
            }
        }
    }
    Ok(cells)
}

/// The loaders by name.
pub(crate) fn loaders() -> [(&'static str, Loader); Loader::ALL.len()] {
    Loader::ALL.map(|loader| (loader.name(), loader))
}

/// The faults by name.
pub(crate) fn faults() -> [(&'static str, Fault); Fault::ALL.len()] {
    Fault::ALL.map(|fault| (fault.name(), fault))
}

/// The kinds of tears by name.
fn tears() -> [(&'static str, Tears); Tears::ALL.len()] {
    Tears::ALL.map(|tears| (tears.name(), tears))
}

/// What every cell of a campaign shares.
struct Settings {
    state_size: Bytes,
    idle: Duration,
    writers: u32,
    threads: bool,
    readers: u32,
    kill_at: KillAt,
    signal: Signal,
    tears: Tears,
    max_states: Option<u64>,
    iterations: Option<u64>,
    duration: Option<Duration>,
    max_failures: Option<u64>,
    fresh: bool,
    limit: Duration,
}

impl Settings {
    fn read(campaign: &Table<'_>) -> Result<Settings, Mistake> {
        let time = |key, parser: fn(&str) -> Result<Duration, String>| {
            campaign.get(key).map(|value| value.parsed(value.text()?, parser)).transpose()
        };
        let count = |key| campaign.get(key).map(|value| value.parsed(&value.number()?, values::count)).transpose();
        let processes = |key, parser: fn(&str) -> Result<u32, String>| {
            campaign.get(key).map(|value| value.parsed(&value.number()?, parser)).transpose()
        };
        let signal = campaign.get(&keys::SIGNAL);
        let signal = signal.map(|value| value.one_of("signal", &Signal::ALL.map(|s| (s.name(), s)))).transpose()?;
        let size = campaign.get(&keys::STATE_SIZE);
        let size = size.map(|value| value.parsed(&value.text_or_number()?, values::size)).transpose()?;
        let duration = time(&keys::DURATION, values::positive_duration)?;
        let iterations = count(&keys::ITERATIONS)?;
        let (kill_at, fresh) = kill_at(campaign)?;
        let tears = campaign.get(&keys::TEARS).map(|value| value.one_of("tears", &tears())).transpose()?;
        let threads = campaign.get(&keys::THREADS).map(|value| value.flag()).transpose()?.unwrap_or(false);
        Ok(Settings {
            state_size: size.unwrap_or(Bytes::kib(64)),
            idle: time(&keys::IDLE, values::duration)?.unwrap_or(Duration::ZERO),
            writers: processes(&keys::WRITERS, values::writers)?.unwrap_or(0),
            threads,
            readers: processes(&keys::READERS, values::readers)?.unwrap_or(0),
            kill_at,
            signal: signal.unwrap_or_default(),
            tears: tears.unwrap_or_default(),
            max_states: count(&keys::MAX_STATES)?,
            iterations: if duration.is_none() { iterations.or(Some(DEFAULT_ITERATIONS)) } else { iterations },
            duration,
            max_failures: count(&keys::MAX_FAILURES)?,
            fresh,
            limit: time(&keys::LIMIT, values::positive_duration)?.unwrap_or(Duration::from_secs(10)),
        })
    }

    fn plan(&self, strategy: &str, workload: &str, loader: Loader, fault: Fault, seed: Seed, jobs: usize) -> Plan {
        Plan {
            target: TargetSpec {
                strategy: strategy.to_owned(),
                workload: workload.to_owned(),
                loader,
                state_size: self.state_size,
                idle_us: values::micros(self.idle),
                writers: self.writers,
                threads: self.threads,
                readers: self.readers,
            },
            faults: vec![fault],
            kill_at: self.kill_at,
            signal: self.signal,
            tears: self.tears,
            confirm: Confirm::Sample,
            max_states: self.max_states,
            seed,
            budget: Budget {
                iterations: self.iterations,
                duration_ms: self.duration.map(values::millis),
                max_ms: None,
                max_failures: self.max_failures,
                jobs,
            },
            fresh: self.fresh,
            limit_ms: values::millis(self.limit).max(1),
            sandbox_parent: Default::default(),
            planted: None,
            program: None,
        }
    }
}

/// `kill_at` and `fresh`, which exclude each other in one case.
fn kill_at(campaign: &Table<'_>) -> Result<(KillAt, bool), Mistake> {
    let kill_at = campaign.get(&keys::KILL_AT);
    let fresh = campaign.get(&keys::FRESH);
    let part = match &kill_at {
        Some(value) => value.one_of("kill_at", &KillAt::ALL.map(|part| (part.name(), part)))?,
        None => KillAt::Any,
    };
    match (kill_at, fresh) {
        (Some(value), Some(fresh)) if part == KillAt::Recovery && fresh.flag()? => {
            Err(Mistake::new("a recovery without a crash before it", value.place(), "kills recoveries")
                .and(fresh.place(), "takes their crash away")
                .help("keep one of the two: each recovery needs the crash of the trial before"))
        }
        (_, fresh) => Ok((part, fresh.map(|fresh| fresh.flag()).transpose()?.unwrap_or(false))),
    }
}
