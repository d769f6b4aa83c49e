//! One way from a crash state to a verdict: it is restarted on once, and what that gave is judged at each crash point that leaves it.
//!
//! The same files can be right before an ack and wrong after it. What is done with each judgement (confirm it, report it, keep the
//! worst) is the affair of the fault.

use crashtest_model::{CrashPoint, Observed, Promise, Verdict};
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
        let at_this_point = source.observed(*point, state);
        let found = at_this_point.as_ref().unwrap_or(&observed);
        let judgement = Judgement::new(source.promise(*point), &state.snapshot, found, subject.generations());
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
    });
    widest.unwrap_or_default()
}
