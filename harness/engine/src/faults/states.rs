//! Fault `sweep`: everything that a kill can leave, at every call and inside every write.
//!
//! One life is recorded; the crash state at each point follows from the recording. Each distinct state is restarted on once, and
//! the result is judged against every point that leaves the state: the same files can be right before an ack and wrong after it.
//! What breaks a claim is confirmed by a real kill at that call before it is reported, and so is a seeded sample of the rest: should
//! a real kill leave other files than were derived, the trial is inconclusive.
//!
//! Then the life after each distinct state, its recovery and its first save, is swept in the same way.
//!
//! Where that cannot be trusted, as calls differ from run to run or come from several threads, every point is reached by a real kill.

mod confirm;
pub(crate) mod findings;
mod tell;

pub(crate) use confirm::{once, place, reference};

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;

use crashtest_kit::Generations;
use crashtest_linux::pinned::Pinned;
use crashtest_model::{
    Action, Aim, At, CallIndex, Confirm, CrashPoint, Generation, HarnessBug, Landed, Observed, Promise, Seed, Shape,
    Start, Swept, Trace, Verdict,
};
use crashtest_states::{CrashState, Entry, Oracle, Snapshot, crash_points, crash_states, distinct};

use crate::context::bench::Bench;
use crate::error::EngineError;
use crate::judge::{file_state, oracle};
use crate::protocol::Part;
use crate::subject::life::Script;
use crate::subject::program::Files;
use crate::subject::recording::{self, Recording, record};
use crate::subject::target::Restarts;
use crate::trace::recorder::Orders;
use tell::{Judged, Told};

/// Saves of the recorded life of a document: some grow it, some shrink it.
const SAVES_OF_A_DOCUMENT: u64 = 6;
/// Saves of the recorded life of a log: enough records to cross the boundary of a page.
const SAVES_OF_A_LOG: u64 = 60;
/// Saves of the recorded life of what acknowledges them before it writes: enough that it still saves while it writes.
const SAVES_OF_A_QUEUE: u64 = 40;
/// Tears of one write, at most; more are sampled.
const TEARS_PER_WRITE: usize = 64;
/// Of the points that show nothing, one in so many is confirmed by a real kill all the same: drawn from the seed, and the first.
const CONFIRMED: u64 = 16;
/// Of those in the lives after the first, which are much alike and as many as it has states. A real kill takes as long as some
/// dozens of restarts.
const CONFIRMED_NESTED: u64 = 128;
/// Of a program of somebody's own: so many points that show nothing.
const CONFIRMED_OF_A_PROGRAM: u64 = 8;
/// And so many of each place and verdict that break a claim.
const CONFIRMED_FAILURES: u64 = 2;
/// Of a program, the lives after so many crash states are swept; within these, as many as make about so many calls together.
const FEWEST_LIVES_AGAIN: u64 = 4;
const MOST_LIVES_AGAIN: u64 = 64;
const CALLS_AGAIN: u64 = 2_000;
/// Trials of the life after the nth state of the first life are numbered from n + 1 times this.
const NESTED: u64 = 1_000_000;

/// The sweep of one target.
pub(crate) struct Sweep<'s, 'a> {
    bench: &'s mut Bench<'a>,
    generations: Box<dyn Generations>,
    restarts: Restarts,
    seed: Seed,
    start: Start,
    part: Part,
    swept: Option<Swept>,
    /// How often a real kill has confirmed a place and a verdict.
    confirmed: HashMap<String, u64>,
    /// Of a program without a checker that is shown again: the run that is judged by.
    reference: Option<(Trace, Oracle)>,
}

/// A life that is swept: where it starts from, what it did, where crashes come.
struct Life {
    from: recording::Start,
    trace: Trace,
    points: Vec<CrashPoint>,
    /// Crash points beside these, which are not looked at, to stay within a bound.
    left_out: u64,
    states: Vec<CrashState>,
    /// Of a program without a checker: what its files are to be at each point.
    oracle: Option<Oracle>,
}

/// What a target does, as far as one can say before it is swept.
struct Recorded {
    trace: Trace,
    /// Whether a second run made the same calls, and the files that the first left are those that follow from its calls.
    faithful: bool,
}

/// Sweeps the plan's target: its share `part` of the states.
pub(crate) fn run(bench: &mut Bench<'_>, part: Part) -> Result<(), EngineError> {
    let starts: &[Start] = if bench.program.is_some() { &[Start::Again] } else { &[Start::First, Start::Again] };
    for start in starts.iter().copied() {
        let seed = bench.plan.seed.derive("sweep", start as u64);
        let stream = seed.derive("stream", 0);
        Sweep::new(bench, start, seed, stream, part)?.run(stream)?;
    }
    Ok(())
}

