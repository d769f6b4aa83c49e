//! What of a sweep one worker does, and in which order.

use crashtest_model::{Coverage, CrashPoint};
use crashtest_states::{Alike, first_look, kind_of};

use super::interleaved::Interleaved;
use super::life::Life;
use super::sweep::Sweep;
use crate::error::EngineError;
use crate::faults::shares::{Names, Piece, Share};
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
        let pieces: Vec<(bool, &Life, &[CrashPoint])> = match look {
            Look::AtStates { .. } => {
                let of_others =
                    others.iter().flat_map(|(life, states)| states.iter().map(move |state| (true, life, state)));
                let states = life.states.iter().map(|state| (false, life, state)).chain(of_others);
                states.map(|(other, life, state)| (other, life, state.points.as_slice())).collect()
            }
            Look::AtEachPoint => life.points.chunks(1).map(|point| (false, life, point)).collect(),
        };
        if self.subject.pace().repeats || self.part.of == 1 {
            let trials = pieces.iter().map(|(.., points)| points.len() as u64).sum();
            return Ok(Share::by_number(self.part, pieces.len(), trials));
        }
        let mut names = Names::default();
        let mut named = Vec::with_capacity(pieces.len());
        for (n, (other, life, points)) in pieces.into_iter().enumerate() {
            let names = points.iter().map(|point| names.next(&(other, kind_of(&life.trace, *point)))).collect();
            let is_done = matches!(look, Look::AtStates { done } if done.contains(&n));
            named.push(Piece { names, is_done });
        }
        let share = Share::by_name(self.reports.context, Topic::CrashStates, self.part, &named)?;
        self.reports.note(Coverage { points: share.trials, ..Coverage::default() })?;
        Ok(share)
    }

    /// The order in which the crash states of `life` are looked at, by their numbers, and how many of them make a first look.
    pub(super) fn order(&self, life: &Life, alike: Alike) -> (Vec<usize>, usize) {
        match self.subject.pace().looks_around_first {
            true => first_look(&life.trace, &life.states, alike),
            false => ((0..life.states.len()).collect(), 0),
        }
    }
}
