//! What of a sweep one worker does, and in which order.

use crashtest_model::{Coverage, CrashPoint, INTERLEAVED};
use crashtest_states::{Alike, CrashState, Places, first_look};

use super::interleaved::Interleaved;
use super::life::Life;
use super::sweep::Sweep;
use crate::error::EngineError;
use crate::faults::shares::{Marks, Piece, Share};
use crate::lists::Topic;

/// What is shared out.
#[derive(Clone, Copy)]
pub(super) enum Look<'n> {
    /// Each crash point by itself: nothing can be derived.
    AtEachPoint,
    /// Crash states, those in the recorded order and then the others. This worker has judged some already, by their numbers.
    AtStates { done: &'n [usize] },
}

impl Sweep<'_, '_> {
    /// What of `life` and its `others` is this worker's. Where workers record different calls, it waits for what the others have.
    pub(super) fn share(&mut self, life: &Life, others: &[Interleaved], look: Look<'_>) -> Result<Share, EngineError> {
        if !self.shares_by_marks() {
            let states = || life.states.iter().chain(others.iter().flat_map(|(_, states)| states));
            let (pieces, trials) = match look {
                Look::AtStates { .. } => (states().count(), states().map(|state| state.points.len() as u64).sum()),
                Look::AtEachPoint => (life.points.len(), life.points.len() as u64),
            };
            return Ok(Share::by_number(self.part, pieces, trials));
        }
        let pieces = match look {
            Look::AtStates { done } => pieces(life, others, done),
            Look::AtEachPoint => each_point(life),
        };
        let mut share = Share::by_marks(self.reports.context, Topic::CrashStates, self.part, &pieces)?;
        // The lives after the first one are numbered by them as well.
        self.numbers = std::mem::take(&mut share.numbers);
        let left_out = life.left_out.max(share.left_out);
        self.reports.note(Coverage { points: share.trials, left_out, ..Coverage::default() })?;
        Ok(share)
    }

    /// Whether each worker may have other crash points.
    fn shares_by_marks(&self) -> bool {
        !self.subject.pace().repeats && self.part.of > 1
    }

    /// So many crash points of one worker, as far as the bound lets all workers together go through them.
    pub(super) fn bounded(&self, points: u64) -> u64 {
        let most = self.reports.context.plan.max_states.filter(|_| self.shares_by_marks());
        most.map_or(points, |most| points.min(most))
    }

    /// The order in which the crash states of `life` are looked at, by their numbers, and how many of them make a first look.
    pub(super) fn order(&self, life: &Life, alike: Alike) -> (Vec<usize>, usize) {
        match self.subject.pace().looks_around_first {
            true => first_look(&life.trace, &life.states, alike),
            false => ((0..life.states.len()).collect(), 0),
        }
    }
}

/// The crash states of `life`, and then those that only its `others` have; some are `done`.
fn pieces(life: &Life, others: &[Interleaved], done: &[usize]) -> Vec<Piece> {
    let of_others = (1..).zip(others).map(|(order, (other, states))| (order, other, states));
    let lives = [(0, life, &life.states)].into_iter().chain(of_others);
    let mut pieces: Vec<Piece> = lives.flat_map(|(order, life, states)| of_one_order(order, life, states)).collect();
    done.iter().for_each(|n| pieces[*n].is_done = true);
    pieces
}

/// These crash states of `life`. At a point of another recording the files may be others: where they are the same, it is surely the same point.
fn of_one_order(order: u64, life: &Life, states: &[CrashState]) -> Vec<Piece> {
    let (places, is_other) = (Places::of(&life.trace), order > 0);
    let marks = |point: CrashPoint, state: &CrashState| {
        let exactly = places.exactly(point);
        Marks::new(&(is_other, &exactly, state.digest), &(is_other, &exactly), &(is_other, places.loosely(point)))
    };
    let piece = |state: &CrashState| Piece {
        trials: state.points.iter().map(|point| marks(*point, state)).collect(),
        numbers: state.points.iter().map(|point| life.number(*point) + order * INTERLEAVED).collect(),
        is_done: false,
    };
    states.iter().map(piece).collect()
}

/// The crash points of `life`, of which it is not known what a kill there leaves.
fn each_point(life: &Life) -> Vec<Piece> {
    let places = Places::of(&life.trace);
    let piece = |(number, point): (u64, &CrashPoint)| {
        let exactly = places.exactly(*point);
        let marks = Marks::new(&exactly, &exactly, &places.loosely(*point));
        Piece { trials: vec![marks], numbers: vec![number], is_done: false }
    };
    (0..).zip(&life.points).map(piece).collect()
}
