//! redb: a copy-on-write B-tree in one file. A commit with `Durability::Immediate` is on disk when it returns.

use std::io;
use std::path::Path;

use crashtest_model::Generation;
use redb::{Database, Durability, Error, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use crate::kept::{Opening, Store, said};
use crate::ledger::{Account, Ledger};

/// The database.
pub(crate) const FILE: &str = "ledger.redb";

const ENTRIES: TableDefinition<'_, Account, &str> = TableDefinition::new("entry");
const SEQUENCE: TableDefinition<'_, (), u64> = TableDefinition::new("sequence");

/// Opens it.
pub(crate) fn open(dir: &Path, opening: Opening) -> io::Result<Box<dyn Store>> {
    let path = dir.join(FILE);
    let database = match opening {
        Opening::MayMake => Database::create(path),
        Opening::MustExist => Database::open(path),
    };
    Ok(Box::new(Redb { database: database.map_err(said)? }))
}

struct Redb {
    database: Database,
}

impl Redb {
    fn read(&self) -> Result<Option<Ledger>, Error> {
        let transaction = self.database.begin_read()?;
        let sequence = match transaction.open_table(SEQUENCE) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            table => table?,
        };
        let Some(sequence) = sequence.get(())? else { return Ok(None) };
        let mut ledger = Ledger { sequence: Generation(sequence.value()), ..Ledger::default() };
        for entry in transaction.open_table(ENTRIES)?.iter()? {
            let (account, text) = entry?;
            ledger.entries.insert(account.value(), text.value().to_owned());
        }
        Ok(Some(ledger))
    }

    fn write(&self, sequence: Generation, entries: &[(Account, String)]) -> Result<(), Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut table = transaction.open_table(ENTRIES)?;
            for (account, text) in entries {
                table.insert(account, text.as_str())?;
            }
            transaction.open_table(SEQUENCE)?.insert((), sequence.0)?;
        }
        Ok(transaction.commit()?)
    }
}

impl Store for Redb {
    fn ledger(&mut self) -> io::Result<Option<Ledger>> {
        self.read().map_err(said)
    }

    fn put(&mut self, sequence: Generation, entries: &[(Account, String)]) -> io::Result<()> {
        self.write(sequence, entries).map_err(said)
    }

    fn close(self: Box<Self>) -> io::Result<()> {
        self.database.close().map_err(said)
    }
}
