//! Which worker goes through which pieces of a fault that goes by recorded lives: each its share, and together all.
//!
//! Each worker records for itself. Where all record the same calls, a piece is known by its number. Two runs of a program may differ, in the
//! order of what two processes do or in how far an endless one comes: then the workers tell each other what their recordings have. What
//! several have, one of them goes through; what one of them alone has is its own to do.
//!
//! Whether two workers have the same is read from [`Marks`]: for a crash point its place, its file and the files that a kill leaves; where no two
//! workers leave the same ones, its place and its file; for files with drawn names what these become. With the same marks the first of one
//! worker is taken for the first of the other, and so on.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crashtest_model::{Digest, INTERLEAVED};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::EngineError;
use crate::lists::Topic;
use crate::protocol::Part;

/// What the trials of two recordings are recognised by.
const MARKS: usize = 3;

/// What a trial can be recognised by in the recording of another worker, the surest first: equal marks are those of the same trial, in each
/// recording the first of them, the second, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marks([Digest; MARKS]);

impl Marks {
    /// These.
    pub(crate) fn new(surest: &impl Hash, sure: &impl Hash, at_least: &impl Hash) -> Marks {
        Marks([Digest::of_value(surest), Digest::of_value(sure), Digest::of_value(at_least)])
    }
}

/// What is gone through at once: a crash state, or a failing call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// Its trials, one for each of its crash points.
    pub(crate) trials: Vec<Marks>,
    /// The numbers that these have in their recording.
    pub(crate) numbers: Vec<u64>,
    /// Whether the worker that has it has gone through it already.
    pub(crate) is_done: bool,
}

/// A piece by the names of its trials, which are the same in all recordings.
#[derive(Clone, Debug)]
struct Named {
    names: Vec<Digest>,
    is_done: bool,
}

/// A worker's share.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// The numbers of its pieces among those that it has.
    mine: HashSet<usize>,
    /// The trials of all workers together.
    pub(crate) trials: u64,
    /// Those that somebody has and nobody goes through, to stay within a bound.
    pub(crate) left_out: u64,
    pub(crate) numbers: Numbers,
}

/// The numbers under which a worker reports its trials, where they are others than those that they have in its recording: what the first worker
/// has as well has the same number whoever reports it, and all else has one that no other worker gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    trials: HashMap<u64, u64>,
    pieces: HashMap<usize, usize>,
}

impl Numbers {
    /// That of the trial which has this number in the recording.
    pub(crate) fn trial(&self, number: u64) -> u64 {
        self.trials.get(&number).copied().unwrap_or(number)
    }

    /// That of the piece which is this one in the recording.
    pub(crate) fn piece(&self, number: usize) -> usize {
        self.pieces.get(&number).copied().unwrap_or(number)
    }
}

impl Share {
    /// The share `part` of so many pieces and trials, where every worker has the same ones.
    pub(crate) fn by_number(part: Part, pieces: usize, trials: u64) -> Share {
        let mine = (0..pieces).filter(|n| *n as u64 % part.of == part.number).collect();
        Share { mine, trials, left_out: 0, numbers: Numbers::default() }
    }

    /// The share `part` of what there is of `topic`, where each worker may have other pieces: this one has `pieces`. It waits for the others.
    /// Within the bound of the plan, of which each worker has chosen its pieces, is what they come to together.
    pub(crate) fn by_marks(
        context: &mut Context<'_>,
        topic: Topic,
        part: Part,
        pieces: &[Piece],
    ) -> Result<Share, EngineError> {
        let most = context.plan.max_states.unwrap_or(u64::MAX);
        Ok(share(&context.exchange(topic, part, pieces)?, part, most))
    }

    /// Whether the piece of this number is part of it.
    pub(crate) fn has(&self, piece: usize) -> bool {
        self.mine.contains(&piece)
    }
}

/// The share `part` of the pieces that are in these lists, one of each worker: at most so many trials.
fn share(lists: &[Vec<Piece>], part: Part, most: u64) -> Share {
    let named = named(lists);
    let (mut all, left_out) = shared_out(&named, most);
    let trials =
        lists.iter().zip(&all).flat_map(|(pieces, mine)| mine.iter().map(|n| pieces[*n].trials.len() as u64)).sum();
    let worker = part.number as usize;
    Share { mine: all.swap_remove(worker), trials, left_out, numbers: numbers(lists, &named, worker) }
}

