//! `hash-chain`: an audit chain in which each record holds the digest of everything before it.
//!
//! Made to show tampering. A crash that takes one record out of the middle looks exactly like that.

use crashtest_kit::{Found, LogWorkload, operation_rng};
use crashtest_model::{Bytes, Consequences, Digest, Generation, Seed, Shape, WorkloadInfo};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{REFUSED, phrase};

/// What an action takes in the file at most, with the comma.
const ACTION_BYTES: u64 = 72;
/// What everything else takes at most.
const HEADER_BYTES: u64 = 112;

const ACTORS: [&str; 4] = ["scanner", "monitor", "operator", "reconciler"];
const VERBS: [&str; 6] = ["opened", "closed", "amended", "approved", "rejected", "reviewed"];

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Action {
    /// Who.
    pub actor: String,
    /// What.
    pub verb: String,
    /// With which order.
    pub order: u64,
}

/// A link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Link {
    /// Which record.
    pub sequence: Generation,
    /// The digest of the chain before it.
    pub previous: Digest,
    /// What was done since.
    pub actions: Vec<Action>,
}

/// The workload.
pub(crate) struct HashChain;

impl LogWorkload for HashChain {
    type Record = Link;

    const NAME: &str = "hash-chain";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary: "an audit chain: each record holds the digest of all before it".into(),
            shapes: vec![Shape::Log],
            phrases: vec![
                phrase("broken", "restarts after which the chain is broken or shorter than was acknowledged"),
                phrase("links-lost", "acknowledged links that are not in it"),
                phrase("actions-lost", "actions that nobody can prove any more"),
                phrase(REFUSED, "restarts that stopped with an error: nothing is recorded"),
            ],
        }
    }

    fn record(stream: Seed, generation: Generation, bound: Bytes, before: Digest) -> Link {
        let mut rng = operation_rng(stream, generation);
        let most = (bound.0.saturating_sub(HEADER_BYTES) / ACTION_BYTES).max(1);
        let count = rng.random_range(most.div_ceil(8)..=most);
        let actions = (0..count).map(|_| Action {
            actor: ACTORS[rng.random_range(0..ACTORS.len())].to_owned(),
            verb: VERBS[rng.random_range(0..VERBS.len())].to_owned(),
            order: rng.random_range(1..1_000_000_000),
        });
        Link { sequence: generation, previous: before, actions: actions.collect() }
    }

    fn sequence(link: &Link) -> Generation {
        link.sequence
    }

    fn check(link: &Link, before: Digest) -> Result<(), String> {
        if link.previous == before {
            return Ok(());
        }
        Err(format!("the chain is broken: it follows {}, not {before}", link.previous))
    }

    fn consequences(lost: &[Link], found: &Found<()>) -> Consequences {
        let mut consequences = Consequences::default();
        match found {
            Found::Refused => consequences.count(REFUSED, 1),
            _ if !lost.is_empty() => {
                consequences.count("broken", 1);
                consequences.count("links-lost", lost.len() as u64);
                consequences.count("actions-lost", lost.iter().map(|link| link.actions.len() as u64).sum());
            }
            _ => {}
        }
        consequences
    }
}
