//! Fault `io`: each call of a life fails once in each of its ways, and what the program has acknowledged is held against a restart.
//!
//! Which call fails how, and which failure loses data, follows from the trace: [`crashtest_states::injections`] and
//! [`crashtest_states::passed_over`].

use std::rc::Rc;

use crashtest_kit::Generations;
use crashtest_linux::process::Exit;
use crashtest_linux::trace::Ending;
use crashtest_model::{
    Activity, Aim, At, CrashPoint, FailureDetail, Fault, Generation, Injection, Landed, Observed, Outcome, RawFile,
    Seed, Start, Swept, Trace, TrialRecord, Verdict,
};
use crashtest_states::{Snapshot, injections, passed_over};

use crate::context::bench::Bench;
use crate::error::EngineError;
use crate::faults::states::findings;
use crate::judge::{file_state, oracle};
use crate::protocol::Part;
use crate::subject::life::Script;
use crate::subject::recording::{self, Recording, record};
use crate::subject::target::Restarts;
use crate::trace::recorder::Orders;

/// Saves of a life in which one call fails: growing and shrinking ones.
const SAVES: u64 = 3;

/// A target, whose calls are made to fail one after the other.
struct Failing<'s, 'a> {
    bench: &'s mut Bench<'a>,
    generations: Box<dyn Generations>,
    restarts: Restarts,
    seed: Seed,
    from: recording::Start,
    /// What is known of all failing calls together, where that is not all there is to know: the first record takes it along.
    swept: Option<Swept>,
}

/// Runs the plan's target once for each way in which each of its calls can fail: its share `part` of them. What the program has
/// promised by then is held against what a restart without failures finds.
pub(crate) fn run(bench: &mut Bench<'_>, part: Part) -> Result<(), EngineError> {
    let seed = bench.plan.seed.derive("io", 0);
    let stream = seed.derive("stream", 0);
    let mut failing = Failing::new(bench, seed, stream)?;
    let sound = record(failing.bench, &failing.from, Orders::Record)?.trace;
    let left = failing.bench.crash_state()?;
    if let Some(runtime) = failing.bench.program() {
        runtime.try_checker(&failing.from.files, &left)?;
    }
    let ways = injections(&sound);
    let of = ways.len();
    let all = failing.bench.plan.spread(ways, 1);
    failing.note_what_is_left_out(&sound, of - all.len());
    let mine = (0..).zip(all).filter(|(trial, _)| trial % part.of == part.number);
    for (trial, injection) in mine {
        failing.run(trial, injection)?;
    }
    Ok(())
}

/// Shows the failing call of `record` again.
pub(crate) fn once(bench: &mut Bench<'_>, record: &TrialRecord) -> Result<(), EngineError> {
    // Another aim is none of ours.
    let Aim::Failing(injection) = record.aim else { return Ok(()) };
    Failing::new(bench, record.seed, record.stream)?.run(record.trial, injection)
}

/// A life in which a call has failed, and what a restart after it came to.
struct Lived {
    run: Recording,
    state: Snapshot,
    observed: Observed,
    raw: RawFile,
    verdict: Verdict,
    why: String,
}

impl<'s, 'a> Failing<'s, 'a> {
    fn new(bench: &'s mut Bench<'a>, seed: Seed, stream: Seed) -> Result<Failing<'s, 'a>, EngineError> {
        let generations = bench.generations(stream)?;
        let from = recording::Start::installed(bench, stream, Script::SaveThenDie(SAVES))?;
        let restarts = Restarts::new(Rc::clone(&bench.memory), Start::Again, stream);
        Ok(Failing { bench, generations, restarts, seed, from, swept: None })
    }

    /// Notes that so many ways in which the calls of `sound` can fail are left out, and what of it cannot fail as nothing is known of it.
    fn note_what_is_left_out(&mut self, sound: &Trace, left_out: usize) {
        if left_out > 0 || !sound.unmodelled.is_empty() {
            self.swept = Some(Swept {
                calls: sound.operations.len() as u64,
                left_out: left_out as u64,
                unmodelled: sound.unmodelled.keys().cloned().collect(),
                ..Swept::default()
            });
        }
    }

    /// A life in which `injection` comes true, and a restart on what it leaves. Where a save was acknowledged in spite of it, and the
    /// saves after it hide what that came to, once more a life that dies at that ack.
    fn run(&mut self, trial: u64, injection: Injection) -> Result<(), EngineError> {
        let whole = self.live(injection, SAVES)?;
        match acked_all_the_same(&whole.run, injection) {
            // A program of somebody's own saves as often as it does.
            Some(save) if self.bench.program.is_none() && save.0 < SAVES && whole.verdict == Verdict::Intact => {
                let cut_short = self.live(injection, save.0)?;
                self.tell(trial, injection, cut_short)
            }
            _ => self.tell(trial, injection, whole),
        }
    }

    /// One life of at most so many saves.
    fn live(&mut self, injection: Injection, saves: u64) -> Result<Lived, EngineError> {
        let from = recording::Start { script: Script::SaveThenDie(saves), ..self.from.clone() };
        let run = record(self.bench, &from, Orders::Fail(injection))?;
        let state = self.bench.crash_state()?;
        let promise = run.trace.end.promise;
        let observed = self.restarts.on(self.bench, &mut *self.generations, &state, promise)?;
        let raw = file_state::of_crash_state(&state, &mut *self.generations, promise);
        let judged = oracle::judge(promise, &observed, &raw);
        let (verdict, why) = judge(&run, injection, judged, 4 * self.bench.plan.limit_ms);
        Ok(Lived { run, state, observed, raw, verdict, why })
    }

    fn tell(&mut self, trial: u64, injection: Injection, lived: Lived) -> Result<(), EngineError> {
        let Lived { run, state, observed, raw, verdict, why } = lived;
        let promise = run.trace.end.promise;
        let failed = run.trace.operations.get(injection.call.0 as usize);
        let landed = match run.ending {
            Ending::Exited(exit) if exit.by_sigkill() => Landed::Kill,
            Ending::Killed | Ending::TimeUp | Ending::Lingers(_) => Landed::Kill,
            Ending::Exited(Exit::Status(status)) => Landed::Exit { status },
            Ending::Exited(Exit::Signal(signal)) => Landed::Signal { signal },
        };
        let mut record = TrialRecord {
            stream: self.from.stream,
            promise,
            acks: promise.acked.0,
            landed,
            phase: run.trace.place(CrashPoint { call: injection.call, at: At::Inside(0) }),
            in_save: failed.is_some_and(|operation| operation.before.activity == Some(Activity::Save)),
            raw: Some(raw),
            crash_state: Some(state.digest()),
            outcome: Outcome::Judged(verdict),
            swept: self.swept.take(),
            ..TrialRecord::planned(trial, Fault::Io, Start::Again, self.seed, Aim::Failing(injection))
        };
        let mut text = None;
        if verdict != Verdict::Intact {
            let why = match &run.complaint {
                Some(complaint) => format!("{why} (it had reported: {complaint})"),
                None => why,
            };
            let failure = injection.failure.to_string();
            let around = run.trace.around_call(injection.call, &failure, findings::AROUND);
            record.detail = Some(FailureDetail { why, around, ..FailureDetail::default() });
            let point = CrashPoint { call: injection.call, at: At::After };
            text = Some(findings::text(&run.trace, point, &failure, &self.from.files, &state));
        }
        if verdict.is_violation() {
            record.consequences = oracle::consequences(&mut *self.generations, promise, &observed);
        }
        record.observed = Some(observed);
        let after = self.restarts.files()?;
        self.bench.report_with(record, &state, Some(&after), text)
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
