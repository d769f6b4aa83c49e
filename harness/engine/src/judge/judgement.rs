//! What a restart came to at one crash point.

use crashtest_kit::Generations;
use crashtest_model::{Observed, Promise, RawFile, Verdict};
use crashtest_states::Snapshot;

use super::{file_state, oracle};

/// What a restart came to at one crash point, by what was promised there.
#[derive(Clone, Debug)]
pub(crate) struct Judgement<'o> {
    pub(crate) promise: Promise,
    /// What the restart gave.
    pub(crate) observed: &'o Observed,
    /// What the files were like before it.
    pub(crate) raw: RawFile,
    pub(crate) verdict: Verdict,
    /// One sentence.
    pub(crate) why: String,
}

impl<'o> Judgement<'o> {
    /// Judges `observed`, which a restart on `state` gave, under `promise`.
    pub(crate) fn new(
        promise: Promise,
        state: &Snapshot,
        observed: &'o Observed,
        generations: &mut dyn Generations,
    ) -> Judgement<'o> {
        let raw = file_state::of_crash_state(state, generations, promise);
        let (verdict, why) = oracle::judge(promise, observed, &raw);
        Judgement { promise, observed, raw, verdict, why }
    }
}
