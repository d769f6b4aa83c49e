//! The workloads, one a file: what state is persisted, and what it costs to lose it. What several of them do alike is here.

pub(crate) mod candles;
pub(crate) mod config;
pub(crate) mod counter;
pub(crate) mod desk;
pub(crate) mod fills;
pub(crate) mod fills_log;
pub(crate) mod hash_chain;
pub(crate) mod positions;
pub(crate) mod retry_queue;
pub(crate) mod signals;
pub(crate) mod trade_log;
pub(crate) mod trades;
pub(crate) mod trading;

use std::collections::BTreeMap;

use crashtest_kit::Found;
use crashtest_model::{Bytes, ConsequencePhrase, Consequences};
use rand::{Rng, RngExt};

/// The key under which every workload counts restarts that ended in an error: somebody was told, and nothing went on.
pub(crate) const REFUSED: &str = "refused";

pub(crate) fn phrase(key: &str, words: &str) -> ConsequencePhrase {
    ConsequencePhrase { key: key.to_owned(), words: words.to_owned() }
}

/// The time of event `n` of a stream in ms since 1970: four events a second, from the opening of a Monday's trading on.
pub(crate) fn time_ms(n: u64) -> u64 {
    1_767_623_400_000 + n * 250
}

/// How many entries a file has room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity(pub(crate) usize);

impl Capacity {
    /// Entries of at most `entry` bytes in a file of at most `bound`, in which everything else takes at most `header` bytes.
    pub(crate) fn within(bound: Bytes, header: u64, entry: u64) -> Capacity {
        Capacity(usize::try_from((bound.0.saturating_sub(header) / entry).max(4)).unwrap_or(usize::MAX))
    }

    /// How many entries a nearly full file has: the fuller, the more writes a save makes.
    pub(crate) fn nearly_full(self, rng: &mut impl Rng) -> usize {
        rng.random_range(self.0 * 7 / 8..=self.0)
    }

    /// How many entries one operation touches.
    pub(crate) fn few(self, rng: &mut impl Rng) -> usize {
        rng.random_range(1..=(self.0 / 32).max(1))
    }

    /// How many of `len` entries are kept when `few` of them go: no file gets less than three quarters full.
    pub(crate) fn without(self, few: usize, len: usize) -> usize {
        len.saturating_sub(few).max(self.0 * 3 / 4)
    }
}

/// Any one of the values.
pub(crate) fn any_value<'a, K: Ord, V>(map: &'a mut BTreeMap<K, V>, rng: &mut impl Rng) -> Option<&'a mut V> {
    let at = rng.random_range(0..map.len().max(1));
    map.values_mut().nth(at)
}

/// Removes all but `keep` entries: a run of neighbours, anywhere.
pub(crate) fn thin_out<K: Ord, V>(map: &mut BTreeMap<K, V>, keep: usize, rng: &mut impl Rng) {
    let excess = map.len().saturating_sub(keep);
    let from = rng.random_range(0..=map.len() - excess);
    let mut at = 0..map.len();
    map.retain(|_, _| at.next().is_none_or(|at| at < from || at >= from + excess));
}

/// What a restart costs: what `count` makes of the state that the program goes on with, the one found or an empty one. A program
/// that stopped with an error goes on with nothing, and is counted as that alone.
pub(crate) fn cost<S: Default>(found: &Found<&S>, count: impl FnOnce(&S, &mut Consequences)) -> Consequences {
    let mut consequences = Consequences::default();
    match found {
        Found::State(state) => count(state, &mut consequences),
        Found::Fresh => count(&S::default(), &mut consequences),
        Found::Refused => consequences.count(REFUSED, 1),
    }
    consequences.0.retain(|_, count| *count > 0);
    consequences
}

/// How the entries that were found differ from those that were promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Entries that were promised and are not there.
    pub(crate) missing: u64,
    /// Entries that are there and were not promised: they had been removed.
    pub(crate) revived: u64,
    /// Entries that are there with an earlier value.
    pub(crate) outdated: u64,
}

impl Difference {
    pub(crate) fn between<K: Ord, V: PartialEq>(promised: &BTreeMap<K, V>, found: &BTreeMap<K, V>) -> Difference {
        let missing = promised.keys().filter(|key| !found.contains_key(key)).count() as u64;
        let revived = found.keys().filter(|key| !promised.contains_key(key)).count() as u64;
        let outdated = promised.iter().filter(|(key, value)| found.get(key).is_some_and(|v| v != *value)).count();
        Difference { missing, revived, outdated: outdated as u64 }
    }
}

