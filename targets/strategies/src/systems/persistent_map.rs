//! `persistent-map`: a bot's three maps in three files of their own, written by a thread in the background.
//!
//! A save hands the maps that it touched to a queue and returns; of what waits there for one file only the newest is written, as
//! temporary file and rename. So an ack is a promise that nobody keeps yet: a kill takes what waits. `persistent-map-sync` writes
//! before it acks, and still takes two files for a fill. `persistent-map-noorder` keeps what is outdated and writes with two threads;
//! `persistent-map-nodrain` does not wait for its queue when it is stopped.

mod queue;

use std::io::{self, Write};

use crashtest_kit::{Folded, Found, Generations, Place, Recovered, Refused, Target, Workload, classify};
use crashtest_model::{
    Bytes, Conditions, Consequences, Digest, Documented, Fault, Generation, Loader, Promise, RawFile, Seed, Shape,
    Signal, StrategyInfo, TargetSpec, Verdict,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::queue::{Background, Keep};
use crate::strategies::{remove_if_there, shows, temporary, with_suffix};
use crate::workloads::trading::{Book, PARTS, Trading};

/// The command line's name: acked when enqueued.
pub(crate) const NAME: &str = "persistent-map";
/// Acked when written.
pub(crate) const SYNC: &str = "persistent-map-sync";
/// Every request is kept, and two threads serve them.
pub(crate) const NOORDER: &str = "persistent-map-noorder";
/// A clean stop does not wait for the queue.
pub(crate) const NODRAIN: &str = "persistent-map-nodrain";

/// Which of the systems it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// A save is acknowledged once it waits in the queue.
    Queued,
    /// Once all of its files are replaced.
    Written,
    /// As `Queued`, without "only the newest".
    Unordered,
    /// As `Queued`, without a last flush.
    Undrained,
}

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: NAME.into(),
        summary: "three maps in three files, written by a thread in the background; acknowledged when enqueued".into(),
        recipe: "enqueue · create(f.tmp) · write · close · rename(f.tmp, f)".into(),
        documented: documented([&[], &[]], [&[Verdict::LostAck], &[Verdict::BrokenInvariant]]),
        ..info_sync()
    }
}

pub(crate) fn info_sync() -> StrategyInfo {
    StrategyInfo {
        name: SYNC.into(),
        summary: "three maps in three files, each replaced by rename before the ack; a fill touches two of them".into(),
        shape: Shape::System,
        recipe: "create(f.tmp) · write · close · rename(f.tmp, f)".into(),
        origin: "the crash recovery of a trading bot: positions, orders and symbol controls in three pickle files"
            .into(),
        documented: documented([&[], &[]], [&[], &[Verdict::BrokenInvariant]]),
        planted: false,
    }
}

pub(crate) fn info_noorder() -> StrategyInfo {
    StrategyInfo {
        name: NOORDER.into(),
        summary:
            "persistent-map whose queue keeps every request, with two threads: an older save can overtake a newer one"
                .into(),
        documented: documented([&[], &[Verdict::LostAck]], [&[Verdict::LostAck], &[Verdict::BrokenInvariant]]),
        ..info()
    }
}

pub(crate) fn info_nodrain() -> StrategyInfo {
    let mut documented = documented([&[Verdict::LostAck], &[]], [&[Verdict::LostAck], &[Verdict::BrokenInvariant]]);
    // The life that a sweep records stops cleanly: of what waits it writes nothing, and there are hardly any calls to crash at.
    documented.retain(|entry| entry.fault != Fault::Sweep);
    StrategyInfo {
        name: NODRAIN.into(),
        summary: "persistent-map that does not write what waits in its queue when it is stopped".into(),
        documented,
        ..info()
    }
}

/// The ground truth: what must and may show where it is stopped cleanly, in the control and by SIGTERM, and where it is killed. After a
/// clean stop every save that was begun was acked too: where maps of different saves come back, an ack is lost.
fn documented(stopped: [&[Verdict]; 2], killed: [&[Verdict]; 2]) -> Vec<Documented> {
    let ended = |loader, signal, [must, may]: [&[Verdict]; 2]| Documented {
        conditions: Conditions { signal, ..Conditions::default() },
        ..shows(loader, Fault::Kill, must, may)
    };
    let rows = |loader| {
        [
            shows(loader, Fault::None, stopped[0], stopped[1]),
            ended(loader, Signal::Kill, killed),
            ended(loader, Signal::Abort, killed),
            ended(loader, Signal::Term, stopped),
            shows(loader, Fault::Sweep, killed[0], killed[1]),
        ]
    };
    Loader::ALL.into_iter().flat_map(rows).collect()
}

