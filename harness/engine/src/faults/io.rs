//! Fault `io`: each call of a life fails once in each of its ways, and what the program has acknowledged is held against a restart.
//!
//! Which call fails how, and which failure loses data, follows from the trace: [`crashtest_states::injections`] and
//! [`crashtest_states::passed_over`].

use std::path::PathBuf;

use crashtest_linux::process::Exit;
use crashtest_linux::trace::Ending;
use crashtest_model::{
    About, Action, Activity, Aim, At, CallIndex, Coverage, CrashPoint, Digest, FailureDetail, Fault, Generation,
    Injection, Observed, Operation, Promise, Seed, Start, Termination, Trace, TrialRecord, Verdict,
};
use crashtest_states::{CrashState, Entry, Places, Snapshot, failed_call, injections, passed_over, reading_injections};

use crate::context::Context;
use crate::error::EngineError;
use crate::faults::points::{self, Source};
use crate::faults::shares::{Marks, Piece, Share};
use crate::faults::states::findings;
use crate::judge::judgement::Judgement;
use crate::judge::record::concluded;
use crate::lists::Topic;
use crate::protocol::Part;
use crate::subject::life::Script;
use crate::subject::{Beginning, Recording, Subject, UnderTest};
use crate::trace::orders::Orders;

/// Saves of a life in which one call fails: growing and shrinking ones.
const SAVES: u64 = 3;
/// The trials of calls that read are numbered from here.
const READING: u64 = 1 << 40;

/// A subject whose calls are made to fail one after the other.
struct Failing<'s, 'a> {
    context: &'s mut Context<'a>,
    subject: &'s mut dyn Subject,
    seed: Seed,
    from: Beginning,
    /// A life without failures.
    sound: Sound,
}

/// What a life without failures did, and left.
#[derive(Default)]
struct Sound {
    trace: Trace,
    left: Snapshot,
    /// Whether a second one left the same.
    repeats: bool,
}

/// Runs what is under test once for each way in which each of its calls can fail: its share `part` of them. What the program has
/// promised by then is held against what a restart without failures finds.
pub(crate) fn run(context: &mut Context<'_>, under_test: &mut UnderTest<'_>, part: Part) -> Result<(), EngineError> {
    let seed = context.plan.seed.derive("io", 0);
    let stream = seed.derive("stream", 0);
    under_test.as_subject(Start::Again, stream, |subject| {
        let mut failing = Failing::new(context, subject, seed, stream)?;
        let ways = injections(&failing.sound.trace);
        let (trials, left_out) = failing.fail_each(ways, Topic::FailingCalls, part, (0, 0))?;
        let ways = match failing.begin_on_what_was_left()? {
            true => reading_injections(&failing.sound.trace),
            false => Vec::new(),
        };
        failing.fail_each(ways, Topic::FailingReads, part, (trials, left_out))?;
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
        let mut failing = Failing::new(context, subject, record.seed, record.stream)?;
        if injection.reading && !failing.begin_on_what_was_left()? {
            return Ok(());
        }
        failing.run(record.trial, injection)
    })
}

