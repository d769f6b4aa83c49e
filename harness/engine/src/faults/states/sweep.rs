//! The sweep of one subject: its life is recorded, every state that a kill leaves is judged, then the lives after these states.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use crashtest_linux::pinned::Pinned;
use crashtest_model::{
    About, Aim, Confirm, Coverage, CrashPoint, Digest, FailureDetail, Fault, Observed, Outcome, Promise, Seed, Start,
    Termination, Trace, TrialRecord, Verdict,
};
use crashtest_states::{Alike, CrashState, Interleavings, Snapshot, interleavings};

use super::confirm::{Point, kill_at};
use super::interleaved::points_of;
use super::life::Life;
use super::recorded::not_explained;
use super::reports::Reports;
use super::share::Look;
use super::starts::Bad;
use crate::context::Context;
use crate::error::EngineError;
use crate::faults::points::{self, Judged, Source};
use crate::faults::shares::{Numbers, Share};
use crate::protocol::Part;
use crate::subject::life::Script;
use crate::subject::{Beginning, Subject, UnderTest};
use crate::trace::orders::Orders;

/// Trials of the life after the nth state of the first life are numbered from n + 1 times this.
const NESTED: u64 = 1_000_000;
/// How often a life is started for a point to which it does not come every time.
const TRIES: usize = 5;
/// Kills at random moments that are held against the derived states.
const RANDOM_KILLS: u64 = 1_000;
/// Their trials are numbered from here.
const AT_RANDOM: u64 = 1 << 52;

/// A run whose calls overlap in too many ways.
const TOO_MANY: &str = "a recovery makes calls that overlap in more orders than are looked at: it was swept in the order of their beginnings";
/// The only part of a sweep.
pub(super) const WHOLE: Part = Part { number: 0, of: 1 };

/// The sweep of one subject.
pub(super) struct Sweep<'s, 'a> {
    pub(super) subject: &'s mut dyn Subject,
    pub(super) reports: Reports<'s, 'a>,
    stream: Seed,
    pub(super) part: Part,
    pub(super) numbers: Numbers,
}

/// The crash states of the first life that were judged, by their numbers.
#[derive(Default)]
struct Looked {
    intact: Vec<(usize, Observed)>,
    broken: Vec<(usize, Judged)>,
}

/// Sweeps what is under test: its share `part` of the states.
pub(crate) fn run(context: &mut Context<'_>, under_test: &mut UnderTest<'_>, part: Part) -> Result<(), EngineError> {
    for start in under_test.pace().starts.iter().copied() {
        let seed = context.plan.seed.derive("sweep", start as u64);
        let stream = seed.derive("stream", 0);
        under_test
            .as_subject(start, stream, |subject| Sweep::new(context, subject, start, seed, stream, part).run())?;
    }
    Ok(())
}

impl<'s, 'a> Sweep<'s, 'a> {
    /// A sweep that has done nothing yet.
    pub(super) fn new(
        context: &'s mut Context<'a>,
        subject: &'s mut dyn Subject,
        start: Start,
        seed: Seed,
        stream: Seed,
        part: Part,
    ) -> Sweep<'s, 'a> {
        Sweep { subject, reports: Reports::new(context, start, seed), stream, part, numbers: Numbers::default() }
    }

