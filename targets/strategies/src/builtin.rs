//! The registry of everything built in: the only place that knows strategies and workloads by name.

use crashtest_kit::{Folded, Generations, LogWorkload, Logged, Place, Registry, Shared, Target, Workload};
use crashtest_model::{Bytes, Seed, StrategyInfo, TargetSpec, WorkloadInfo};

use crate::document::{Document, Strategy};
use crate::log::{self, Journal, Log};
use crate::planted;
use crate::strategies::atomic_fsync::{AtomicFsync, Sweeps};
use crate::strategies::backup::{self, Backup, BackupLoader};
use crate::strategies::forward_journal::{self, ForwardJournal, Promotion};
use crate::strategies::{
    append, atomic, atomic_fsync, atomic_fsync_nodir, atomic_suffix, delete_then_write, direct, in_place,
};
use crate::systems::derived_direct::{self, DerivedDirect};
use crate::systems::path_storage;
use crate::systems::persistent_map::{self, Maps, PersistentMap, Variant};
use crate::systems::reconciler::{self, Guard, Reconciler};
use crate::systems::trade_store::{self, Leaves, TradeStore};
use crate::workloads::candles::Candles;
use crate::workloads::config::Config;
use crate::workloads::counter::Counter;
use crate::workloads::desk;
use crate::workloads::fills::Fills;
use crate::workloads::fills_log::FillsLog;
use crate::workloads::hash_chain::HashChain;
use crate::workloads::positions::Positions;
use crate::workloads::retry_queue::Retries;
use crate::workloads::signals::Signals;
use crate::workloads::trade_log::LoggedTrades;
use crate::workloads::trades::Trades;
use crate::workloads::trading::Trading;

/// The built-in strategies × workloads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Builtin;