/// A life in which a call has failed, and what a restart after it came to.
struct Lived {
    run: Recording,
    /// The call that failed.
    call: CallIndex,
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
        // The life before may have been one in which they fail.
        subject.also_reads(false);
        let from = Beginning { stream, ..subject.install(Script::SaveThenDie(SAVES))? };
        let mut failing = Failing { context, subject, seed, from, sound: Sound::default() };
        failing.sound = failing.live_soundly()?;
        failing.subject.learn_from_whole(&failing.from.files, &failing.sound.left)?;
        Ok(failing)
    }

    /// A life without failures; of a program two, to see whether they leave the same.
    fn live_soundly(&mut self) -> Result<Sound, EngineError> {
        let trace = self.subject.live(&self.from, Orders::Record)?.trace;
        let left = self.subject.files()?;
        let mut repeats = true;
        if !self.subject.pace().follows_scripts {
            self.subject.live(&self.from, Orders::Record)?;
            repeats = self.subject.files()? == left;
        }
        Ok(Sound { trace, left, repeats })
    }

    /// Goes on with lives that begin on what a whole one has left, and in which calls that read are seen; says whether the subject has such
    /// lives.
    fn begin_on_what_was_left(&mut self) -> Result<bool, EngineError> {
        if self.subject.pace().follows_scripts {
            return Ok(false);
        }
        let promise = self.sound.trace.end.promise;
        let left = self.sound.left.clone();
        let state = CrashState { digest: left.digest(), snapshot: left.clone(), points: Vec::new() };
        let found = match self.subject.restart(&state, promise)? {
            Observed::State { generation: Some(found), missing, .. } if missing.is_empty() => {
                Promise { acked: found, begun: found, installed: true, gaps: promise.gaps }
            }
            // Whatever there is, it is there.
            Observed::Opened => Promise { begun: promise.acked, installed: true, ..promise },
            _ => return Ok(false),
        };
        self.from = Beginning { files: left, before: found, after: found, ..self.from.clone() };
        self.subject.also_reads(true);
        self.sound = self.live_soundly()?;
        Ok(true)
    }

    /// Has calls fail in these `ways`, one after the other: this worker's share of them. Before them so many trials were gone through by all
    /// workers, and so many left out; returns how many these are now.
    fn fail_each(
        &mut self,
        ways: Vec<Injection>,
        topic: Topic,
        part: Part,
        (before, left_out): (u64, u64),
    ) -> Result<(u64, u64), EngineError> {
        let of = ways.len();
        let ways = self.context.plan.spread(ways, 1);
        let share = match self.subject.pace().repeats || part.of == 1 {
            true => Share::by_number(part, ways.len(), ways.len() as u64),
            false => Share::by_marks(self.context, topic, part, &pieces(&self.sound.trace, &ways))?,
        };
        let (trials, left_out) = (before + share.trials, left_out + share.left_out + (of - ways.len()) as u64);
        self.note_what_is_gone_through(trials, left_out)?;
        let first = if topic == Topic::FailingReads { READING } else { 0 };
        for (n, way) in ways.into_iter().enumerate().filter(|(n, _)| share.has(*n)) {
            self.run(first + share.numbers.trial(n as u64), way)?;
        }
        Ok((trials, left_out))
    }

    /// Notes in how many ways calls fail, that so many others are left out, and what cannot fail as nothing is known of it.
    fn note_what_is_gone_through(&mut self, points: u64, left_out: u64) -> Result<(), EngineError> {
        let sound = &self.sound.trace;
        let known = Coverage {
            calls: sound.operations.len() as u64,
            points,
            left_out,
            unmodelled: sound.unmodelled.keys().cloned().collect(),
            ..Coverage::default()
        };
        self.context.note(Fault::Io, Start::Again, About::Coverage(Box::new(known)))
    }

    /// Runs a life in which `injection` comes true, and a restart on what it leaves. Where a save was acknowledged in spite of it, and the
    /// saves after it hide what that came to, it runs once more a life that dies at that ack.
    fn run(&mut self, trial: u64, injection: Injection) -> Result<(), EngineError> {
        let whole = self.live(injection, SAVES)?;
        let follows = self.subject.pace().follows_scripts;
        match acked_all_the_same(&whole.run, whole.call) {
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
        let orders = match self.subject.pace().follows_scripts {
            true => Orders::Fail(injection),
            false => Orders::fail_in(&self.sound.trace, injection),
        };
        let run = self.subject.live(&from, orders)?;
        let call = run.failed.unwrap_or(injection.call);
        let files = self.subject.files()?;
        let end = CrashPoint { call, at: At::After };
        let state = CrashState { digest: files.digest(), snapshot: files, points: vec![end] };
        let limit_ms = 4 * self.context.plan.limit_ms;
        let mut came_to = (Verdict::Inconclusive, String::new());
        let sound = &self.sound;
        let judged =
            points::judge(self.subject, &AtItsEnd(run.trace.end.promise), &state, &mut |subject, _, judgement| {
                let overlooked = |path: &str| subject.overlooks(path);
                came_to = judge(&run, injection, call, (judgement.verdict, judgement.why), (limit_ms, &overlooked));
                if came_to.0 == Verdict::Intact && *judgement.observed == Observed::Opened {
                    came_to = sound.judge_silence(&run, &state.snapshot, came_to.clone());
                }
                Ok(came_to.0)
            })?;
        let (verdict, why) = came_to;
        Ok(Lived { run, call, state, observed: judged.observed, verdict, why })
    }

    fn report(&mut self, trial: u64, injection: Injection, lived: Lived) -> Result<(), EngineError> {
        let Lived { run, call, state, observed, verdict, why } = lived;
        let promise = run.trace.end.promise;
        let failed = run.trace.operations.get(call.0 as usize);
        let termination = match run.ending {
            Ending::Exited(exit) if exit.by_sigkill() => Termination::Kill,
            Ending::Killed | Ending::TimeUp | Ending::Lingers(_) => Termination::Kill,
            Ending::Exited(Exit::Status(status)) => Termination::Exit { status },
            Ending::Exited(Exit::Signal(signal)) => Termination::Signal { signal },
        };
        let planned = TrialRecord {
            stream: self.from.stream,
            acks: promise.acked.0.saturating_sub(self.from.after.acked.0),
            termination,
            phase: run.trace.place(CrashPoint { call, at: At::Inside(0) }),
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
            let around = run.trace.around_call(call, &failure, findings::AROUND);
            let failed_call = failed_call(&self.sound.trace, &self.from.files, injection.call);
            record.detail = Some(FailureDetail { around, failed_call, ..record.detail.unwrap_or_default() });
            let point = CrashPoint { call, at: At::After };
            text = Some(findings::text(&run.trace, point, &failure, &self.from.files, &state.snapshot));
        }
        let after = match verdict.is_violation() {
            true => Some(self.subject.files_after(&state, promise)?),
            false => None,
        };
        self.context.report_with(record, &state.snapshot, after.as_ref(), text)
    }
}

