//! `reconciler`, `-guard-memory`, `-noguard`: a trade log that is the only source of truth, and a reconciler that rebuilds the books
//! from it, again and again.
//!
//! It only ever reads the log, so that a book that is missing, torn or wrong is whole again one cycle later. What can go wrong is the
//! log: its guard stops a cycle when more than half of the trades are gone since the one before. What it remembers the count by
//! decides what it is worth: memory is empty after a crash, which is when it is needed.
//!
//! Another program rotates the log while this one runs, and puts it back. It is played here, in every fourth save, so that the same
//! seed gives the same calls.

use std::io;
use std::path::PathBuf;

use crashtest_kit::{Generations, Place, Recovered, Refused, Target, Workload};
use crashtest_model::{Bytes, Documented, Fault, Generation, Loader, Seed, Shape, StrategyInfo, TargetSpec, Verdict};

use super::book_files::{BookFiles, Kept, book_path, log_path, read, read_books, recovered, replace_book, replace_log};
use crate::strategies::{intact_under, shows, with_suffix};
use crate::workloads::trade_log::{AsOf, Books, LoggedTrades, Portfolio, TradeLog};

/// The command line's name: guarded by the count in its own portfolio file.
pub(crate) const NAME: &str = "reconciler";
/// Guarded by the count that it remembers.
pub(crate) const GUARD_MEMORY: &str = "reconciler-guard-memory";
/// Not guarded.
pub(crate) const NOGUARD: &str = "reconciler-noguard";

/// In every save whose number is a multiple of this the log is rotated.
const ROTATION: u64 = 4;

/// What the guard holds the count of trades against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The count in the portfolio's file, which the cycle before has written, in this life or an earlier one.
    PortfolioFile,
    /// The count of the cycle before, in this life.
    Memory,
    /// There is no guard.
    Nothing,
}

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: NAME.into(),
        summary: "a trade log, and books that are rebuilt from it; the guard's count is in the portfolio's file".into(),
        shape: Shape::System,
        recipe: "5 × (create(f.tmp) · write × n · close · rename(f.tmp, f))".into(),
        origin: "a position manager's StateReconciler: the log is the truth, four files are rebuilt from it".into(),
        documented: documented(intact_under),
        planted: false,
    }
}

pub(crate) fn info_guard_memory() -> StrategyInfo {
    StrategyInfo {
        name: GUARD_MEMORY.into(),
        summary: "the same; the guard's count is in memory, and gone after a crash".into(),
        documented: documented(books_of_a_shrunk_log),
        ..info()
    }
}

pub(crate) fn info_noguard() -> StrategyInfo {
    StrategyInfo {
        name: NOGUARD.into(),
        summary: "the same without a guard: books are rebuilt from whatever log is there".into(),
        documented: documented(books_of_a_shrunk_log),
        ..info()
    }
}

fn books_of_a_shrunk_log(fault: Fault) -> [Documented; 2] {
    Loader::ALL.map(|loader| shows(loader, fault, &[Verdict::BrokenInvariant], &[]))
}

fn documented(under_kills: impl Fn(Fault) -> [Documented; 2]) -> Vec<Documented> {
    [intact_under(Fault::None), under_kills(Fault::Kill), under_kills(Fault::Sweep)].concat()
}

/// The oracle's side.
pub(crate) fn generations(stream: Seed, bound: Bytes) -> Box<dyn Generations> {
    Box::new(BookFiles::new(Kept::LogAndBooks, stream, bound))
}

/// What a cycle came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cycle {
    /// All books are rebuilt.
    Rebuilt,
    /// More than half of the trades are gone: nothing was written. A real one pages somebody.
    Aborted,
}

/// The target.
pub(crate) struct Reconciler {
    guard: Guard,
    /// How many trades the last cycle of this life has counted.
    remembered: Option<u64>,
    loader: Loader,
    stream: Seed,
    bound: Bytes,
    place: Place,
    log: Option<TradeLog>,
}

