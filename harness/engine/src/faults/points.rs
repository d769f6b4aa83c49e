//! One way from a crash state to a verdict: it is restarted on once, and what that gave is judged at each crash point that leaves it.
//!
//! The same files can be right before an ack and wrong after it. What is done with each judgement (confirm it, report it, keep the
//! worst) is the affair of the fault.

use crashtest_model::{CrashPoint, Gaps, Observed, Promise, Verdict};
use crashtest_states::CrashState;

use crate::error::EngineError;
use crate::judge::judgement::Judgement;
use crate::subject::Restarts;

/// Where crash states come from, and what was promised at their points.
pub(crate) trait Source {
    /// What was promised at `point`.
    fn promise(&self, point: CrashPoint) -> Promise;

    /// What the files of `state` show by themselves at `point`; `None` where only the restart says what they hold.
    fn observed(&self, _point: CrashPoint, _state: &CrashState) -> Option<Observed> {
        None
    }
}

/// What a crash state came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judged {
    /// What the restart gave.
    pub(crate) observed: Observed,
    /// The worst verdict at any of its points.
    pub(crate) worst: Verdict,
}

/// Restarts on `state`, and tells `each` the judgement at each of its points; what that returns is the verdict which stands.
pub(crate) fn judge<S: Restarts + ?Sized>(
    subject: &mut S,
    source: &dyn Source,
    state: &CrashState,
    each: &mut dyn FnMut(&mut S, CrashPoint, Judgement<'_>) -> Result<Verdict, EngineError>,
) -> Result<Judged, EngineError> {
    let observed = subject.restart(state, widest(source, state))?;
    let mut worst = Verdict::Intact;
    for point in &state.points {
        let promise = source.promise(*point);
        let at_this_point = match source.observed(*point, state) {
            None if subject.answers_by_promise() => Some(subject.restart(state, promise)?),
            observed => observed,
        };
        let found = at_this_point.as_ref().unwrap_or(&observed);
        let judgement = Judgement::new(promise, &state.snapshot, found, subject.generations());
        worst = worst.min(each(subject, *point, judgement)?);
    }
    Ok(Judged { observed, worst })
}

/// Whatever any of the points of `state` allows: what is looked for first in a content.
pub(crate) fn widest(source: &dyn Source, state: &CrashState) -> Promise {
    let promises = state.points.iter().map(|point| source.promise(*point));
    let widest = promises.reduce(|a, b| Promise {
        acked: a.acked.min(b.acked),
        begun: a.begun.max(b.begun),
        installed: a.installed || b.installed,
        gaps: Gaps::NONE,
    });
    widest.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crashtest_model::{At, CallIndex, Generation};
    use crashtest_states::Snapshot;

    use super::*;
    use crate::subject::fake::{Fake, Way, content, holding};

    /// Crash points by what was promised there.
    struct Promised(BTreeMap<CrashPoint, Promise>);

    impl Source for Promised {
        fn promise(&self, point: CrashPoint) -> Promise {
            self.0[&point]
        }
    }

    fn promised(acked: u64, begun: u64) -> Promise {
        Promise { acked: Generation(acked), begun: Generation(begun), installed: true, gaps: Gaps::NONE }
    }

    /// The verdict at each point of a state that holds `found`, and the worst of them.
    fn judged(found: &Snapshot, promises: &[Promise]) -> (Vec<Verdict>, Judged, usize) {
        let points = (0..promises.len() as u32).map(|n| CrashPoint { call: CallIndex(n), at: At::Before });
        let points: Vec<CrashPoint> = points.collect();
        let source = Promised(points.iter().copied().zip(promises.iter().copied()).collect());
        let state = CrashState { digest: found.digest(), snapshot: found.clone(), points };
        let (mut subject, mut verdicts) = (Fake::new(Way::Direct, 1), Vec::new());
        let judged = judge(&mut subject, &source, &state, &mut |_, _, judgement| {
            verdicts.push(judgement.verdict);
            Ok(judgement.verdict)
        });
        (verdicts, judged.unwrap(), subject.restarts.len())
    }

    #[test]
    fn the_same_files_are_right_before_an_ack_and_lost_after_it() {
        let old = holding(Some(&content(3)));
        let (verdicts, judged, restarts) = judged(&old, &[promised(3, 3), promised(3, 4), promised(4, 4)]);
        assert_eq!(verdicts, [Verdict::Intact, Verdict::Intact, Verdict::LostAck]);
        assert_eq!(judged.worst, Verdict::LostAck, "also where it is not the first");
        assert_eq!(restarts, 1, "one restart is enough for all points");
    }

    #[test]
    fn the_worst_verdict_of_a_state_is_kept_wherever_it_stands() {
        let newer = holding(Some(&content(4)));
        let (_, judged, _) = judged(&newer, &[promised(3, 3), promised(3, 4), promised(5, 5), promised(4, 4)]);
        assert_eq!(judged.worst, Verdict::AcceptedGarbage, "before save 4 had begun nothing could hold it");
    }

    #[test]
    fn a_refusal_is_named_after_what_the_file_is_like() {
        for (found, verdict) in [
            (holding(None), Verdict::Missing),
            (holding(Some(b"")), Verdict::Empty),
            (holding(Some(b"save")), Verdict::Torn),
        ] {
            assert_eq!(judged(&found, &[promised(0, 1)]).0, [verdict]);
        }
    }

    #[test]
    fn whatever_any_of_the_points_allows_is_looked_for_first() {
        let points: Vec<CrashPoint> = (0..2).map(|n| CrashPoint { call: CallIndex(n), at: At::Before }).collect();
        let source = Promised(points.iter().copied().zip([promised(4, 5), promised(2, 3)]).collect());
        let state = CrashState { digest: Snapshot::default().digest(), snapshot: Snapshot::default(), points };
        assert_eq!(widest(&source, &state), promised(2, 5));
    }
}
