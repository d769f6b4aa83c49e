//! `persistent-map`: a bot's three maps in three files of their own, written by a thread in the background.
//!
//! A save hands the maps that it touched to a queue and returns; of what waits there for one file only the newest is written, as
//! temporary file and rename. So an ack is a promise that nobody keeps yet: a kill takes what waits. `persistent-map-sync` writes
//! before it acks, and still takes two files for a fill.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crashtest_kit::{Folded, Found, Generations, Place, Recovered, Refused, Target, Workload, classify};
use crashtest_model::{
    Bytes, Consequences, Digest, Documented, Fault, Generation, Loader, Promise, RawFile, Seed, Shape, StrategyInfo,
    TargetSpec, Verdict,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::strategies::{intact_under, remove_if_there, shows, temporary};
use crate::workloads::trading::{Book, PARTS, Trading};

/// The command line's name: acked when enqueued.
pub(crate) const NAME: &str = "persistent-map";
/// Acked when written.
pub(crate) const SYNC: &str = "persistent-map-sync";

/// When a save is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    /// Once it waits in the queue.
    Enqueued,
    /// Once all of its files are replaced.
    Written,
}

pub(crate) fn info() -> StrategyInfo {
    let lost = |loader, fault| shows(loader, fault, &[Verdict::LostAck], &[Verdict::BrokenInvariant]);
    StrategyInfo {
        name: NAME.into(),
        summary: "three maps in three files, written by a thread in the background; acknowledged when enqueued".into(),
        recipe: "enqueue · ack; in the background: create(f.tmp) · write · close · rename(f.tmp, f)".into(),
        documented: documented(lost),
        ..info_sync()
    }
}

pub(crate) fn info_sync() -> StrategyInfo {
    let torn_apart = |loader, fault| shows(loader, fault, &[], &[Verdict::BrokenInvariant]);
    StrategyInfo {
        name: SYNC.into(),
        summary: "three maps in three files, each replaced by rename before the ack; a fill touches two of them".into(),
        shape: Shape::System,
        recipe: "create(f.tmp) · write · close · rename(f.tmp, f), for each map that is touched".into(),
        origin: "the crash recovery of a trading bot: positions, orders and symbol controls in three pickle files"
            .into(),
        documented: documented(torn_apart),
        planted: false,
    }
}

fn documented(under_kills: impl Fn(Loader, Fault) -> Documented) -> Vec<Documented> {
    let kills =
        [Fault::Kill, Fault::Sweep].into_iter().flat_map(|fault| Loader::ALL.map(|loader| under_kills(loader, fault)));
    intact_under(Fault::None).into_iter().chain(kills).collect()
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
    ack: Ack,
    loader: Loader,
    stream: Seed,
    bound: Bytes,
    place: Place,
    book: Option<Book>,
    background: Option<Background>,
}

impl PersistentMap {
    pub(crate) fn new(ack: Ack, spec: &TargetSpec, stream: Seed, place: Place) -> PersistentMap {
        let TargetSpec { loader, state_size, .. } = spec;
        PersistentMap { ack, loader: *loader, stream, bound: *state_size, place, book: None, background: None }
    }

    fn load(&self) -> Result<Book, Refused> {
        let (a, positions) = self.part(0)?;
        let (b, orders) = self.part(1)?;
        let (c, controls) = self.part(2)?;
        Ok(Book { sequence: a.max(b).max(c), positions, orders, controls })
    }

    fn part<M: DeserializeOwned>(&self, n: usize) -> Result<(Generation, M), Refused> {
        let path = self.place.dir.join(file_name(n));
        remove_if_there(&self.place, &temporary(&path))?;
        let bytes = self.place.fs.read(&path)?;
        postcard::from_bytes(&bytes).map_err(|error| Refused { why: format!("{}: {error}", file_name(n)) })
    }
}

impl Target for PersistentMap {
    fn init(&mut self) -> io::Result<()> {
        let book = Trading::initial(self.stream, self.bound);
        for (n, bytes) in files(&book)?.iter().enumerate() {
            if !self.place.dir.join(file_name(n)).exists() {
                replace(&self.place, n, bytes)?;
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
        let (sequence, digest, parts) = (book.sequence, Digest::of(&book), book.parts().to_vec());
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
        match self.ack {
            Ack::Written => files.iter().try_for_each(|(n, bytes)| replace(&self.place, *n, bytes)),
            Ack::Enqueued => {
                let background = match self.background.take() {
                    Some(background) => background,
                    None => Background::start(self.place.clone())?,
                };
                self.background.insert(background).enqueue(files)
            }
        }
    }

    fn close(&mut self) -> io::Result<()> {
        self.background.take().map_or(Ok(()), Background::finish)
    }
}

/// create(f.tmp) · write · close · rename(f.tmp, f).
fn replace(place: &Place, n: usize, bytes: &[u8]) -> io::Result<()> {
    let path = place.dir.join(file_name(n));
    let temp: PathBuf = temporary(&path);
    let mut file = place.fs.create(&temp)?;
    file.write_all(bytes)?;
    file.close()?;
    place.fs.rename(&temp, &path)
}

/// What waits to be written: of each file the newest content, in the order in which the files were first asked for.
#[derive(Default)]
struct Queue {
    waiting: Vec<(usize, Vec<u8>)>,
    closed: bool,
    failed: Option<io::Error>,
}

/// The thread that writes.
struct Background {
    queue: Arc<(Mutex<Queue>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Background {
    fn start(place: Place) -> io::Result<Background> {
        let queue = Arc::new((Mutex::new(Queue::default()), Condvar::new()));
        let its = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || serve(&place, &its))?;
        Ok(Background { queue, thread })
    }

    fn enqueue(&self, files: Vec<(usize, Vec<u8>)>) -> io::Result<()> {
        let (queue, changed) = &*self.queue;
        let mut queue = locked(queue);
        if let Some(error) = queue.failed.take() {
            return Err(error);
        }
        for (n, bytes) in files {
            match queue.waiting.iter_mut().find(|(waiting, _)| *waiting == n) {
                Some((_, outdated)) => *outdated = bytes,
                None => queue.waiting.push((n, bytes)),
            }
        }
        changed.notify_one();
        Ok(())
    }

    /// Writes what waits, and ends.
    fn finish(self) -> io::Result<()> {
        let (queue, changed) = &*self.queue;
        locked(queue).closed = true;
        changed.notify_one();
        self.thread.join().map_err(|_| io::Error::other("the writer panicked"))?;
        locked(queue).failed.take().map_or(Ok(()), Err)
    }
}

fn locked(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(place: &Place, shared: &(Mutex<Queue>, Condvar)) {
    let (queue, changed) = shared;
    loop {
        let mut state = locked(queue);
        while state.waiting.is_empty() && !state.closed {
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.waiting.is_empty() {
            return;
        }
        let (n, bytes) = state.waiting.remove(0);
        drop(state);
        if let Err(error) = replace(place, n, &bytes) {
            locked(queue).failed = Some(error);
        }
    }
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
