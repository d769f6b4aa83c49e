//! The crates that replace a file as a whole: the ledger is one JSON file, of which each save writes a new one in its place.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crashtest_kit::{encode, state_file};
use crashtest_model::Generation;

use crate::kept::{Opening, Store};
use crate::ledger::{Account, Entries, Ledger};

/// Puts `content` in the place of the file at a path.
type Replace = fn(&Path, &[u8]) -> io::Result<()>;

/// `atomic-write-file`: a temporary beside the file; `commit` syncs it, renames it and syncs the directory.
pub(crate) fn with_atomic_write_file(dir: &Path, opening: Opening) -> io::Result<Box<dyn Store>> {
    open(dir, opening, |path, content| {
        let mut file = atomic_write_file::AtomicWriteFile::open(path)?;
        file.write_all(content)?;
        file.commit()
    })
}

/// `atomicwrites`: a temporary in a temporary directory beside the file, synced, renamed; both directories synced.
pub(crate) fn with_atomicwrites(dir: &Path, opening: Opening) -> io::Result<Box<dyn Store>> {
    open(dir, opening, |path, content| {
        let file = atomicwrites::AtomicFile::new(path, atomicwrites::AllowOverwrite);
        file.write(|file| file.write_all(content)).map_err(io::Error::from)
    })
}

/// `tempfile`: `NamedTempFile::persist` renames, and syncs nothing.
pub(crate) fn with_tempfile(dir: &Path, opening: Opening) -> io::Result<Box<dyn Store>> {
    open(dir, opening, |path, content| {
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(content)?;
        file.persist(path).map(drop).map_err(|error| error.error)
    })
}

fn open(dir: &Path, opening: Opening, replace: Replace) -> io::Result<Box<dyn Store>> {
    let path = dir.join(state_file::<Entries>());
    let ledger = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && opening == Opening::MayMake => None,
        content => Some(serde_json::from_slice(&content?)?),
    };
    Ok(Box::new(WholeFile { path, ledger, replace }))
}

struct WholeFile {
    path: PathBuf,
    ledger: Option<Ledger>,
    replace: Replace,
}

impl Store for WholeFile {
    fn ledger(&mut self) -> io::Result<Option<Ledger>> {
        Ok(self.ledger.clone())
    }

    fn put(&mut self, sequence: Generation, entries: &[(Account, String)]) -> io::Result<()> {
        let mut ledger = self.ledger.take().unwrap_or_default();
        ledger.sequence = sequence;
        ledger.entries.extend(entries.iter().cloned());
        let mut content = Vec::new();
        encode(&ledger, &mut content)?;
        (self.replace)(&self.path, &content)?;
        self.ledger = Some(ledger);
        Ok(())
    }
}
