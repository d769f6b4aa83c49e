//! Crash points that are reached by a real SIGKILL: to confirm what was derived, instead of it, and to show a failure again.

use std::collections::HashSet;

use crashtest_linux::clock::{now_ns, sleep_until};
use crashtest_model::{
    Aim, At, CallIndex, CrashPoint, Digest, FailureDetail, Fault, Landed, Outcome, Trace, TrialRecord, Verdict,
};
use crashtest_states::{CrashState, Oracle, Snapshot};

use crate::context::bench::{Bench, Victim};
use crate::error::EngineError;
use crate::faults::states::tell::{Judged, Told};
use crate::faults::states::{Life, NESTED, Recorded, Sweep};
use crate::judge::{file_state, oracle};
use crate::protocol::Part;
use crate::subject::program::Files;
use crate::subject::recording::{self, Recording};
use crate::trace::recorder::Orders;

/// How often a life is started for a point to which it does not come every time.
const TRIES: usize = 5;
/// Kills at random moments that are held against the derived states.
const RANDOM_KILLS: u64 = 1_000;
/// Their trials are numbered from here.
const AT_RANDOM: u64 = 1 << 52;

/// What a real kill left.
pub(super) struct Killed {
    pub(super) files: Snapshot,
    recording: Recording,
}

impl Killed {
    pub(super) fn landed(&self) -> Landed {
        // Nothing is left to be killed at the end.
        if self.recording.obeyed { Landed::Kill } else { Landed::Derived }
    }
}

/// Shows the crash point of `record` again: by a real kill there, or by two, and a restart on what is left.
pub(crate) fn once(bench: &mut Bench<'_>, record: &TrialRecord) -> Result<(), EngineError> {
    let reference = reference(bench, record)?;
    let mut sweep = Sweep { reference, ..Sweep::again_for(bench, record)? };
    let (Some(from), Some((point, prefix))) = (sweep.life_of(record)?, place(record.aim)) else { return Ok(()) };
    sweep.real_kill(&from, point, &Told { trial: record.trial, aim: record.aim, prefix })?;
    Ok(())
}

/// Of a program without a checker, the run that `record` is one of, recorded again: what its files are to be at each point. `None` where
/// that cannot be said of another run.
pub(crate) fn reference(bench: &mut Bench<'_>, record: &TrialRecord) -> Result<Option<(Trace, Oracle)>, EngineError> {
    let is_checked = bench.program().is_none_or(|runtime| runtime.program.check.is_some());
    if is_checked || record.fault != Fault::Sweep {
        return Ok(None);
    }
    let mut sweep = Sweep::again_for(bench, record)?;
    let Some(from) = sweep.life_of(record)? else { return Ok(None) };
    let Recorded { trace, faithful } = sweep.record_twice(&from)?;
    let program = bench.program().filter(|_| faithful);
    Ok(program.map(|runtime| runtime.files.oracle(&trace, &from.files)).map(|oracle| (trace, oracle)))
}

/// The crash point of a sweep's aim, in the last of its lives, and what stands before its place.
pub(crate) fn place(aim: Aim) -> Option<(CrashPoint, &'static str)> {
    match aim {
        Aim::Call(point) => Some((point, "")),
        Aim::Twice { then, .. } => Some((then, "again:")),
        // No aim of a sweep.
        _ => None,
    }
}

impl<'s, 'a> Sweep<'s, 'a> {
    /// A sweep that has done nothing yet, to show `record` again.
    fn again_for(bench: &'s mut Bench<'a>, record: &TrialRecord) -> Result<Sweep<'s, 'a>, EngineError> {
        Sweep::new(bench, record.start, record.seed, record.stream, Part { number: 0, of: 1 })
    }
}

impl Sweep<'_, '_> {
    /// Kills a life from `from` at `point`; `None` where it does not come there, or its write cannot be cut there.
    pub(super) fn kill_at(
        &mut self,
        from: &recording::Start,
        point: CrashPoint,
    ) -> Result<Option<Killed>, EngineError> {
        let recording = self.record(from, Orders::Kill(point))?;
        let end = CrashPoint { call: CallIndex(recording.trace.operations.len() as u32), at: At::Before };
        let at_the_end = point == end && recording.is_clean();
        if !recording.obeyed && !at_the_end {
            return Ok(None);
        }
        Ok(Some(Killed { files: self.bench.crash_state()?, recording }))
    }

    /// Reaches every point of `life` by a real kill, those of this worker's share.
    pub(super) fn by_real_kills(&mut self, life: &Life) -> Result<(), EngineError> {
        for (trial, point) in life.points.iter().enumerate() {
            let trial = trial as u64;
            if trial % self.part.of != self.part.number {
                continue;
            }
            let told = Told { trial, aim: Aim::Call(*point), prefix: "" };
            let mut reached = false;
            for _ in 0..TRIES {
                reached = self.real_kill(&life.from, *point, &told)?;
                if reached {
                    break;
                }
            }
            if !reached {
                self.unreached(life, *point, &told)?;
            }
        }
        Ok(())
    }

