//! Showing a failure again: its crash state recovered once more, and its trial run once more.
//!
//! The first gives the same answer every time. The second does so under `sweep` and `io`, which kill or fail the same call again.
//! Under `kill` it is a kill by the clock: the same plan, and yet the kill lands a little earlier or later, so it has to be tried,
//! and how often it showed is said.

use std::path::Path;

use crashtest_linux::directory::Directory;
use crashtest_model::{FailureDetail, Outcome, TrialRecord};

use crate::context::Context;
use crate::error::EngineError;
use crate::judge::replayed::Replayed;
use crate::protocol::{Replay, Report};
use crate::snapshot::{self, Detail};
use crate::subject::UnderTest;
use crate::worker::dispatch;

/// Does what a replay asks for, and reports what it came to as the trial's record.
pub(super) fn carry_out(
    context: &mut Context<'_>,
    under_test: &mut UnderTest<'_>,
    replay: &Replay,
) -> Result<(), EngineError> {
    match replay {
        Replay::Restart { record, crash_state } => restart(context, under_test, record, crash_state),
        Replay::Trial(record) => dispatch::run_again(context, under_test, record),
    }
}

fn restart(
    context: &mut Context<'_>,
    under_test: &mut UnderTest<'_>,
    record: &TrialRecord,
    crash_state: &Path,
) -> Result<(), EngineError> {
    let state = snapshot::take(&Directory::named(crash_state)?, Detail::Everything)?;
    let Replayed { raw, observed, verdict, why } = dispatch::restart_on(context, under_test, record, state)?;
    let record = TrialRecord {
        raw: Some(raw),
        observed: Some(observed),
        outcome: Outcome::Judged(verdict),
        detail: Some(FailureDetail { why, ..FailureDetail::default() }),
        ..record.clone()
    };
    (context.outlet)(Report::Trial(Box::new(record), None))
}
