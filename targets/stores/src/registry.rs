//! The registry: every store by name, with what its documentation promises.

use crashtest_kit::{Folded, Generations, Place, Registry, Target, Workload};
use crashtest_model::{
    Conditions, Documented, Expectation, Fault, Loader, Seed, Shape, Start, StrategyInfo, TargetSpec, Verdict,
    WorkloadInfo,
};

use crate::kept::{Kept, Open};
use crate::ledger::{Entries, InStore};
use crate::stores::{fjall, lmdb, redb, sled, sqlite, whole_file};

/// The stores.
pub(crate) struct Stores;

/// A store in one configuration.
struct Entry {
    name: &'static str,
    summary: &'static str,
    recipe: &'static str,
    /// The crate under test, with its version, and what it says.
    origin: &'static str,
    open: Open,
    keeps: Keeps,
    /// What kills must show, by the crate's own documentation, beside intact.
    under_kill: &'static [Verdict],
    /// The same of a sweep, which looks at one crash at a time.
    under_sweep: &'static [Verdict],
    /// What may show, with the reason in the summary.
    may: &'static [Verdict],
}

/// In what the ledger is kept.
enum Keeps {
    /// In files of the store's own, of which it always has this one.
    Own(&'static str),
    /// In one JSON file.
    Json,
}

const SQLITE: &str = "rusqlite 0.41.1 with its own SQLite: a commit survives the end of the program in every mode (pragma.html#pragma_synchronous)";

/// An entry of which nothing but intact may show.
const fn intact(
    name: &'static str,
    summary: &'static str,
    recipe: &'static str,
    origin: &'static str,
    open: Open,
    keeps: Keeps,
) -> Entry {
    Entry { name, summary, recipe, origin, open, keeps, under_kill: &[], under_sweep: &[], may: &[] }
}

const fn rollback(name: &'static str, summary: &'static str, open: Open) -> Entry {
    let recipe = "write(f-journal) · fsync × n · write(f) × n · fsync · unlink(f-journal)";
    intact(name, summary, recipe, SQLITE, open, Keeps::Own(sqlite::FILE))
}

const fn wal(name: &'static str, summary: &'static str, recipe: &'static str, open: Open) -> Entry {
    intact(name, summary, recipe, SQLITE, open, Keeps::Own(sqlite::FILE))
}

/// A crate that leaves its temporary when it is killed, and says so.
const fn whole_file(
    name: &'static str,
    summary: &'static str,
    recipe: &'static str,
    origin: &'static str,
    open: Open,
) -> Entry {
    Entry { under_kill: &[Verdict::Residue], ..intact(name, summary, recipe, origin, open, Keeps::Json) }
}

const ENTRIES: [Entry; 14] = [
    rollback(
        "sqlite-delete-full",
        "SQLite, rollback journal, synchronous FULL: its default",
        sqlite::open::<false, { sqlite::FULL }>,
    ),
    rollback(
        "sqlite-delete-extra",
        "SQLite, rollback journal, synchronous EXTRA: the directory is synced after the journal is gone",
        sqlite::open::<false, { sqlite::EXTRA }>,
    ),
    rollback(
        "sqlite-delete-normal",
        "SQLite, rollback journal, synchronous NORMAL: fewer syncs, none of which a kill needs",
        sqlite::open::<false, { sqlite::NORMAL }>,
    ),
    wal(
        "sqlite-wal-full",
        "SQLite, write-ahead log, synchronous FULL",
        "write(f-wal) × n · fsync(f-wal)",
        sqlite::open::<true, { sqlite::FULL }>,
    ),
    wal(
        "sqlite-wal-extra",
        "SQLite, write-ahead log, synchronous EXTRA: as FULL",
        "write(f-wal) × n · fsync(f-wal)",
        sqlite::open::<true, { sqlite::EXTRA }>,
    ),
    wal(
        "sqlite-wal-normal",
        "SQLite, write-ahead log, synchronous NORMAL: synced at checkpoints, so commits may be lost on power loss",
        "write(f-wal) × n",
        sqlite::open::<true, { sqlite::NORMAL }>,
    ),
    intact(
        "redb",
        "redb, Durability::Immediate",
        "write(f) × n · fsync · write(f) · fsync",
        "redb 4.5.0: \"crash-safe by default\", a commit is \"persistent as soon as commit returns\"",
        redb::open,
        Keeps::Own(redb::FILE),
    ),
    intact(
        "sled",
        "sled, flushed before the ack",
        "write(f) × n · fsync",
        "sled 0.34.7: \"flush: synchronously flushes all dirty IO buffers and calls fsync\"",
        sled::open::<true>,
        Keeps::Own(sled::FILE),
    ),
    Entry {
        under_kill: &[Verdict::LostAck],
        under_sweep: &[Verdict::LostAck],
        ..intact(
            "sled-unflushed",
            "sled, acked as it returns: its default, flushed every 500 ms by a thread",
            "enqueue · write(f) × n",
            "sled 0.34.7: \"all writes are flushed every 500ms by default\", so the last ones are lost",
            sled::open::<false>,
            Keeps::Own(sled::FILE),
        )
    },
    intact(
        "fjall",
        "fjall, PersistMode::SyncAll",
        "write(journal) · fsync",
        "fjall 3.1.13: SyncAll flushes data and metadata with fsync before a batch returns",
        fjall::open,
        Keeps::Own(fjall::FILE),
    ),
    intact(
        "lmdb",
        "LMDB, its default flags",
        "pwrite(f) × n · fdatasync · pwrite(f)",
        "lmdb-rkv 0.14.0 with its own LMDB: \"database structure cannot be corrupted\", a commit is synced",
        lmdb::open,
        Keeps::Own(lmdb::FILE),
    ),
    whole_file(
        "atomic-write-file",
        "AtomicWriteFile::commit",
        "create(.f.X, O_EXCL) · write · fsync · rename(.f.X, f) · fsync(dir)",
        "atomic-write-file 0.3.1: \"temporary files may be left\" when the process is interrupted abruptly",
        whole_file::with_atomic_write_file,
    ),
    whole_file(
        "atomicwrites",
        "AtomicFile::write",
        "mkdir(.atomicwriteX) · create(.atomicwriteX/tmpfile.tmp) · write · fsync · rename · fsync(dir) × 2 · rmdir",
        "atomicwrites 0.4.4: the file is replaced whole; nothing is said of temporaries after a kill",
        whole_file::with_atomicwrites,
    ),
    whole_file(
        "tempfile-persist",
        "NamedTempFile::persist, as it is: nothing is synced",
        "create(.tmpX, O_EXCL) · write · rename(.tmpX, f)",
        "tempfile 3.27.0: replaced atomically; temporaries leak where destructors do not run",
        whole_file::with_tempfile,
    ),
];

fn entry(name: &str) -> Option<Entry> {
    ENTRIES.into_iter().find(|entry| entry.name == name)
}

impl Entry {
    fn info(&self) -> StrategyInfo {
        let row = |(loader, fault): (Loader, Fault)| {
            let must = match fault {
                Fault::Kill => self.under_kill,
                Fault::Sweep => self.under_sweep,
                _ => &[],
            };
            let may = if fault == Fault::None { &[] } else { self.may };
            let expectation = Expectation { must: must.to_vec(), one_of: Vec::new(), may: may.to_vec() };
            Documented { loader, fault, start: Start::Again, conditions: Conditions::default(), expectation }
        };
        let faults = [Fault::None, Fault::Kill, Fault::Sweep];
        let rows = Loader::ALL.into_iter().flat_map(|loader| faults.map(|fault| (loader, fault)));
        StrategyInfo {
            name: self.name.into(),
            summary: self.summary.into(),
            shape: Shape::System,
            recipe: self.recipe.into(),
            origin: self.origin.into(),
            documented: rows.map(row).collect(),
            planted: false,
        }
    }
}

impl Registry for Stores {
    fn strategies(&self) -> Vec<StrategyInfo> {
        ENTRIES.iter().map(Entry::info).collect()
    }

