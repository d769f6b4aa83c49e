//! The files of a trading system: its log and its four books, as they are named, written and read; and the oracle for them.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crashtest_kit::{Folded, Found, Generations, Place, Recovered, Refused, classify, encode};
use crashtest_model::{Bytes, Consequences, Digest, Generation, PartOf, Promise, RawFile, Seed};
use serde::de::DeserializeOwned;

use crate::strategies::{stream, temporary};
use crate::workloads::trade_log::{AsOf, Books, LoggedTrades, TradeLog};

/// The part that is the log, and the name of its file without `.json`.
const LOG: &str = "trade_log";

/// The log's file.
pub(super) fn log_path(place: &Place) -> PathBuf {
    place.dir.join(format!("{LOG}.json"))
}

/// The file of book `n`.
pub(super) fn book_path(place: &Place, n: usize) -> PathBuf {
    place.dir.join(format!("{}.json", Books::NAMES[n]))
}

/// What a JSON file holds.
pub(super) fn read<T: DeserializeOwned>(place: &Place, path: &Path) -> Result<T, Refused> {
    let name = path.strip_prefix(&place.dir).unwrap_or(path).display().to_string();
    let content = place.fs.read(path).map_err(|error| {
        let refused = Refused::from(error);
        Refused { why: format!("{name}: {}", refused.why), ..refused }
    })?;
    serde_json::from_slice(&content).map_err(|error| Refused::unreadable(&name, &content, error))
}

/// The four books, and the number of the last save that any of them is from.
pub(super) fn read_books(place: &Place) -> Result<(Generation, Books), Refused> {
    let portfolio: AsOf<_> = read(place, &book_path(place, 0))?;
    let equity: AsOf<_> = read(place, &book_path(place, 1))?;
    let risk: AsOf<_> = read(place, &book_path(place, 2))?;
    let setups: AsOf<_> = read(place, &book_path(place, 3))?;
    let sequence = portfolio.sequence.max(equity.sequence).max(risk.sequence).max(setups.sequence);
    let (portfolio, equity, risk, setups) = (portfolio.book, equity.book, risk.book, setups.book);
    Ok((sequence, Books { portfolio, equity, risk, setups }))
}

/// Puts `log` in the place of the one at `path`: temporary, rename.
pub(super) fn replace_log(place: &Place, path: &Path, log: &TradeLog) -> io::Result<()> {
    let temp = temporary(path);
    stream(place.fs.create(&temp)?, &|mut out| encode(log, &mut out))?.close()?;
    place.fs.rename(&temp, path)
}

/// Puts book `n` in the place of the one that is there: temporary, rename.
pub(super) fn replace_book(place: &Place, n: usize, sequence: Generation, books: &Books) -> io::Result<()> {
    let path = book_path(place, n);
    let temp = temporary(&path);
    stream(place.fs.create(&temp)?, &|out| books.write(n, sequence, out))?.close()?;
    place.fs.rename(&temp, &path)
}

/// Writes book `n` over the one that is there: truncate, write.
pub(super) fn overwrite_book(place: &Place, n: usize, sequence: Generation, books: &Books) -> io::Result<()> {
    stream(place.fs.create(&book_path(place, n))?, &|out| books.write(n, sequence, out))?.close()
}

/// What is kept in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The log, and the books that are derived from it.
    LogAndBooks,
    /// The books alone.
    BooksAlone,
}

/// The digest of each part of a state: of the log where one is kept, and of the books.
fn part_digests(log: Option<&TradeLog>, books: &Books) -> Vec<Digest> {
    log.map(Digest::of_value).into_iter().chain(books.digests()).collect()
}

/// What a program reports that comes back with `log`, where it keeps one, and `books`.
pub(super) fn recovered(sequence: Generation, log: Option<&TradeLog>, books: &Books) -> Recovered {
    let parts = part_digests(log, books);
    Recovered::State { sequence, digest: Digest::of_value(&(sequence, &parts)), missing: Vec::new(), parts }
}

/// So many generations are kept as they are in their files: a crash leaves two in question.
const ENCODED: usize = 4;

/// The oracle's side.
pub(crate) struct BookFiles {
    kept: Kept,
    folded: Folded<LoggedTrades>,
    /// The digest of the whole and of each part, of each generation from 0 on.
    digests: Vec<(Digest, Vec<Digest>)>,
    /// The files of the generations that were asked for last.
    encoded: VecDeque<(Generation, Rc<Vec<Vec<u8>>>)>,
}

impl BookFiles {
    pub(super) fn new(kept: Kept, stream: Seed, bound: Bytes) -> BookFiles {
        let folded = Folded::new(stream, bound);
        BookFiles { kept, folded, digests: Vec::new(), encoded: VecDeque::new() }
    }