/// The file of part `n`, below the state directory.
fn file_name(n: usize) -> String {
    format!("{}.bin", PARTS[n])
}

/// A part with the number of the save that wrote it, as it is in its file.
fn encoded<M: Serialize>(sequence: Generation, map: &M) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(&(sequence, map)).map_err(io::Error::other)
}

/// All three files of `book`.
fn files(book: &Book) -> io::Result<[Vec<u8>; 3]> {
    let sequence = book.sequence;
    Ok([encoded(sequence, &book.positions)?, encoded(sequence, &book.orders)?, encoded(sequence, &book.controls)?])
}

/// The target.
pub(crate) struct PersistentMap {
    variant: Variant,
    loader: Loader,
    stream: Seed,
    bound: Bytes,
    place: Place,
    book: Option<Book>,
    background: Option<Background>,
}

impl PersistentMap {
    pub(crate) fn new(variant: Variant, spec: &TargetSpec, stream: Seed, place: Place) -> PersistentMap {
        let TargetSpec { loader, state_size, .. } = spec;
        PersistentMap { variant, loader: *loader, stream, bound: *state_size, place, book: None, background: None }
    }

    fn load(&self) -> Result<Book, Refused> {
        let (a, positions) = self.part(0)?;
        let (b, orders) = self.part(1)?;
        let (c, controls) = self.part(2)?;
        Ok(Book { sequence: a.max(b).max(c), positions, orders, controls })
    }

    fn part<M: DeserializeOwned>(&self, n: usize) -> Result<(Generation, M), Refused> {
        let path = self.place.dir.join(file_name(n));
        let temp = temporary(&path);
        remove_if_there(&self.place, &temp)?;
        if self.variant == Variant::Unordered {
            remove_if_there(&self.place, &with_suffix(&temp, "2"))?;
        }
        let bytes = self.place.fs.read(&path)?;
        postcard::from_bytes(&bytes).map_err(|error| Refused::unreadable(&file_name(n), &bytes, error))
    }
}

