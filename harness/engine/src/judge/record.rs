//! The record of a trial at a crash point or a failing call, once it was judged.

use crashtest_kit::Generations;
use crashtest_model::{Digest, FailureDetail, Outcome, TrialRecord, Verdict};

use super::judgement::Judgement;
use super::{lost_acks, oracle};

/// Completes `record`, which says where and how the crash came, by what the restart on the state `crash_state` came to.
pub(crate) fn concluded(
    record: TrialRecord,
    crash_state: Digest,
    judgement: Judgement<'_>,
    generations: &mut dyn Generations,
) -> TrialRecord {
    let Judgement { promise, observed, raw, verdict, why } = judgement;
    let mut record = TrialRecord {
        promise,
        raw: Some(raw),
        crash_state: Some(crash_state),
        observed: Some(observed.clone()),
        outcome: Outcome::Judged(verdict),
        ..record
    };
    if verdict != Verdict::Intact {
        record.detail = Some(FailureDetail {
            why,
            acked_digest: Some(generations.digest(promise.acked)),
            begun_digest: Some(generations.digest(promise.begun)),
            ..record.detail.unwrap_or_default()
        });
    }
    if verdict == Verdict::LostAck {
        // When it was acked is in no trace.
        record.lost = lost_acks::acks(promise, observed, None);
    }
    if verdict.is_violation() {
        record.consequences = oracle::consequences(generations, promise, observed);
    }
    record
}
