//! Which worker goes through which pieces of a fault that goes by recorded lives: each its share, and together all.
//!
//! Each worker records for itself. Where all record the same calls, a piece is known by its number. Two runs of a program may differ, in the
//! order of what two processes do or in how far an endless one comes: then the workers tell each other what their recordings have. What
//! several have, one of them goes through; what one of them alone has is its own to do, so that no crash point that somebody has seen is
//! nobody's.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crashtest_model::Digest;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::EngineError;
use crate::lists::Topic;
use crate::protocol::Part;

/// What is gone through at once: a crash state, or a failing call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// The names of its trials, one for each of its crash points.
    pub(crate) names: Vec<Digest>,
    /// Whether the worker that has it has gone through it already.
    pub(crate) is_done: bool,
}

/// Gives names to trials: equal ones, in two recordings, to those of which as many of their kind came before.
#[derive(Debug, Default)]
pub(crate) struct Names {
    times: HashMap<Digest, u64>,
}

impl Names {
    /// The name of the next trial, which is of this kind.
    pub(crate) fn next(&mut self, kind: &impl Hash) -> Digest {
        let kind = Digest::of_value(kind);
        let times = self.times.entry(kind).or_default();
        *times += 1;
        Digest::of_value(&(kind, *times))
    }
}

/// A worker's share.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// The numbers of its pieces among those that it has.
    mine: HashSet<usize>,
    /// The trials of all workers together.
    pub(crate) trials: u64,
}

impl Share {
    /// The share `part` of so many pieces and trials, where every worker has the same ones.
    pub(crate) fn by_number(part: Part, pieces: usize, trials: u64) -> Share {
        let mine = (0..pieces).filter(|n| *n as u64 % part.of == part.number).collect();
        Share { mine, trials }
    }

    /// The share `part` of what there is of `topic`, where each worker may have other pieces: this one has `pieces`. It waits for the others.
    pub(crate) fn by_name(
        context: &mut Context<'_>,
        topic: Topic,
        part: Part,
        pieces: &[Piece],
    ) -> Result<Share, EngineError> {
        let lists = context.exchange(topic, part, pieces)?;
        let mut all = shared_out(&lists);
        let trials =
            lists.iter().zip(&all).flat_map(|(pieces, mine)| mine.iter().map(|n| pieces[*n].names.len() as u64)).sum();
        Ok(Share { mine: all.swap_remove(part.number as usize), trials })
    }

    /// Whether the piece of this number is part of it.
    pub(crate) fn has(&self, piece: usize) -> bool {
        self.mine.contains(&piece)
    }
}

/// The numbers of the pieces that each worker goes through, of those that each has: first those that it has done already; then those of one of
/// them in turn, as far as whose turn it is has them; then whatever has a trial that is still nobody's.
fn shared_out(lists: &[Vec<Piece>]) -> Vec<HashSet<usize>> {
    let mut all = vec![HashSet::new(); lists.len()];
    let mut given: HashSet<Digest> = HashSet::new();
    for (worker, pieces) in lists.iter().enumerate() {
        for (n, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.is_done) {
            all[worker].insert(n);
            given.extend(&piece.names);
        }
    }
    let pieces_of = |pieces: &[Piece]| -> HashMap<Digest, usize> {
        pieces.iter().enumerate().flat_map(|(n, piece)| piece.names.iter().map(move |name| (*name, n))).collect()
    };
    let by_name: Vec<HashMap<Digest, usize>> = lists.iter().map(|pieces| pieces_of(pieces)).collect();
    let in_turn = lists.iter().find(|pieces| !pieces.is_empty()).into_iter().flatten();
    for (n, piece) in in_turn.filter(|piece| !piece.is_done).enumerate() {
        let worker = n % lists.len();
        if let Some(its) = piece.names.first().and_then(|first| by_name[worker].get(first)) {
            all[worker].insert(*its);
            given.extend(&lists[worker][*its].names);
        }
    }
    for (worker, pieces) in lists.iter().enumerate() {
        for (n, Piece { names, .. }) in pieces.iter().enumerate() {
            if names.iter().any(|name| !given.contains(name)) {
                all[worker].insert(n);
                given.extend(names);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn pieces(of: &[&[u64]]) -> Vec<Piece> {
        let piece = |names: &&[u64]| Piece { names: names.iter().copied().map(Digest).collect(), is_done: false };
        of.iter().map(piece).collect()
    }

    #[test]
    fn workers_that_have_the_same_pieces_take_them_in_turn() {
        let all = pieces(&[&[1, 2], &[3], &[4, 5, 6], &[7], &[8]]);
        let of = 3;
        let shares = shared_out(&[all.clone(), all.clone(), all.clone()]);
        for (number, mine) in (0..).zip(shares) {
            assert_eq!(Share::by_number(Part { number, of }, all.len(), 8), Share { mine, trials: 8 });
        }
    }

    #[test]
    fn what_only_one_worker_has_is_its_own() {
        // The second has 3 elsewhere, and 9; the third has died.
        let lists = [pieces(&[&[1, 2], &[3], &[4]]), pieces(&[&[1], &[2, 3], &[9]]), pieces(&[])];
        assert_eq!(shared_out(&lists), [HashSet::from([0, 2]), HashSet::from([1, 2]), HashSet::new()]);
    }

    #[test]
    fn what_one_worker_has_done_already_is_nobody_elses_and_the_rest_is_taken_in_turn() {
        let all = pieces(&[&[1], &[2], &[3], &[4]]);
        let mut begun = all.clone();
        (begun[0].is_done, begun[1].is_done) = (true, true);
        assert_eq!(shared_out(&[begun, all]), [HashSet::from([0, 1, 2]), HashSet::from([3])]);
    }

    #[test]
    fn the_first_and_the_second_of_a_kind_have_names_of_their_own() {
        let (mut one, mut other) = (Names::default(), Names::default());
        let ours = ["write", "close", "write"].map(|kind| one.next(&kind));
        let theirs = ["close", "write", "write"].map(|kind| other.next(&kind));
        assert_eq!([ours[1], ours[0], ours[2]], theirs, "in whatever order they come");
        assert_eq!(BTreeSet::from(ours).len(), 3);
    }

    proptest! {
        #[test]
        fn every_trial_that_a_worker_has_is_somebodys(
            lists in prop::collection::vec(prop::collection::vec(prop::collection::vec(0u64..30, 1..4), 0..12), 1..5)
        ) {
            let lists: Vec<Vec<Piece>> =
                lists.iter().map(|list| pieces(&list.iter().map(Vec::as_slice).collect::<Vec<_>>())).collect();
            let shares = shared_out(&lists);
            let given: BTreeSet<Digest> =
                lists.iter().zip(&shares).flat_map(|(list, mine)| mine.iter().flat_map(|n| list[*n].names.clone())).collect();
            prop_assert_eq!(given, lists.iter().flatten().flat_map(|piece| piece.names.clone()).collect());
        }
    }
}