    /// The log of `generation`, where one is kept, and the books.
    fn state(&mut self, generation: Generation) -> (Option<TradeLog>, Books) {
        let log = self.folded.state(generation);
        let books = Books::from_log(log);
        ((self.kept == Kept::LogAndBooks).then(|| log.clone()), books)
    }

    fn digests(&mut self, generation: Generation) -> &(Digest, Vec<Digest>) {
        let wanted = usize::try_from(generation.0).unwrap_or(usize::MAX);
        while self.digests.len() <= wanted {
            let next = Generation(self.digests.len() as u64);
            let (log, books) = self.state(next);
            let parts = part_digests(log.as_ref(), &books);
            self.digests.push((Digest::of_value(&(next, &parts)), parts));
        }
        &self.digests[wanted]
    }

    /// Each file of `generation`.
    fn encoded(&mut self, generation: Generation) -> Rc<Vec<Vec<u8>>> {
        if let Some((_, files)) = self.encoded.iter().find(|(of, _)| *of == generation) {
            return Rc::clone(files);
        }
        let (log, books) = self.state(generation);
        let written = |write: &dyn Fn(&mut Vec<u8>) -> io::Result<()>| {
            let mut bytes = Vec::new();
            // Writing into memory fails only if the state cannot be JSON, which the workload's own tests exclude.
            write(&mut bytes).unwrap_or_else(|error| unreachable!("a state that is not JSON: {error}"));
            bytes
        };
        let log = log.iter().map(|log| written(&|out| encode(log, out)));
        let books = (0..Books::NAMES.len()).map(|n| written(&|out| books.write(n, generation, out)));
        let files = Rc::new(log.chain(books).collect());
        if self.encoded.len() >= ENCODED {
            self.encoded.pop_front();
        }
        self.encoded.push_back((generation, Rc::clone(&files)));
        files
    }

    /// The books that a reconciler makes of the log of `generation` while it is rotated.
    fn of_rotated(&mut self, generation: Generation) -> (Digest, Books) {
        let log = self.folded.state(generation);
        let books = Books::from_log(&log.rotated());
        (Digest::of_value(&(generation, part_digests(Some(log), &books))), books)
    }
}

