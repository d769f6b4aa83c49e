//! The reports of a sweep: a record of each crash point, confirmed by a real kill where that is wanted.

use crashtest_model::{
    About, Activity, Aim, Coverage, CrashPoint, FailureDetail, Fault, Seed, Start, Termination, TrialRecord, Verdict,
};
use crashtest_states::{CrashState, Snapshot};

use super::confirm::{Agreement, Confirmed, Killed, OTHER_RUNS, Point, confirm};
use super::findings;
use super::life::Life;
use crate::context::Context;
use crate::error::EngineError;
use crate::judge::judgement::Judgement;
use crate::judge::record::concluded;
use crate::subject::Subject;

/// What marks the end of a start that nobody killed.
const ENDED: &str = "ended by itself here";

/// What the points of a sweep have in common, and who hears of them.
pub(super) struct Reports<'s, 'a> {
    pub(super) context: &'s mut Context<'a>,
    pub(super) start: Start,
    pub(super) seed: Seed,
    confirmed: Confirmed,
}

impl<'s, 'a> Reports<'s, 'a> {
    pub(super) fn new(context: &'s mut Context<'a>, start: Start, seed: Seed) -> Reports<'s, 'a> {
        Reports { context, start, seed, confirmed: Confirmed::default() }
    }

    /// Adds to what is known of the sweep as a whole.
    pub(super) fn note(&mut self, known: Coverage) -> Result<(), EngineError> {
        if known == Coverage::default() {
            return Ok(());
        }
        self.context.note(Fault::Sweep, self.start, About::Coverage(Box::new(known)))
    }

    /// The record of a point of which nothing is known yet.
    pub(super) fn planned(&self, at: &Point) -> TrialRecord {
        TrialRecord::planned(at.trial, Fault::Sweep, self.start, self.seed, at.aim)
    }

    /// Confirms a judgement by a real kill, where that is wanted, and reports it. `after` keeps the files after the restart for all points
    /// of a state. Gives the verdict that stands.
    #[expect(
        clippy::too_many_arguments,
        reason = "what is known of a point comes from its state, its life and its judgement"
    )]
    pub(super) fn confirm_and_report(
        &mut self,
        subject: &mut dyn Subject,
        life: &Life,
        state: &CrashState,
        at: &Point,
        point: CrashPoint,
        mut judgement: Judgement<'_>,
        after: &mut Option<Snapshot>,
    ) -> Result<Verdict, EngineError> {
        let judged = judgement.verdict;
        let mut termination = Termination::Derived;
        let wanted = (self.context.plan.confirm, subject.pace().confirms);
        if self.confirmed.wants(wanted, judged, life, at, (point, self.seed)) {
            match self.hold_against_kills(subject, life, state, point, &judgement)? {
                Held::Confirmed(by) => termination = by,
                Held::Unconfirmed => {}
                Held::Doubtful(why) => {
                    judgement.verdict = Verdict::Inconclusive;
                    judgement.why = why;
                }
            }
        }
        if judgement.verdict.is_violation() && after.is_none() {
            *after = Some(subject.files_after(state, judgement.promise)?);
        }
        self.report(subject, life, state, at, point, termination, judgement, after.as_ref())?;
        Ok(judged)
    }

    /// Holds a judgement against a real kill at its point; where that is one of another run, against some.
    fn hold_against_kills(
        &mut self,
        subject: &mut dyn Subject,
        life: &Life,
        state: &CrashState,
        point: CrashPoint,
        judgement: &Judgement<'_>,
    ) -> Result<Held, EngineError> {
        for _ in 0..OTHER_RUNS {
            match confirm(subject, life, state, point)? {
                Agreement::Same(real) => return Ok(Held::Confirmed(real.termination())),
                // Its files say by themselves what they are: that they are what its calls come to is all there is to see.
                Agreement::OtherRun(real) if life.is_judged_by_files() => {
                    return Ok(Held::Confirmed(real.termination()));
                }
                // That another run comes to something else says nothing against this one: its files follow from its own calls.
                Agreement::OtherRun(real) => {
                    if judge_other(subject, &real, point)? == judgement.verdict {
                        return Ok(Held::Confirmed(real.termination()));
                    }
                }
                Agreement::Disproved(why) => {
                    self.note(Coverage { disproved: vec![why.clone()], ..Coverage::default() })?;
                    return Ok(Held::Doubtful(why));
                }
                Agreement::NotThere => break,
            }
        }
        Ok(Held::Unconfirmed)
    }

    /// Reports a judgement.
    #[expect(
        clippy::too_many_arguments,
        reason = "what is known of a point comes from its state, its life and its judgement"
    )]
    pub(super) fn report(
        &mut self,
        subject: &mut dyn Subject,
        life: &Life,
        state: &CrashState,
        at: &Point,
        point: CrashPoint,
        termination: Termination,
        judgement: Judgement<'_>,
        after: Option<&Snapshot>,
    ) -> Result<(), EngineError> {
        let progress = life.trace.progress(point);
        let is_intact = judgement.verdict == Verdict::Intact;
        let record = TrialRecord {
            stream: life.from.stream,
            base: life.base(),
            acks: progress.promise.acked.0.saturating_sub(life.base().0),
            termination,
            phase: format!("{}{}", at.prefix, life.trace.place(point)),
            in_save: progress.activity == Some(Activity::Save),
            ..self.planned(at)
        };
        let mut record = concluded(record, state.digest, judgement, subject.generations());
        let mut text = None;
        if !is_intact {
            // Nobody kills a start that is watched until its end.
            let (around, here) = match at.aim {
                Aim::Started(_) => (life.trace.around_call(point.call, ENDED, findings::AROUND), ENDED),
                _ => (life.trace.around(point, findings::AROUND), findings::KILLED),
            };
            record.detail = Some(FailureDetail { around, ..record.detail.unwrap_or_default() });
            text = Some(findings::text(&life.trace, point, here, &life.from.files, &state.snapshot));
        }
        self.context.report_with(record, &state.snapshot, after, text)
    }
}

/// A judgement, held against real kills.
enum Held {
    /// One came to the same.
    Confirmed(Termination),
    /// None came there.
    Unconfirmed,
    /// Why it cannot stand.
    Doubtful(String),
}

/// The verdict on what a kill of another run has left.
fn judge_other(subject: &mut dyn Subject, killed: &Killed, point: CrashPoint) -> Result<Verdict, EngineError> {
    let promise = killed.recording.trace.end.promise;
    let state = CrashState { digest: killed.files.digest(), snapshot: killed.files.clone(), points: vec![point] };
    let observed = subject.restart(&state, promise)?;
    Ok(Judgement::new(promise, &state.snapshot, &observed, subject.generations()).verdict)
}
