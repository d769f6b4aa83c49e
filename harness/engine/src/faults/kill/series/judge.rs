//! The crash that a series has not judged yet, and the recovery that judges it.

use crashtest_kit::CallLog;
use crashtest_model::{
    Digest, FailureDetail, Gaps, Observed, Outcome, Promise, RawFile, RawState, TrialRecord, Verdict,
};
use crashtest_states::Snapshot;

use super::Series;
use crate::error::EngineError;
use crate::judge::lost_acks::{self, Acked};
use crate::judge::oracle;
use crate::subject::victims::{Recovery, Victim};

/// A crash that no recovery has judged yet.
pub(in crate::faults::kill) struct Crash {
    pub(crate) record: TrialRecord,
    pub(crate) state: Snapshot,
    pub(super) raw: RawFile,
    pub(super) calls: CallLog,
    pub(super) acked: Acked,
}

/// What the recovery that was to judge a crash, and was killed itself, hands on.
pub(super) struct Inherited {
    pub(super) state: Option<Digest>,
    pub(super) phase: String,
    pub(super) trials: Vec<u64>,
    pub(super) acked: Acked,
}

/// What a recovery came to.
pub(super) enum Judged {
    /// Nothing was pending, and what was installed opens.
    Ready,
    /// The crash was survived.
    Survived(Crash),
    /// The crash broke a claim.
    Violated(Crash),
    /// Nothing was pending, and yet it does not open.
    Unusable,
}

impl Series<'_, '_, '_> {
    /// The recovery of the pending crash was killed: reports that, and hands its promises on to the crash that killed it.
    pub(super) fn hand_on(&mut self) -> Result<(), EngineError> {
        let Some(crash) = self.pending.take() else { return Ok(()) };
        let mut record = crash.record;
        record.outcome = Outcome::RecoveryKilled;
        let mut trials = self.inherited.take().map_or_else(Vec::new, |inherited| inherited.trials);
        trials.push(record.trial);
        let phase = record.damaged_in.clone().unwrap_or_else(|| record.phase.clone());
        self.inherited = Some(Inherited { state: record.crash_state, phase, trials, acked: crash.acked });
        self.context.report(record, &crash.state, None)
    }

    /// Judges what is pending by a recovery.
    pub(super) fn judge(&mut self, recovery: &Recovery) -> Judged {
        let observed = match recovery {
            Recovery::Opened(opened) => oracle::identify(&opened.as_what, &mut *self.generations, self.promise),
            Recovery::Failed(observed) => observed.clone(),
        };
        let pending = self.pending.take();
        let undamaged = RawFile { state: RawState::Whole, length: None, tear_offset: None, whole_length: None };
        let raw = pending.as_ref().map_or(&undamaged, |crash| &crash.raw);
        let (verdict, why) = oracle::judge(self.promise, &observed, raw);
        let inherited = self.inherited.take();
        let Some(mut crash) = pending else {
            self.adopt(&observed);
            return if verdict == Verdict::Intact { Judged::Ready } else { Judged::Unusable };
        };
        crash.record.outcome = Outcome::Judged(verdict);
        if verdict != Verdict::Intact {
            if verdict.is_violation() {
                crash.record.consequences = oracle::consequences(&mut *self.generations, self.promise, &observed);
            }
            if verdict == Verdict::LostAck {
                crash.record.lost = lost_acks::acks(self.promise, &observed, Some(&crash.acked));
            }
            crash.record.detail = Some(FailureDetail {
                why,
                acked_digest: Some(self.generations.digest(self.promise.acked)),
                begun_digest: Some(self.generations.digest(self.promise.begun)),
                calls: crash.calls.marks(),
                around: Vec::new(),
                failed_call: None,
                carried_from: inherited.map_or_else(Vec::new, |inherited| inherited.trials),
            });
            crash.record.observed = Some(observed);
            return Judged::Violated(crash);
        }
        self.adopt(&observed);
        crash.record.observed = Some(observed);
        Judged::Survived(crash)
    }

    /// In flight is either outcome: what was found is what must be found from now on.
    pub(super) fn adopt(&mut self, observed: &Observed) {
        if let Observed::State { generation: Some(found), .. } = observed {
            self.promise = Promise { acked: *found, begun: *found, installed: true, gaps: Gaps::NONE };
        }
    }

    /// Reports what was judged; says whether the life that judged it may go on. If not, the directory is fresh again.
    pub(super) fn conclude(&mut self, judged: Judged) -> Result<bool, EngineError> {
        match judged {
            Judged::Ready => Ok(true),
            Judged::Survived(crash) => {
                self.context.report(crash.record, &crash.state, None)?;
                Ok(true)
            }
            Judged::Violated(crash) => {
                let dir = self.victims.dir.clone();
                self.context.report(crash.record, &crash.state, Some(&dir))?;
                self.start_afresh()?;
                Ok(false)
            }
            Judged::Unusable => {
                self.start_afresh()?;
                Ok(false)
            }
        }
    }

    /// [`conclude`](Series::conclude), with the victim killed first if its life may not go on.
    pub(super) fn settle(&mut self, judged: Judged, victim: Victim) -> Result<Option<Victim>, EngineError> {
        if matches!(judged, Judged::Violated(_) | Judged::Unusable) {
            // Dead before its files are kept and cleared away.
            self.victims.terminate(victim)?;
            self.conclude(judged)?;
            return Ok(None);
        }
        Ok(self.conclude(judged)?.then_some(victim))
    }
}