/// The laws that every workload keeps; each one's own tests call them.
#[cfg(test)]
pub(crate) mod laws {
    use std::collections::BTreeSet;

    use crashtest_kit::{Found, Workload, encode};
    use crashtest_model::{Bytes, Digest, Generation, Seed};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::REFUSED;

    /// All of them.
    pub(crate) fn hold_for<W: Workload>() {
        stays_within_its_bound_grows_and_shrinks::<W>();
        comes_back_from_its_file::<W>();
        costs_only_what_is_lost_and_has_words_for_it::<W>();
    }

    fn encoded<S: serde::Serialize>(state: &S) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(state, &mut bytes).unwrap();
        bytes
    }

    /// No file is longer than its bound, the first is nearly as long, and later ones are now longer and now shorter.
    fn stays_within_its_bound_grows_and_shrinks<W: Workload>() {
        proptest!(ProptestConfig::with_cases(48), |(seed: u64, kib in 1u64..80)| {
            let (stream, bound) = (Seed(seed), Bytes::kib(kib));
            let mut state = W::initial(stream, bound);
            let mut lengths = vec![encoded(&state).len() as u64];
            for g in 1..200 {
                W::apply(stream, Generation(g), bound, &mut state);
                prop_assert_eq!(W::sequence(&state), Generation(g));
                lengths.push(encoded(&state).len() as u64);
            }
            prop_assert!(lengths.iter().all(|l| *l <= bound.0), "{:?} > {bound}", lengths.iter().max());
            prop_assert!(kib < 8 || lengths[0] >= bound.0 * 2 / 3, "{} of {bound}", lengths[0]);
            prop_assert!(!lengths.is_sorted_by(|a, b| a <= b), "it shrinks");
            prop_assert!(!lengths.is_sorted_by(|a, b| a >= b), "it grows");
        });
    }

    /// What is read back is what was written, to the last digit; money is no float.
    fn comes_back_from_its_file<W: Workload>() {
        proptest!(ProptestConfig::with_cases(48), |(seed: u64, operations in 0u64..20)| {
            let state = after::<W>(Seed(seed), operations);
            let bytes = encoded(&state);
            let back: W::State = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(Digest::of_value(&back), Digest::of_value(&state));
            prop_assert!(!has_a_float(&serde_json::from_slice(&bytes).unwrap()));
            prop_assert_eq!(encoded(&back), bytes);
        });
    }

    fn has_a_float(json: &Value) -> bool {
        match json {
            Value::Number(number) => number.is_f64(),
            Value::Array(values) => values.iter().any(has_a_float),
            Value::Object(fields) => fields.values().any(has_a_float),
            _ => false,
        }
    }

    /// The promised state costs nothing, an error one stop, an empty state something; and there are words for all that is counted.
    fn costs_only_what_is_lost_and_has_words_for_it<W: Workload>() {
        let info = W::info();
        assert_eq!(info.name, W::NAME);
        let keys: BTreeSet<&str> = info.phrases.iter().map(|phrase| phrase.key.as_str()).collect();
        assert_eq!(keys.len(), info.phrases.len(), "no key has two phrases");
        proptest!(ProptestConfig::with_cases(48), |(seed: u64, older in 0u64..20, later in 0u64..20)| {
            let found = after::<W>(Seed(seed), older);
            let promised = after::<W>(Seed(seed), older + later);
            prop_assert!(W::consequences(&promised, &Found::State(&promised)).is_empty());
            let refused = W::consequences(&promised, &Found::Refused).0;
            prop_assert_eq!(refused.into_iter().collect::<Vec<_>>(), [(REFUSED.to_owned(), 1)]);
            let fresh = W::consequences(&promised, &Found::Fresh);
            prop_assert!(!fresh.is_empty());
            for (key, count) in fresh.0.into_iter().chain(W::consequences(&promised, &Found::State(&found)).0) {
                prop_assert!(keys.contains(key.as_str()), "no words for {key}");
                prop_assert!(count > 0);
            }
        });
    }

    /// The state after so many operations, in a file of a few KiB.
    fn after<W: Workload>(stream: Seed, operations: u64) -> W::State {
        let bound = Bytes::kib(8);
        let mut state = W::initial(stream, bound);
        for g in 1..=operations {
            W::apply(stream, Generation(g), bound, &mut state);
        }
        state
    }
}
