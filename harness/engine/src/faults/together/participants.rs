//! The processes that share a state: who they are, what each of them has, and the trials that they run.

use std::rc::Rc;

use crashtest_kit::{BOARD_WORDS, Board, Generations, Shared, Tickets};
use crashtest_model::{Aim, Digest, Ending, Fault, Generation, Seed, TargetSpec};
use crashtest_states::Snapshot;

use super::process::{Body, Process};
use crate::context::Context;
use crate::context::trial::Trial;
use crate::error::EngineError;
use crate::protocol::Part;
use crate::subject::life::{Life, Member, Script};
use crate::subject::victims::Victims;

/// Told apart from the numbers of trials.
const DIRECTED: u64 = u64::MAX;
/// Directed clean stops in the control, at most.
const DIRECTED_IN_CONTROL: usize = 200;

/// How processes end that were held in their saves.
const PROCESSES_END: [Ending; 3] = [Ending::KillAll, Ending::KillFirst, Ending::KillSecond];
/// How threads do.
const THREADS_END: [Ending; 3] = [Ending::KillAll, Ending::FirstThenKill, Ending::SecondThenKill];

/// Clean lives from which a worker learns how long everything takes.
const CALIBRATION_LIVES: u64 = 6;

/// The processes that share a state, life after life.
pub(crate) struct Participants<'c, 'a, 'v> {
    pub(super) context: &'c mut Context<'a>,
    pub(super) victims: &'c mut Victims<'v>,
    pub(super) fault: Fault,
    pub(super) series: u64,
    pub(super) stream: Seed,
    /// One board of each process, writers first.
    pub(super) boards: Vec<Board>,
    pub(super) tickets: Tickets,
    /// The documents that the writers have between them.
    pub(super) documents: usize,
    /// The rules of a state that they change between them.
    pub(super) shared: Option<Box<dyn Shared>>,
    pub(super) installed: Snapshot,
    /// What each document holds as it was installed.
    pub(super) first: Vec<Digest>,
    /// What each document holds.
    pub(super) holds: Vec<Digest>,
    /// The last operation of each writer that is in the state, where they share one.
    pub(super) applied: Vec<Generation>,
    /// The most calls that a save was seen to make.
    pub(super) calls: u64,
}

