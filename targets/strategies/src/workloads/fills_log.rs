//! `fills` as a log: one record a batch of executions, appended as they come.

use std::collections::BTreeMap;

use crashtest_kit::{Found, LogWorkload, Workload, operation_rng};
use crashtest_model::{Bytes, Consequences, Digest, Generation, Seed, WorkloadInfo};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::REFUSED;
use super::fills::{FILL_BYTES, Fill, Fills, Symbol};

/// What everything but the fills takes in a record at most.
const HEADER_BYTES: u64 = 64;
/// The ids of one record lie in a block of this size.
const BLOCK: u64 = 1 << 20;

/// Executions that were recorded together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// Which record.
    pub sequence: Generation,
    /// The executions, oldest first.
    pub fills: Vec<Fill>,
}

/// The workload.
pub(crate) struct FillsLog;

impl LogWorkload for FillsLog {
    type Record = Batch;

    const NAME: &str = Fills::NAME;

    fn info() -> WorkloadInfo {
        Fills::info()
    }

    fn record(stream: Seed, generation: Generation, bound: Bytes, _before: Digest) -> Batch {
        let mut rng = operation_rng(stream, generation);
        let most = (bound.0.saturating_sub(HEADER_BYTES) / FILL_BYTES).max(1);
        let count = rng.random_range(most.div_ceil(8)..=most);
        let first = generation.0.saturating_mul(BLOCK);
        Batch { sequence: generation, fills: (0..count).map(|n| Fill::random(first + n, &mut rng)).collect() }
    }

    fn sequence(batch: &Batch) -> Generation {
        batch.sequence
    }

    /// Records behind the lost ones still name their symbols, so that the reconciler has something to compare; an empty log has not.
    fn consequences(lost: &[Batch], found: &Found<()>) -> Consequences {
        let mut consequences = Consequences::default();
        let mut drift: BTreeMap<Symbol, i64> = BTreeMap::new();
        for fill in lost.iter().flat_map(|batch| &batch.fills) {
            *drift.entry(fill.symbol).or_default() += fill.signed_quantity();
        }
        let shares: u64 = drift.values().map(|shares| shares.unsigned_abs()).sum();
        match found {
            Found::Refused => consequences.count(REFUSED, 1),
            _ if shares == 0 => {}
            Found::State(()) => {
                consequences.count("alerted", 1);
                consequences.count("shares-reported", shares);
            }
            Found::Fresh => {
                consequences.count("quiet", 1);
                consequences.count("shares-missed", shares);
            }
        }
        consequences
    }
}
