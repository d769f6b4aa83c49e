//! A failure of a sweep shown again: its crash state restarted on once more, and its kills made once more.

use crashtest_model::{Aim, CrashPoint, Fault, Observed, Promise, Trace, TrialRecord};
use crashtest_states::{CrashState, Oracle, Snapshot, interleavings};

use super::confirm::Point;
use super::life::Life;
use super::recorded::Recorded;
use super::starts::Bad;
use super::sweep::{Sweep, WHOLE};
use crate::context::Context;
use crate::error::EngineError;
use crate::faults::points::{self, Source};
use crate::judge::replayed::Replayed;
use crate::judge::{oracle, run_oracle};
use crate::subject::{Beginning, UnderTest};
use crate::trace::orders::Orders;

/// A run recorded again: what its files are to be at each point.
struct Reference {
    trace: Trace,
    oracle: Oracle,
}

impl Source for Reference {
    fn promise(&self, point: CrashPoint) -> Promise {
        self.trace.progress(point).promise
    }

    fn observed(&self, point: CrashPoint, state: &CrashState) -> Option<Observed> {
        Some(run_oracle::observed_at(&self.oracle, &self.trace, point, &state.snapshot))
    }
}

/// Shows the crash point of `record` again: by a real kill there, or by two, and a restart on what is left.
pub(crate) fn once(
    context: &mut Context<'_>,
    under_test: &mut UnderTest<'_>,
    record: &TrialRecord,
) -> Result<(), EngineError> {
    under_test.as_subject(record.start, record.stream, |subject| {
        let mut sweep = Sweep::new(context, subject, record.start, record.seed, record.stream, WHOLE);
        if let Aim::Started(_) = record.aim {
            return match sweep.state_of(record)? {
                Some((life, n, observed)) => sweep.once_more(&life, n, &observed),
                None => Ok(()),
            };
        }
        let reference = sweep.reference(record)?;
        let (Some(from), Some((point, prefix))) = (sweep.life_of(record)?, place(record.aim)) else { return Ok(()) };
        let at = Point { trial: record.trial, aim: record.aim, prefix };
        let reference = reference.as_ref().map(|reference| reference as &dyn Source);
        sweep.real_kill(&from, point, &at, reference).map(drop)
    })
}

/// Restarts on the stored crash state of `record` once more and judges it by the promises that were in force.
pub(crate) fn restart_on(
    context: &mut Context<'_>,
    under_test: &mut UnderTest<'_>,
    record: &TrialRecord,
    crash_state: Snapshot,
) -> Result<Replayed, EngineError> {
    under_test.as_subject(record.start, record.stream, |subject| {
        subject.learn_for_replay(record.fault)?;
        let mut sweep = Sweep::new(context, subject, record.start, record.seed, record.stream, WHOLE);
        let reference = sweep.reference(record)?;
        let raw = sweep.subject.stored_file_state(record.raw.as_ref(), &crash_state, record.promise);
        if let Some(bad) = sweep.start_on_stored(record, &crash_state)? {
            let (raw, observed, verdict, why) = bad.on(raw);
            return Ok(Replayed { raw, observed, verdict, why });
        }
        let subject = &mut *sweep.subject;
        let state = CrashState { digest: crash_state.digest(), snapshot: crash_state, points: Vec::new() };
        let shown = reference.zip(place(record.aim)).and_then(|(run, (point, _))| run.observed(point, &state));
        let observed = match shown {
            Some(observed) => observed,
            None => subject.restart(&state, record.promise)?,
        };
        let (verdict, why) = oracle::judge(record.promise, &observed, &raw);
        Ok(Replayed { raw, observed, verdict, why })
    })
}

/// The crash point of a sweep's aim, in the last of its lives, and what stands before its place.
fn place(aim: Aim) -> Option<(CrashPoint, &'static str)> {
    match aim {
        Aim::Call(point) => Some((point, "")),
        Aim::Twice { then, .. } => Some((then, "again:")),
        // Another aim is none of a kill.
        _ => None,
    }
}

impl Sweep<'_, '_> {
    /// The run that `record` is one of, recorded again, where no restart says what its files hold. `None` where what is so of one run
    /// cannot be said of another.
    fn reference(&mut self, record: &TrialRecord) -> Result<Option<Reference>, EngineError> {
        let is_shown_by_files = self.subject.oracle(&Trace::default(), &Snapshot::default()).is_some();
        if !is_shown_by_files || record.fault != Fault::Sweep {
            return Ok(None);
        }
        let Some(from) = self.life_of(record)? else { return Ok(None) };
        let recorded = self.record_twice(&from)?;
        let is_the_same = recorded.is_derivable() && recorded.repeats();
        let Recorded { trace, .. } = recorded;
        let oracle = self.subject.oracle(&trace, &from.files).filter(|_| is_the_same);
        Ok(oracle.map(|oracle| Reference { trace, oracle }))
    }

    /// The life that `record` was killed in, found as the sweep found it.
    fn life_of(&mut self, record: &TrialRecord) -> Result<Option<Beginning>, EngineError> {
        if !matches!(record.aim, Aim::Twice { .. }) {
            return self.first().map(Some);
        }
        let Some((life, n, observed)) = self.state_of(record)? else { return Ok(None) };
        Ok(life.again(n, &observed, self.subject.answers_by_promise()))
    }

    /// The first life, the number of the crash state of it that `record` was started on, and what a restart makes of that.
    fn state_of(&mut self, record: &TrialRecord) -> Result<Option<(Life, usize, Observed)>, EngineError> {
        let from = self.first()?;
        let recording = self.subject.live(&from, Orders::Record)?;
        let trace = interleavings(recording.trace, &from.files, &self.subject.files()?).first;
        let life = self.derived(from, trace);
        let (Aim::Twice { first, .. } | Aim::Started(first)) = record.aim else { return Ok(None) };
        let Some(n) = life.states.iter().position(|state| state.points.contains(&first)) else { return Ok(None) };
        let state = &life.states[n];
        let observed = self.subject.restart(state, points::widest(&life, state))?;
        Ok(Some((life, n, observed)))
    }

    /// Starts once more on state `n` of `life`, of which a restart makes `observed`, and reports it if it goes wrong again.
    fn once_more(&mut self, life: &Life, n: usize, observed: &Observed) -> Result<(), EngineError> {
        let from = life.again(n, observed, self.subject.answers_by_promise()).unwrap_or_else(|| life.on_damage(n));
        match self.start_again(&life.trace, &from, observed)? {
            Some(bad) => self.report_start(life, n, from, bad),
            None => Ok(()),
        }
    }

    /// How a start on the stored `crash_state` goes wrong once more, if it was a start that `record` is about.
    fn start_on_stored(&mut self, record: &TrialRecord, crash_state: &Snapshot) -> Result<Option<Bad>, EngineError> {
        let Aim::Started(_) = record.aim else { return Ok(None) };
        let first = self.first()?;
        let whole = self.subject.live(&first, Orders::Record)?.trace;
        let observed = self.subject.restart_anew(crash_state, record.promise)?;
        let found = match observed {
            Observed::State { generation: Some(found), .. } if !self.subject.answers_by_promise() => found,
            _ => record.promise.acked,
        };
        let after = Promise { acked: found, begun: record.promise.begun.max(found), ..record.promise };
        let from = Beginning { files: crash_state.clone(), before: record.promise, after, ..first };
        self.start_again(&whole, &from, &observed)
    }
}
