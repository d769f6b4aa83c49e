//! Fault `io`: each call of a life fails once in each of its ways, and what the program has acknowledged is held against a restart.
//!
//! Which call fails how, and which failure loses data, follows from the trace: [`crashtest_states::injections`] and
//! [`crashtest_states::passed_over`].

use crashtest_linux::process::Exit;
use crashtest_linux::trace::Ending;
use crashtest_model::{
    About, Activity, Aim, At, Coverage, CrashPoint, FailureDetail, Fault, Generation, Injection, Observed, Promise,
    Seed, Start, Termination, Trace, TrialRecord, Verdict,
};
use crashtest_states::{CrashState, injections, passed_over};

use crate::context::Context;
use crate::error::EngineError;
use crate::faults::points::{self, Source};
use crate::faults::states::findings;
use crate::judge::judgement::Judgement;
use crate::judge::record::concluded;
use crate::protocol::Part;
use crate::subject::life::Script;
use crate::subject::{Beginning, Recording, Subject, UnderTest};
use crate::trace::orders::Orders;

/// Saves of a life in which one call fails: growing and shrinking ones.
const SAVES: u64 = 3;

/// A subject whose calls are made to fail one after the other.
struct Failing<'s, 'a> {
    context: &'s mut Context<'a>,
    subject: &'s mut dyn Subject,
    seed: Seed,
    from: Beginning,
}

/// Runs what is under test once for each way in which each of its calls can fail: its share `part` of them. What the program has
/// promised by then is held against what a restart without failures finds.
pub(crate) fn run(context: &mut Context<'_>, under_test: &mut UnderTest<'_>, part: Part) -> Result<(), EngineError> {
    let seed = context.plan.seed.derive("io", 0);
    let stream = seed.derive("stream", 0);
    under_test.as_subject(Start::Again, stream, |subject| {
        let mut failing = Failing::new(context, subject, seed, stream)?;
        let sound = failing.subject.live(&failing.from, Orders::Record)?.trace;
        let left = failing.subject.files()?;
        failing.subject.learn_from_whole(&failing.from.files, &left)?;
        let ways = injections(&sound);
        let of = ways.len();
        let all = failing.context.plan.spread(ways, 1);
        failing.note_what_is_left_out(&sound, of - all.len())?;
        let mine = (0..).zip(all).filter(|(trial, _)| trial % part.of == part.number);
        for (trial, injection) in mine {
            failing.run(trial, injection)?;
        }
        Ok(())
    })
}

/// Shows the failing call of `record` again.
pub(crate) fn once(
    context: &mut Context<'_>,
    under_test: &mut UnderTest<'_>,
    record: &TrialRecord,
) -> Result<(), EngineError> {
    // Another aim is none of ours.
    let Aim::Failing(injection) = record.aim else { return Ok(()) };
    under_test.as_subject(Start::Again, record.stream, |subject| {
        Failing::new(context, subject, record.seed, record.stream)?.run(record.trial, injection)
    })
}

/// A life in which a call has failed, and what a restart after it came to.
struct Lived {
    run: Recording,
    state: CrashState,
    observed: Observed,
    verdict: Verdict,
    why: String,
}

/// The one point of a life in which a call has failed: its end.
struct AtItsEnd(Promise);

impl Source for AtItsEnd {
    fn promise(&self, _point: CrashPoint) -> Promise {
        self.0
    }
}

impl<'s, 'a> Failing<'s, 'a> {
    fn new(
        context: &'s mut Context<'a>,
        subject: &'s mut dyn Subject,
        seed: Seed,
        stream: Seed,
    ) -> Result<Failing<'s, 'a>, EngineError> {
        let from = Beginning { stream, ..subject.install(Script::SaveThenDie(SAVES))? };
        Ok(Failing { context, subject, seed, from })
    }

    /// Notes that so many ways in which the calls of `sound` can fail are left out, and what of it cannot fail as nothing is known of it.
    fn note_what_is_left_out(&mut self, sound: &Trace, left_out: usize) -> Result<(), EngineError> {
        if left_out == 0 && sound.unmodelled.is_empty() {
            return Ok(());
        }
        let known = Coverage {
            calls: sound.operations.len() as u64,
            left_out: left_out as u64,
            unmodelled: sound.unmodelled.keys().cloned().collect(),
            ..Coverage::default()
        };
        self.context.note(Fault::Io, Start::Again, About::Coverage(known))
    }

    /// Runs a life in which `injection` comes true, and a restart on what it leaves. Where a save was acknowledged in spite of it, and the
    /// saves after it hide what that came to, it runs once more a life that dies at that ack.
    fn run(&mut self, trial: u64, injection: Injection) -> Result<(), EngineError> {
        let whole = self.live(injection, SAVES)?;
        let follows = self.subject.pace().follows_scripts;
        match acked_all_the_same(&whole.run, injection) {
            Some(save) if follows && save.0 < SAVES && whole.verdict == Verdict::Intact => {
                let cut_short = self.live(injection, save.0)?;
                self.report(trial, injection, cut_short)
            }
            _ => self.report(trial, injection, whole),
        }
    }

