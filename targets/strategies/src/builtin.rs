//! The registry of everything built in: the only place that knows strategies and workloads by name.

use crashtest_kit::{Folded, Generations, LogWorkload, Logged, Place, Registry, Target, Workload};
use crashtest_model::{Seed, StrategyInfo, TargetSpec, WorkloadInfo};

use crate::document::{Document, Strategy};
use crate::log::format::Format;
use crate::log::{self, Journal, Log};
use crate::planted;
use crate::strategies::backup::{self, Backup, BackupLoader};
use crate::strategies::forward_journal::{self, ForwardJournal, Promotion};
use crate::strategies::{
    append, atomic, atomic_fsync, atomic_fsync_nodir, atomic_suffix, delete_then_write, direct, in_place,
};
use crate::workloads::{counter::Counter, fills::Fills, fills_log::FillsLog, hash_chain::HashChain, signals::Signals};

/// The built-in strategies × workloads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Builtin;

/// A strategy's name, what is said of it, and how it is made.
pub(crate) type Entry = (&'static str, fn() -> StrategyInfo, fn() -> Box<dyn Strategy>);

const STRATEGIES: [Entry; 12] = [
    (direct::NAME, direct::info, || Box::new(direct::Direct)),
    (delete_then_write::NAME, delete_then_write::info, || Box::new(delete_then_write::DeleteThenWrite)),
    (in_place::NAME, in_place::info, || Box::new(in_place::InPlace)),
    (atomic::NAME, atomic::info, || Box::new(atomic::Atomic)),
    (atomic_suffix::NAME, atomic_suffix::info, || Box::new(atomic_suffix::AtomicSuffix)),
    (atomic_fsync_nodir::NAME, atomic_fsync_nodir::info, || Box::new(atomic_fsync_nodir::AtomicFsyncNodir::default())),
    (atomic_fsync::NAME, atomic_fsync::info, || Box::new(atomic_fsync::AtomicFsync::default())),
    (forward_journal::NAME, forward_journal::info, || Box::new(ForwardJournal(Promotion::AtTheNextSave))),
    (forward_journal::PROMOTE, forward_journal::info_promote, || Box::new(ForwardJournal(Promotion::AtRecovery))),
    (backup::NAME, backup::info, || Box::new(Backup(BackupLoader::FallsBack))),
    (backup::RESTORE, backup::info_restore, || Box::new(Backup(BackupLoader::Restores))),
    (backup::IGNORED, backup::info_ignored, || Box::new(Backup(BackupLoader::Ignores))),
];

/// A log strategy's name, what is said of it, and how its log is kept.
type LogEntry = (&'static str, fn() -> StrategyInfo, Journal);

const LOGS: [LogEntry; 3] = [
    (append::LOG, append::log, append::WITH_FRAMES),
    (append::NOSYNC, append::nosync, append::WITHOUT_SYNC),
    (append::LINES, append::lines, append::WITH_LINES),
];

fn journal(name: &str) -> Option<Journal> {
    LOGS.into_iter().find(|(own, ..)| *own == name).map(|(.., journal)| journal)
}

fn strategy(name: &str) -> Option<Box<dyn Strategy>> {
    let mut entries = STRATEGIES.into_iter().chain(planted::STRATEGIES);
    entries.find(|(own, ..)| *own == name).map(|(.., make)| make())
}

/// What can be made for any workload, chosen by its name.
struct OfWorkload<'a> {
    spec: &'a TargetSpec,
    stream: Seed,
}

impl OfWorkload<'_> {
    fn target<W: Workload>(&self, place: Place) -> Option<Box<dyn Target>> {
        let strategy = strategy(&self.spec.strategy)?;
        Some(Box::new(Document::<W>::new(strategy, self.spec, self.stream, place)))
    }

    fn log<W: LogWorkload>(&self, journal: Journal, place: Place) -> Box<dyn Target> {
        Box::new(Log::<W>::new(journal, self.spec, self.stream, place))
    }

    fn logged<W: LogWorkload>(&self, journal: Journal) -> Box<dyn Generations> {
        let undamaged: fn(&[u8]) -> usize = match journal.format {
            Format::Frames => |content| Format::Frames.split(content).end,
            Format::Lines => |content| Format::Lines.split(content).end,
        };
        let bound = log::record_bound(self.spec.state_size);
        Box::new(Logged::<W>::new(self.stream, bound, log::state_file::<W>(), undamaged))
    }

    fn generations<W: Workload>(&self) -> Option<Box<dyn Generations>> {
        Some(Box::new(Folded::<W>::new(self.stream, self.spec.state_size)))
    }
}

impl Registry for Builtin {
    fn strategies(&self) -> Vec<StrategyInfo> {
        let documents = STRATEGIES.iter().map(|(_, info, _)| info());
        let logs = LOGS.iter().map(|(_, info, _)| info());
        documents.chain(logs).chain(planted::STRATEGIES.iter().map(|(_, info, _)| info())).collect()
    }

    fn workloads(&self) -> Vec<WorkloadInfo> {
        vec![Fills::info(), Signals::info(), HashChain::info(), Counter::info()]
    }

    fn target(&self, spec: &TargetSpec, stream: Seed, place: Place) -> Option<Box<dyn Target>> {
        let of = OfWorkload { spec, stream };
        if let Some(journal) = journal(&spec.strategy) {
            return match spec.workload.as_str() {
                FillsLog::NAME => Some(of.log::<FillsLog>(journal, place)),
                HashChain::NAME => Some(of.log::<HashChain>(journal, place)),
                Counter::NAME => Some(of.log::<Counter>(journal, place)),
                _ => None,
            };
        }
        match spec.workload.as_str() {
            Fills::NAME => of.target::<Fills>(place),
            Signals::NAME => of.target::<Signals>(place),
            _ => None,
        }
    }

    fn generations(&self, spec: &TargetSpec, stream: Seed) -> Option<Box<dyn Generations>> {
        let of = OfWorkload { spec, stream };
        if let Some(journal) = journal(&spec.strategy) {
            return match spec.workload.as_str() {
                FillsLog::NAME => Some(of.logged::<FillsLog>(journal)),
                HashChain::NAME => Some(of.logged::<HashChain>(journal)),
                Counter::NAME => Some(of.logged::<Counter>(journal)),
                _ => None,
            };
        }
        match spec.workload.as_str() {
            Fills::NAME => of.generations::<Fills>(),
            Signals::NAME => of.generations::<Signals>(),
            _ => None,
        }
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
        assert_eq!(
            Builtin.workloads().iter().map(|w| w.name.as_str()).collect::<Vec<_>>(),
            [Fills::NAME, Signals::NAME, HashChain::NAME, Counter::NAME]
        );
    }
}
