//! SQLite (rusqlite, bundled), in each of its journal modes and with each way to sync.
//!
//! What it promises: a committed transaction survives the end of the program in every one of them
//! (<https://www.sqlite.org/pragma.html#pragma_synchronous>: "commits may be lost after a power loss" in WAL with NORMAL, never after
//! a crash of the application). So nothing but intact may show here; power loss is where they differ.

use std::io;
use std::path::Path;

use crashtest_model::Generation;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::kept::{Opening, Store, said};
use crate::ledger::{Account, Ledger};

/// The database.
pub(crate) const FILE: &str = "ledger.db";

/// One configuration.
pub(crate) fn open<const WAL: bool, const SYNCHRONOUS: u8>(dir: &Path, opening: Opening) -> io::Result<Box<dyn Store>> {
    let make = if opening == Opening::MayMake { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | make;
    let connection = Connection::open_with_flags(dir.join(FILE), flags).map_err(said)?;
    let wanted = if WAL { "wal" } else { "delete" };
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", wanted, |row| row.get(0)).map_err(said)?;
    if mode != wanted {
        return Err(io::Error::other(format!("journal_mode is {mode}, not {wanted}")));
    }
    connection.pragma_update(None, "synchronous", SYNCHRONOUS).map_err(said)?;
    if opening == Opening::MayMake {
        connection
            .execute_batch(
                "BEGIN IMMEDIATE;
                 CREATE TABLE IF NOT EXISTS entry (account INTEGER PRIMARY KEY, text TEXT NOT NULL);
                 CREATE TABLE IF NOT EXISTS sequence (only INTEGER PRIMARY KEY CHECK (only = 0), save INTEGER NOT NULL);
                 COMMIT;",
            )
            .map_err(said)?;
    }
    Ok(Box::new(Sqlite { connection }))
}

/// `PRAGMA synchronous`: OFF is 0, and not tested.
pub(crate) const NORMAL: u8 = 1;
pub(crate) const FULL: u8 = 2;
pub(crate) const EXTRA: u8 = 3;

struct Sqlite {
    connection: Connection,
}

impl Store for Sqlite {
    fn ledger(&mut self) -> io::Result<Option<Ledger>> {
        let read = || -> rusqlite::Result<Option<Ledger>> {
            let save = self.connection.query_row("SELECT save FROM sequence", [], |row| row.get::<_, i64>(0));
            let Some(save) = save.optional()? else { return Ok(None) };
            let mut query = self.connection.prepare("SELECT account, text FROM entry")?;
            let entries = query.query_map([], |row| Ok((row.get::<_, Account>(0)?, row.get(1)?)))?;
            let sequence = Generation(save.cast_unsigned());
            Ok(Some(Ledger { sequence, entries: entries.collect::<rusqlite::Result<_>>()? }))
        };
        read().map_err(said)
    }

    fn put(&mut self, sequence: Generation, entries: &[(Account, String)]) -> io::Result<()> {
        let mut write = || -> rusqlite::Result<()> {
            let transaction = self.connection.transaction()?;
            for (account, text) in entries {
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO entry (account, text) VALUES (?1, ?2)")?
                    .execute(params![account, text])?;
            }
            transaction
                .prepare_cached("INSERT OR REPLACE INTO sequence (only, save) VALUES (0, ?1)")?
                .execute([sequence.0.cast_signed()])?;
            transaction.commit()
        };
        write().map_err(said)
    }

    fn close(self: Box<Self>) -> io::Result<()> {
        self.connection.close().map_err(|(_, error)| said(error))
    }
}
