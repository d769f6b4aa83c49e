//! What state is persisted one operation at a time, and the oracle for it: which records were issued, in which order.
//!
//! The content of a log is a chain of digests: that of generation g is made from the digest before it and record g. Survivors are
//! therefore right when they are a prefix of what was issued, nothing from the future, nothing twice. A log that says which records
//! it skipped is held against the same chain without them.

use std::hash::Hash;

use crashtest_model::{Bytes, Consequences, Digest, Generation, Promise, RawFile, RawState, Seed, WorkloadInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Found, Generations};

/// A workload that is persisted as records. Everything follows from the stream's seed and the record's number.
pub trait LogWorkload: 'static {
    /// One operation as it is persisted. Numbered from 1, without gaps.
    type Record: Serialize + DeserializeOwned + Hash + Clone;

    /// Its name on the command line.
    const NAME: &'static str;

    /// Its name and its words.
    fn info() -> WorkloadInfo;

    /// Record `generation`, which follows a log whose digest is `before`. Encoded it is at most `bound` long, and at least 256 bytes
    /// are granted.
    fn record(stream: Seed, generation: Generation, bound: Bytes, before: Digest) -> Self::Record;

    /// The number of a record.
    fn sequence(record: &Self::Record) -> Generation;

    /// The domain's own check of a record behind a log whose digest is `before`.
    ///
    /// # Errors
    /// What is wrong with it, in the domain's words.
    fn check(_record: &Self::Record, _before: Digest) -> Result<(), String> {
        Ok(())
    }

    /// Returns what it costs that the records `lost` were acknowledged and recovery gave `found` without them.
    fn consequences(lost: &[Self::Record], found: &Found<()>) -> Consequences;
}

/// The digest of an empty log of `stream`.
#[must_use]
pub fn empty_log(stream: Seed) -> Digest {
    Digest(stream.derive("log", 0).0)
}

/// The digest of a log whose digest was `before`, with `record` behind it.
#[must_use]
pub fn chained<R: Hash>(before: Digest, record: &R) -> Digest {
    Digest::of_value(&(before, record))
}

/// The oracle's chain of a log workload.
pub struct Logged<W: LogWorkload> {
    stream: Seed,
    bound: Bytes,
    state_file: String,
    /// How many bytes at the start of a log file are whole records, as its format has them.
    undamaged: fn(&[u8]) -> usize,
    /// The digest of each generation, from 0.
    digests: Vec<Digest>,
    records: std::marker::PhantomData<W>,
}

impl<W: LogWorkload> Logged<W> {
    /// The chain of `stream`, whose records take at most `bound`, in the file `state_file`.
    #[must_use]
    pub fn new(stream: Seed, bound: Bytes, state_file: String, undamaged: fn(&[u8]) -> usize) -> Logged<W> {
        let digests = vec![empty_log(stream)];
        Logged { stream, bound, state_file, undamaged, digests, records: std::marker::PhantomData }
    }

    /// Record `generation` as it was issued.
    fn record(&mut self, generation: Generation) -> W::Record {
        let before = self.digest(Generation(generation.0.saturating_sub(1)));
        W::record(self.stream, generation, self.bound, before)
    }
}

impl<W: LogWorkload> Generations for Logged<W> {
    fn state_file(&self) -> String {
        self.state_file.clone()
    }

    fn digest(&mut self, generation: Generation) -> Digest {
        let wanted = usize::try_from(generation.0).unwrap_or(usize::MAX);
        while self.digests.len() <= wanted {
            let next = Generation(self.digests.len() as u64);
            let before = self.digests[self.digests.len() - 1];
            let record = W::record(self.stream, next, self.bound, before);
            self.digests.push(chained(before, &record));
        }
        self.digests[wanted]
    }

    fn digest_without(&mut self, generation: Generation, missing: &[Generation]) -> Option<Digest> {
        let Some(first) = missing.iter().min() else { return Some(self.digest(generation)) };
        let mut digest = self.digest(Generation(first.0.checked_sub(1)?));
        for n in (first.0..=generation.0).map(Generation).filter(|n| !missing.contains(n)) {
            digest = chained(digest, &self.record(n));
        }
        Some(digest)
    }

