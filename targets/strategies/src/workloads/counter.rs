//! `counter`: numbers that are given out, as for invoices: never backwards, never twice.
//!
//! A counter that comes back older gives numbers out again that are on somebody's paper already.

use crashtest_kit::{Found, LogWorkload, operation_rng};
use crashtest_model::{Bytes, Consequences, Digest, Generation, Seed, Shape, WorkloadInfo};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{REFUSED, phrase};

/// What a number takes in the file at most, with the comma.
const NUMBER_BYTES: u64 = 21;
/// What everything else takes at most.
const HEADER_BYTES: u64 = 64;
/// Numbers are taken from blocks of this size, one a record, so that they grow without a fold.
const BLOCK: u64 = 1 << 20;

/// Numbers given out together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Issue {
    /// Which record.
    pub sequence: Generation,
    /// The numbers, growing, larger than all before.
    pub numbers: Vec<u64>,
}

/// The workload.
pub(crate) struct Counter;

impl LogWorkload for Counter {
    type Record = Issue;

    const NAME: &str = "counter";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary: "numbers that are given out, never backwards, never twice".into(),
            shapes: vec![Shape::Log],
            phrases: vec![
                phrase("reused", "numbers that are given out twice"),
                phrase("backwards", "restarts after which the counter went backwards"),
                phrase(REFUSED, "restarts that stopped with an error: no number is given out"),
            ],
        }
    }

    fn record(stream: Seed, generation: Generation, bound: Bytes, _before: Digest) -> Issue {
        let most = (bound.0.saturating_sub(HEADER_BYTES) / NUMBER_BYTES).clamp(1, BLOCK);
        let count = operation_rng(stream, generation).random_range(most.div_ceil(8)..=most);
        let first = generation.0.saturating_mul(BLOCK);
        Issue { sequence: generation, numbers: (0..count).map(|n| first.saturating_add(n)).collect() }
    }

    fn sequence(issue: &Issue) -> Generation {
        issue.sequence
    }

    fn consequences(lost: &[Issue], found: &Found<()>) -> Consequences {
        let mut consequences = Consequences::default();
        let reused: usize = lost.iter().map(|issue| issue.numbers.len()).sum();
        match found {
            Found::Refused => consequences.count(REFUSED, 1),
            _ if reused > 0 => {
                consequences.count("reused", reused as u64);
                consequences.count("backwards", 1);
            }
            _ => {}
        }
        consequences
    }
}