/// The numbers of what `worker` has: where the first list has the very same piece, those that it has there; else numbers behind those, and
/// behind what the workers before it have alone.
fn numbers(lists: &[Vec<Piece>], named: &[Vec<Named>], worker: usize) -> Numbers {
    let Some(first) = lists.iter().position(|pieces| !pieces.is_empty()).filter(|first| *first < worker) else {
        return Numbers::default();
    };
    let known: HashMap<&[Digest], usize> =
        named[first].iter().enumerate().map(|(n, piece)| (piece.names.as_slice(), n)).collect();
    let in_order = |number: u64| number % INTERLEAVED;
    let of_first = lists[first].iter().flat_map(|piece| &piece.numbers);
    let mut next_trial = of_first.map(|number| in_order(*number) + 1).max().unwrap_or(0);
    let mut next_piece = lists[first].len();
    let mut numbers = Numbers::default();
    for other in first + 1..=worker {
        for (n, (piece, its)) in lists[other].iter().zip(&named[other]).enumerate() {
            let own = piece.numbers.iter().copied();
            let same = known.get(its.names.as_slice()).copied();
            if other == worker {
                numbers.pieces.insert(n, same.unwrap_or(next_piece));
                match same {
                    Some(same) => numbers.trials.extend(own.zip(lists[first][same].numbers.iter().copied())),
                    None => {
                        let new = own.zip(next_trial..);
                        numbers.trials.extend(new.map(|(number, new)| (number, number - in_order(number) + new)));
                    }
                }
            }
            if same.is_none() {
                next_piece += 1;
                next_trial += piece.numbers.len() as u64;
            }
        }
    }
    numbers
}

/// Gives names to the trials of all lists, by the surest marks that two of them share.
fn named(lists: &[Vec<Piece>]) -> Vec<Vec<Named>> {
    let trials: Vec<Vec<&Marks>> =
        lists.iter().map(|pieces| pieces.iter().flat_map(|piece| &piece.trials).collect()).collect();
    let mut names: Vec<Vec<Option<Digest>>> = trials.iter().map(|trials| vec![None; trials.len()]).collect();
    for mark in 0..MARKS {
        let found: Vec<HashMap<usize, Digest>> =
            trials.iter().zip(&names).map(|(trials, names)| unnamed(trials, names, mark)).collect();
        let mut lists_with: HashMap<Digest, u32> = HashMap::new();
        found.iter().flat_map(HashMap::values).for_each(|name| *lists_with.entry(*name).or_default() += 1);
        for (names, found) in names.iter_mut().zip(found) {
            let is_known = |name: &Digest| lists_with[name] > 1 || mark + 1 == MARKS;
            found.into_iter().filter(|(_, name)| is_known(name)).for_each(|(n, name)| names[n] = Some(name));
        }
    }
    let in_pieces = |(pieces, names): (&Vec<Piece>, Vec<Option<Digest>>)| {
        let mut names = names.into_iter().flatten();
        let named =
            |piece: &Piece| Named { names: names.by_ref().take(piece.trials.len()).collect(), is_done: piece.is_done };
        pieces.iter().map(named).collect()
    };
    lists.iter().zip(names).map(in_pieces).collect()
}

/// Names for the trials of one list that have none so far, by one of their marks, and how many came before that have it too.
fn unnamed(trials: &[&Marks], names: &[Option<Digest>], mark: usize) -> HashMap<usize, Digest> {
    let mut times: HashMap<Digest, u64> = HashMap::new();
    let mut name = |Marks(marks): &Marks| {
        let times = times.entry(marks[mark]).or_default();
        *times += 1;
        Digest::of_value(&(mark, marks[mark], *times))
    };
    let without = trials.iter().enumerate().filter(|(n, _)| names[*n].is_none());
    without.map(|(n, marks)| (n, name(marks))).collect()
}