impl Reconciler {
    pub(crate) fn new(guard: Guard, spec: &TargetSpec, stream: Seed, place: Place) -> Reconciler {
        let TargetSpec { loader, state_size, .. } = spec;
        let (loader, bound) = (*loader, *state_size);
        Reconciler { guard, remembered: None, loader, stream, bound, place, log: None }
    }

    /// The whole log, while it is rotated.
    fn full(&self) -> PathBuf {
        with_suffix(&log_path(&self.place), ".full")
    }

    /// Rebuilds the books from the log as it is on disk.
    fn cycle(&mut self) -> Result<Cycle, Refused> {
        let log: TradeLog = read(&self.place, &log_path(&self.place))?;
        if self.baseline().is_some_and(|before| log.len() * 2 < before) {
            return Ok(Cycle::Aborted);
        }
        let books = Books::from_log(&log);
        for n in 0..Books::NAMES.len() {
            replace_book(&self.place, n, log.sequence, &books)?;
        }
        self.remembered = Some(log.len());
        Ok(Cycle::Rebuilt)
    }

    /// The count of trades that the guard expects.
    fn baseline(&self) -> Option<u64> {
        match self.guard {
            Guard::PortfolioFile => {
                let portfolio: Result<AsOf<Portfolio>, Refused> = read(&self.place, &book_path(&self.place, 0));
                portfolio.ok().map(|portfolio| portfolio.book.trades)
            }
            Guard::Memory => self.remembered,
            Guard::Nothing => None,
        }
    }

    /// What the other program does, and the cycles that happen to fall into it.
    fn rotate(&mut self) -> Result<(), Refused> {
        let (path, full) = (log_path(&self.place), self.full());
        let log: TradeLog = read(&self.place, &path)?;
        replace_log(&self.place, &full, &log)?;
        replace_log(&self.place, &path, &log.rotated())?;
        self.cycle()?;
        self.place.fs.rename(&full, &path)?;
        self.cycle()?;
        Ok(())
    }

    /// The restart: a cycle on whatever log is there, and only then the end of a rotation that was cut short.
    fn load(&mut self) -> Result<Recovered, Refused> {
        self.cycle()?;
        if self.full().exists() {
            self.place.fs.rename(&self.full(), &log_path(&self.place))?;
        }
        let log: TradeLog = read(&self.place, &log_path(&self.place))?;
        let (_, books) = read_books(&self.place)?;
        let recovered = recovered(log.sequence, Some(&log), &books);
        self.log = Some(log);
        Ok(recovered)
    }

    fn persist(&mut self, generation: Generation, log: &TradeLog) -> Result<(), Refused> {
        replace_log(&self.place, &log_path(&self.place), log)?;
        self.cycle()?;
        if generation.0.is_multiple_of(ROTATION) { self.rotate() } else { Ok(()) }
    }
}

fn failed(refused: Refused) -> io::Error {
    io::Error::other(refused.why)
}

impl Target for Reconciler {
    fn init(&mut self) -> io::Result<()> {
        let path = log_path(&self.place);
        if path.exists() {
            return Ok(());
        }
        replace_log(&self.place, &path, &LoggedTrades::initial(self.stream, self.bound))?;
        self.cycle().map_err(failed)?;
        Ok(())
    }

    fn open(&mut self) -> Result<Recovered, Refused> {
        match self.load() {
            Err(_) if self.loader == Loader::Lenient => {
                self.log = Some(LoggedTrades::initial(self.stream, self.bound));
                Ok(Recovered::Fresh)
            }
            recovered => recovered,
        }
    }

    fn save(&mut self, generation: Generation) -> io::Result<()> {
        let mut log = self.log.take().ok_or_else(|| io::Error::other("saved before it was opened"))?;
        LoggedTrades::apply(self.stream, generation, self.bound, &mut log);
        let result = self.persist(generation, &log);
        self.log = Some(log);
        result.map_err(failed)
    }

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::atomic::AtomicU64;

    use crashtest_kit::fs::Fs;
    use crashtest_kit::{BOARD_WORDS, Board, encode};

    use super::*;

    const STREAM: Seed = Seed(11);
    const BOUND: Bytes = Bytes(16 << 10);
    const GUARDS: [Guard; 3] = [Guard::PortfolioFile, Guard::Memory, Guard::Nothing];

