//! What state is persisted: a seeded, endless stream of operations folded into a bounded state.

use std::collections::VecDeque;
use std::hash::Hash;
use std::io::{self, Write};
use std::rc::Rc;

use crashtest_model::{Bytes, Consequences, Digest, Generation, PartOf, Promise, RawFile, Seed, WorkloadInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::raw::classify;

/// A workload. Everything follows from the stream's seed and the generation's number, so that the oracle can derive outside
/// the victim what the victim must have saved.
pub trait Workload: 'static {
    /// The folded state: what the file holds.
    type State: Serialize + DeserializeOwned + Hash + Clone;

    /// Its name on the command line.
    const NAME: &'static str;

    /// Its name and its words.
    fn info() -> WorkloadInfo;

    /// Generation 0. Its encoding, and that of every later generation, is at most `bound` long.
    fn initial(stream: Seed, bound: Bytes) -> Self::State;

    /// Applies operation `generation` to the state of the generation before.
    fn apply(stream: Seed, generation: Generation, bound: Bytes, state: &mut Self::State);

    /// The number of the generation that a state says it is.
    fn sequence(state: &Self::State) -> Generation;

    /// Returns what it costs that `promised` was saved and recovery gave `found`.
    fn consequences(promised: &Self::State, found: &Found<&Self::State>) -> Consequences;
}

/// What recovery gave in place of the promised state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<S> {
    /// An older (or the wrong) state.
    State(S),
    /// A fresh, empty one, without an error.
    Fresh,
    /// An error: somebody was told.
    Refused,
}

/// The oracle's side of a workload: any generation's content, without looking at the victim.
pub trait Generations {
    /// The name of the state file, relative to the state directory.
    fn state_file(&self) -> String;

    /// The names of all files that a state in several files is kept in, the state file first; none for one file.
    fn files(&self) -> Vec<String> {
        Vec::new()
    }

    /// The digest of generation `generation` as a victim would report it.
    fn digest(&mut self, generation: Generation) -> Digest;

    /// The digest of generation `generation` without the operations `missing`; `None` where no victim can report such a content.
    fn digest_without(&mut self, generation: Generation, missing: &[Generation]) -> Option<Digest>;

    /// The names of the parts of a state that is kept in several files, each of which is written by itself; none for one file.
    fn parts(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns whether part `part` follows from the others: where it does not, an invariant is broken, and nothing is lost that was
    /// promised.
    fn is_derived(&self, _part: usize) -> bool {
        false
    }

    /// The digest of part `part` of generation `generation` as a victim would report it.
    fn part_digest(&mut self, _part: usize, _generation: Generation) -> Option<Digest> {
        None
    }

    /// Returns what the content of a state file is like, before recovery, under `promise`.
    fn classify(&mut self, content: &[u8], promise: Promise) -> RawFile;

    /// The same for the content of file `file` of [`files`](Generations::files). Each may be of another save than the rest. It is
    /// whole when any save up to the last that was begun has left it so.
    fn classify_file(&mut self, _file: usize, content: &[u8], promise: Promise) -> RawFile {
        self.classify(content, promise)
    }

    /// Returns whether a write that ended at offset `end` was the last one of saving `generation`.
    fn completes(&mut self, generation: Generation, end: u64) -> bool;

    /// Derives what will be asked for after a crash under `promise`, while there is time.
    fn prepare(&mut self, promise: Promise);

    /// Returns what it costs that `promised` was saved and recovery gave `found`, without the operations `missing`.
    fn consequences(&mut self, promised: Generation, found: Found<Generation>, missing: &[Generation]) -> Consequences;

    /// Returns what it costs that `promised` was saved and recovery gave `parts`, which no save has left together. `found` is the
    /// oldest of their saves, `digest` that of the whole.
    fn consequences_of_parts(
        &mut self,
        promised: Generation,
        found: Generation,
        _parts: &[PartOf],
        _digest: Digest,
    ) -> Consequences {
        self.consequences(promised, Found::State(found), &[])
    }
}

/// Writes a state as the built-in document strategies have it on disk: JSON and a newline, streamed in small pieces.
///
/// # Errors
/// What the writer says.
pub fn encode<S: Serialize>(state: &S, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, state)?;
    out.write_all(b"\n")
}

