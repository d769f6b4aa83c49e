//! The lives of a series that stop cleanly: the control, the calibration, and the start, save and stop that count what is left over.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use crashtest_model::{Aim, FailureDetail, Outcome, Signal, Termination, Verdict};

use super::judge::{Crash, Judged};
use super::{Attempt, RESIDUE_GROWTH, RESIDUE_INTERVAL, Series, left_over};
use crate::context::trial::Trial;
use crate::error::EngineError;
use crate::faults::kill::aim::Moment;
use crate::faults::kill::metadata;
use crate::judge::lost_acks::{self, Acked};
use crate::judge::{file_state, oracle};
use crate::state_dir::StateDir;
use crate::subject::life::Script;
use crate::subject::progress;
use crate::subject::victims::{Recovery, Terminated, Victim};

impl Series<'_, '_, '_> {
    /// Whether one clean life with a save keeps what `prepare` has made of the freshly installed directory; `None` where that cannot
    /// be tried. The directory is fresh again afterwards.
    pub(crate) fn keeps(
        &mut self,
        prepare: impl FnOnce() -> io::Result<()>,
        kept: impl FnOnce() -> io::Result<bool>,
    ) -> Result<Option<bool>, EngineError> {
        match prepare() {
            Err(error) if metadata::is_refused(&error) => {
                self.start_afresh()?;
                return Ok(None);
            }
            prepared => prepared.map_err(EngineError::sandbox("prepare a file in", self.victims.dir.path()))?,
        }
        let mut victim = self.fork(Script::SaveThenStop(1))?;
        self.await_recovery(&mut victim)?;
        let termination = self.stop_cleanly(victim)?.termination;
        let saved = termination == Termination::Exit { status: 0 } && self.victims.board.saves() == 1;
        let kept = if saved { kept().ok() } else { None };
        self.start_afresh()?;
        Ok(kept)
    }

    /// Lives clean lives to learn what they take; nothing of it is recorded.
    pub(crate) fn calibrate(&mut self, lives: u64) -> Result<(), EngineError> {
        for _ in 0..lives {
            let mut victim = self.fork(Script::SaveThenStop(4))?;
            self.await_recovery(&mut victim)?;
            self.victims.await_exit(&mut victim)?;
            self.victims.terminate(victim)?;
            self.start_afresh()?;
        }
        Ok(())
    }

    /// The directory, and the name of the state file in it.
    pub(crate) fn state_file(&self) -> (Rc<StateDir>, PathBuf) {
        (Rc::clone(&self.victims.dir), PathBuf::from(self.generations.state_file()))
    }

    pub(super) fn attempt_clean_stop(&mut self, trial: Trial) -> Result<Attempt, EngineError> {
        let Aim::Save(saves) = trial.aim else { unreachable!("control lives are aimed at saves") };
        let saves = saves as u64;
        let mut victim = self.fork(Script::SaveThenStop(saves))?;
        let recovery = self.await_recovery(&mut victim)?;
        let judged = self.judge(&recovery);
        let Some(victim) = self.settle(judged, victim)? else { return Ok(Attempt::Void) };
        let base = self.promise.acked;
        let stopped = self.stop_cleanly(victim)?;
        let done = self.victims.board.saves() == saves;
        let ended = match &stopped.termination {
            Termination::Exit { status: 0 } if done => None,
            Termination::Nothing => Some((Verdict::Stuck, self.stuck())),
            termination => Some(self.unwanted_end(termination)),
        };
        self.post_mortem(trial, base, Moment::default(), stopped, ended)?;
        Ok(Attempt::Done)
    }

    /// One more start, with one save and a clean stop: judges the pending crash, the first save after a recovery, and counts
    /// the files that are left over.
    pub(super) fn recover_save_and_stop(&mut self) -> Result<(), EngineError> {
        let mut victim = self.fork(Script::SaveThenStop(1))?;
        let recovery = self.await_recovery(&mut victim)?;
        let judged = self.judge(&recovery);
        let Judged::Survived(mut crash) = judged else {
            self.settle(judged, victim)?;
            return Ok(());
        };
        let Terminated { termination, ended_ns, .. } = self.stop_cleanly(victim)?;
        self.victims.blame_the_machine_first()?;
        self.promise = progress::promise(self.victims.board, self.promise).unwrap_or(self.promise);
        let acked = Acked { acks: self.victims.board.acks(self.promise.acked), ended_ns };
        let wrong = match termination {
            Termination::Exit { status: 0 } if self.victims.board.saves() == 1 => {
                match self.is_first_save_lost(&mut crash, &acked)? {
                    None => self.growth_of_residue(&mut crash)?,
                    lost => lost,
                }
            }
            Termination::Nothing => Some((Verdict::Stuck, format!("the first save after recovery: {}", self.stuck()))),
            _ => {
                let (verdict, why) = self.unwanted_end(&termination);
                Some((verdict, format!("the first save after recovery: {why}")))
            }
        };
        if let Some((verdict, why)) = wrong {
            crash.record.outcome = Outcome::Judged(verdict);
            crash.record.detail = Some(FailureDetail { why, calls: crash.calls.marks(), ..FailureDetail::default() });
            return self.conclude(Judged::Violated(crash)).map(|_| ());
        }
        self.conclude(Judged::Survived(crash)).map(|_| ())
    }

    /// Starts once more, without a save: the first save after a recovery, which was acked, must be there.
    fn is_first_save_lost(
        &mut self,
        crash: &mut Crash,
        acked: &Acked,
    ) -> Result<Option<(Verdict, String)>, EngineError> {
        let mut victim = self.fork(Script::SaveThenStop(0))?;
        let observed = match self.await_recovery(&mut victim)? {
            Recovery::Opened(opened) => oracle::identify(&opened.as_what, &mut *self.generations, self.promise),
            Recovery::Failed(observed) => observed,
        };
        self.stop_cleanly(victim)?;
        let state = self.victims.crash_state()?;
        let raw = file_state::of_crash_state(&state, &mut *self.generations, self.promise);
        let (verdict, why) = oracle::judge(self.promise, &observed, &raw);
        if verdict == Verdict::LostAck {
            crash.record.lost = lost_acks::acks(self.promise, &observed, Some(acked));
        }
        Ok((verdict != Verdict::Intact).then(|| (verdict, format!("after the first save after recovery: {why}"))))
    }

    fn growth_of_residue(&mut self, crash: &mut Crash) -> Result<Option<(Verdict, String)>, EngineError> {
        if !self.crashes.is_multiple_of(RESIDUE_INTERVAL) {
            return Ok(None);
        }
        let count = left_over(&self.victims.crash_state()?, &*self.generations);
        let before = std::mem::replace(&mut self.left_over, count);
        crash.record.left_over = Some(count as u64);
        Ok((count >= before + RESIDUE_GROWTH).then(|| {
            let why = format!("{RESIDUE_INTERVAL} crashes ago {before} files were left over, now there are {count}");
            (Verdict::Residue, why)
        }))
    }

    /// Waits for a clean stop; a victim that makes no progress is killed, which is `Nothing`.
    fn stop_cleanly(&mut self, mut victim: Victim) -> Result<Terminated, EngineError> {
        let exit = self.victims.await_exit(&mut victim)?;
        let terminated = self.victims.terminate_by(Signal::Kill, victim, || ())?;
        Ok(if exit.is_some() { terminated } else { Terminated { termination: Termination::Nothing, ..terminated } })
    }
}
