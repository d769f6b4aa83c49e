//! A life that is recorded twice: what it did, what of that can be derived from, and what differs in another run.

use crashtest_model::Trace;
use crashtest_states::{Difference, Interleavings, Snapshot, compare, interleavings, unexplained};

use super::sweep::Sweep;
use crate::error::EngineError;
use crate::subject::Beginning;
use crate::subject::life::Script;
use crate::trace::orders::Orders;
use crate::trace::recorder::Cut;

/// What a subject does, as far as one can say before it is swept.
pub(super) struct Recorded {
    pub(super) trace: Trace,
    /// What differs in a second run.
    pub(super) difference: Difference,
    /// The files that the run has left other than its calls come to.
    pub(super) missed: Vec<String>,
    /// What of the state that it was to begin on cannot be put back.
    pub(super) lost: Vec<String>,
    /// The same run in the other orders in which its calls can have taken effect.
    pub(super) interleaved: Vec<Trace>,
    /// Whether these are all.
    is_ordered: bool,
    /// How far it was when it was ended, as it does not end by itself.
    pub(super) cut: Option<String>,
}

impl Recorded {
    /// Whether another run is the same, byte for byte.
    pub(super) fn repeats(&self) -> bool {
        self.difference == Difference::default()
    }

    /// Whether what a kill leaves of this run follows from its calls.
    pub(super) fn is_derivable(&self) -> bool {
        self.missed.is_empty() && self.lost.is_empty() && self.trace.unmodelled.is_empty() && self.is_ordered
    }
}

impl Sweep<'_, '_> {
    /// A recording of the life from `from`, with what differs in a second one. What a kill leaves follows from the first alone.
    pub(super) fn record_twice(&mut self, from: &Beginning) -> Result<Recorded, EngineError> {
        let first = self.subject.live(from, Orders::Record)?;
        // Whatever is put there from here on is something else.
        let (left, lost) = (self.subject.files()?, self.subject.lost());
        // Of one that goes on for ever a save or two show whether it does the same again.
        let script = if first.cut.is_some() { Script::SaveThenStop(1) } else { from.script };
        let second = self.subject.live(&Beginning { script, ..from.clone() }, Orders::Record)?;
        self.subject.learn_from_whole(&from.files, &left)?;
        let cut = first.cut.as_ref().map(Cut::how_far);
        let difference = compare(&first.trace, &second.trace, cut.is_none() && second.cut.is_none());
        let Interleavings { first: trace, others, too_many } = interleavings(first.trace, &from.files, &left);
        let (missed, lost) = not_explained(&trace, &from.files, &left, lost);
        Ok(Recorded { difference, trace, missed, lost, interleaved: others, is_ordered: !too_many, cut })
    }
}

/// What of the files that a life has `left` its calls do not come to; or what was `lost` of those that it was to begin on, which explains it.
pub(super) fn not_explained(
    trace: &Trace,
    from: &Snapshot,
    left: &Snapshot,
    lost: Option<String>,
) -> (Vec<String>, Vec<String>) {
    match lost {
        Some(lost) => (Vec::new(), vec![lost]),
        None => (unexplained(trace, from, left), Vec::new()),
    }
}