    /// A program on the files in `dir`, as it starts.
    fn started(guard: Guard, loader: Loader, dir: &Path) -> Reconciler {
        let board = Board::over(Box::leak((0..BOARD_WORDS).map(|_| AtomicU64::new(0)).collect()));
        let place = Place { dir: dir.to_owned(), fs: Fs::new(board, dir.to_owned()), names: Seed(0), writer: 0 };
        let spec = TargetSpec {
            strategy: NAME.into(),
            workload: LoggedTrades::NAME.into(),
            loader,
            state_size: BOUND,
            idle_us: 0,
            writers: 1,
            threads: false,
            readers: 0,
        };
        Reconciler::new(guard, &spec, STREAM, place)
    }

    /// A directory as a program leaves it that has saved so often.
    fn after(guard: Guard, saves: u64) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut program = started(guard, Loader::Strict, dir.path());
        program.init().unwrap();
        program.open().unwrap();
        (1..=saves).for_each(|g| program.save(Generation(g)).unwrap());
        dir
    }

    /// What is reported of generation `g`.
    fn right(g: u64) -> Recovered {
        let log = log_of(g);
        recovered(Generation(g), Some(&log), &Books::from_log(&log))
    }

    fn log_of(g: u64) -> TradeLog {
        let mut log = LoggedTrades::initial(STREAM, BOUND);
        (1..=g).for_each(|g| LoggedTrades::apply(STREAM, Generation(g), BOUND, &mut log));
        log
    }

    /// Makes `log` the one on disk.
    fn put(dir: &Path, name: &str, log: &TradeLog) {
        let mut bytes = Vec::new();
        encode(log, &mut bytes).unwrap();
        fs::write(dir.join(name), bytes).unwrap();
    }

    fn books_in(dir: &Path) -> Vec<Vec<u8>> {
        Books::NAMES.iter().map(|name| fs::read(dir.join(format!("{name}.json"))).unwrap()).collect()
    }

    #[test]
    fn at_each_ack_the_books_agree_with_the_log() {
        for guard in GUARDS {
            for saves in 0..=9 {
                let dir = after(guard, saves);
                let log: TradeLog =
                    serde_json::from_slice(&fs::read(dir.path().join("trade_log.json")).unwrap()).unwrap();
                assert_eq!(log, log_of(saves));
                let program = started(guard, Loader::Strict, dir.path());
                let (sequence, books) = read_books(&program.place).unwrap();
                assert_eq!((sequence, books), (Generation(saves), Books::from_log(&log)), "{guard:?}, save {saves}");
                assert!(!program.full().exists());
            }
        }
    }

    #[test]
    fn a_book_that_is_missing_torn_or_empty_or_of_another_save_heals_within_one_start() {
        for guard in GUARDS {
            for name in Books::NAMES {
                let (dir, older) = (after(guard, 3), after(guard, 2));
                let path = dir.path().join(format!("{name}.json"));
                let whole = fs::read(&path).unwrap();
                let outdated = fs::read(older.path().join(format!("{name}.json"))).unwrap();
                for damage in [None, Some(&whole[..whole.len() / 2]), Some(&[]), Some(&outdated[..])] {
                    match damage {
                        None => fs::remove_file(&path).unwrap(),
                        Some(content) => fs::write(&path, content).unwrap(),
                    }
                    let found = started(guard, Loader::Strict, dir.path()).open();
                    assert_eq!(found, Ok(right(3)), "{guard:?}, {name}");
                    assert_eq!(fs::read(&path).unwrap(), whole);
                }
            }
        }
    }

    /// What a cycle makes of a log with `now` trades where the cycle before has counted `before`.
    fn cycle_after_a_fall(guard: Guard, before: usize, now: usize) -> (Cycle, bool) {
        let dir = after(guard, 0);
        let mut program = started(guard, Loader::Strict, dir.path());
        let log = log_of(0);
        put(dir.path(), "trade_log.json", &log.last(before));
        // The first cycle of a life whose log may be anything.
        program.guard = Guard::Nothing;
        program.cycle().unwrap();
        program.guard = guard;
        let books = books_in(dir.path());
        put(dir.path(), "trade_log.json", &log.last(now));
        let cycle = program.cycle().unwrap();
        (cycle, books_in(dir.path()) == books)
    }

    #[test]
    fn the_guard_stops_a_cycle_when_more_than_half_of_the_trades_are_gone() {
        assert!(log_of(0).len() >= 90);
        for guard in [Guard::PortfolioFile, Guard::Memory] {
            assert_eq!(cycle_after_a_fall(guard, 90, 46), (Cycle::Rebuilt, false), "by 49 %");
            assert_eq!(cycle_after_a_fall(guard, 90, 45), (Cycle::Rebuilt, false), "by half");
            assert_eq!(cycle_after_a_fall(guard, 90, 44), (Cycle::Aborted, true), "by 51 %");
            assert_eq!(cycle_after_a_fall(guard, 90, 0), (Cycle::Aborted, true), "by all");
        }
        assert_eq!(cycle_after_a_fall(Guard::Nothing, 90, 0), (Cycle::Rebuilt, false));
    }

    /// A directory in which the program was killed while the log was rotated.
    fn in_a_rotation(guard: Guard) -> tempfile::TempDir {
        let dir = after(guard, 4);
        let log = log_of(4);
        put(dir.path(), "trade_log.json.full", &log);
        put(dir.path(), "trade_log.json", &log.rotated());
        dir
    }

    #[test]
    fn a_shrunk_log_at_the_start_harms_nothing_where_the_guard_has_its_count_from_the_file() {
        let dir = in_a_rotation(Guard::PortfolioFile);
        assert_eq!(started(Guard::PortfolioFile, Loader::Strict, dir.path()).open(), Ok(right(4)));
        assert!(!dir.path().join("trade_log.json.full").exists());
    }

    #[test]
    fn books_are_rebuilt_from_a_shrunk_log_at_the_start_where_nobody_remembers_the_count() {
        for guard in [Guard::Memory, Guard::Nothing] {
            let dir = in_a_rotation(guard);
            let log = log_of(4);
            let wrong = recovered(Generation(4), Some(&log), &Books::from_log(&log.rotated()));
            assert_eq!(started(guard, Loader::Strict, dir.path()).open(), Ok(wrong), "{guard:?}");
        }
        // Nor does the file say it when it is gone itself.
        for damage in [None, Some(&b"{"[..])] {
            let dir = in_a_rotation(Guard::PortfolioFile);
            match damage {
                None => fs::remove_file(dir.path().join("portfolio.json")).unwrap(),
                Some(content) => fs::write(dir.path().join("portfolio.json"), content).unwrap(),
            }
            let found = started(Guard::PortfolioFile, Loader::Strict, dir.path()).open();
            assert!(found.is_ok() && found != Ok(right(4)), "{found:?}");
        }
    }

    #[test]
    fn while_the_program_lives_either_guard_keeps_the_books_and_without_one_they_follow_the_shrunk_log() {
        for guard in GUARDS {
            let dir = after(guard, 4);
            let mut program = started(guard, Loader::Strict, dir.path());
            program.open().unwrap();
            let books = books_in(dir.path());
            put(dir.path(), "trade_log.json", &log_of(4).rotated());
            let kept = program.cycle().unwrap() == Cycle::Aborted;
            assert_eq!((kept, books_in(dir.path()) == books), (guard != Guard::Nothing, kept), "{guard:?}");
        }
    }

    #[test]
    fn a_log_that_cannot_be_read_is_refused_or_makes_a_fresh_start() {
        for guard in GUARDS {
            let dir = after(guard, 2);
            fs::write(dir.path().join("trade_log.json"), b"{\"sequence\":2,").unwrap();
            let why = started(guard, Loader::Strict, dir.path()).open().unwrap_err().why;
            assert!(why.starts_with("trade_log.json: "), "{why}");
            assert_eq!(started(guard, Loader::Lenient, dir.path()).open(), Ok(Recovered::Fresh));
        }
    }
}
