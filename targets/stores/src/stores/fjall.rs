//! fjall: a log-structured merge tree behind a journal. A batch with `PersistMode::SyncAll` is on disk when it returns.

use std::io;
use std::path::Path;

use crashtest_model::Generation;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::records;
use crate::kept::{Opening, Store, check_there, said};
use crate::ledger::{Account, Ledger};

/// The file that it always has.
pub(crate) const FILE: &str = "ledger.fjall/version";

/// Opens it.
pub(crate) fn open(dir: &Path, opening: Opening) -> io::Result<Box<dyn Store>> {
    check_there(&dir.join(FILE), opening)?;
    let database = Database::builder(dir.join("ledger.fjall")).open().map_err(said)?;
    let entries = database.keyspace("entries", KeyspaceCreateOptions::default).map_err(said)?;
    Ok(Box::new(Fjall { entries, database }))
}

struct Fjall {
    entries: Keyspace,
    database: Database,
}

impl Store for Fjall {
    fn ledger(&mut self) -> io::Result<Option<Ledger>> {
        let found = self.entries.iter().map(|found| match found.into_inner() {
            Ok((key, value)) => Ok((key.to_vec(), value.to_vec())),
            Err(error) => Err(said(error)),
        });
        records::ledger(found)
    }

    fn put(&mut self, sequence: Generation, entries: &[(Account, String)]) -> io::Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        records::records(sequence, entries).for_each(|(key, value)| batch.insert(&self.entries, key, value));
        batch.commit().map_err(said)
    }

    fn close(self: Box<Self>) -> io::Result<()> {
        self.database.persist(PersistMode::SyncAll).map_err(said)
    }
}