impl Sound {
    /// What it means that `run` has ended without a word, where nobody says what `left` holds and it came to `judged`: a program that
    /// acknowledges nothing and leaves other files than without the failure may have noticed, or not.
    fn judge_silence(&self, run: &Recording, left: &Snapshot, judged: (Verdict, String)) -> (Verdict, String) {
        let says_nothing = self.trace.end.promise.acked == Generation::ZERO || run.trace.operations.is_empty();
        let is_silent = says_nothing && run.is_clean();
        let lengths = |state: &Snapshot| -> Vec<(PathBuf, u64)> {
            let length = |entry: &Entry| if let Entry::File { content, .. } = entry { content.length() } else { 0 };
            state.entries().map(|(path, entry)| (path.to_owned(), length(entry))).collect()
        };
        let is_alike = if self.repeats { *left == self.left } else { lengths(left) == lengths(&self.left) };
        if !is_silent || is_alike {
            return judged;
        }
        let why = "the program acknowledged nothing, ended with status 0, and left other files than without the failure: whether it \
                   noticed is not known (let it print `crashtest: ack N`, or end with an error)";
        (Verdict::Inconclusive, why.to_owned())
    }
}

/// These ways in which calls of `trace` can fail, each a piece.
fn pieces(trace: &Trace, ways: &[Injection]) -> Vec<Piece> {
    let places = Places::of(trace);
    let piece = |(number, way): (u64, &Injection)| {
        let point = CrashPoint { call: way.call, at: At::Inside(0) };
        let (exactly, failure) = (places.exactly(point), (way.failure, way.lasting));
        // What is written says which of several calls on one file it is.
        let data = trace.operations.get(way.call.0 as usize).and_then(written);
        let marks = Marks::new(&(&exactly, failure, data), &(&exactly, failure), &(places.loosely(point), failure));
        Piece { trials: vec![marks], numbers: vec![number], is_done: false }
    };
    (0..).zip(ways).map(piece).collect()
}

/// Where a call writes, and what.
fn written(operation: &Operation) -> Option<(u64, Digest)> {
    match &operation.action {
        Action::Write { offset, data, .. } => Some((*offset, Digest::of_value(data))),
        _ => None,
    }
}

/// The save that was under way when `call` failed, where it was acknowledged.
fn acked_all_the_same(run: &Recording, call: CallIndex) -> Option<Generation> {
    let then = run.trace.operations.get(call.0 as usize)?.before.promise;
    (then.begun > then.acked && run.trace.end.promise.acked >= then.begun).then_some(then.begun)
}

/// What a run comes to in which `injection` came true at `call`: `judged` is what a restart on its files came to.
fn judge(
    run: &Recording,
    injection: Injection,
    call: CallIndex,
    (verdict, why): (Verdict, String),
    (limit_ms, overlooked): (u64, &dyn Fn(&str) -> bool),
) -> (Verdict, String) {
    let acked = run.trace.end.promise.acked;
    if !run.obeyed {
        (Verdict::Inconclusive, format!("{injection}: the run did not come to that call"))
    } else if matches!(run.ending, Ending::TimeUp | Ending::Lingers(_)) {
        (Verdict::Stuck, format!("no end within {limit_ms} ms"))
    } else if let (true, Some(reused)) = (injection.reading, run.reused) {
        let why = format!(
            "the program could not read what was there, and began save {reused} anew: it went on as if there were nothing"
        );
        (Verdict::SilentReset, why)
    } else if verdict.is_violation() && acked_all_the_same(run, call).is_some() {
        (Verdict::FalseAck, format!("save {acked} was acknowledged; a restart {why}"))
    } else if let Some(call) = passed_over(&run.trace, overlooked) {
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
            let ways = injections(&failing.sound.trace);
            (0..).zip(ways).try_for_each(|(trial, injection)| failing.run(trial, injection))
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
