//! `ledger`: accounts and their latest entries, of which each save changes one, with the number of the save beside it.
//!
//! What a database is for: a state that is much larger than what one save touches, and two things that must change together.

use std::collections::BTreeMap;

use crashtest_kit::{Folded, Found, Generations, Workload, operation_rng};
use crashtest_model::{
    Bytes, ConsequencePhrase, Consequences, Digest, Generation, Promise, RawFile, RawState, Seed, Shape, WorkloadInfo,
};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// An account.
pub(crate) type Account = u32;

/// What an entry takes at most as JSON, with its key: the length is drawn from an eighth of [`TEXT_BYTES`] on.
const ENTRY_BYTES: u64 = TEXT_BYTES + 20;
/// The longest text of an entry.
const TEXT_BYTES: u64 = 600;
/// What everything else takes at most.
const HEADER_BYTES: u64 = 64;

/// The whole state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// The number of the last save.
    pub(crate) sequence: Generation,
    /// The latest entry of each account.
    pub(crate) entries: BTreeMap<Account, String>,
}

/// The workload.
pub(crate) struct Entries;

/// What save `generation` writes, into a ledger of so many accounts: one entry, of the accounts in turn.
pub(crate) fn entry(stream: Seed, generation: Generation, accounts: u64) -> (Account, String) {
    let account = (generation.0 % accounts) as Account;
    (account, text(stream.derive("entry", generation.0), u64::from(account)))
}

/// How many accounts a ledger within `bound` has.
pub(crate) fn accounts(bound: Bytes) -> u64 {
    (bound.0.saturating_sub(HEADER_BYTES) / ENTRY_BYTES).max(1)
}

/// Letters and digits that nothing compresses to nothing, of a length of their own.
fn text(seed: Seed, n: u64) -> String {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-";
    let mut rng = operation_rng(seed, Generation(n));
    let length = rng.random_range(TEXT_BYTES / 8..=TEXT_BYTES);
    (0..length).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect()
}

impl Workload for Entries {
    type State = Ledger;

    const NAME: &str = "ledger";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary: "the latest entry of each of many accounts; a save changes one, and the number beside them".into(),
            shapes: vec![Shape::System],
            phrases: vec![
                ConsequencePhrase {
                    key: "lost".into(),
                    words: "entries that were acknowledged and are not there".into(),
                },
                ConsequencePhrase { key: "refused".into(), words: "restarts that stopped with an error".into() },
            ],
        }
    }

    fn initial(stream: Seed, bound: Bytes) -> Ledger {
        let accounts = 0..accounts(bound) as Account;
        let entries = accounts.map(|account| (account, text(stream.derive("first", 0), u64::from(account)))).collect();
        Ledger { sequence: Generation::ZERO, entries }
    }

    fn apply(stream: Seed, generation: Generation, bound: Bytes, ledger: &mut Ledger) {
        let (account, text) = entry(stream, generation, accounts(bound));
        ledger.sequence = generation;
        ledger.entries.insert(account, text);
    }

    fn sequence(ledger: &Ledger) -> Generation {
        ledger.sequence
    }

    fn consequences(promised: &Ledger, found: &Found<&Ledger>) -> Consequences {
        let mut consequences = Consequences::default();
        let lost = |kept: &dyn Fn(&Account, &String) -> bool| {
            promised.entries.iter().filter(|(account, text)| !kept(account, text)).count() as u64
        };
        match found {
            Found::State(state) => {
                consequences.count("lost", lost(&|account, text| state.entries.get(account) == Some(text)));
            }
            Found::Fresh => consequences.count("lost", lost(&|_, _| false)),
            Found::Refused => consequences.count("refused", 1),
        }
        consequences.0.retain(|_, count| *count > 0);
        consequences
    }
}

/// The oracle's side of a ledger in a store whose files nobody but the store can read.
pub(crate) struct InStore {
    folded: Folded<Entries>,
    file: &'static str,
}

impl InStore {
    /// The ledgers of `stream`, in a store that always has the file `file`.
    pub(crate) fn new(stream: Seed, bound: Bytes, file: &'static str) -> InStore {
        InStore { folded: Folded::new(stream, bound), file }
    }
}

impl Generations for InStore {
    fn state_file(&self) -> String {
        self.file.to_owned()
    }

    fn digest(&mut self, generation: Generation) -> Digest {
        self.folded.digest(generation)
    }

    fn digest_without(&mut self, generation: Generation, missing: &[Generation]) -> Option<Digest> {
        self.folded.digest_without(generation, missing)
    }

    /// Whole as far as can be said from outside: a store that refuses its own file then does not open, whatever is wrong with it.
    fn classify(&mut self, content: &[u8], _promise: Promise) -> RawFile {
        let state = match () {
            () if content.is_empty() => RawState::Empty,
            () if content.iter().all(|byte| *byte == 0) => RawState::ZeroFilled,
            () => RawState::Whole,
        };
        RawFile { state, length: Some(content.len() as u64), tear_offset: None, whole_length: None }
    }

    fn completes(&mut self, _generation: Generation, _end: u64) -> bool {
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
    use crashtest_kit::encode;

    use super::*;

    #[test]
    fn a_ledger_stays_within_its_bound_and_a_save_changes_one_entry() {
        for kib in [1, 4, 64] {
            let (stream, bound) = (Seed(kib), Bytes::kib(kib));
            let mut ledger = Entries::initial(stream, bound);
            for g in (1..300).map(Generation) {
                let before = ledger.clone();
                Entries::apply(stream, g, bound, &mut ledger);
                assert_eq!(ledger.sequence, g);
                let changed = ledger.entries.iter().filter(|(account, text)| before.entries.get(account) != Some(text));
                assert_eq!(changed.count(), 1, "save {g}");
                let mut bytes = Vec::new();
                encode(&ledger, &mut bytes).unwrap();
                assert!(bytes.len() as u64 <= bound.0, "{} of {bound}", bytes.len());
                assert_eq!(serde_json::from_slice::<Ledger>(&bytes).unwrap(), ledger);
            }
        }
    }

    #[test]
    fn what_is_lost_are_the_entries_of_later_saves() {
        let (stream, bound) = (Seed(1), Bytes::kib(64));
        let mut oracle = InStore::new(stream, bound, "f");
        let cost = |oracle: &mut InStore, found| oracle.consequences(Generation(9), found, &[]).0;
        assert_eq!(cost(&mut oracle, Found::State(Generation(6)))["lost"], 3);
        assert!(cost(&mut oracle, Found::State(Generation(9))).is_empty());
        assert_eq!(cost(&mut oracle, Found::Fresh)["lost"], accounts(bound));
    }
}
