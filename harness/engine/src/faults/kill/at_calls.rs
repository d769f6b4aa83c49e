//! Kills of a program right behind its calls: a clock seldom meets a moment that lasts some microseconds.
//!
//! The calls are those of one recorded run. Those that can leave a file in between come first: it is emptied, cut, removed, renamed.

use std::time::Duration;

use crashtest_linux::trace::TraceError;
use crashtest_model::{Action, At, CallIndex, CrashPoint, Progress, Trace};

use crate::error::EngineError;
use crate::subject::Beginning;
use crate::subject::program::runtime::Runtime;
use crate::trace::orders::Orders;

/// The calls of a program behind which it is killed, in the order in which they come.
#[derive(Debug, Default)]
pub(super) struct Calls {
    points: Vec<CrashPoint>,
}

impl Calls {
    /// Those of a run that begins so. None where programs cannot be traced.
    pub(super) fn recorded(runtime: &Runtime, from: &Beginning) -> Result<Calls, EngineError> {
        match runtime.record(from, Orders::Record) {
            Ok(recording) => Ok(Calls { points: points(&recording.trace) }),
            Err(EngineError::Trace(TraceError::Forbidden(_)) | EngineError::Foreign(_)) => Ok(Calls::default()),
            Err(error) => Err(error),
        }
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Where trial `number` is killed: every second one is, in turn.
    pub(super) fn of_trial(&self, number: u64) -> Option<CrashPoint> {
        let nth = number.checked_sub(1)?.checked_div(2)? as usize;
        (number % 2 == 1 && !self.points.is_empty()).then(|| self.points[nth % self.points.len()])
    }
}

/// The points behind the calls of a run that change files.
fn points(trace: &Trace) -> Vec<CrashPoint> {
    let changes = |n: &usize| {
        let operation = &trace.operations[*n];
        operation.errno.is_none() && operation.action.changes_files()
    };
    let mut calls: Vec<usize> = (0..trace.operations.len()).filter(changes).collect();
    calls.sort_by_key(|n| match trace.operations[*n].action {
        Action::Write { .. } | Action::Open { created: true, .. } => 1,
        _ => 0,
    });
    calls.into_iter().map(|n| CrashPoint { call: CallIndex(n as u32), at: At::After }).collect()
}

/// Kills a run that begins so at `point`; says how far it was, and `None` where it did not come there.
pub(super) fn kill(runtime: &Runtime, from: &Beginning, point: CrashPoint) -> Result<Option<Progress>, EngineError> {
    let recording = runtime.record(from, Orders::Kill(point))?;
    Ok(recording.obeyed.then_some(recording.trace.end))
}

/// Kills a run that begins so after this time; says how far it was, and `None` where it ended before. What its files hold between its saves is
/// known then, whatever other runs put there.
pub(super) fn kill_after(
    runtime: &Runtime,
    from: &Beginning,
    after: Duration,
) -> Result<Option<Progress>, EngineError> {
    let recording = runtime.record(from, Orders::KillAfter(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)))?;
    Ok(recording.cut.is_some().then_some(recording.trace.end))
}

#[cfg(test)]
mod tests {
    use crashtest_model::{FileId, Operation};

    use super::*;

    #[test]
    fn every_second_trial_is_killed_behind_a_call_and_those_that_empty_a_file_come_first() {
        let open = |created| Action::Open {
            path: "f".into(),
            file: FileId(0),
            created,
            truncated: !created,
            synchronous: false,
            mode: 0,
        };
        let operation = |action| Operation {
            process: 0,
            call: "openat".into(),
            action,
            errno: None,
            before: Progress::default(),
            after: Progress::default(),
            left: None,
        };
        let actions = [open(true), Action::Close { path: "f".into(), file: FileId(0) }, open(false)];
        let trace = Trace { operations: actions.into_iter().map(operation).collect(), ..Trace::default() };
        let calls = Calls { points: points(&trace) };
        let of_trial = |number| calls.of_trial(number).map(|point| point.call.0);
        assert_eq!((0..6).map(of_trial).collect::<Vec<_>>(), [None, Some(2), None, Some(0), None, Some(2)]);
        assert_eq!(Calls::default().of_trial(1), None);
    }
}