impl<'s, 'a> Sweep<'s, 'a> {
    /// A sweep that has done nothing yet.
    fn new(
        bench: &'s mut Bench<'a>,
        start: Start,
        seed: Seed,
        stream: Seed,
        part: Part,
    ) -> Result<Sweep<'s, 'a>, EngineError> {
        let generations = bench.generations(stream)?;
        let restarts = Restarts::new(Rc::clone(&bench.memory), start, stream);
        let (swept, confirmed, reference) = (None, HashMap::new(), None);
        Ok(Sweep { bench, generations, restarts, seed, start, part, swept, confirmed, reference })
    }
}

impl Sweep<'_, '_> {
    fn run(&mut self, stream: Seed) -> Result<(), EngineError> {
        let from = self.first(stream)?;
        let recorded = self.record_twice(&from)?;
        says_it_in_time(self.bench, &recorded.trace)?;
        let life = self.states_of(from, recorded.trace, 1);
        let (calls, left_out, differs) = (life.trace.operations.len() as u64, life.left_out, !recorded.faithful);
        self.swept = Some(Swept { calls, left_out, differs, ..life.beyond_the_model() });
        if !recorded.faithful {
            return self.by_real_kills(&life);
        }
        if self.bench.plan.confirm == Confirm::All {
            self.at_random(&life)?;
        }
        // From here on, this process and the one that it starts on each state take turns.
        let _pinned = Pinned::among(self.part.number, self.part.of);
        let mut intact = Vec::new();
        for (n, state) in life.states.iter().enumerate() {
            if n as u64 % self.part.of != self.part.number {
                continue;
            }
            let observed = self.restart(state, &life.trace)?;
            let whole = self.judge_points(&life, state, &observed, &|point| Told {
                trial: life.number(point),
                aim: Aim::Call(point),
                prefix: "",
            })?;
            if whole {
                intact.push((n, observed));
            }
        }
        for (n, observed) in self.to_sweep_again(intact, calls) {
            self.again(&life, n, &observed)?;
        }
        Ok(())
    }

    /// Where the recorded life starts from.
    fn first(&mut self, stream: Seed) -> Result<recording::Start, EngineError> {
        let saves = match (self.start, self.bench.shape) {
            (Start::First, _) => {
                let (files, promise) = (Snapshot::default(), Promise::default());
                let names = stream.derive("names", 1);
                let script = Script::Install;
                return Ok(recording::Start { files, stream, names, before: promise, after: promise, script });
            }
            (Start::Again, Shape::Document | Shape::System) if self.bench.acks_early => SAVES_OF_A_QUEUE,
            (Start::Again, Shape::Document | Shape::System) => SAVES_OF_A_DOCUMENT,
            (Start::Again, Shape::Log) => SAVES_OF_A_LOG,
        };
        recording::Start::installed(self.bench, stream, Script::SaveThenStop(saves))
    }

    /// A recording of the life from `from`, made twice to see whether crash states can be derived from it.
    fn record_twice(&mut self, from: &recording::Start) -> Result<Recorded, EngineError> {
        let first = self.record(from, Orders::Record)?;
        let left = self.bench.crash_state()?;
        let second = self.record(from, Orders::Record)?;
        if let Some(runtime) = self.bench.program() {
            runtime.try_checker(&from.files, &left)?;
        }
        let end = CrashPoint { call: CallIndex(first.trace.operations.len() as u32), at: At::Before };
        let derived = crash_states(&first.trace, &from.files, &[end]).next().map(|(_, state)| state.digest());
        let models_it = derived == Some(left.digest()) && first.trace.unmodelled.is_empty();
        let repeats = first.is_clean() && first.trace == second.trace && !first.trace.concurrent;
        Ok(Recorded { trace: first.trace, faithful: models_it && repeats })
    }

    fn record(&mut self, from: &recording::Start, orders: Orders) -> Result<Recording, EngineError> {
        record(self.bench, from, orders)
    }