    /// Tells of a point to which no life came: nothing is known of it.
    fn unreached(&mut self, life: &Life, point: CrashPoint, told: &Told) -> Result<(), EngineError> {
        let why = format!("{TRIES} runs did not come {point}, as the recorded one did");
        let record = TrialRecord {
            stream: life.from.stream,
            phase: life.trace.place(point),
            outcome: Outcome::Unreached,
            detail: Some(FailureDetail { why, ..FailureDetail::default() }),
            swept: self.swept.take(),
            ..TrialRecord::planned(told.trial, Fault::Sweep, self.start, self.seed, told.aim)
        };
        self.bench.report_with(record, &Snapshot::default(), None, None)
    }

    /// One real kill at `point`, judged by itself; says whether the life came there.
    fn real_kill(&mut self, from: &recording::Start, point: CrashPoint, told: &Told) -> Result<bool, EngineError> {
        let Some(killed) = self.kill_at(from, point)? else { return Ok(false) };
        let landed = killed.landed();
        let Killed { files: snapshot, recording } = killed;
        let state = CrashState { digest: snapshot.digest(), snapshot, points: vec![point] };
        let trace = recording.trace;
        let promise = trace.end.promise;
        let life =
            Life { from: from.clone(), trace, points: vec![point], left_out: 0, states: Vec::new(), oracle: None };
        let mut observed = self.restarts.on(self.bench, &mut *self.generations, &state.snapshot, promise)?;
        if let Some((trace, oracle)) = &self.reference {
            observed = Files::judge_at(oracle, trace, point, &state.snapshot).observed(promise, state.digest);
        }
        let after = self.restarts.files()?;
        let raw = file_state::of_crash_state(&state.snapshot, &mut *self.generations, promise);
        let (verdict, why) = oracle::judge(promise, &observed, &raw);
        let judged = Judged { landed, verdict, why, observed: &observed, raw, after: Some(&after) };
        self.tell(&life, &state, point, told, judged)?;
        Ok(true)
    }

    /// Kills `life` at random moments, this worker's share of them: each must leave one of the derived states.
    pub(super) fn at_random(&mut self, life: &Life) -> Result<(), EngineError> {
        if life.left_out > 0 {
            return Ok(());
        }
        let derived: HashSet<Digest> = life.states.iter().map(|state| state.digest).collect();
        let duration_ns = self.undisturbed(life)?;
        let mut seen = HashSet::new();
        let Part { number, of } = self.part;
        for n in (0..RANDOM_KILLS).filter(|n| n % of == number) {
            let seed = self.seed.derive("at random", n);
            // Past the end as well: a later run may be slower.
            let within = (seed.0 % 1_100) as f64 / 1_000.0;
            let victim = self.begin(life)?;
            sleep_until(now_ns() + (within * duration_ns as f64) as u64);
            self.bench.strike(victim)?;
            let files = self.bench.crash_state()?;
            if derived.contains(&files.digest()) {
                seen.insert(files.digest());
                if let Some(swept) = &mut self.swept {
                    swept.random_kills += 1;
                    swept.random_states = seen.len() as u64;
                }
                continue;
            }
            let why = "a kill at a random moment left files that no crash point was derived to leave".to_owned();
            let record = TrialRecord {
                stream: life.from.stream,
                landed: Landed::Kill,
                crash_state: Some(files.digest()),
                outcome: Outcome::Judged(Verdict::Inconclusive),
                detail: Some(FailureDetail { why, ..FailureDetail::default() }),
                ..TrialRecord::planned(AT_RANDOM + n, Fault::Sweep, self.start, seed, Aim::Save(within))
            };
            self.bench.report_with(record, &files, None, None)?;
        }
        Ok(())
    }

    /// A life like `life` that nobody traces.
    fn begin(&mut self, life: &Life) -> Result<Victim, EngineError> {
        let from = &life.from;
        let dir = self.bench.dir.clone();
        dir.restore(&from.files)?;
        self.bench.fork(from.script, from.stream, from.names, from.before)
    }

    /// How long `life` takes when nobody traces it, in ns.
    fn undisturbed(&mut self, life: &Life) -> Result<u64, EngineError> {
        let begun_ns = now_ns();
        let mut victim = self.begin(life)?;
        self.bench.await_exit(&mut victim)?;
        self.bench.strike(victim)?;
        Ok(now_ns() - begun_ns)
    }

    /// The life that `record` was killed in, found as the sweep found it.
    fn life_of(&mut self, record: &TrialRecord) -> Result<Option<recording::Start>, EngineError> {
        let from = self.first(record.stream)?;
        if !matches!(record.aim, Aim::Twice { .. }) {
            return Ok(Some(from));
        }
        let recording = self.record(&from, Orders::Record)?;
        let life = self.states_of(from, recording.trace, 1);
        let Some(n) = (record.trial / NESTED).checked_sub(1).map(|n| n as usize) else { return Ok(None) };
        let Some(state) = life.states.get(n) else { return Ok(None) };
        let observed = self.restart(state, &life.trace)?;
        Ok(life.again(n, &observed))
    }
}
