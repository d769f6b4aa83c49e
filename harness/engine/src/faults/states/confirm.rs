//! Which crash points are confirmed by a real kill, and the kill.

use std::collections::{BTreeSet, HashMap};

use crashtest_model::{Action, Aim, At, CallIndex, Confirm, CrashPoint, Seed, Termination, Trace, Verdict};
use crashtest_states::{CrashState, Snapshot, same_place, unexplained};

use super::life::Life;
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
        life: &Life,
        at: &Point,
        (point, seed): (CrashPoint, Seed),
    ) -> bool {
        if confirm == Confirm::All {
            return true;
        }
        match confirms {
            Confirms::Each { .. } if verdict == Verdict::Intact => life.spread.contains(&point),
            Confirms::Each { failing, .. } => {
                let of = format!("{}{} {verdict}", at.prefix, life.trace.place(point));
                let times = self.times.entry(of).or_default();
                *times += 1;
                *times <= failing
            }
            Confirms::OneIn { .. } if verdict != Verdict::Intact => true,
            Confirms::OneIn { first, nested } => {
                let one_in = if matches!(at.aim, Aim::Twice { .. } | Aim::Started(_)) { nested } else { first };
                at.trial == 0 || seed.derive("confirm", at.trial).0.is_multiple_of(one_in)
            }
        }
    }
}

/// As many as `most` of `points`, evenly spread, and the first of each place, up to as many again.
pub(super) fn spread(trace: &Trace, points: &[CrashPoint], most: usize) -> BTreeSet<CrashPoint> {
    let mut chosen: BTreeSet<CrashPoint> = match points.len() {
        few if few <= most => points.iter().copied().collect(),
        many => (0..most).map(|n| points[n * (many - 1) / (most - 1).max(1)]).collect(),
    };
    let mut places: BTreeSet<String> = chosen.iter().map(|point| trace.place(*point)).collect();
    let all = 2 * most;
    chosen.extend(points.iter().copied().filter(|point| places.insert(trace.place(*point))).take(all - most.min(all)));
    chosen
}

/// As many as `most` of `points`, drawn by `seed`.
pub(super) fn drawn(points: &[CrashPoint], most: usize, seed: Seed) -> BTreeSet<CrashPoint> {
    let draw = |n: usize| points.get(seed.derive("confirmed", n as u64).0 as usize % points.len().max(1)).copied();
    (0..most).filter_map(draw).collect()
}

/// Whether a write of a run that was killed inside of it is a part of one of another run.
fn is_part(killed: &Action, whole: &Action) -> bool {
    match (killed, whole) {
        (Action::Write { file, offset, data, .. }, Action::Write { file: same, offset: there, data: all, .. }) => {
            file == same && offset == there && all.bytes().starts_with(data.bytes())
        }
        _ => killed == whole,
    }
}

/// Kills of another run whose verdicts are looked at, until one comes to the same.
pub(super) const OTHER_RUNS: usize = 3;

/// What a real kill says of a derived state.
pub(super) enum Agreement {
    /// The files are the derived ones.
    Same(Killed),
    /// They are those of another run of the same program, killed at the same place.
    OtherRun(Killed),
    /// No kill came to that place: the call cannot be cut short there, or other runs make other calls.
    NotThere,
    /// They are not what the calls of that very run come to: what is derived cannot be believed.
    Disproved(String),
}

/// Kills a life like `life` at `point`, and holds what that leaves against what was derived, `state`.
pub(super) fn confirm(
    subject: &mut dyn Subject,
    life: &Life,
    state: &CrashState,
    point: CrashPoint,
) -> Result<Agreement, EngineError> {
    if !life.trace.is_in_order_at(point) {
        return Ok(Agreement::NotThere);
    }
    let Some(killed) = kill_at(subject, &life.from, point)? else { return Ok(Agreement::NotThere) };
    if !killed.recording.trace.is_in_order_at(point) {
        return Ok(Agreement::NotThere);
    }
    if killed.files == state.snapshot {
        return Ok(Agreement::Same(killed));
    }
    let mut its_own = killed.recording.trace.clone();
    if point.at == At::Before {
        // The call that it was killed before is the last one there.
        its_own.operations.truncate(point.call.0 as usize);
    }
    let its_own = &its_own;
    let both = its_own.operations.iter().zip(&life.trace.operations).enumerate();
    let is_same_run = both.fold(true, |same, (n, (a, b))| {
        let is_inside = n == point.call.0 as usize && matches!(point.at, At::Inside(_));
        same && if is_inside { is_part(&a.action, &b.action) } else { a.action == b.action }
    });
    let unexplained = unexplained(its_own, &life.from.files, &killed.files);
    if is_same_run || !unexplained.is_empty() {
        let how = unexplained.into_iter().next().map_or_else(String::new, |how| format!(": {how}"));
        return Ok(Agreement::Disproved(format!("a real kill {point} left other files than were derived{how}")));
    }
    match same_place(its_own, &life.trace, point) {
        true => Ok(Agreement::OtherRun(killed)),
        false => Ok(Agreement::NotThere),
    }
}

#[cfg(test)]
mod tests {
    use crashtest_model::{Data, FileId, Operation, Progress};

    use super::*;

    #[test]
    fn confirmed_points_are_spread_over_the_run_and_over_all_places() {
        let operation = |action: Action| Operation {
            process: 0,
            call: action.word().into(),
            action,
            errno: None,
            before: Progress::default(),
            after: Progress::default(),
            left: None,
        };
        let write = |_| {
            let data = Data::Length(1);
            operation(Action::Write { path: "f".into(), file: FileId(0), offset: 0, data, requested: 1 })
        };
        let mut operations: Vec<Operation> = (0..200).map(write).collect();
        operations.insert(3, operation(Action::Rename { from: "f".into(), to: "g".into(), exchange: false }));
        let trace = Trace { operations, ..Trace::default() };
        let points: Vec<CrashPoint> =
            (0..=201).map(|call| CrashPoint { call: CallIndex(call), at: At::Before }).collect();
        let chosen = spread(&trace, &points, 8);
        assert!(chosen.contains(&points[0]) && chosen.contains(&points[201]));
        let calls: Vec<u32> = chosen.iter().map(|point| point.call.0).collect();
        assert!(calls.windows(2).all(|two| two[1] - two[0] <= 30), "{calls:?}");
        let places = |points: &mut dyn Iterator<Item = &CrashPoint>| -> BTreeSet<String> {
            points.map(|point| trace.place(*point)).collect()
        };
        assert_eq!(places(&mut chosen.iter()), places(&mut points.iter()), "also the place that comes once");
        assert!(chosen.len() <= 16);
    }
}