    fn run(&mut self) -> Result<(), EngineError> {
        let from = self.first()?;
        let recorded = self.record_twice(&from)?;
        self.subject.check_promises(&recorded.trace)?;
        let (is_derivable, difference) = (recorded.is_derivable(), recorded.difference);
        let life = self.derived(from, recorded.trace);
        let others = self.interleaved(&life, recorded.interleaved, (1, false));
        let calls = life.trace.operations.len() as u64;
        let alike = if recorded.cut.is_some() { Alike::Early } else { Alike::Newest };
        let known = Coverage {
            calls,
            points: self.bounded(life.points.len() as u64 + points_of(&others)),
            interleavings: others.len() as u64,
            left_out: life.left_out,
            differs: difference.in_shape,
            differences: difference.phrases,
            by_real_kills: !is_derivable,
            missed: recorded.missed,
            lost: recorded.lost,
            cut: recorded.cut,
            ..life.beyond_the_model()
        };
        let is_endless = known.cut.is_some();
        self.reports.context.note(Fault::Sweep, self.reports.start, About::Coverage(Box::new(known)))?;
        if !is_derivable {
            let share = self.share(&life, &others, Look::AtEachPoint)?;
            return self.by_real_kills(&life, &share);
        }
        if self.reports.context.plan.confirm == Confirm::All {
            self.at_random(&life)?;
        }
        // From here on, this process and the one that it starts on each state take turns.
        let _pinned = Pinned::among(self.part.number, self.part.of);
        let (order, first_look) = self.order(&life, alike);
        let mut looked = Looked::default();
        // The first worker has its recording from the control. The others make theirs, and that takes as long as the program is recorded.
        let early = if is_endless && self.part.number == 0 { &order[..first_look] } else { &[] };
        self.look_first_at(&life, early, &mut looked)?;
        let share = self.share(&life, &others, Look::AtStates { done: early })?;
        let (first, rest) = order.split_at(first_look);
        let mine = |all: &[usize]| all.iter().copied().filter(|n| share.has(*n) && !early.contains(n)).collect();
        let (first, rest): (Vec<usize>, Vec<usize>) = (mine(first), mine(rest));
        self.look_first_at(&life, &first, &mut looked)?;
        self.look_at(&life, &rest, &mut looked)?;
        let Looked { mut intact, mut broken } = looked;
        intact.sort_by_key(|(n, _)| *n);
        broken.sort_by_key(|(n, _)| *n);
        // Their numbers go on from those of the states in the recorded order.
        let (states, numbers) = (life.states.len(), self.numbers.clone());
        self.judge_interleaved(
            &others,
            |n| share.has(states + n),
            |number, point| Point { trial: numbers.trial(number), aim: Aim::Call(point), prefix: "" },
        )?;
        for n in self.to_start_on(&life, &broken) {
            self.start_on_damage(&life, n)?;
        }
        if !self.subject.pace().follows_scripts {
            // What comes after the files that it began on is the first life again.
            intact.retain(|(n, _)| life.states[*n].snapshot != life.from.files);
        }
        for (n, observed) in self.to_sweep_again(intact, calls) {
            self.again(&life, n, &observed)?;
        }
        let remarks = self.subject.remarks();
        self.reports.note(Coverage { remarks, ..Coverage::default() })
    }

    /// Judges these of the states that make a first look.
    fn look_first_at(&mut self, life: &Life, numbers: &[usize], looked: &mut Looked) -> Result<(), EngineError> {
        let first_look = numbers.len() as u64;
        self.reports.note(Coverage { first_look, ..Coverage::default() })?;
        self.look_at(life, numbers, looked)?;
        self.reports.note(Coverage { first_looked: first_look, ..Coverage::default() })
    }

    /// Judges these crash states of `life`.
    fn look_at(&mut self, life: &Life, numbers: &[usize], looked: &mut Looked) -> Result<(), EngineError> {
        let reported = self.numbers.clone();
        for n in numbers {
            let at = |point| Point { trial: reported.trial(life.number(point)), aim: Aim::Call(point), prefix: "" };
            let judged = self.judge(life, &life.states[*n], &at)?;
            match judged.worst {
                Verdict::Intact => looked.intact.push((*n, judged.observed)),
                _ => looked.broken.push((*n, judged)),
            }
        }
        Ok(())
    }

    /// How the recorded life begins.
    pub(super) fn first(&mut self) -> Result<Beginning, EngineError> {
        let stream = self.stream;
        if self.reports.start == Start::First {
            let (files, promise) = (Snapshot::default(), Promise::default());
            let names = stream.derive("names", 1);
            return Ok(Beginning { files, stream, names, before: promise, after: promise, script: Script::Install });
        }
        let saves = self.subject.pace().saves;
        Ok(Beginning { stream, ..self.subject.install(Script::SaveThenStop(saves))? })
    }

