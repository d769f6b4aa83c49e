//! The record of one crash point of a sweep.

use crashtest_model::{
    Activity, Aim, CrashPoint, FailureDetail, Fault, Landed, Observed, Outcome, RawFile, TrialRecord, Verdict,
};
use crashtest_states::{CrashState, Snapshot};

use crate::error::EngineError;
use crate::faults::states::{Life, Sweep, findings};
use crate::judge::{lost_acks, oracle};

/// What is different between the points of a life and those of the life after it.
pub(super) struct Told {
    pub(super) trial: u64,
    pub(super) aim: Aim,
    /// Stands before the place.
    pub(super) prefix: &'static str,
}

/// What a restart came to, for one crash point.
pub(super) struct Judged<'j> {
    pub(super) landed: Landed,
    pub(super) verdict: Verdict,
    pub(super) why: String,
    pub(super) observed: &'j Observed,
    pub(super) raw: RawFile,
    /// The files after the restart, for what breaks a claim.
    pub(super) after: Option<&'j Snapshot>,
}

impl Sweep<'_, '_> {
    pub(super) fn tell(
        &mut self,
        life: &Life,
        state: &CrashState,
        point: CrashPoint,
        told: &Told,
        judged: Judged<'_>,
    ) -> Result<(), EngineError> {
        let progress = life.trace.progress(point);
        let promise = progress.promise;
        let mut record = TrialRecord {
            stream: life.from.stream,
            base: life.base(),
            promise,
            acks: promise.acked.0.saturating_sub(life.base().0),
            landed: judged.landed,
            phase: format!("{}{}", told.prefix, life.trace.place(point)),
            in_save: progress.activity == Some(Activity::Save),
            raw: Some(judged.raw),
            crash_state: Some(state.digest),
            observed: Some(judged.observed.clone()),
            outcome: Outcome::Judged(judged.verdict),
            swept: self.swept.take(),
            ..TrialRecord::planned(told.trial, Fault::Sweep, self.start, self.seed, told.aim)
        };
        let mut text = None;
        if judged.verdict != Verdict::Intact {
            record.detail = Some(FailureDetail {
                why: judged.why,
                acked_digest: Some(self.generations.digest(promise.acked)),
                begun_digest: Some(self.generations.digest(promise.begun)),
                around: life.trace.around(point, findings::AROUND),
                ..FailureDetail::default()
            });
            text = Some(findings::text(&life.trace, point, findings::KILLED, &life.from.files, &state.snapshot));
        }
        if judged.verdict == Verdict::LostAck {
            // When it was acked is in no trace.
            record.lost = lost_acks::acks(promise, judged.observed, None);
        }
        if judged.verdict.is_violation() {
            record.consequences = oracle::consequences(&mut *self.generations, promise, judged.observed);
        }
        self.bench.report_with(record, &state.snapshot, judged.after, text)
    }
}
