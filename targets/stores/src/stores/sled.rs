//! sled 0.34: a log-structured tree. What is put in goes to a buffer of the program; `flush` puts it on disk, as a thread does
//! every 500 ms.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crashtest_model::Generation;
use sled::{Batch, Db};

use super::records;
use crate::kept::{Opening, Store, check_there, said};
use crate::ledger::{Account, Ledger};

/// The file that it always has.
pub(crate) const FILE: &str = "ledger.sled/db";

/// Opens it; each save is flushed before it is acknowledged if `FLUSHED`.
pub(crate) fn open<const FLUSHED: bool>(dir: &Path, opening: Opening) -> io::Result<Box<dyn Store>> {
    let file = dir.join(FILE);
    check_there(&file, opening)?;
    let db = sled::Config::new().path(dir.join("ledger.sled")).open().map_err(said)?;
    Ok(Box::new(Sled { db: Some(db), file, flushed: FLUSHED }))
}

struct Sled {
    /// `None` only while it is dropped.
    db: Option<Db>,
    file: PathBuf,
    flushed: bool,
}

impl Sled {
    fn db(&self) -> io::Result<&Db> {
        self.db.as_ref().ok_or_else(|| io::Error::other("used after it was dropped"))
    }
}

/// A dropped `Db` lets go of its file some time later, in a thread of its own: whoever opens it again in the same process finds it
/// locked. Who waits for the lock knows that it has.
impl Drop for Sled {
    fn drop(&mut self) {
        self.db = None;
        // Without the file there is no lock to wait for.
        let _ = File::open(&self.file).and_then(|file| file.lock());
    }
}

impl Store for Sled {
    fn ledger(&mut self) -> io::Result<Option<Ledger>> {
        let found = self.db()?.iter().map(|found| match found {
            Ok((key, value)) => Ok((key.to_vec(), value.to_vec())),
            Err(error) => Err(said(error)),
        });
        records::ledger(found)
    }

    fn put(&mut self, sequence: Generation, entries: &[(Account, String)]) -> io::Result<()> {
        let mut batch = Batch::default();
        records::records(sequence, entries).for_each(|(key, value)| batch.insert(key, value));
        self.db()?.apply_batch(batch).map_err(said)?;
        if self.flushed {
            self.db()?.flush().map_err(said)?;
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> io::Result<()> {
        self.db()?.flush().map(drop).map_err(said)
    }
}