    fn classify(&mut self, content: &[u8], _promise: Promise) -> RawFile {
        let end = (self.undamaged)(content);
        let state = match () {
            () if content.is_empty() => RawState::Empty,
            () if content.iter().all(|byte| *byte == 0) => RawState::ZeroFilled,
            () if end == content.len() => RawState::Whole,
            () => RawState::Partial,
        };
        let tear_offset = (state != RawState::Whole).then_some(end as u64);
        RawFile { state, length: Some(content.len() as u64), tear_offset, whole_length: None }
    }

    /// The one write of a save is always its last.
    fn completes(&mut self, _generation: Generation, _end: u64) -> bool {
        true
    }

    fn prepare(&mut self, promise: Promise) {
        self.digest(promise.begun);
    }

    fn consequences(&mut self, promised: Generation, found: Found<Generation>, missing: &[Generation]) -> Consequences {
        let (found, lost) = match found {
            Found::State(found) => (Found::State(()), (found.0 + 1..=promised.0).map(Generation).collect()),
            Found::Fresh => (Found::Fresh, (1..=promised.0).map(Generation).collect()),
            Found::Refused => (Found::Refused, Vec::new()),
        };
        let lost: Vec<W::Record> = missing.iter().copied().chain(lost).map(|n| self.record(n)).collect();
        W::consequences(&lost, &found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A workload whose records are only their number.
    struct Numbers;

    impl LogWorkload for Numbers {
        type Record = u64;
        const NAME: &str = "numbers";

        fn info() -> WorkloadInfo {
            WorkloadInfo { name: Self::NAME.into(), summary: String::new(), shapes: vec![], phrases: vec![] }
        }

        fn record(_: Seed, generation: Generation, _: Bytes, _: Digest) -> u64 {
            generation.0
        }

        fn sequence(record: &u64) -> Generation {
            Generation(*record)
        }

        fn consequences(lost: &[u64], _: &Found<()>) -> Consequences {
            let mut consequences = Consequences::default();
            consequences.count("lost", lost.len() as u64);
            consequences
        }
    }

    fn oracle() -> Logged<Numbers> {
        Logged::new(Seed(1), Bytes::kib(1), "f".into(), <[u8]>::len)
    }

    fn digest_of(survivors: &[u64]) -> Digest {
        survivors.iter().fold(empty_log(Seed(1)), chained)
    }

    proptest! {
        #[test]
        fn only_a_prefix_in_its_order_has_the_digest_of_a_generation(
            mut survivors in proptest::collection::vec(1u64..8, 0..8),
        ) {
            let mut oracle = oracle();
            let length = survivors.len() as u64;
            let prefix = survivors.iter().copied().eq(1..=length);
            let is_one = (0..10).any(|g| oracle.digest(Generation(g)) == digest_of(&survivors));
            prop_assert_eq!(is_one, prefix);
            survivors.push(length + 1);
            survivors.push(length + 1);
            prop_assert!((0..20).all(|g| oracle.digest(Generation(g)) != digest_of(&survivors)), "twice is never right");
        }

        #[test]
        fn a_log_with_holes_is_known_by_what_it_says_is_missing(last in 2u64..30, picked in proptest::collection::vec(1u64..30, 1..4)) {
            let missing: Vec<Generation> = picked.into_iter().filter(|n| *n < last).map(Generation).collect();
            let survivors: Vec<u64> = (1..=last).filter(|n| !missing.contains(&Generation(*n))).collect();
            prop_assert_eq!(oracle().digest_without(Generation(last), &missing), Some(digest_of(&survivors)));
        }
    }

    #[test]
    fn what_is_lost_is_the_holes_and_everything_past_the_end() {
        let lost = oracle().consequences(Generation(9), Found::State(Generation(7)), &[Generation(3)]);
        assert_eq!(lost.0["lost"], 3);
        assert_eq!(oracle().consequences(Generation(9), Found::Fresh, &[]).0["lost"], 9);
    }
}
