//! Starts on crash states: whether they go well on intact ones, and what they make of damaged ones.

use std::collections::BTreeMap;

use crashtest_model::{
    Aim, At, CallIndex, Coverage, CrashPoint, Generation, Observed, RawFile, Termination, Trace, Verdict,
};
use crashtest_states::{CrashState, Snapshot};

use super::confirm::Point;
use super::life::Life;
use super::sweep::Sweep;
use crate::error::EngineError;
use crate::faults::points::Judged;
use crate::judge::judgement::Judgement;
use crate::subject::{Beginning, Recording};
use crate::trace::orders::Orders;

/// A start that did not go as it should, and that is over.
pub(super) struct Bad {
    pub(super) verdict: Verdict,
    pub(super) why: String,
    pub(super) observed: Observed,
    trace: Trace,
    /// The files that it has left.
    left: Snapshot,
}

impl Bad {
    /// A start on an intact state that ended as in `how`.
    pub(super) fn not_started(how: String, recording: Recording, left: Snapshot) -> Bad {
        let (observed, trace) = (Observed::Crashed { how: how.clone() }, recording.trace);
        Bad { verdict: Verdict::WontOpen, why: how, observed, trace, left }
    }

    /// What it comes to, judged on files that are like `raw`.
    pub(super) fn on(self, raw: RawFile) -> (RawFile, Observed, Verdict, String) {
        (raw, self.observed, self.verdict, self.why)
    }
}

/// Whether files of which a restart makes this are damaged, and it has noticed.
fn is_damaged(observed: &Observed) -> bool {
    matches!(observed, Observed::Refused { .. } | Observed::Damaged { .. } | Observed::Crashed { .. })
}

impl Sweep<'_, '_> {
    /// The damaged states of `judged` on which a life is started, by their number: some of each verdict.
    pub(super) fn to_start_on(&self, life: &Life, judged: &[(usize, Judged)]) -> Vec<usize> {
        let most = self.subject.pace().starts_on_damage;
        if life.is_judged_by_files() || most == 0 {
            return Vec::new();
        }
        let mut of_verdict: BTreeMap<Verdict, usize> = BTreeMap::new();
        let damaged = judged.iter().filter(|(_, judged)| judged.worst.is_violation() && is_damaged(&judged.observed));
        let chosen = damaged.filter(|(_, judged)| {
            let times = of_verdict.entry(judged.worst).or_default();
            *times += 1;
            *times <= most
        });
        chosen.map(|(n, _)| *n).collect()
    }

    /// Starts a life on the damaged state `n` of `life`, and reports one that goes on as if there were nothing.
    pub(super) fn start_on_damage(&mut self, life: &Life, n: usize) -> Result<(), EngineError> {
        let from = life.on_damage(n);
        match self.over_damage(&from)? {
            Some(bad) => self.report_start(life, n, from, bad),
            None => Ok(()),
        }
    }

    /// How a start from `from`, on the state of which a restart made `observed`, went wrong; `None` where it did not. `whole` is a run
    /// without a crash.
    pub(super) fn start_again(
        &mut self,
        whole: &Trace,
        from: &Beginning,
        observed: &Observed,
    ) -> Result<Option<Bad>, EngineError> {
        if is_damaged(observed) {
            return self.over_damage(from);
        }
        let recording = self.subject.live(from, Orders::Record)?;
        let Some(how) = self.subject.did_not_start(whole, &recording) else { return Ok(None) };
        Ok(Some(Bad::not_started(how, recording, self.subject.files()?)))
    }

    /// A life from `from`, on damaged files, that goes on as if there were nothing, so that what could have been recovered is gone.
    fn over_damage(&mut self, from: &Beginning) -> Result<Option<Bad>, EngineError> {
        let promised = from.before.acked;
        let recording = self.subject.live(from, Orders::Watch)?;
        let Some(least) = recording.least_begun.filter(|least| *least <= promised && promised > Generation::ZERO)
        else {
            return Ok(None);
        };
        if !recording.went_well() {
            return Ok(None);
        }
        let left = self.subject.files()?;
        let state = CrashState { digest: left.digest(), snapshot: left.clone(), points: Vec::new() };
        let observed = self.subject.restart(&state, recording.trace.end.promise)?;
        if !matches!(observed, Observed::State { .. } | Observed::Opened | Observed::Fresh) {
            return Ok(None);
        }
        let why = format!(
            "started again on the damaged files, the program began save {least} though save {promised} was acknowledged, and wrote \
             over them: what was left to recover is gone"
        );
        Ok(Some(Bad { verdict: Verdict::SilentReset, why, observed, trace: recording.trace, left }))
    }

    /// Reports the start from `from`, on state `n` of `life`.
    pub(super) fn report_start(&mut self, life: &Life, n: usize, from: Beginning, bad: Bad) -> Result<(), EngineError> {
        let state = &life.states[n];
        let promise = from.before;
        let end = CrashPoint { call: CallIndex(bad.trace.operations.len() as u32), at: At::Before };
        let at = Point { trial: self.first_trial_after(n), aim: Aim::Started(state.points[0]), prefix: "again:" };
        let over = Life::killed_at(end, from, bad.trace);
        let judgement = Judgement {
            verdict: bad.verdict,
            why: bad.why,
            ..Judgement::new(promise, &state.snapshot, &bad.observed, self.subject.generations())
        };
        self.reports.note(Coverage { points_again: 1, ..Coverage::default() })?;
        self.reports.report(self.subject, &over, state, &at, end, Termination::Derived, judgement, Some(&bad.left))
    }
}
