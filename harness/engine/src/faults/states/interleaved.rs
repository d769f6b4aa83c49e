//! The crash states of a run whose calls overlap, in the other orders in which they can have taken effect.

use std::collections::HashSet;

use crashtest_model::{CrashPoint, Digest, INTERLEAVED, Trace};
use crashtest_states::CrashState;

use super::confirm::Point;
use super::life::Life;
use super::sweep::Sweep;
use crate::error::EngineError;

/// A life in another order, and those of its crash states that no order before it has.
pub(super) type Interleaved = (Life, Vec<CrashState>);

/// The crash points of all these states.
pub(super) fn points_of(others: &[Interleaved]) -> u64 {
    others.iter().flat_map(|(_, states)| states).map(|state| state.points.len() as u64).sum()
}

impl Sweep<'_, '_> {
    /// The lives that are `life` in another order, with what only they leave. What is left in several was left at the same moments. They have
    /// the same share of the plan's bound.
    pub(super) fn interleaved(&self, life: &Life, others: Vec<Trace>, share: (usize, bool)) -> Vec<Interleaved> {
        let mut known: HashSet<Digest> = life.states.iter().map(|state| state.digest).collect();
        let mut in_order = |trace| {
            let (plan, seed) = (self.reports.context.plan, self.reports.seed);
            let mut other = Life::derived(&*self.subject, plan, life.from.clone(), trace, share, seed);
            let states = std::mem::take(&mut other.states);
            (other, states.into_iter().filter(|state| known.insert(state.digest)).collect())
        };
        others.into_iter().map(&mut in_order).collect()
    }

    /// Judges what only the other orders leave: those of their states that are `mine`, by their numbers. No kill is aimed at them: where one
    /// run takes the calls in another order, the next may not.
    pub(super) fn judge_interleaved(
        &mut self,
        others: &[Interleaved],
        mine: impl Fn(usize) -> bool,
        at: impl Fn(u64, CrashPoint) -> Point,
    ) -> Result<(), EngineError> {
        let mut number = 0..;
        for (order, (life, states)) in (1..).zip(others) {
            for (state, _) in states.iter().zip(number.by_ref()).filter(|(_, n)| mine(*n)) {
                let at = |point| at(life.number(point) + order * INTERLEAVED, point);
                self.judge(life, state, &at)?;
            }
        }
        Ok(())
    }
}
