//! The workloads, one a file: what state is persisted, and what it costs to lose it.

pub(crate) mod counter;
pub(crate) mod fills;
pub(crate) mod fills_log;
pub(crate) mod hash_chain;
pub(crate) mod signals;

use crashtest_model::ConsequencePhrase;

/// The key under which every workload counts restarts that ended in an error: somebody was told, and nothing went on.
pub(crate) const REFUSED: &str = "refused";

pub(crate) fn phrase(key: &str, words: &str) -> ConsequencePhrase {
    ConsequencePhrase { key: key.to_owned(), words: words.to_owned() }
}
