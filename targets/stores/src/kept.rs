//! A ledger kept in a store: what every store can do, and the target that it makes.

use std::fmt::Display;
use std::io;
use std::path::Path;

use crashtest_kit::{Place, Recovered, Refused, Target, Workload};
use crashtest_model::{Bytes, Digest, Generation, Loader, Seed, TargetSpec};

use crate::ledger::{self, Account, Entries, Ledger};

/// Whether a store is made where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It is: the first start.
    MayMake,
    /// It is not: a store that is gone is damage.
    MustExist,
}

/// A store that is open.
pub(crate) trait Store {
    /// What it holds; `None` where nothing was ever put in.
    ///
    /// # Errors
    /// What the store says.
    fn ledger(&mut self) -> io::Result<Option<Ledger>>;

    /// Puts in `entries`, and `sequence` as the number of the save, in one transaction. When it returns, they are to survive.
    ///
    /// # Errors
    /// What the store says.
    fn put(&mut self, sequence: Generation, entries: &[(Account, String)]) -> io::Result<()>;

    /// Stops cleanly.
    ///
    /// # Errors
    /// What the store says.
    fn close(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a store in a directory.
pub(crate) type Open = fn(&Path, Opening) -> io::Result<Box<dyn Store>>;

/// A store's own error.
pub(crate) fn said(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// Refuses a store that is not there, where it must be.
pub(crate) fn check_there(path: &Path, opening: Opening) -> io::Result<()> {
    if opening == Opening::MustExist { path.metadata().map(drop) } else { Ok(()) }
}

/// The target.
pub(crate) struct Kept {
    open: Open,
    loader: Loader,
    stream: Seed,
    bound: Bytes,
    place: Place,
    store: Option<Box<dyn Store>>,
}

impl Kept {
    pub(crate) fn new(open: Open, spec: &TargetSpec, stream: Seed, place: Place) -> Kept {
        Kept { open, loader: spec.loader, stream, bound: spec.state_size, place, store: None }
    }

    fn load(&mut self) -> io::Result<Option<Ledger>> {
        let mut store = (self.open)(&self.place.dir, Opening::MustExist)?;
        let ledger = store.ledger()?;
        self.store = Some(store);
        Ok(ledger)
    }

    /// An empty place with generation 0 in it, as a program makes it that thinks it has never run.
    fn start_fresh(&mut self) -> io::Result<()> {
        self.store = None;
        for found in std::fs::read_dir(&self.place.dir)? {
            let found = found?;
            match found.file_type()?.is_dir() {
                true => std::fs::remove_dir_all(found.path())?,
                false => std::fs::remove_file(found.path())?,
            }
        }
        self.init()?;
        self.store = Some((self.open)(&self.place.dir, Opening::MustExist)?);
        Ok(())
    }
}

impl Target for Kept {
    fn init(&mut self) -> io::Result<()> {
        let mut store = (self.open)(&self.place.dir, Opening::MayMake)?;
        if store.ledger()?.is_none() {
            let Ledger { sequence, entries } = Entries::initial(self.stream, self.bound);
            store.put(sequence, &entries.into_iter().collect::<Vec<_>>())?;
        }
        store.close()
    }

    fn open(&mut self) -> Result<Recovered, Refused> {
        let loaded = self.load();
        match (loaded, self.loader) {
            (Ok(Some(ledger)), _) => {
                let (sequence, digest) = (ledger.sequence, Digest::of_value(&ledger));
                Ok(Recovered::State { sequence, digest, missing: Vec::new(), parts: Vec::new() })
            }
            (Ok(None), _) | (Err(_), Loader::Lenient) => {
                self.start_fresh()?;
                Ok(Recovered::Fresh)
            }
            (Err(error), Loader::Strict) => Err(error.into()),
        }
    }

    fn save(&mut self, generation: Generation) -> io::Result<()> {
        let store = self.store.as_mut().ok_or_else(|| io::Error::other("saved before it was opened"))?;
        store.put(generation, &[ledger::entry(self.stream, generation, ledger::accounts(self.bound))])
    }

    fn close(&mut self) -> io::Result<()> {
        self.store.take().map_or(Ok(()), Store::close)
    }
}