/// The fold of a workload's operations, kept near the generation asked for last.
///
/// Going forward costs one operation per generation; going back past the few kept encodings starts again from generation 0.
pub struct Folded<W: Workload> {
    stream: Seed,
    bound: Bytes,
    at: Generation,
    state: W::State,
    /// The latest encodings with their digests, newest last.
    kept: VecDeque<(Generation, Digest, Rc<Vec<u8>>)>,
}

/// A crash leaves two generations in question, and a life makes a few. A directory that starts afresh after each failure goes
/// through the first few again and again. Encodings of all of them together take at most this many bytes, and two are always kept.
const KEPT_BYTES: u64 = 1 << 20;

impl<W: Workload> Folded<W> {
    /// The fold of `stream`, at generation 0.
    #[must_use]
    pub fn new(stream: Seed, bound: Bytes) -> Folded<W> {
        Folded { stream, bound, at: Generation::ZERO, state: W::initial(stream, bound), kept: VecDeque::new() }
    }

    /// The state of `generation`.
    pub fn state(&mut self, generation: Generation) -> &W::State {
        if generation < self.at {
            self.at = Generation::ZERO;
            self.state = W::initial(self.stream, self.bound);
        }
        while self.at < generation {
            self.at = self.at.next();
            W::apply(self.stream, self.at, self.bound, &mut self.state);
        }
        &self.state
    }

    /// Generation `generation` as it is written to the state file.
    fn encoded(&mut self, generation: Generation) -> Rc<Vec<u8>> {
        self.keep(generation).1
    }

    fn keep(&mut self, generation: Generation) -> (Digest, Rc<Vec<u8>>) {
        if let Some((_, digest, bytes)) = self.kept.iter().find(|(g, ..)| *g == generation) {
            return (*digest, Rc::clone(bytes));
        }
        let capacity = usize::try_from(self.bound.0).unwrap_or(0);
        let state = self.state(generation);
        let digest = Digest::of_value(state);
        let mut bytes = Vec::with_capacity(capacity);
        // Writing into memory fails only if the state cannot be JSON, which the workloads' own tests exclude.
        encode(state, &mut bytes).unwrap_or_else(|error| unreachable!("a state that is not JSON: {error}"));
        let bytes = Rc::new(bytes);
        if self.kept.len() as u64 * self.bound.0 >= KEPT_BYTES && self.kept.len() >= 2 {
            self.kept.pop_front();
        }
        self.kept.push_back((generation, digest, Rc::clone(&bytes)));
        (digest, bytes)
    }
}

impl<W: Workload> Generations for Folded<W> {
    fn state_file(&self) -> String {
        state_file::<W>()
    }

    fn digest(&mut self, generation: Generation) -> Digest {
        match self.kept.iter().find(|(g, ..)| *g == generation) {
            Some((_, digest, _)) => *digest,
            None => Digest::of_value(self.state(generation)),
        }
    }

    fn digest_without(&mut self, generation: Generation, missing: &[Generation]) -> Option<Digest> {
        missing.is_empty().then(|| self.digest(generation))
    }

    fn classify(&mut self, content: &[u8], promise: Promise) -> RawFile {
        let acked = self.encoded(promise.acked);
        let begun = if promise.begun == promise.acked { Rc::clone(&acked) } else { self.encoded(promise.begun) };
        classify(content, &[&begun, &acked])
    }

    fn completes(&mut self, generation: Generation, end: u64) -> bool {
        self.encoded(generation).len() as u64 == end
    }

    fn prepare(&mut self, promise: Promise) {
        self.encoded(promise.acked);
        self.encoded(promise.begun);
    }

    fn consequences(
        &mut self,
        promised: Generation,
        found: Found<Generation>,
        _missing: &[Generation],
    ) -> Consequences {
        let found = match found {
            Found::State(generation) => Found::State(self.state(generation).clone()),
            Found::Fresh => Found::Fresh,
            Found::Refused => Found::Refused,
        };
        let promised = self.state(promised);
        W::consequences(
            promised,
            &match &found {
                Found::State(state) => Found::State(state),
                Found::Fresh => Found::Fresh,
                Found::Refused => Found::Refused,
            },
        )
    }
}

/// The name of a workload's state file, relative to the state directory.
#[must_use]
pub fn state_file<W: Workload>() -> String {
    format!("{}.json", W::NAME)
}
