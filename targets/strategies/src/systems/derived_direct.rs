//! `derived-direct`: four books of a trading system, each written over in its own file, and no log to rebuild them from.
//!
//! From the first file of a save to the last one they are of two saves, and nothing tells: what a kill leaves is read back without
//! an error, unless it falls into one of the files.

use std::io;

use crashtest_kit::{Generations, Place, Recovered, Refused, Target, Workload};
use crashtest_model::{Bytes, Expectation, Generation, Loader, Seed, Shape, StrategyInfo, TargetSpec, Verdict};

use super::book_files::{BookFiles, Kept, book_path, overwrite_book, read_books, recovered};
use crate::strategies::{damaged_by_kills, first_start_killed};
use crate::workloads::trade_log::{Books, LoggedTrades};

/// The command line's name.
pub(crate) const NAME: &str = "derived-direct";

pub(crate) fn info() -> StrategyInfo {
    let drift = |may: &[Verdict]| Expectation {
        must: vec![Verdict::BrokenInvariant],
        may: may.to_vec(),
        ..Expectation::default()
    };
    StrategyInfo {
        name: NAME.into(),
        summary: "portfolio, equity, risk state and setup performance, each truncated and written by itself; no log"
            .into(),
        shape: Shape::System,
        recipe: "4 × (truncate(f) · write × n · close)".into(),
        origin: "a position manager before its reconciler: four files that every handler updates by itself".into(),
        documented: [
            damaged_by_kills(&drift(&[Verdict::Torn, Verdict::Empty]), &drift(&[Verdict::SilentReset])),
            first_start_killed(&[Verdict::Torn, Verdict::Empty]),
        ]
        .concat(),
        planted: false,
    }
}

/// The oracle's side.
pub(crate) fn generations(stream: Seed, bound: Bytes) -> Box<dyn Generations> {
    Box::new(BookFiles::new(Kept::BooksAlone, stream, bound))
}

/// The target.
pub(crate) struct DerivedDirect {
    loader: Loader,
    stream: Seed,
    bound: Bytes,
    place: Place,
    books: Option<Books>,
}

impl DerivedDirect {
    pub(crate) fn new(spec: &TargetSpec, stream: Seed, place: Place) -> DerivedDirect {
        DerivedDirect { loader: spec.loader, stream, bound: spec.state_size, place, books: None }
    }

    fn initial(&self) -> Books {
        Books::from_log(&LoggedTrades::initial(self.stream, self.bound))
    }
}

impl Target for DerivedDirect {
    fn init(&mut self) -> io::Result<()> {
        let books = self.initial();
        let missing = (0..Books::NAMES.len()).filter(|n| !book_path(&self.place, *n).exists());
        missing.into_iter().try_for_each(|n| overwrite_book(&self.place, n, Generation::ZERO, &books))
    }

    fn open(&mut self) -> Result<Recovered, Refused> {
        let (sequence, books) = match read_books(&self.place) {
            Ok(found) => found,
            Err(refused) if self.loader == Loader::Strict => return Err(refused),
            Err(_) => {
                self.books = Some(self.initial());
                return Ok(Recovered::Fresh);
            }
        };
        let recovered = recovered(sequence, None, &books);
        self.books = Some(books);
        Ok(recovered)
    }

    fn save(&mut self, generation: Generation) -> io::Result<()> {
        let books = self.books.as_mut().ok_or_else(|| io::Error::other("saved before it was opened"))?;
        books.apply(self.stream, generation, self.bound);
        (0..Books::NAMES.len()).try_for_each(|n| overwrite_book(&self.place, n, generation, books))
    }

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}