    /// The crash states of a recorded first life.
    pub(super) fn derived(&self, from: Beginning, trace: Trace) -> Life {
        Life::derived(&*self.subject, self.reports.context.plan, from, trace, (1, false), self.reports.seed)
    }

    /// Restarts on `state` and judges it at every point of `life` that leaves it.
    pub(super) fn judge(
        &mut self,
        life: &Life,
        state: &CrashState,
        at: &dyn Fn(CrashPoint) -> Point,
    ) -> Result<Judged, EngineError> {
        // Kept only with what breaks a claim.
        let (reports, mut after) = (&mut self.reports, None);
        points::judge(self.subject, life, state, &mut |subject, point, judgement| {
            reports.confirm_and_report(subject, life, state, &at(point), point, judgement, &mut after)
        })
    }

    /// Those of the intact states after which the next life is swept as well: all, or some that are evenly spread.
    fn to_sweep_again(&self, intact: Vec<(usize, Observed)>, calls: u64) -> Vec<(usize, Observed)> {
        let most = self.subject.pace().second_lives.at_most(calls).div_ceil(self.part.of as usize);
        if intact.len() <= most {
            return intact;
        }
        let chosen: BTreeSet<usize> = (0..most).map(|n| n * intact.len() / most).collect();
        intact.into_iter().enumerate().filter(|(n, _)| chosen.contains(n)).map(|(_, state)| state).collect()
    }

    /// The number of the first trial of the life after crash state `n` of the first life.
    pub(super) fn first_trial_after(&self, n: usize) -> u64 {
        (self.numbers.piece(n) as u64 + 1) * NESTED
    }

    /// Sweeps the life after the crash state `n` of `life`: its recovery, which gives `observed`, and its first save.
    fn again(&mut self, life: &Life, n: usize, observed: &Observed) -> Result<(), EngineError> {
        // Of a target it is known with which save it opened, or it starts for the first time again.
        if self.subject.pace().follows_scripts && !matches!(observed, Observed::State { .. }) {
            return Ok(());
        }
        let each_for_itself = self.subject.answers_by_promise();
        let Some(from) = life.again(n, observed, each_for_itself) else { return Ok(()) };
        let first = life.states[n].points[0];
        let recording = self.subject.live(&from, Orders::Record)?;
        let left = self.subject.files()?;
        if let Some(how) = self.subject.did_not_start(&life.trace, &recording) {
            return self.report_start(life, n, from, Bad::not_started(how, recording, left));
        }
        let aim = |then| Aim::Twice { first, then };
        let number = self.first_trial_after(n);
        self.subject.check_numbers(&recording, observed)?;
        if *observed == Observed::Fresh {
            // What comes after is the first life again.
            return Ok(());
        }
        let most = self.subject.pace().second_lives.at_most(life.trace.operations.len() as u64);
        let Interleavings { first: trace, others, too_many } = interleavings(recording.trace, &from.files, &left);
        let (missed, lost) = not_explained(&trace, &from.files, &left, self.subject.lost());
        let (lives, plan, seed) = (life.states.len().min(most), self.reports.context.plan, self.reports.seed);
        let second = Life::derived(&*self.subject, plan, from, trace, (lives, true), seed);
        let others = self.interleaved(&second, others, (lives, true));
        // What is excluded the first life has said: what a crash has left of a temporary is there as well.
        let excluded = Vec::new();
        let points_again = second.points.len() as u64 + points_of(&others);
        let remarks = too_many.then(|| TOO_MANY.to_owned()).into_iter().collect();
        let left_out_again = second.left_out;
        let known =
            Coverage { points_again, left_out_again, missed, lost, excluded, remarks, ..second.beyond_the_model() };
        self.reports.note(known)?;
        for state in &second.states {
            let at = |then| Point { trial: number + second.number(then), aim: aim(then), prefix: "again:" };
            self.judge(&second, state, &at)?;
        }
        self.judge_interleaved(
            &others,
            |_| true,
            |its, then| Point { trial: number + its, aim: aim(then), prefix: "again:" },
        )
    }

