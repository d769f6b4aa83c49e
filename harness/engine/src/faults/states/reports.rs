//! The reports of a sweep: a record of each crash point, confirmed by a real kill where that is wanted.

use crashtest_model::{
    About, Activity, Coverage, CrashPoint, FailureDetail, Fault, Seed, Start, Termination, TrialRecord, Verdict,
};
use crashtest_states::{CrashState, Snapshot};

use super::confirm::{Confirmed, Point, kill_at};
use super::findings;
use super::life::Life;
use crate::context::Context;
use crate::error::EngineError;
use crate::judge::judgement::Judgement;
use crate::judge::record::concluded;
use crate::subject::Subject;

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
        self.context.note(Fault::Sweep, self.start, About::Coverage(known))
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
        if self.confirmed.wants(wanted, judged, &life.trace.place(point), at, self.seed) {
            match kill_at(subject, &life.from, point)? {
                Some(real) if real.files == state.snapshot => termination = real.termination(),
                Some(_) => {
                    judgement.verdict = Verdict::Inconclusive;
                    judgement.why = format!("a real kill {point} left other files than were derived");
                }
                // The call cannot be cut short there.
                None => {}
            }
        }
        if judgement.verdict.is_violation() && after.is_none() {
            *after = Some(subject.files_after(state, judgement.promise)?);
        }
        self.report(subject, life, state, at, point, termination, judgement, after.as_ref())?;
        Ok(judged)
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
            let around = life.trace.around(point, findings::AROUND);
            record.detail = Some(FailureDetail { around, ..record.detail.unwrap_or_default() });
            text = Some(findings::text(&life.trace, point, findings::KILLED, &life.from.files, &state.snapshot));
        }
        self.context.report_with(record, &state.snapshot, after, text)
    }
}