impl Target for PersistentMap {
    fn init(&mut self) -> io::Result<()> {
        let book = Trading::initial(self.stream, self.bound);
        for (n, bytes) in files(&book)?.iter().enumerate() {
            if !self.place.dir.join(file_name(n)).exists() {
                replace(&self.place, n, "", bytes)?;
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<Recovered, Refused> {
        let book = match self.load() {
            Ok(book) => book,
            Err(refused) if self.loader == Loader::Strict => return Err(refused),
            Err(_) => {
                self.book = Some(Trading::initial(self.stream, self.bound));
                return Ok(Recovered::Fresh);
            }
        };
        let (sequence, digest, parts) = (book.sequence, Digest::of_value(&book), book.parts().to_vec());
        self.book = Some(book);
        Ok(Recovered::State { sequence, digest, missing: Vec::new(), parts })
    }

    fn save(&mut self, generation: Generation) -> io::Result<()> {
        let book = self.book.as_mut().ok_or_else(|| io::Error::other("saved before it was opened"))?;
        let before = book.parts();
        Trading::apply(self.stream, generation, self.bound, book);
        let touched = book.parts().into_iter().zip(before).map(|(now, before)| now != before);
        let touched = touched.zip(files(book)?).enumerate().filter(|(_, (touched, _))| *touched);
        let files: Vec<(usize, Vec<u8>)> = touched.map(|(n, (_, bytes))| (n, bytes)).collect();
        let keep = match self.variant {
            Variant::Written => return files.iter().try_for_each(|(n, bytes)| replace(&self.place, *n, "", bytes)),
            Variant::Queued | Variant::Undrained => Keep::Newest,
            Variant::Unordered => Keep::Every,
        };
        let background = match self.background.take() {
            Some(background) => background,
            None => Background::start(&self.place, keep)?,
        };
        self.background.insert(background).enqueue(files)
    }

    fn close(&mut self) -> io::Result<()> {
        match self.background.take() {
            // Its thread ends with the process, wherever it is.
            Some(_) if self.variant == Variant::Undrained => Ok(()),
            Some(background) => background.finish(),
            None => Ok(()),
        }
    }
}

/// create(f.tmp) · write · close · rename(f.tmp, f), the temporary's name with the suffix of whoever writes.
fn replace(place: &Place, n: usize, suffix: &str, bytes: &[u8]) -> io::Result<()> {
    let path = place.dir.join(file_name(n));
    let temp = with_suffix(&temporary(&path), suffix);
    let mut file = place.fs.create(&temp)?;
    file.write_all(bytes)?;
    file.close()?;
    place.fs.rename(&temp, &path)
}

/// The oracle's side: the fold of the operations, and its parts.
pub(crate) struct Maps {
    folded: Folded<Trading>,
}

impl Maps {
    pub(crate) fn new(stream: Seed, bound: Bytes) -> Maps {
        Maps { folded: Folded::new(stream, bound) }
    }

    /// A file of a generation, as it is written by the save of that number.
    fn file(&mut self, n: usize, generation: Generation) -> Vec<u8> {
        files(self.folded.state(generation)).map(|files| files[n].clone()).unwrap_or_default()
    }
}

impl Generations for Maps {
    fn state_file(&self) -> String {
        file_name(0)
    }

    fn digest(&mut self, generation: Generation) -> Digest {
        self.folded.digest(generation)
    }

    fn digest_without(&mut self, generation: Generation, missing: &[Generation]) -> Option<Digest> {
        self.folded.digest_without(generation, missing)
    }

    fn parts(&self) -> Vec<String> {
        PARTS.map(str::to_owned).to_vec()
    }

    fn part_digest(&mut self, part: usize, generation: Generation) -> Option<Digest> {
        self.folded.state(generation).parts().get(part).copied()
    }

    fn files(&self) -> Vec<String> {
        (0..PARTS.len()).map(file_name).collect()
    }

    fn classify(&mut self, content: &[u8], promise: Promise) -> RawFile {
        self.classify_file(0, content, promise)
    }

    fn classify_file(&mut self, n: usize, content: &[u8], promise: Promise) -> RawFile {
        // The file has the number of the last save that touched it.
        let written = postcard::take_from_bytes::<Generation>(content).map(|(of, _)| of);
        let own = written.ok().filter(|of| *of <= promise.begun).map(|of| self.file(n, of));
        let (acked, begun) = (self.file(n, promise.acked), self.file(n, promise.begun));
        let candidates: Vec<&[u8]> = own.iter().chain([&begun, &acked]).map(Vec::as_slice).collect();
        classify(content, &candidates)
    }

    fn completes(&mut self, _generation: Generation, _end: u64) -> bool {
        // A save writes several files, each in one write.
        false
    }

    fn prepare(&mut self, promise: Promise) {
        self.folded.state(promise.begun);
    }

    fn consequences(&mut self, promised: Generation, found: Found<Generation>, missing: &[Generation]) -> Consequences {
        self.folded.consequences(promised, found, missing)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use crashtest_kit::fs::Fs;
    use crashtest_kit::{BOARD_WORDS, Board};

    use super::*;

    /// How often a file went back to an older save while a thousand were made, seen by somebody who reads all the while.
    fn overtaken(variant: Variant) -> usize {
        let dir = tempfile::tempdir().unwrap();
        let words: Vec<AtomicU64> = (0..BOARD_WORDS).map(|_| AtomicU64::new(0)).collect();
        let fs = Fs::new(Board::over(words.leak()), dir.path().to_owned());
        let place = Place { fs, dir: dir.path().to_owned(), names: Seed(1), writer: 0 };
        let spec = TargetSpec {
            strategy: NAME.into(),
            workload: Trading::NAME.into(),
            loader: Loader::Strict,
            state_size: Bytes::kib(4),
            idle_us: 0,
            writers: 1,
            threads: false,
            readers: 0,
        };
        let mut map = PersistentMap::new(variant, &spec, Seed(1), place);
        map.init().unwrap();
        map.open().unwrap();
        let saving = std::thread::spawn(move || {
            (1..=1_000).for_each(|generation| map.save(Generation(generation)).unwrap());
            map.close().unwrap();
        });
        let saved_by = |n: usize| {
            let bytes = std::fs::read(dir.path().join(file_name(n))).unwrap();
            postcard::take_from_bytes::<Generation>(&bytes).unwrap().0
        };
        let mut newest = [Generation::ZERO; 3];
        let mut older = 0;
        loop {
            let last = saving.is_finished();
            for (n, newest) in newest.iter_mut().enumerate() {
                let found = saved_by(n);
                older += usize::from(found < *newest);
                *newest = found;
            }
            if last {
                saving.join().unwrap();
                return older;
            }
        }
    }

    #[test]
    fn an_older_save_never_overtakes_a_newer_one() {
        assert_eq!(overtaken(Variant::Queued), 0);
        assert_eq!(overtaken(Variant::Written), 0);
    }

    #[test]
    fn without_the_order_an_older_save_overtakes_a_newer_one() {
        let mut tries = (0..20).map(|_| overtaken(Variant::Unordered));
        assert!(tries.any(|older| older > 0));
    }
}