    /// Reaches every point of `life` by a real kill, those of this worker's share.
    fn by_real_kills(&mut self, life: &Life, share: &Share) -> Result<(), EngineError> {
        for (n, point) in life.points.iter().enumerate().filter(|(n, _)| share.has(*n)) {
            let at = Point { trial: self.numbers.trial(n as u64), aim: Aim::Call(*point), prefix: "" };
            let mut reached = false;
            for _ in 0..TRIES {
                reached = self.real_kill(&life.from, *point, &at, None)?;
                if reached {
                    break;
                }
            }
            if !reached {
                self.unreached(life, *point, &at)?;
            }
        }
        Ok(())
    }

    /// Reports a point to which no life came: nothing is known of it.
    fn unreached(&mut self, life: &Life, point: CrashPoint, at: &Point) -> Result<(), EngineError> {
        let why = format!("{TRIES} runs did not come {point}, as the recorded one did");
        let record = TrialRecord {
            stream: life.from.stream,
            phase: life.trace.place(point),
            outcome: Outcome::Unreached,
            detail: Some(FailureDetail { why, ..FailureDetail::default() }),
            ..self.reports.planned(at)
        };
        self.reports.context.report_with(record, &Snapshot::default(), None, None)
    }

    /// Makes one real kill at `point` and judges it by itself, by `reference` where that says what the files are to be; says whether the
    /// life came there.
    pub(super) fn real_kill(
        &mut self,
        from: &Beginning,
        point: CrashPoint,
        at: &Point,
        reference: Option<&dyn Source>,
    ) -> Result<bool, EngineError> {
        let Some(killed) = kill_at(self.subject, from, point)? else { return Ok(false) };
        let state = CrashState { digest: killed.files.digest(), snapshot: killed.files.clone(), points: vec![point] };
        let termination = killed.termination();
        let life = Life::killed_at(point, from.clone(), killed.recording.trace);
        let source = Killed { life: &life, reference };
        let reports = &mut self.reports;
        points::judge(self.subject, &source, &state, &mut |subject, point, judgement| {
            let (verdict, after) = (judgement.verdict, subject.files_of_restart()?);
            reports.report(subject, &life, &state, at, point, termination.clone(), judgement, Some(&after))?;
            Ok(verdict)
        })?;
        Ok(true)
    }

    /// Kills `life` at random moments, this worker's share of them: each must leave one of the derived states.
    fn at_random(&mut self, life: &Life) -> Result<(), EngineError> {
        if life.left_out > 0 {
            return Ok(());
        }
        let derived: HashSet<Digest> = life.states.iter().map(|state| state.digest).collect();
        let Some(whole) = self.subject.live_unseen(&life.from, None)? else { return Ok(()) };
        let (mut seen, mut kills) = (HashSet::new(), 0);
        let Part { number, of } = self.part;
        for n in (0..RANDOM_KILLS).filter(|n| n % of == number) {
            let seed = self.reports.seed.derive("at random", n);
            // Past the end as well: a later run may be slower.
            let within = (seed.0 % 1_100) as f64 / 1_000.0;
            self.subject.live_unseen(&life.from, Some(Duration::from_secs_f64(whole.as_secs_f64() * within)))?;
            let files = self.subject.files()?;
            if derived.contains(&files.digest()) {
                seen.insert(files.digest());
                kills += 1;
                continue;
            }
            let why = "a kill at a random moment left files that no crash point was derived to leave".to_owned();
            let record = TrialRecord {
                stream: life.from.stream,
                termination: Termination::Kill,
                crash_state: Some(files.digest()),
                outcome: Outcome::Judged(Verdict::Inconclusive),
                detail: Some(FailureDetail { why, ..FailureDetail::default() }),
                ..TrialRecord::planned(AT_RANDOM + n, Fault::Sweep, self.reports.start, seed, Aim::Save(within))
            };
            self.reports.context.report_with(record, &files, None, None)?;
        }
        let random_states = seen.len() as u64;
        self.reports.note(Coverage { random_kills: kills, random_states, ..Coverage::default() })
    }
}

