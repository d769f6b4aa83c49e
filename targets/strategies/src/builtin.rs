//! The registry of everything built in: the only place that knows strategies and workloads by name.

use crashtest_kit::{Folded, Generations, Place, Registry, Target, Workload};
use crashtest_model::{Bytes, Seed, StrategyInfo, TargetSpec, WorkloadInfo};

use crate::document::{Document, Strategy};
use crate::planted;
use crate::strategies::{atomic, atomic_fsync, direct};
use crate::workloads::candles::Candles;
use crate::workloads::config::Config;
use crate::workloads::fills::Fills;
use crate::workloads::positions::Positions;
use crate::workloads::retry_queue::Retries;
use crate::workloads::signals::Signals;
use crate::workloads::trades::Trades;

/// The built-in strategies × workloads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Builtin;

/// A strategy's name, what is said of it, and how it is made.
pub(crate) type Entry = (&'static str, fn() -> StrategyInfo, fn() -> Box<dyn Strategy>);

const STRATEGIES: [Entry; 3] = [
    (direct::NAME, direct::info, || Box::new(direct::Direct)),
    (atomic::NAME, atomic::info, || Box::new(atomic::Atomic)),
    (atomic_fsync::NAME, atomic_fsync::info, || Box::new(atomic_fsync::AtomicFsync::default())),
];

fn strategy(name: &str) -> Option<Box<dyn Strategy>> {
    let mut entries = STRATEGIES.into_iter().chain(planted::STRATEGIES);
    entries.find(|(own, ..)| *own == name).map(|(.., make)| make())
}

type MakeTarget = fn(Box<dyn Strategy>, &TargetSpec, Seed, Place) -> Box<dyn Target>;

/// A workload without its type: its name, what is said of it, and what is made of it.
struct DocumentWorkload {
    name: &'static str,
    info: fn() -> WorkloadInfo,
    target: MakeTarget,
    generations: fn(Seed, Bytes) -> Box<dyn Generations>,
}

const fn document<W: Workload>() -> DocumentWorkload {
    DocumentWorkload {
        name: W::NAME,
        info: W::info,
        target: |strategy, spec, stream, place| Box::new(Document::<W>::new(strategy, spec, stream, place)),
        generations: |stream, bound| Box::new(Folded::<W>::new(stream, bound)),
    }
}

const DOCUMENTS: [DocumentWorkload; 7] = [
    document::<Fills>(),
    document::<Positions>(),
    document::<Signals>(),
    document::<Retries>(),
    document::<Config>(),
    document::<Candles>(),
    document::<Trades>(),
];

fn workload(name: &str) -> Option<DocumentWorkload> {
    DOCUMENTS.into_iter().find(|workload| workload.name == name)
}

impl Registry for Builtin {
    fn strategies(&self) -> Vec<StrategyInfo> {
        STRATEGIES.iter().chain(&planted::STRATEGIES).map(|(_, info, _)| info()).collect()
    }

    fn workloads(&self) -> Vec<WorkloadInfo> {
        DOCUMENTS.iter().map(|workload| (workload.info)()).collect()
    }

    fn target(&self, spec: &TargetSpec, stream: Seed, place: Place) -> Option<Box<dyn Target>> {
        Some((workload(&spec.workload)?.target)(strategy(&spec.strategy)?, spec, stream, place))
    }

    fn generations(&self, spec: &TargetSpec, stream: Seed) -> Option<Box<dyn Generations>> {
        Some((workload(&spec.workload)?.generations)(stream, spec.state_size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_by_the_name_that_it_is_listed_under() {
        for (name, info, _) in STRATEGIES.iter().chain(&planted::STRATEGIES) {
            assert_eq!(info().name, *name);
            assert_eq!(info().planted, name.starts_with("planted-"));
            assert!(strategy(name).is_some());
        }
        for (entry, info) in DOCUMENTS.iter().zip(Builtin.workloads()) {
            assert_eq!(info.name, entry.name);
            assert!(workload(entry.name).is_some());
        }
        let names: Vec<String> = Builtin.workloads().into_iter().map(|info| info.name).collect();
        assert_eq!(names, ["fills", "positions", "signals", "retry-queue", "config", "candles", "trades"]);
    }
}