/// The number of the save that a file says it is from; every one of them begins with it.
fn written_by(content: &[u8]) -> Option<Generation> {
    let digits = content.strip_prefix(br#"{"sequence":"#)?.split(|byte| *byte == b',').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok().map(Generation)
}

impl Generations for BookFiles {
    fn state_file(&self) -> String {
        self.files().swap_remove(0)
    }

    fn files(&self) -> Vec<String> {
        self.parts().into_iter().map(|part| format!("{part}.json")).collect()
    }

    fn digest(&mut self, generation: Generation) -> Digest {
        self.digests(generation).0
    }

    fn digest_without(&mut self, generation: Generation, missing: &[Generation]) -> Option<Digest> {
        missing.is_empty().then(|| self.digest(generation))
    }

    fn parts(&self) -> Vec<String> {
        let log = (self.kept == Kept::LogAndBooks).then_some(LOG);
        log.into_iter().chain(Books::NAMES).map(str::to_owned).collect()
    }

    fn is_derived(&self, part: usize) -> bool {
        self.kept == Kept::LogAndBooks && part > 0
    }

    fn part_digest(&mut self, part: usize, generation: Generation) -> Option<Digest> {
        self.digests(generation).1.get(part).copied()
    }

    fn classify(&mut self, content: &[u8], promise: Promise) -> RawFile {
        self.classify_file(0, content, promise)
    }

    fn classify_file(&mut self, file: usize, content: &[u8], promise: Promise) -> RawFile {
        let own = written_by(content).filter(|own| *own <= promise.begun);
        let files: Vec<_> =
            own.into_iter().chain([promise.begun, promise.acked]).map(|generation| self.encoded(generation)).collect();
        let candidates: Vec<&[u8]> = files.iter().map(|files| &files[file][..]).collect();
        classify(content, &candidates)
    }

    fn completes(&mut self, _generation: Generation, _end: u64) -> bool {
        // A save writes several files.
        false
    }

    fn prepare(&mut self, promise: Promise) {
        self.digests(promise.begun);
        self.encoded(promise.acked);
        self.encoded(promise.begun);
    }

    fn consequences(&mut self, promised: Generation, found: Found<Generation>, missing: &[Generation]) -> Consequences {
        self.folded.consequences(promised, found, missing)
    }

    fn consequences_of_parts(
        &mut self,
        promised: Generation,
        found: Generation,
        parts: &[PartOf],
        digest: Digest,
    ) -> Consequences {
        let of_rotated = self.of_rotated(found);
        // They are off from the newest save that any of them is from: what it has opened is not open *again*.
        let newest = parts.iter().filter_map(|part| part.generation).fold(promised, Generation::max);
        let right = Books::from_log(self.folded.state(newest));
        let mut on_disk = right.clone();
        if self.kept == Kept::LogAndBooks && of_rotated.0 == digest {
            on_disk = of_rotated.1;
        } else {
            // What is no save's is not known: nothing is counted for it.
            for PartOf { part, generation } in parts {
                let Some(generation) = generation else { continue };
                let books = Books::from_log(self.folded.state(*generation));
                match Books::NAMES.iter().position(|name| name == part) {
                    Some(0) => on_disk.portfolio = books.portfolio,
                    Some(1) => on_disk.equity = books.equity,
                    Some(2) => on_disk.risk = books.risk,
                    Some(3) => on_disk.setups = books.setups,
                    _ => {}
                }
            }
        }
        let mut consequences = Consequences::default();
        right.count_differences(&on_disk, &mut consequences);
        consequences
    }
}

#[cfg(test)]
mod tests {
    use crashtest_model::{Gaps, RawState};

    use super::*;

    const PROMISE: Promise = Promise { acked: Generation(8), begun: Generation(9), installed: true, gaps: Gaps::NONE };

    fn oracle(kept: Kept) -> BookFiles {
        BookFiles::new(kept, Seed(6), Bytes::kib(8))
    }

    #[test]
    fn a_file_is_whole_when_it_is_that_of_any_save_up_to_the_last_begun() {
        for kept in [Kept::LogAndBooks, Kept::BooksAlone] {
            let mut oracle = oracle(kept);
            for (file, name) in oracle.files().into_iter().enumerate() {
                for g in [0, 3, 8, 9] {
                    let content = oracle.encoded(Generation(g))[file].clone();
                    assert_eq!(oracle.classify_file(file, &content, PROMISE).state, RawState::Whole, "{name} of {g}");
                    let cut = &content[..content.len() - 3];
                    let torn = oracle.classify_file(file, cut, PROMISE);
                    assert_eq!((torn.state, torn.tear_offset), (RawState::Partial, Some(cut.len() as u64)));
                }
                let future = oracle.encoded(Generation(10))[file].clone();
                assert_eq!(oracle.classify_file(file, &future, PROMISE).state, RawState::Other, "{name}");
                let beside = oracle.encoded(Generation(9))[(file + 1) % 4].clone();
                assert_eq!(oracle.classify_file(file, &beside, PROMISE).state, RawState::Other, "{name}");
            }
        }
    }

    #[test]
    fn books_of_other_saves_cost_what_they_are_off() {
        let mut oracle = oracle(Kept::BooksAlone);
        let (old, new) = (Generation(2), Generation(9));
        let of = |part: &str, generation| PartOf { part: part.into(), generation: Some(generation) };
        let parts = [of("portfolio", old), of("equity", new), of("risk_state", new), of("setup_performance", new)];
        let cost = oracle.consequences_of_parts(new, old, &parts, Digest(0));
        let all = oracle.consequences(new, Found::State(old), &[]);
        assert!(all.0.contains_key("equity") && !cost.0.contains_key("equity"), "{all:?} {cost:?}");
        assert_eq!((cost.0.get("drift"), cost.0.get("unwatched")), (all.0.get("drift"), all.0.get("unwatched")));
        assert!(!cost.is_empty());
    }

    #[test]
    fn what_the_save_in_flight_has_opened_is_not_open_again() {
        let (mut oracle, mut off) = (oracle(Kept::BooksAlone), 0);
        for g in 1..60 {
            let of = |(n, part): (usize, &str)| PartOf {
                part: part.into(),
                generation: Some(Generation(g - n.min(1) as u64)),
            };
            let parts: Vec<PartOf> = Books::NAMES.into_iter().enumerate().map(of).collect();
            let cost = oracle.consequences_of_parts(Generation(g - 1), Generation(g - 1), &parts, Digest(0));
            assert!(!cost.0.contains_key("reopened") && !cost.0.contains_key("drift"), "save {g}: {cost:?}");
            off += cost.0.len();
        }
        assert!(off > 20, "the other books are off: {off}");
    }

    #[test]
    fn books_of_a_rotated_log_cost_what_they_are_off_and_unknown_ones_nothing() {
        let mut oracle = oracle(Kept::LogAndBooks);
        let (right, nobodys) = (Generation(4), |part: &str| PartOf { part: part.into(), generation: None });
        let parts = Books::NAMES.map(nobodys);
        let digest = oracle.of_rotated(right).0;
        assert_ne!(digest, oracle.digest(right));
        let cost = oracle.consequences_of_parts(right, right, &parts, digest);
        assert!(
            cost.0.contains_key("drift") && cost.0.contains_key("equity") && cost.0.contains_key("setups"),
            "{cost:?}"
        );
        assert!(oracle.consequences_of_parts(right, right, &parts, Digest(0)).is_empty());
    }
}
