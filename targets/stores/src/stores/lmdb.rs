//! LMDB (lmdb-rkv): a copy-on-write B-tree in one file, read through a mapping and written with pwrite(2). A commit is on disk when
//! it returns.
//!
//! lmdb-rkv and not heed: opening an environment with heed is unsafe code, which this workspace keeps out of its targets.

use std::io;
use std::path::Path;

use crashtest_model::Generation;
use lmdb::{Cursor, Database, DatabaseFlags, Environment, Transaction, WriteFlags};

use super::records;
use crate::kept::{Opening, Store, check_there, said};
use crate::ledger::{Account, Ledger};

/// The database.
pub(crate) const FILE: &str = "data.mdb";

/// How large it may become, in bytes: address space, not room on disk. The largest ledger takes 64 MiB.
const MAP: usize = 1 << 30;

/// Opens it.
pub(crate) fn open(dir: &Path, opening: Opening) -> io::Result<Box<dyn Store>> {
    check_there(&dir.join(FILE), opening)?;
    let environment = Environment::new().set_map_size(MAP).open(dir).map_err(said)?;
    let database = match opening {
        Opening::MayMake => environment.create_db(None, DatabaseFlags::empty()),
        Opening::MustExist => environment.open_db(None),
    };
    Ok(Box::new(Lmdb { database: database.map_err(said)?, environment }))
}

struct Lmdb {
    database: Database,
    environment: Environment,
}

impl Store for Lmdb {
    fn ledger(&mut self) -> io::Result<Option<Ledger>> {
        let transaction = self.environment.begin_ro_txn().map_err(said)?;
        let mut cursor = transaction.open_ro_cursor(self.database).map_err(said)?;
        let found = cursor.iter().map(|found| match found {
            Ok((key, value)) => Ok((key.to_vec(), value.to_vec())),
            Err(error) => Err(said(error)),
        });
        records::ledger(found)
    }

    fn put(&mut self, sequence: Generation, entries: &[(Account, String)]) -> io::Result<()> {
        let mut transaction = self.environment.begin_rw_txn().map_err(said)?;
        for (key, value) in records::records(sequence, entries) {
            transaction.put(self.database, &key, &value, WriteFlags::empty()).map_err(said)?;
        }
        transaction.commit().map_err(said)
    }
}
