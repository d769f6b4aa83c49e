//! What a recorder has written down, once its run is over.

use std::collections::BTreeSet;

use crashtest_model::{CallIndex, Trace};

use super::{Recorder, SoFar};

/// What a recorder has written down.
pub(crate) struct Recorded {
    pub(crate) trace: Trace,
    /// Whether the orders were carried out.
    pub(crate) obeyed: bool,
    /// The first call that was made to fail.
    pub(crate) failed: Option<CallIndex>,
    /// How far it was when we ended it, as it does not end by itself.
    pub(crate) cut: Option<Cut>,
}

/// A recorded run that we have ended.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    /// How far it was.
    pub(crate) so_far: SoFar,
    /// How long it made calls, in ms.
    pub(crate) lasted_ms: u64,
    /// After how many calls it did nothing for a while.
    pub(crate) pauses: Vec<usize>,
}

impl Cut {
    /// "ended by crashtest after 3.0 s: 1240 calls, 31 saves"; by Ctrl-C where it was `asked` for.
    pub(crate) fn in_words(&self, asked: bool) -> String {
        let by = if asked { "Ctrl-C" } else { "crashtest" };
        format!("ended by {by} {}", self.how_far())
    }

    /// "after 3.0 s: 1240 calls, 31 saves".
    pub(crate) fn how_far(&self) -> String {
        let SoFar { calls, saves, .. } = self.so_far;
        let of = |n: u64, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
        format!("after {:.1} s: {}, {}", self.lasted_ms as f64 / 1e3, of(calls, "call"), of(saves, "save"))
    }
}

impl Recorder<'_> {
    /// The trace, and what came of the orders.
    pub(crate) fn finish(mut self) -> Recorded {
        self.note_stores();
        self.trace.end = (self.progress)();
        self.trace.processes = self.processes.len() as u32;
        let is_cut = self.course.is_cut() && !self.obeyed;
        // What did not come back is not known to be done.
        let inside = self.open.values().flatten().map(|(index, _)| *index);
        let inside: BTreeSet<usize> = inside.filter(|_| is_cut).collect();
        self.trace.overlaps = self.overlaps.told(&inside);
        self.trace.concurrent = !self.trace.overlaps.is_empty();
        let cut = is_cut.then(|| {
            let mut n = 0..;
            self.trace.operations.retain(|_| n.next().is_none_or(|n| !inside.contains(&n)));
            let calls = self.trace.operations.len();
            let (so_far, lasted_ms) = (self.course.so_far(calls), self.course.lasted_ms());
            Cut { so_far, lasted_ms, pauses: self.course.pauses(calls) }
        });
        Recorded { trace: self.trace, obeyed: self.obeyed, failed: self.failed, cut }
    }
}