impl<'c, 'a, 'v> Participants<'c, 'a, 'v> {
    /// Installs generation 0 and learns how many calls a save makes.
    pub(crate) fn start(
        context: &'c mut Context<'a>,
        victims: &'c mut Victims<'v>,
        fault: Fault,
        series: u64,
    ) -> Result<Participants<'c, 'a, 'v>, EngineError> {
        let spec = &context.plan.target;
        let (registry, processes) = (victims.registry, (spec.writers + spec.readers) as usize);
        let words = Tickets::word_count(processes) + processes * BOARD_WORDS;
        let words = victims.shared_words(words)?;
        let (ring, boards) = words.split_at(Tickets::word_count(processes));
        let tickets = Tickets::over(ring);
        let boards =
            boards.chunks(BOARD_WORDS).map(|words| Board::over(words).numbered_by(tickets.counter())).collect();
        let documents = registry.documents(spec) as usize;
        let stream = context.plan.seed.derive("crew", 2 * series + u64::from(fault == Fault::None));
        let mut participants = Participants {
            fault,
            series,
            stream,
            boards,
            tickets,
            documents,
            shared: registry.shared(spec),
            installed: Snapshot::default(),
            first: Vec::new(),
            holds: Vec::new(),
            applied: Vec::new(),
            calls: 0,
            context,
            victims,
        };
        participants.install()?;
        match fault {
            Fault::Kill if participants.victims.timings.period.ns() == 0.0 => {
                participants.calibrate(CALIBRATION_LIVES)?
            }
            Fault::Kill => {}
            _ => participants.measure()?,
        }
        Ok(participants)
    }

    pub(super) fn spec(&self) -> &TargetSpec {
        &self.context.plan.target
    }

    pub(super) fn writers(&self) -> usize {
        self.spec().writers as usize
    }

    /// Installs each of the documents.
    pub(super) fn install(&mut self) -> Result<(), EngineError> {
        let names = self.stream.derive("install", 0);
        self.victims.install(self.stream, names)?;
        for document in 1..self.documents {
            let life = self.life(self.victims.board, self.stream, names, Some(self.member(document, Generation::ZERO)));
            self.victims.board.reset(Generation::ZERO, Generation::ZERO);
            let victim = self.victims.fork_life(life, Script::Install)?;
            self.victims.installs(victim)?;
        }
        self.installed = self.victims.crash_state()?;
        if self.shared.is_none() {
            self.first = vec![self.victims.generations(self.stream)?.digest(Generation::ZERO); self.documents];
        }
        self.anew()
    }

    /// The files as they were installed.
    pub(super) fn anew(&mut self) -> Result<(), EngineError> {
        self.victims.dir.restore(&self.installed)?;
        self.holds.clone_from(&self.first);
        self.applied = vec![Generation::ZERO; self.writers()];
        Ok(())
    }

    /// Whether the writers are threads of one process: none is killed without the others.
    pub(super) fn threads(&self) -> bool {
        self.spec().threads && self.writers() > 1
    }

    /// The document that `process` saves to, or loads.
    pub(super) fn serves(&self, process: usize) -> usize {
        process.checked_sub(self.writers()).unwrap_or(process) % self.documents
    }

    /// Participant `process`, which goes on from `base`.
    pub(super) fn member(&self, process: usize, base: Generation) -> Member {
        Member { tickets: self.tickets, process, writer: process as u32, base }
    }

    pub(super) fn life(&self, board: Board, stream: Seed, names: Seed, member: Option<Member>) -> Life<'v> {
        let dir = self.victims.dir.path().to_owned();
        Life { registry: self.victims.registry, plan: self.victims.plan, stream, names, dir, board, member }
    }

    /// The operations of writer `writer` in trial `seed`: others in each trial, and of documents others for each writer, so that no
    /// two saves leave the same content.
    pub(super) fn stream_of(&self, seed: Seed, writer: usize) -> Seed {
        seed.derive("writer", if self.shared.is_some() { 0 } else { writer as u64 })
    }

    pub(super) fn generations_of(&self, seed: Seed, writer: usize) -> Result<Box<dyn Generations>, EngineError> {
        self.victims.generations(self.stream_of(seed, writer))
    }

    /// The generation that `process` goes on from.
    pub(super) fn base(&self, process: usize) -> Generation {
        let goes_on = self.shared.is_some() && process < self.writers();
        if goes_on { self.applied[process] } else { Generation::ZERO }
    }

    /// Forgets what everybody did, before all begin again on what there is.
    pub(super) fn forget(&self) {
        self.tickets.clear();
        for (process, board) in self.boards.iter().enumerate() {
            board.reset(self.base(process), self.base(process));
        }
    }

    /// Runs control trials: clean stops by the clock, and call by call.
    pub(crate) fn control(&mut self, trials: std::ops::Range<u64>) -> Result<(), EngineError> {
        let plan = self.context.plan;
        for number in trials.clone() {
            let seed = plan.seed.derive("control", number);
            self.run(Trial { number, seed, aim: Aim::Save((1 + seed.0 % 6) as f64) })?;
        }
        if trials.start > 0 {
            return Ok(());
        }
        let all: Vec<Aim> = self.schedules(&[Ending::Finish]);
        let step = all.len().div_ceil(DIRECTED_IN_CONTROL).max(1);
        for (n, aim) in all.into_iter().enumerate().filter(|(n, _)| n % step == 0) {
            let number = trials.end + n as u64;
            self.run(Trial { number, seed: self.operations("control", number), aim })?;
        }
        Ok(())
    }

    /// The seed of schedule `number`. All schedules of documents are those of the same saves, so that their positions are all there are;
    /// what becomes of a state that is changed between writers depends on what they do to it, which is another thing each time.
    pub(super) fn operations(&self, what: &str, number: u64) -> Seed {
        let seed = self.context.plan.seed.derive(what, DIRECTED);
        if self.shared.is_some() { seed.derive("operations", number) } else { seed }
    }

    /// Runs the trials of a series: kills by the clock.
    pub(crate) fn kills(&mut self, trials: std::ops::Range<u64>) -> Result<(), EngineError> {
        let plan = self.context.plan;
        for number in trials {
            // Saves only: recovery is a process of its own here.
            let aim = match plan.aim(number) {
                Aim::Save(at) | Aim::Gap(at) | Aim::Idle(at) | Aim::Recovery(at) | Aim::RecoveryGap(at) => {
                    Aim::Save(at)
                }
                aim => aim,
            };
            self.run(Trial { number, seed: plan.trial_seed(number), aim })?;
        }
        Ok(())
    }

    /// Runs a share of the schedules.
    pub(crate) fn sweep(&mut self, part: Part) -> Result<(), EngineError> {
        let plan = self.context.plan;
        let all = plan.spread(self.schedules(if self.threads() { &THREADS_END } else { &PROCESSES_END }), 1);
        for (number, aim) in (0u64..).zip(all).filter(|(number, _)| number % part.of == part.number) {
            self.run(Trial { number, seed: self.operations("schedule", number), aim })?;
        }
        Ok(())
    }

    /// Process `process`, forked.
    pub(super) fn forked(&self, process: usize, seed: Seed, script: Script) -> Result<Process, EngineError> {
        let life = self.life_of(process, seed);
        let body = Body::new(self.victims.fork_life(life, script)?);
        Ok(Process { number: process, board: self.boards[process], body: Rc::new(body) })
    }

    /// The writers as threads of one forked process, each with its script; each waits until it is [begun](Process::begin).
    pub(super) fn threaded(&self, seed: Seed, scripts: &[Script]) -> Result<Vec<Process>, EngineError> {
        let lives = scripts.iter().enumerate().map(|(writer, script)| (self.life_of(writer, seed), *script)).collect();
        let body = Rc::new(Body::new(self.victims.fork_lives(lives)?));
        let process = |number| Process { number, board: self.boards[number], body: Rc::clone(&body) };
        Ok((0..scripts.len()).map(process).collect())
    }

    /// The life of process `process`, on its board.
    pub(super) fn life_of(&self, process: usize, seed: Seed) -> Life<'v> {
        let board = self.boards[process];
        let is_writer = process < self.writers();
        let stream = if is_writer { self.stream_of(seed, process) } else { self.stream };
        let names = seed.derive("names", process as u64);
        let mut member = self.member(process, self.base(process));
        if !is_writer {
            member.writer = self.serves(process) as u32;
        }
        self.life(board, stream, names, Some(member))
    }
}