    /// One life of at most so many saves.
    fn live(&mut self, injection: Injection, saves: u64) -> Result<Lived, EngineError> {
        let from = Beginning { script: Script::SaveThenDie(saves), ..self.from.clone() };
        let run = self.subject.live(&from, Orders::Fail(injection))?;
        let files = self.subject.files()?;
        let end = CrashPoint { call: injection.call, at: At::After };
        let state = CrashState { digest: files.digest(), snapshot: files, points: vec![end] };
        let limit_ms = 4 * self.context.plan.limit_ms;
        let mut came_to = (Verdict::Inconclusive, String::new());
        let judged = points::judge(self.subject, &AtItsEnd(run.trace.end.promise), &state, &mut |_, _, judgement| {
            came_to = judge(&run, injection, (judgement.verdict, judgement.why), limit_ms);
            Ok(came_to.0)
        })?;
        let (verdict, why) = came_to;
        Ok(Lived { run, state, observed: judged.observed, verdict, why })
    }

    fn report(&mut self, trial: u64, injection: Injection, lived: Lived) -> Result<(), EngineError> {
        let Lived { run, state, observed, verdict, why } = lived;
        let promise = run.trace.end.promise;
        let failed = run.trace.operations.get(injection.call.0 as usize);
        let termination = match run.ending {
            Ending::Exited(exit) if exit.by_sigkill() => Termination::Kill,
            Ending::Killed | Ending::TimeUp | Ending::Lingers(_) => Termination::Kill,
            Ending::Exited(Exit::Status(status)) => Termination::Exit { status },
            Ending::Exited(Exit::Signal(signal)) => Termination::Signal { signal },
        };
        let planned = TrialRecord {
            stream: self.from.stream,
            acks: promise.acked.0,
            termination,
            phase: run.trace.place(CrashPoint { call: injection.call, at: At::Inside(0) }),
            in_save: failed.is_some_and(|operation| operation.before.activity == Some(Activity::Save)),
            ..TrialRecord::planned(trial, Fault::Io, Start::Again, self.seed, Aim::Failing(injection))
        };
        let why = match &run.complaint {
            Some(complaint) if verdict != Verdict::Intact => format!("{why} (it had reported: {complaint})"),
            _ => why,
        };
        let judgement = Judgement {
            verdict,
            why,
            ..Judgement::new(promise, &state.snapshot, &observed, self.subject.generations())
        };
        let mut record = concluded(planned, state.digest, judgement, self.subject.generations());
        let mut text = None;
        if verdict != Verdict::Intact {
            let failure = injection.failure.to_string();
            let around = run.trace.around_call(injection.call, &failure, findings::AROUND);
            record.detail = Some(FailureDetail { around, ..record.detail.unwrap_or_default() });
            let point = CrashPoint { call: injection.call, at: At::After };
            text = Some(findings::text(&run.trace, point, &failure, &self.from.files, &state.snapshot));
        }
        let after = match verdict.is_violation() {
            true => Some(self.subject.files_after(&state, promise)?),
            false => None,
        };
        self.context.report_with(record, &state.snapshot, after.as_ref(), text)
    }
}

/// The save that was under way when `injection` came true, where it was acknowledged.
fn acked_all_the_same(run: &Recording, injection: Injection) -> Option<Generation> {
    let then = run.trace.operations.get(injection.call.0 as usize)?.before.promise;
    (then.begun > then.acked && run.trace.end.promise.acked >= then.begun).then_some(then.begun)
}

/// What a run comes to in which `injection` came true: `judged` is what a restart on its files came to.
fn judge(run: &Recording, injection: Injection, (verdict, why): (Verdict, String), limit_ms: u64) -> (Verdict, String) {
    let acked = run.trace.end.promise.acked;
    if !run.obeyed {
        (Verdict::Inconclusive, format!("{injection}: the run did not come to that call"))
    } else if matches!(run.ending, Ending::TimeUp | Ending::Lingers(_)) {
        (Verdict::Stuck, format!("no end within {limit_ms} ms"))
    } else if verdict.is_violation() && acked_all_the_same(run, injection).is_some() {
        (Verdict::FalseAck, format!("save {acked} was acknowledged; a restart {why}"))
    } else if let Some(call) = passed_over(&run.trace) {
        (Verdict::FalseAck, format!("call {call} failed, which may have lost data; save {acked} was acknowledged"))
    } else {
        (verdict, why)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::context::fake::{plan, records};
    use crate::subject::fake::{Fake, Way};

    /// The verdicts on a program that saves in this way, while each of its calls fails.
    fn verdicts(way: Way) -> BTreeSet<Verdict> {
        let plan = plan();
        let mut subject = Fake::new(way, SAVES);
        let records = records(&plan, |context| {
            let mut failing = Failing::new(context, &mut subject, Seed(1), Seed(2))?;
            let sound = failing.subject.live(&failing.from, Orders::Record)?.trace;
            (0..).zip(injections(&sound)).try_for_each(|(trial, injection)| failing.run(trial, injection))
        });
        assert!(records.len() > 20, "there are many ways to fail");
        records.iter().filter_map(TrialRecord::verdict).collect()
    }

    #[test]
    fn who_stops_at_an_error_breaks_no_promise_where_files_are_replaced() {
        assert_eq!(verdicts(Way::Atomic), BTreeSet::from([Verdict::Intact]));
    }

    #[test]
    fn who_acknowledges_what_has_failed_is_told_from_the_last_save_that_hides_it() {
        assert!(verdicts(Way::IgnoresErrors).contains(&Verdict::FalseAck));
    }
}
