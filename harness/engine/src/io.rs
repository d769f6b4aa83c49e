//! Fault `io`: which calls can fail in which way, and whether a program that acknowledged a save after a failure was right to.

use std::rc::Rc;

use crashtest_kit::Generations;
use crashtest_linux::process::Exit;
use crashtest_linux::trace::Ending;
use crashtest_model::{
    Action, Activity, Aim, At, CallFailure, CallIndex, CrashPoint, Durable, FailureDetail, Fault, Generation,
    Injection, Landed, Lasting, Observed, Outcome, RawFile, Seed, Start, Swept, Trace, TrialRecord, Verdict,
};
use crashtest_states::Snapshot;

use crate::bench::Bench;
use crate::error::EngineError;
use crate::life::Script;
use crate::message::Part;
use crate::record::Orders;
use crate::recording::{self, Recording, record};
use crate::restarts::Restarts;
use crate::sweep::story;
use crate::{oracle, raw};

/// Saves of a life in which one call fails: growing and shrinking ones.
const SAVES: u64 = 3;

/// How an open that makes a file can fail.
const CREATE: &[i32] = &[libc::ENOSPC, libc::EDQUOT, libc::EMFILE, libc::EIO, libc::EINTR];
const OPEN: &[i32] = &[libc::EMFILE, libc::EIO, libc::EINTR];
const WRITE: &[i32] = &[libc::ENOSPC, libc::EIO, libc::EDQUOT, libc::EINTR];
const RESIZE: &[i32] = &[libc::EIO, libc::ENOSPC, libc::EINTR];
const NAME: &[i32] = &[libc::ENOSPC, libc::EIO, libc::EDQUOT];
const SYNC: &[i32] = &[libc::EIO, libc::ENOSPC, libc::EDQUOT];
const ONLY_EIO: &[i32] = &[libc::EIO];

/// The errors that fit an action, by the ERRORS sections of the manual pages. EINTR of close(2) is left out: Linux has closed the
/// descriptor by then, and says EINTR never.
fn errors(action: &Action) -> &'static [i32] {
    match action {
        Action::Open { created: true, .. } => CREATE,
        Action::Open { .. } => OPEN,
        Action::Write { .. } => WRITE,
        Action::Resize { .. } | Action::Zero { .. } => RESIZE,
        Action::Rename { .. }
        | Action::Link { .. }
        | Action::Symlink { .. }
        | Action::Mkdir { .. }
        | Action::Mknod { .. } => NAME,
        Action::Sync { durable: Durable::Range, .. } => &[],
        Action::Sync { .. } => SYNC,
        Action::Unlink { .. } | Action::Rmdir { .. } | Action::Chmod { .. } | Action::Attribute { .. } => ONLY_EIO,
        Action::Close { .. } => ONLY_EIO,
        Action::Map { .. } => &[libc::ENOMEM],
    }
}

/// Whether a call that does `action` can fail so.
pub(crate) fn fits(action: &Action, failure: CallFailure) -> bool {
    match failure {
        CallFailure::Errno(errno) => errors(action).contains(&errno),
        CallFailure::Short(_) | CallFailure::Half => matches!(action, Action::Write { .. }),
    }
}

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
        let raw = raw::of_crash_state(&state, &mut *self.generations, promise);
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
            let around = run.trace.around_call(injection.call, &failure, story::AROUND);
            record.detail = Some(FailureDetail { why, around, ..FailureDetail::default() });
            let point = CrashPoint { call: injection.call, at: At::After };
            text = Some(story::text(&run.trace, point, &failure, &self.from.files, &state));
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

/// Every way in which the calls of a recorded run can fail, one after the other.
pub(crate) fn injections(trace: &Trace) -> Vec<Injection> {
    let mut all = Vec::new();
    for (n, operation) in trace.operations.iter().enumerate().filter(|(_, operation)| operation.errno.is_none()) {
        let call = CallIndex(n as u32);
        let mut add = |failure, lasting| all.push(Injection { call, failure, lasting });
        for errno in errors(&operation.action) {
            add(CallFailure::Errno(*errno), Lasting::Once);
            // A call that is interrupted for ever is a program that rightly tries for ever.
            if *errno != libc::EINTR {
                add(CallFailure::Errno(*errno), Lasting::FromThenOn);
            }
        }
        if let Action::Write { requested, .. } = operation.action
            && requested > 1
        {
            let mut lengths = vec![1, requested / 2, requested - 1];
            lengths.dedup();
            lengths.into_iter().for_each(|bytes| add(CallFailure::Short(bytes), Lasting::Once));
            add(CallFailure::Half, Lasting::FromThenOn);
        }
    }
    all
}

/// Whether an error of the call that did `action` means that data which was accepted earlier may be gone.
fn loses_data(action: &Action) -> bool {
    matches!(action, Action::Sync { .. } | Action::Close { .. })
}

/// The first call of `trace`, if any, whose error the program has passed over: data that it had handed over may be gone, and it
/// acknowledged the save all the same.
///
/// A failed fsync(2) is repaired by writing the data anew and syncing that. Another fsync(2) repairs nothing: the kernel has marked
/// the pages clean (fsync(2), NOTES). A failed close(2) after a successful sync of the file has lost nothing.
pub(crate) fn passed_over(trace: &Trace) -> Option<CallIndex> {
    let operations = &trace.operations;
    operations.iter().enumerate().find_map(|(n, failed)| {
        let save = failed.before.promise.begun;
        let later_acked = operations[n..]
            .iter()
            .map(|o| o.after)
            .chain([trace.end])
            .any(|p| p.promise.acked >= save && p.promise.begun >= save);
        let was_acked = failed.before.promise.acked < save && later_acked;
        if failed.errno.is_none_or(|errno| errno == libc::EINTR) || !loses_data(&failed.action) || !was_acked {
            return None;
        }
        let of_save = |o: &&crashtest_model::Operation| o.before.promise.begun == save && o.errno.is_none();
        let synced = |o: &crashtest_model::Operation| matches!(o.action, Action::Sync { .. });
        // Anew: what the failed call was to make durable is done again, and that is synced.
        let of_names = matches!(failed.action, Action::Sync { durable: Durable::Directory, .. });
        let anew = |o: &&crashtest_model::Operation| match o.action {
            Action::Write { .. } => !of_names,
            _ => of_names && o.action.changes_files(),
        };
        let sync_of_it = |o: &crashtest_model::Operation| match o.action {
            Action::Sync { durable, .. } => (durable == Durable::Directory) == of_names,
            _ => false,
        };
        let repaired = operations[n + 1..].iter().filter(of_save).skip_while(|o| !anew(o)).any(sync_of_it);
        let harmless = match &failed.action {
            Action::Close { file, .. } => operations[..n]
                .iter()
                .rev()
                .find(|o| match &o.action {
                    Action::Write { file: written, .. } => written == file,
                    Action::Sync { file: Some(synced), .. } => synced == file,
                    _ => false,
                })
                .is_some_and(|last| synced(last) && last.errno.is_none()),
            _ => false,
        };
        (!repaired && !harmless).then_some(CallIndex(n as u32))
    })
}
