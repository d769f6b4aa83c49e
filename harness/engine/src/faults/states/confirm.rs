//! Which crash points are confirmed by a real kill, and the kill.

use std::collections::HashMap;

use crashtest_model::{Aim, At, CallIndex, Confirm, CrashPoint, Seed, Termination, Verdict};
use crashtest_states::Snapshot;

use crate::error::EngineError;
use crate::subject::{Beginning, Confirms, Recording, Subject};
use crate::trace::orders::Orders;

/// A crash point as a trial: its number, where it is aimed, and what stands before its place.
pub(super) struct Point {
    pub(super) trial: u64,
    pub(super) aim: Aim,
    pub(super) prefix: &'static str,
}

/// What a real kill left.
pub(super) struct Killed {
    pub(super) files: Snapshot,
    pub(super) recording: Recording,
}

impl Killed {
    /// What ended it: at the end of a life nothing is left to be killed.
    pub(super) fn termination(&self) -> Termination {
        if self.recording.obeyed { Termination::Kill } else { Termination::Derived }
    }
}

/// Kills a life from `from` at `point`; `None` where it does not come there, or its write cannot be cut there.
pub(super) fn kill_at(
    subject: &mut dyn Subject,
    from: &Beginning,
    point: CrashPoint,
) -> Result<Option<Killed>, EngineError> {
    let recording = subject.live(from, Orders::Kill(point))?;
    let end = CrashPoint { call: CallIndex(recording.trace.operations.len() as u32), at: At::Before };
    let at_the_end = point == end && recording.is_clean();
    if !recording.obeyed && !at_the_end {
        return Ok(None);
    }
    Ok(Some(Killed { files: subject.files()?, recording }))
}

/// How often each place and verdict was confirmed by a real kill.
#[derive(Debug, Default)]
pub(super) struct Confirmed {
    times: HashMap<String, u64>,
}

impl Confirmed {
    /// Whether a trial is confirmed by a real kill: what breaks a claim is, and a sample of the rest. The first is, so that a row without
    /// any does not come about.
    pub(super) fn wants(
        &mut self,
        (confirm, confirms): (Confirm, Confirms),
        verdict: Verdict,
        place: &str,
        at: &Point,
        seed: Seed,
    ) -> bool {
        if confirm == Confirm::All {
            return true;
        }
        match confirms {
            Confirms::Each { intact, failing } => {
                let of = match verdict {
                    Verdict::Intact => String::new(),
                    _ => format!("{}{place} {verdict}", at.prefix),
                };
                let times = self.times.entry(of).or_default();
                *times += 1;
                *times <= if verdict == Verdict::Intact { intact } else { failing }
            }
            Confirms::OneIn { .. } if verdict != Verdict::Intact => true,
            Confirms::OneIn { first, nested } => {
                let one_in = if matches!(at.aim, Aim::Twice { .. }) { nested } else { first };
                at.trial == 0 || seed.derive("confirm", at.trial).0.is_multiple_of(one_in)
            }
        }
    }
}