    /// The crash states of a recorded life, one of so many `lives` that share the bound.
    fn states_of(&self, from: recording::Start, trace: Trace, lives: usize) -> Life {
        let found = crash_points(&trace, self.bench.plan.tears, TEARS_PER_WRITE, self.seed);
        let all = found.points.len();
        let points = self.bench.plan.spread(found.points, lives);
        let left_out = found.left_out + (all - points.len()) as u64;
        let mut states = distinct(crash_states(&trace, &from.files, &points));
        if self.bench.plan.planted == Some(HarnessBug::Misderives) {
            states.iter_mut().for_each(misderive);
        }
        let program = self.bench.program.as_ref().filter(|runtime| runtime.program.check.is_none());
        let oracle = program.map(|runtime| runtime.files.oracle(&trace, &from.files));
        Life { from, trace, points, left_out, states, oracle }
    }

    /// Adds to what is known of the sweep as a whole: the next record takes it along.
    fn note(&mut self, known: &Swept) {
        if *known != Swept::default() {
            self.swept = Some(known.with(self.swept.as_ref()));
        }
    }

    fn restart(&mut self, state: &CrashState, trace: &Trace) -> Result<Observed, EngineError> {
        let promises = state.points.iter().map(|point| trace.progress(*point).promise);
        // The widest: whatever any of the points allows is looked for first.
        let widest = promises.reduce(|a, b| Promise {
            acked: a.acked.min(b.acked),
            begun: a.begun.max(b.begun),
            installed: a.installed || b.installed,
        });
        self.restarts.once_on(self.bench, &mut *self.generations, state, widest.unwrap_or_default())
    }

    /// Judges a restart on `state` against every point of `life` that leaves it, and reports each. Says whether all were kept.
    fn judge_points(
        &mut self,
        life: &Life,
        state: &CrashState,
        observed: &Observed,
        told: &dyn Fn(CrashPoint) -> Told,
    ) -> Result<bool, EngineError> {
        // Kept only with what breaks a claim.
        let mut after = None;
        let mut whole = true;
        for point in &state.points {
            let told = told(*point);
            let promise = life.trace.progress(*point).promise;
            let raw = file_state::of_crash_state(&state.snapshot, &mut *self.generations, promise);
            let at_this_point = life.oracle.as_ref().map(|oracle| {
                Files::judge_at(oracle, &life.trace, *point, &state.snapshot).observed(promise, state.digest)
            });
            let observed = at_this_point.as_ref().unwrap_or(observed);
            let (mut verdict, mut why) = oracle::judge(promise, observed, &raw);
            whole &= verdict == Verdict::Intact;
            let mut landed = Landed::Derived;
            if self.confirms(verdict, &life.trace.place(*point), &told) {
                match self.kill_at(&life.from, *point)? {
                    Some(real) if real.files == state.snapshot => landed = real.landed(),
                    Some(_) => {
                        verdict = Verdict::Inconclusive;
                        why = format!("a real kill {point} left other files than were derived");
                    }
                    // The call cannot be cut short there.
                    None => {}
                }
            }
            if verdict.is_violation() && after.is_none() {
                after = Some(self.restarts.files_after(self.bench, &mut *self.generations, state, promise)?);
            }
            let judged = Judged { landed, verdict, why, observed, raw, after: after.as_ref() };
            self.tell(life, state, *point, &told, judged)?;
        }
        Ok(whole)
    }

    /// Whether a trial is confirmed by a real kill: what breaks a claim is, and a sample of the rest. The first is, so that a row without
    /// any does not come about.
    fn confirms(&mut self, verdict: Verdict, place: &str, told: &Told) -> bool {
        if self.bench.plan.confirm == Confirm::All {
            return true;
        }
        if self.bench.program.is_some() {
            // A real kill takes as long as a run of the program.
            let often = if verdict == Verdict::Intact { CONFIRMED_OF_A_PROGRAM } else { CONFIRMED_FAILURES };
            let of =
                if verdict == Verdict::Intact { String::new() } else { format!("{}{place} {verdict}", told.prefix) };
            let confirmed = self.confirmed.entry(of).or_default();
            *confirmed += 1;
            return *confirmed <= often;
        }
        if verdict != Verdict::Intact {
            return true;
        }
        let one_in = if matches!(told.aim, Aim::Twice { .. }) { CONFIRMED_NESTED } else { CONFIRMED };
        let drawn = || told.trial == 0 || self.seed.derive("confirm", told.trial).0.is_multiple_of(one_in);
        drawn()
    }

    /// Of a program, so many lives after a crash are swept: each is a run of it, and the longer that is, the fewer.
    fn lives_again(&self, calls: u64) -> usize {
        (CALLS_AGAIN / calls.max(1)).clamp(FEWEST_LIVES_AGAIN, MOST_LIVES_AGAIN) as usize
    }