    fn workloads(&self) -> Vec<WorkloadInfo> {
        vec![Entries::info()]
    }

    fn own_workload(&self, _strategy: &str) -> Option<&str> {
        Some(Entries::NAME)
    }

    fn target(&self, spec: &TargetSpec, stream: Seed, place: Place) -> Option<Box<dyn Target>> {
        Some(Box::new(Kept::new(entry(&spec.strategy)?.open, spec, stream, place)))
    }

    fn generations(&self, spec: &TargetSpec, stream: Seed) -> Option<Box<dyn Generations>> {
        Some(match entry(&spec.strategy)?.keeps {
            Keeps::Own(file) => Box::new(InStore::new(stream, spec.state_size, file)),
            Keeps::Json => Box::new(Folded::<Entries>::new(stream, spec.state_size)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crashtest_model::{Bytes, Digest, Generation};

    use super::*;
    use crate::kept::Opening;
    use crate::ledger::{self, Ledger};

    const STREAM: Seed = Seed(5);
    const BOUND: Bytes = Bytes::kib(16);

    /// Opens a store, makes saves `from` to `to`, says what it held before and after, and stops cleanly.
    fn save(entry: &Entry, dir: &Path, opening: Opening, from: u64, to: u64) -> [Option<Ledger>; 2] {
        let mut store = (entry.open)(dir, opening).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let before = store.ledger().unwrap();
        if before.is_none() {
            let first = Entries::initial(STREAM, BOUND);
            store.put(first.sequence, &first.entries.into_iter().collect::<Vec<_>>()).unwrap();
        }
        for g in (from..=to).map(Generation) {
            store.put(g, &[ledger::entry(STREAM, g, ledger::accounts(BOUND))]).unwrap();
        }
        let after = store.ledger().unwrap();
        store.close().unwrap();
        [before, after]
    }

    #[test]
    fn every_store_gives_back_what_was_put_in() {
        for entry in &ENTRIES {
            let dir = tempfile::tempdir().unwrap();
            let mut oracle = Folded::<Entries>::new(STREAM, BOUND);
            let [nothing, five] = save(entry, dir.path(), Opening::MayMake, 1, 5);
            assert_eq!(nothing, None, "{}", entry.name);
            assert_eq!(five.as_ref(), Some(oracle.state(Generation(5))), "{}", entry.name);
            for opening in [Opening::MustExist, Opening::MayMake] {
                let [again, _] = save(entry, dir.path(), opening, 1, 0);
                assert_eq!(again, five, "{}", entry.name);
            }
            let [_, forty] = save(entry, dir.path(), Opening::MustExist, 6, 40);
            assert_eq!(
                forty.map(|ledger| Digest::of_value(&ledger)),
                Some(oracle.digest(Generation(40))),
                "{}",
                entry.name
            );
            let file = Stores.generations(&spec(entry.name), STREAM).unwrap().state_file();
            assert!(dir.path().join(&file).is_file(), "{} has {file}", entry.name);
        }
    }

    #[test]
    fn a_store_that_is_gone_is_not_made_anew() {
        for entry in &ENTRIES {
            let dir = tempfile::tempdir().unwrap();
            assert!((entry.open)(dir.path(), Opening::MustExist).is_err(), "{}", entry.name);
        }
    }

    #[test]
    fn the_origin_of_a_store_names_the_version_that_is_built() {
        let lock = include_str!("../../../Cargo.lock");
        for Entry { name, origin, .. } in &ENTRIES {
            let words: Vec<&str> = origin.splitn(3, [' ', ':']).collect();
            let wanted = format!("name = \"{}\"\nversion = \"{}\"\n", words[0], words[1]);
            assert!(lock.contains(&wanted), "{name}: {origin}");
        }
    }

    fn spec(strategy: &str) -> TargetSpec {
        TargetSpec {
            strategy: strategy.into(),
            workload: Entries::NAME.into(),
            loader: Loader::Strict,
            state_size: BOUND,
            idle_us: 0,
            writers: 1,
            threads: false,
            readers: 0,
        }
    }
}
