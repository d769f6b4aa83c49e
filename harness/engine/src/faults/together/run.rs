//! One trial of several processes that run freely: everybody runs, some are killed, the rest stop.

use crashtest_kit::Hold;
use crashtest_linux::clock::{now_ns, sleep_until};
use crashtest_model::{Aim, Fault, MOST_SAVES, Seed, Signal, Termination};

use super::participants::Participants;
use super::process::{Pause, Process, Ran};
use super::watch::LOOK_NS;
use crate::context::trial::Trial;
use crate::error::EngineError;
use crate::faults::kill::aim;
use crate::subject::life::Script;
use crate::subject::progress::is_stuck;

/// Where no process is to be held.
const FREE: Hold = Hold::Step { after: MOST_SAVES, calls: u64::MAX };
/// Saves of the first writer in a life from which durations are learnt: as many as kills are aimed at.
const SAVES_TO_LEARN_FROM: u64 = 5;
impl Participants<'_, '_, '_> {
    pub(crate) fn run(&mut self, trial: Trial) -> Result<(), EngineError> {
        if let Aim::Together { .. } = trial.aim {
            // Each on a directory of its own, so that one can be run again by itself.
            self.anew()?;
        }
        self.forget();
        let ran = match trial.aim {
            Aim::Together { first, then, ending } => {
                match self.directed(trial.seed, first.into(), then.into(), ending)? {
                    Some(ran) => ran,
                    None => return Ok(()),
                }
            }
            _ => self.free(trial)?,
        };
        for board in self.boards.iter().chain([&self.victims.board]) {
            self.victims.blame_the_machine_for(*board)?;
        }
        self.judge(trial, ran)
    }

    /// Lives clean lives to learn what a save takes where others save, too; nothing of it is recorded.
    pub(super) fn calibrate(&mut self, lives: u64) -> Result<(), EngineError> {
        for life in 0..lives {
            self.forget();
            let seed = self.stream.derive("calibrate", life);
            let processes = self.everybody(seed)?;
            let (begun_ns, mut ran) = (now_ns(), Ran::default());
            let limit_ns = self.victims.limit_from_now();
            self.until_saved(&processes, SAVES_TO_LEARN_FROM, limit_ns, &mut ran)?;
            match ran.wrong.is_empty() {
                true => self.stop(processes, &mut ran)?,
                // Dead before the files are put back: whoever waited for the lock of one that is killed goes on and saves.
                false => processes.iter().try_for_each(|process| process.end(self.victims).map(drop))?,
            }
            for writer in 0..self.writers() {
                self.victims.timings.learn(self.boards[writer], begun_ns);
            }
            self.anew()?;
        }
        Ok(())
    }

    fn everybody(&mut self, seed: Seed) -> Result<Vec<Process>, EngineError> {
        let writers = self.writers();
        let save = Script::Save(FREE, Signal::Kill);
        let mut everybody = match self.threads() {
            true => self.threaded(seed, &vec![save; writers])?,
            false => (0..writers).map(|writer| self.forked(writer, seed, save)).collect::<Result<_, _>>()?,
        };
        everybody.iter().for_each(Process::begin);
        for reader in writers..self.boards.len() {
            everybody.push(self.forked(reader, seed, Script::Load)?);
        }
        Ok(everybody)
    }

    /// Everybody runs until the moment has come.
    fn free(&mut self, trial: Trial) -> Result<Ran, EngineError> {
        let mut processes = self.everybody(trial.seed)?;
        let idle_ns = self.spec().idle_us * 1000;
        let limit = self.victims.limit_with_pauses();
        let limit_ns = limit.at_ns();
        if self.fault == Fault::None {
            let Aim::Save(saves) = trial.aim else { unreachable!("control lives are aimed at saves") };
            let mut ran = Ran::default();
            self.until_saved(&processes, saves as u64, limit_ns, &mut ran)?;
            self.stop(processes, &mut ran)?;
            ran.termination = Some(Termination::Exit { status: 0 });
            return Ok(ran);
        }
        for process in &processes {
            while process.board.recovery().is_none() && now_ns() < limit_ns && !process.is_over()? {
                sleep_until(now_ns() + LOOK_NS);
            }
        }
        let of = (trial.seed.derive("killed", 0).0 % self.writers() as u64) as usize;
        let moment = aim::wait(trial.aim, &self.victims.timings, self.boards[of], idle_ns, false, limit_ns);
        let mut ran = Ran { delay_ns: moment.delay_ns, calibrated_ns: moment.calibrated_ns, of, ..Ran::default() };
        let is_stuck = processes[of].pid().is_some_and(|pid| is_stuck(self.boards[of], pid, limit));
        if !self.note_deadlock(&processes, &mut ran)? && is_stuck {
            self.note_pause(of, Pause::TimeUp, &mut ran);
        }
        if !self.threads() && trial.seed.derive("alone", 0).0.is_multiple_of(3) {
            let killed = processes.remove(of);
            self.kill(killed, &mut ran)?;
            self.stop(processes, &mut ran)?;
        } else {
            let mut others = Vec::new();
            for process in processes {
                if process.number == of { self.kill(process, &mut ran)? } else { others.push(process) }
            }
            for process in others {
                let termination = process.end(self.victims)?;
                self.tickets.died(process.number);
                self.note_end(process.number, &termination, &mut ran);
            }
        }
        Ok(ran)
    }

    /// Kills a writer; the trial is named after it.
    pub(super) fn kill(&mut self, process: Process, ran: &mut Ran) -> Result<(), EngineError> {
        let (number, termination) = (process.number, process.end(self.victims)?);
        self.tickets.died(number);
        self.note_end(number, &termination, ran);
        ran.of = if ran.termination.is_none() { number } else { ran.of };
        ran.termination.get_or_insert(termination);
        Ok(())
    }
}