/// What a real kill has left: a life with one point, at its end.
struct Killed<'k> {
    life: &'k Life,
    /// What the files are to be there, where another run says it.
    reference: Option<&'k dyn Source>,
}

impl Source for Killed<'_> {
    fn promise(&self, _point: CrashPoint) -> Promise {
        self.life.trace.end.promise
    }

    fn observed(&self, point: CrashPoint, state: &CrashState) -> Option<Observed> {
        self.reference?.observed(point, state)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::context::fake::{plan, records};
    use crate::subject::fake::{Fake, Way};

    /// The records of the sweep of a program that makes two saves in this way.
    fn swept(way: Way) -> Vec<TrialRecord> {
        let plan = plan();
        let mut subject = Fake::new(way, 2);
        let whole = Part { number: 0, of: 1 };
        records(&plan, |context| Sweep::new(context, &mut subject, Start::Again, Seed(7), Seed(8), whole).run())
    }

    fn verdicts(records: &[TrialRecord]) -> BTreeSet<Verdict> {
        records.iter().filter_map(TrialRecord::verdict).collect()
    }

    #[test]
    fn a_file_that_is_written_over_is_found_empty_and_torn_at_the_calls_that_do_it() {
        let records = swept(Way::Direct);
        let broken: Vec<&TrialRecord> = records.iter().filter(|r| r.verdict() != Some(Verdict::Intact)).collect();
        let phases: BTreeSet<(&str, Verdict)> =
            broken.iter().map(|record| (record.phase.as_str(), record.verdict().unwrap())).collect();
        assert_eq!(verdicts(&records), BTreeSet::from([Verdict::Torn, Verdict::Empty, Verdict::Intact]), "{phases:?}");
        assert!(
            broken.iter().all(|record| record.in_save && record.termination == Termination::Kill),
            "each is confirmed"
        );
    }

    #[test]
    fn a_file_that_is_replaced_is_whole_at_every_point_also_in_the_life_after() {
        let records = swept(Way::Atomic);
        assert_eq!(verdicts(&records), BTreeSet::from([Verdict::Intact]));
        assert!(records.iter().any(|record| matches!(record.aim, Aim::Twice { .. })));
        assert!(
            records.iter().any(|record| record.termination == Termination::Kill),
            "some are confirmed all the same"
        );
    }

    #[test]
    fn a_save_that_is_acknowledged_before_it_is_made_is_lost_until_it_is_there() {
        let records = swept(Way::AckFirst);
        assert_eq!(verdicts(&records), BTreeSet::from([Verdict::LostAck, Verdict::Intact]));
        let lost = records.iter().find(|record| record.verdict() == Some(Verdict::LostAck)).unwrap();
        assert_eq!(lost.promise.acked, lost.promise.begun, "it counts as saved");
    }

    #[test]
    fn what_the_parts_of_a_sweep_report_together_is_what_the_whole_reports() {
        let plan = plan();
        let numbers = |of: u64| {
            let mut all = BTreeSet::new();
            for number in 0..of {
                let mut subject = Fake::new(Way::Direct, 2);
                let part = Part { number, of };
                let sweep = |context: &mut Context<'_>| {
                    Sweep::new(context, &mut subject, Start::Again, Seed(7), Seed(8), part).run()
                };
                all.extend(records(&plan, sweep).into_iter().map(|r| (r.trial, r.phase.clone(), r.verdict())));
            }
            all
        };
        assert_eq!(numbers(1), numbers(3));
    }
}