    /// Those of the intact states after which the next life is swept as well: all, but of a program, which takes long, a few evenly spread.
    fn to_sweep_again(&self, intact: Vec<(usize, Observed)>, calls: u64) -> Vec<(usize, Observed)> {
        let most = self.lives_again(calls).div_ceil(self.part.of as usize);
        if self.bench.program.is_none() || intact.len() <= most {
            return intact;
        }
        let chosen: BTreeSet<usize> = (0..most).map(|n| n * intact.len() / most).collect();
        intact.into_iter().enumerate().filter(|(n, _)| chosen.contains(n)).map(|(_, state)| state).collect()
    }

    /// Sweeps the life after the crash state `n` of `life`: its recovery, which gives `observed`, and its first save.
    fn again(&mut self, life: &Life, n: usize, observed: &Observed) -> Result<(), EngineError> {
        let Some(from) = life.again(n, observed) else { return Ok(()) };
        let first = life.states[n].points[0];
        let recording = self.record(&from, Orders::Record)?;
        let most = if self.bench.program.is_some() {
            self.lives_again(life.trace.operations.len() as u64)
        } else {
            usize::MAX
        };
        let lives = life.states.len().min(most);
        let second = self.states_of(from, recording.trace, lives);
        self.note(&Swept { left_out_again: second.left_out, ..second.beyond_the_model() });
        for state in &second.states {
            let observed = self.restart(state, &second.trace)?;
            self.judge_points(&second, state, &observed, &|then| Told {
                trial: (n as u64 + 1) * NESTED + second.number(then),
                aim: Aim::Twice { first, then },
                prefix: "again:",
            })?;
        }
        Ok(())
    }
}

/// Whether a program prints its promises when it makes them: what it keeps in a buffer until its end promises nothing.
fn says_it_in_time(bench: &Bench<'_>, trace: &Trace) -> Result<(), EngineError> {
    let saves = trace.end.promise.begun;
    let never = trace.operations.iter().all(|operation| operation.after.promise.begun == Generation::ZERO);
    if bench.program.is_some() && saves > Generation::ZERO && !trace.operations.is_empty() && never {
        return Err(EngineError::Program(
            "all that the program printed of its saves came after its last file-changing call: let it flush each line"
                .into(),
        ));
    }
    Ok(())
}

/// The planted bug [`HarnessBug::Misderives`]: files that hold one byte more than a kill leaves in them.
fn misderive(state: &mut CrashState) {
    let longer = |(path, entry): (&Path, &Entry)| {
        let entry = match entry {
            Entry::File { mode, content } => Entry::File { mode: *mode, content: [&content[..], b" "].concat().into() },
            other => other.clone(),
        };
        (path.to_owned(), entry)
    };
    state.snapshot = state.snapshot.entries().map(longer).collect();
    state.digest = state.snapshot.digest();
}

impl Life {
    /// The life after the crash state `n`, of which a restart makes `observed`: its recovery and a save. `None` where there is none.
    fn again(&self, n: usize, observed: &Observed) -> Option<recording::Start> {
        let state = &self.states[n];
        let Observed::State { generation: Some(found), .. } = observed else { return None };
        Some(recording::Start {
            files: state.snapshot.clone(),
            names: self.from.names.derive("again", n as u64),
            before: state.strongest_promise(&self.trace),
            after: Promise { acked: *found, begun: *found, installed: true },
            script: match self.from.script {
                // Its recovery alone: a program whose very first start was killed starts for the first time again.
                Script::Install => Script::InstallThenStop,
                _ => Script::SaveThenStop(1),
            },
            ..self.from.clone()
        })
    }

    /// What its recording could not see, or has no model of.
    fn beyond_the_model(&self) -> Swept {
        let mapped = self.trace.operations.iter().filter_map(|operation| match &operation.action {
            Action::Map { path, .. } => Some(path.clone()),
            _ => None,
        });
        Swept {
            unmodelled: self.trace.unmodelled.keys().cloned().collect(),
            mapped: mapped.collect::<BTreeSet<String>>().into_iter().collect(),
            outside: self.trace.outside.clone(),
            excluded: self
                .oracle
                .iter()
                .flat_map(Oracle::passes_over)
                .map(|path| path.to_string_lossy().into_owned())
                .collect(),
            ..Swept::default()
        }
    }

    /// The number of a point among those of its life, which are in the order of the trace.
    fn number(&self, point: CrashPoint) -> u64 {
        self.points.binary_search(&point).unwrap_or(0) as u64
    }

    /// The generation that the life starts from.
    fn base(&self) -> Generation {
        self.from.after.acked
    }
}