/// The numbers of the pieces that each worker goes through, of those that each has: first those that it has done already; then those of one of
/// them in turn, as far as whose turn it is has them; then whatever has a trial that is still nobody's, while they are not `most` together. And
/// how many trials are left out then.
fn shared_out(lists: &[Vec<Named>], most: u64) -> (Vec<HashSet<usize>>, u64) {
    let mut all = vec![HashSet::new(); lists.len()];
    let mut left_out: HashSet<Digest> = HashSet::new();
    let mut given: HashSet<Digest> = HashSet::new();
    for (worker, pieces) in lists.iter().enumerate() {
        for (n, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.is_done) {
            all[worker].insert(n);
            given.extend(&piece.names);
        }
    }
    let pieces_of = |pieces: &[Named]| -> HashMap<Digest, usize> {
        pieces.iter().enumerate().flat_map(|(n, piece)| piece.names.iter().map(move |name| (*name, n))).collect()
    };
    let by_name: Vec<HashMap<Digest, usize>> = lists.iter().map(|pieces| pieces_of(pieces)).collect();
    let mut give = |worker: usize, n: usize| {
        let names = &lists[worker][n].names;
        let new = names.iter().filter(|name| !given.contains(name)).count();
        if new == 0 {
            return;
        }
        if (given.len() + new) as u64 > most {
            left_out.extend(names);
            return;
        }
        all[worker].insert(n);
        given.extend(names);
    };
    let in_turn = lists.iter().find(|pieces| !pieces.is_empty()).into_iter().flatten();
    for (n, piece) in in_turn.filter(|piece| !piece.is_done).enumerate() {
        let worker = n % lists.len();
        if let Some(its) = piece.names.first().and_then(|first| by_name[worker].get(first)) {
            give(worker, *its);
        }
    }
    for (worker, pieces) in lists.iter().enumerate() {
        (0..pieces.len()).for_each(|n| give(worker, n));
    }
    let left_out = left_out.difference(&given).count() as u64;
    (all, left_out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A trial that is certainly this one.
    fn sure(trial: u64) -> Marks {
        Marks::new(&trial, &trial, &trial)
    }

    fn pieces(of: &[&[u64]]) -> Vec<Piece> {
        let piece = |trials: &&[u64]| Piece {
            trials: trials.iter().copied().map(sure).collect(),
            numbers: trials.to_vec(),
            is_done: false,
        };
        of.iter().map(piece).collect()
    }

    fn mine(lists: &[Vec<Piece>]) -> Vec<HashSet<usize>> {
        shared_out(&named(lists), u64::MAX).0
    }

    #[test]
    fn workers_that_have_the_same_pieces_take_them_in_turn() {
        let all = pieces(&[&[1, 2], &[3], &[4, 5, 6], &[7], &[8]]);
        let of = 3;
        let lists = [all.clone(), all.clone(), all.clone()];
        for number in 0..of {
            let part = Part { number, of };
            let (by_number, by_marks) = (Share::by_number(part, all.len(), 8), share(&lists, part, u64::MAX));
            assert_eq!((by_marks.mine, by_marks.trials), (by_number.mine, by_number.trials));
        }
    }

    #[test]
    fn what_only_one_worker_has_is_its_own() {
        // The second has 3 elsewhere, and 9; the third has died.
        let lists = [pieces(&[&[1, 2], &[3], &[4]]), pieces(&[&[1], &[2, 3], &[9]]), pieces(&[])];
        assert_eq!(mine(&lists), [HashSet::from([0, 2]), HashSet::from([1, 2]), HashSet::new()]);
    }

    #[test]
    fn what_one_worker_has_done_already_is_nobody_elses_and_the_rest_is_taken_in_turn() {
        let all = pieces(&[&[1], &[2], &[3], &[4]]);
        let mut begun = all.clone();
        (begun[0].is_done, begun[1].is_done) = (true, true);
        assert_eq!(mine(&[begun, all]), [HashSet::from([0, 1, 2]), HashSet::from([3])]);
    }

    #[test]
    fn workers_that_have_other_pieces_stay_within_the_bound_together() {
        let lists = [pieces(&[&[1], &[2], &[3]]), pieces(&[&[4], &[5], &[6]])];
        let (all, left_out) = shared_out(&named(&lists), 4);
        assert_eq!((all.iter().map(HashSet::len).sum::<usize>(), left_out), (4, 2));
        assert_eq!(shared_out(&named(&lists), 6).1, 0);
    }

    #[test]
    fn no_two_workers_give_one_number_to_two_trials() {
        // The second has died. The third has a piece of the first one elsewhere, and two others.
        let mut lists = [pieces(&[&[1, 2], &[6]]), pieces(&[]), pieces(&[&[0], &[6], &[3]]), pieces(&[&[9]])];
        (lists[2][0].numbers, lists[2][1].numbers, lists[2][2].numbers) = (vec![0], vec![1], vec![INTERLEAVED + 2]);
        lists[3][0].numbers = vec![0];
        let numbers = |number| share(&lists, Part { number, of: 4 }, u64::MAX).numbers;
        assert_eq!(numbers(0), Numbers::default());
        let of_third = numbers(2);
        assert_eq!([0, 1, INTERLEAVED + 2].map(|number| of_third.trial(number)), [7, 6, INTERLEAVED + 8]);
        assert_eq!([0, 1, 2].map(|number| of_third.piece(number)), [2, 1, 3]);
        assert_eq!((numbers(3).trial(0), numbers(3).piece(0)), (9, 4));
    }

    #[test]
    fn the_first_and_the_second_of_equal_marks_are_two_trials() {
        let lists = [pieces(&[&[1], &[2], &[1]]), pieces(&[&[2], &[1], &[1]])];
        let names = |list: usize| named(&lists)[list].iter().map(|piece| piece.names[0]).collect::<Vec<_>>();
        let (ours, theirs) = (names(0), names(1));
        assert_eq!([ours[1], ours[0], ours[2]], theirs[..], "in whatever order they come");
        assert_eq!(ours.into_iter().collect::<BTreeSet<_>>().len(), 3);
    }

    #[test]
    fn what_is_surely_the_same_is_before_what_may_be() {
        // Two files with drawn names, the first of which is in both runs: of it both come to the same, of the other to something else.
        let trial = |content: &str, file: &str| Marks::new(&(file, content), &file, &"#");
        let piece = |marks| Piece { trials: vec![marks], numbers: vec![0], is_done: false };
        let lists = [
            vec![piece(trial("x", "a")), piece(trial("y", "b"))],
            vec![piece(trial("z", "c")), piece(trial("x", "a"))],
        ];
        let all = named(&lists);
        assert_eq!(all[0][0].names, all[1][1].names);
        assert_eq!(all[0][1].names, all[1][0].names);
    }

    proptest! {
        #[test]
        fn every_trial_that_a_worker_has_is_somebodys(
            lists in prop::collection::vec(prop::collection::vec(prop::collection::vec(0u64..30, 1..4), 0..12), 1..5)
        ) {
            let mut lists: Vec<Vec<Piece>> =
                lists.iter().map(|list| pieces(&list.iter().map(Vec::as_slice).collect::<Vec<_>>())).collect();
            for list in &mut lists {
                let own = list.iter_mut().flat_map(|piece| &mut piece.numbers);
                own.zip(0..).for_each(|(number, n)| *number = n);
            }
            let (named, shares) = (named(&lists), mine(&lists));
            let given: BTreeSet<Digest> =
                named.iter().zip(&shares).flat_map(|(list, mine)| mine.iter().flat_map(|n| list[*n].names.clone())).collect();
            prop_assert_eq!(given, named.iter().flatten().flat_map(|piece| piece.names.clone()).collect());
            // No two of them have one number.
            let mut numbers = Vec::new();
            for (worker, mine) in shares.iter().enumerate() {
                let its = super::numbers(&lists, &named, worker);
                let trials = |n: &usize| lists[worker][*n].numbers.clone();
                numbers.extend(mine.iter().flat_map(trials).map(|number| its.trial(number)));
            }
            let different: BTreeSet<u64> = numbers.iter().copied().collect();
            prop_assert_eq!(different.len(), numbers.len());
        }

        #[test]
        fn in_whatever_order_each_worker_has_seen_them_all_trials_are_gone_through(
            orders in prop::collection::vec(Just((0u64..12).collect::<Vec<u64>>()).prop_shuffle(), 1..4),
            kinds in 1u64..4
        ) {
            // What a kill leaves says which trial it is; there are few kinds of places, and one file.
            let piece = |trial: &u64| Piece {
                trials: vec![Marks::new(trial, &(trial % kinds), &0)],
                numbers: vec![*trial],
                is_done: false
            };
            let lists: Vec<Vec<Piece>> = orders.iter().map(|order| order.iter().map(piece).collect()).collect();
            let gone_through: Vec<u64> =
                orders.iter().zip(mine(&lists)).flat_map(|(order, mine)| mine.into_iter().map(|n| order[n])).collect();
            prop_assert_eq!(gone_through.len(), 12, "each once");
            prop_assert_eq!(gone_through.into_iter().collect::<BTreeSet<u64>>(), (0..12).collect());
        }
    }
}