/// A document strategy's name, what is said of it, and how it is made.
pub(crate) type Entry = (&'static str, fn() -> StrategyInfo, fn() -> Box<dyn Strategy>);

const STRATEGIES: [Entry; 16] = [
    (direct::NAME, direct::info, || Box::new(direct::Direct)),
    (delete_then_write::NAME, delete_then_write::info, || Box::new(delete_then_write::DeleteThenWrite)),
    (in_place::NAME, in_place::info, || Box::new(in_place::InPlace)),
    (atomic::NAME, atomic::info, || Box::new(atomic::Atomic)),
    (atomic_suffix::NAME, atomic_suffix::info, || Box::new(atomic_suffix::AtomicSuffix)),
    (atomic_suffix::PAIR, atomic_suffix::info_pair, || Box::new(atomic_suffix::Pair)),
    (atomic_fsync_nodir::NAME, atomic_fsync_nodir::info, || Box::new(atomic_fsync_nodir::AtomicFsyncNodir::default())),
    (atomic_fsync::NAME, atomic_fsync::info, || Box::new(atomic_fsync::AtomicFsync::default())),
    (atomic_fsync::BADSWEEP, atomic_fsync::info_badsweep, || Box::new(AtomicFsync::sweeping(Sweeps::All))),
    (forward_journal::NAME, forward_journal::info, || Box::new(ForwardJournal(Promotion::AtTheNextSave))),
    (forward_journal::PROMOTE, forward_journal::info_promote, || Box::new(ForwardJournal(Promotion::AtRecovery))),
    (backup::NAME, backup::info, || Box::new(Backup(BackupLoader::FallsBack))),
    (backup::RESTORE, backup::info_restore, || Box::new(Backup(BackupLoader::Restores))),
    (backup::IGNORED, backup::info_ignored, || Box::new(Backup(BackupLoader::Ignores))),
    (path_storage::NAME, path_storage::info, || Box::new(path_storage::Stored::default())),
    (path_storage::UNIQUE, path_storage::info_unique, || Box::new(path_storage::Stored::unique())),
];

/// A log strategy's name, what is said of it, and how its log is kept.
type LogEntry = (&'static str, fn() -> StrategyInfo, Journal);

const LOG_STRATEGIES: [LogEntry; 3] = [
    (append::LOG, append::log, append::WITH_FRAMES),
    (append::NOSYNC, append::nosync, append::WITHOUT_SYNC),
    (append::LINES, append::lines, append::WITH_LINES),
];

fn strategy(name: &str) -> Option<Box<dyn Strategy>> {
    let mut entries = STRATEGIES.into_iter().chain(planted::STRATEGIES);
    entries.find(|(own, ..)| *own == name).map(|(.., make)| make())
}

fn journal(name: &str) -> Option<Journal> {
    LOG_STRATEGIES.into_iter().find(|(own, ..)| *own == name).map(|(.., journal)| journal)
}

type MakeTarget = fn(Box<dyn Strategy>, &TargetSpec, Seed, Place) -> Box<dyn Target>;

/// A workload without its type: its name, what is said of it, and what is made of it as a document.
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

/// The same as a log.
struct RecordWorkload {
    name: &'static str,
    info: fn() -> WorkloadInfo,
    target: fn(Journal, &TargetSpec, Seed, Place) -> Box<dyn Target>,
    generations: fn(Journal, &TargetSpec, Seed) -> Box<dyn Generations>,
}

const fn records<W: LogWorkload>() -> RecordWorkload {
    RecordWorkload {
        name: W::NAME,
        info: W::info,
        target: |journal, spec, stream, place| Box::new(Log::<W>::new(journal, spec, stream, place)),
        generations: |journal, spec, stream| {
            let bound = log::record_bound(spec.state_size);
            Box::new(Logged::<W>::new(stream, bound, log::state_file::<W>(), journal.format.undamaged()))
        },
    }
}

const LOGS: [RecordWorkload; 3] = [records::<FillsLog>(), records::<HashChain>(), records::<Counter>()];

type MakeSystem = fn(&TargetSpec, Seed, Place) -> Box<dyn Target>;
type MakeGenerations = fn(Seed, Bytes) -> Box<dyn Generations>;

/// A system with its own workload: its name, what is said of it, and what is made of it.
struct System {
    name: &'static str,
    info: fn() -> StrategyInfo,
    workload: &'static str,
    target: MakeSystem,
    judged: JudgedBy,
}

/// How the oracle knows what a system must come back with.
enum JudgedBy {
    /// By the fold of its operations.
    Generations(MakeGenerations),
    /// By the rules of a state that several writers change between them.
    Rules(fn() -> Box<dyn Shared>),
}

const fn map(name: &'static str, info: fn() -> StrategyInfo, target: MakeSystem) -> System {
    let judged = JudgedBy::Generations(|stream, bound| Box::new(Maps::new(stream, bound)));
    System { name, info, workload: Trading::NAME, target, judged }
}

const fn books(
    name: &'static str,
    info: fn() -> StrategyInfo,
    target: MakeSystem,
    generations: MakeGenerations,
) -> System {
    System { name, info, workload: LoggedTrades::NAME, target, judged: JudgedBy::Generations(generations) }
}

const fn desk(name: &'static str, info: fn() -> StrategyInfo, target: MakeSystem) -> System {
    System { name, info, workload: desk::NAME, target, judged: JudgedBy::Rules(|| Box::new(desk::Rules)) }
}

const SYSTEMS: [System; 12] = [
    map(persistent_map::NAME, persistent_map::info, |spec, stream, place| {
        Box::new(PersistentMap::new(Variant::Queued, spec, stream, place))
    }),
    map(persistent_map::SYNC, persistent_map::info_sync, |spec, stream, place| {
        Box::new(PersistentMap::new(Variant::Written, spec, stream, place))
    }),
    map(persistent_map::NOORDER, persistent_map::info_noorder, |spec, stream, place| {
        Box::new(PersistentMap::new(Variant::Unordered, spec, stream, place))
    }),
    map(persistent_map::NODRAIN, persistent_map::info_nodrain, |spec, stream, place| {
        Box::new(PersistentMap::new(Variant::Undrained, spec, stream, place))
    }),
    books(
        reconciler::NAME,
        reconciler::info,
        |spec, stream, place| Box::new(Reconciler::new(Guard::PortfolioFile, spec, stream, place)),
        reconciler::generations,
    ),
    books(
        reconciler::GUARD_MEMORY,
        reconciler::info_guard_memory,
        |spec, stream, place| Box::new(Reconciler::new(Guard::Memory, spec, stream, place)),
        reconciler::generations,
    ),
    books(
        reconciler::NOGUARD,
        reconciler::info_noguard,
        |spec, stream, place| Box::new(Reconciler::new(Guard::Nothing, spec, stream, place)),
        reconciler::generations,
    ),
    books(
        derived_direct::NAME,
        derived_direct::info,
        |spec, stream, place| Box::new(DerivedDirect::new(spec, stream, place)),
        derived_direct::generations,
    ),
    desk(trade_store::LOCKED, trade_store::info, |spec, stream, place| {
        Box::new(TradeStore::new(Leaves::Nothing, spec, stream, place))
    }),
    desk(trade_store::NOLOCK, trade_store::info_nolock, |spec, stream, place| {
        Box::new(TradeStore::new(Leaves::TheLock, spec, stream, place))
    }),
    desk(trade_store::TOCTOU, trade_store::info_toctou, |spec, stream, place| {
        Box::new(TradeStore::new(Leaves::TheRulesInside, spec, stream, place))
    }),
    desk(trade_store::RELOCK, trade_store::info_relock, |spec, stream, place| {
        Box::new(TradeStore::new(Leaves::TheCare, spec, stream, place))
    }),
];

/// The workloads that only systems have.
const OF_SYSTEMS: [fn() -> WorkloadInfo; 3] = [Trading::info, LoggedTrades::info, desk::info];

fn system(spec: &TargetSpec) -> Option<System> {
    SYSTEMS.into_iter().find(|system| system.name == spec.strategy && system.workload == spec.workload)
}

fn as_document(name: &str) -> Option<DocumentWorkload> {
    DOCUMENTS.into_iter().find(|workload| workload.name == name)
}

fn as_log(name: &str) -> Option<RecordWorkload> {
    LOGS.into_iter().find(|workload| workload.name == name)
}

impl Registry for Builtin {
    fn strategies(&self) -> Vec<StrategyInfo> {
        let documents = STRATEGIES.iter().map(|(_, info, _)| info());
        let logs = LOG_STRATEGIES.iter().map(|(_, info, _)| info());
        let systems = SYSTEMS.iter().map(|system| (system.info)());
        documents.chain(logs).chain(systems).chain(planted::STRATEGIES.iter().map(|(_, info, _)| info())).collect()
    }

    fn workloads(&self) -> Vec<WorkloadInfo> {
        let only_logs = LOGS.iter().filter(|log| as_document(log.name).is_none());
        DOCUMENTS
            .iter()
            .map(|workload| workload.info)
            .chain(only_logs.map(|log| log.info))
            .chain(OF_SYSTEMS)
            .map(|info| info())
            .collect()
    }

    fn own_workload(&self, strategy: &str) -> Option<&str> {
        SYSTEMS.into_iter().find(|system| system.name == strategy).map(|system| system.workload)
    }

    fn documents(&self, spec: &TargetSpec) -> u32 {
        if spec.strategy == atomic_suffix::PAIR { atomic_suffix::TARGETS } else { 1 }
    }

    fn shared(&self, spec: &TargetSpec) -> Option<Box<dyn Shared>> {
        match system(spec)?.judged {
            JudgedBy::Generations(_) => None,
            JudgedBy::Rules(rules) => Some(rules()),
        }
    }

    fn target(&self, spec: &TargetSpec, stream: Seed, place: Place) -> Option<Box<dyn Target>> {
        if let Some(system) = system(spec) {
            return Some((system.target)(spec, stream, place));
        }
        match journal(&spec.strategy) {
            Some(journal) => Some((as_log(&spec.workload)?.target)(journal, spec, stream, place)),
            None => Some((as_document(&spec.workload)?.target)(strategy(&spec.strategy)?, spec, stream, place)),
        }
    }

    fn generations(&self, spec: &TargetSpec, stream: Seed) -> Option<Box<dyn Generations>> {
        if let Some(system) = system(spec) {
            return match system.judged {
                JudgedBy::Generations(fold) => Some(fold(stream, spec.state_size)),
                JudgedBy::Rules(_) => None,
            };
        }
        match journal(&spec.strategy) {
            Some(journal) => Some((as_log(&spec.workload)?.generations)(journal, spec, stream)),
            None => Some((as_document(&spec.workload)?.generations)(stream, spec.state_size)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crashtest_model::Shape;

    use super::*;

    #[test]
    fn every_entry_is_found_by_the_name_that_it_is_listed_under() {
        for (name, info, _) in STRATEGIES.iter().chain(&planted::STRATEGIES) {
            assert_eq!((info().name.as_str(), info().shape), (*name, Shape::Document));
            assert_eq!(info().planted, name.starts_with("planted-"));
            assert!(strategy(name).is_some());
        }
        for (name, info, _) in LOG_STRATEGIES {
            assert_eq!((info().name.as_str(), info().shape), (name, Shape::Log));
            assert!(journal(name).is_some());
        }
    }

    #[test]
    fn every_workload_can_be_what_it_says() {
        let workloads = Builtin.workloads();
        let names: Vec<&str> = workloads.iter().map(|info| info.name.as_str()).collect();
        let documents = ["fills", "positions", "signals", "retry-queue", "config", "candles", "trades"];
        assert_eq!(names, [&documents[..], &["hash-chain", "counter", "trading", "trade-log", "desk"]].concat());
        for info in workloads {
            assert_eq!(info.shapes.contains(&Shape::Document), as_document(&info.name).is_some());
            assert_eq!(info.shapes.contains(&Shape::Log), as_log(&info.name).is_some());
        }
    }
}
