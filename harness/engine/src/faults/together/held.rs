//! A trial whose writers are held where a schedule says: one after so many calls of its save, then the other.

use crashtest_kit::Hold;
use crashtest_linux::clock::{now_ns, sleep_until};
use crashtest_model::{Ending, Seed, Signal, Termination};

use super::participants::Participants;
use super::process::{Pause, Process, Ran};
use super::watch::LOOK_NS;
use crate::error::EngineError;
use crate::subject::life::Script;

impl Participants<'_, '_, '_> {
    /// One writer is held after so many calls of its save, then the other; `None` where a save has not so many.
    pub(super) fn directed(
        &mut self,
        seed: Seed,
        first: u64,
        then: u64,
        ending: Ending,
    ) -> Result<Option<Ran>, EngineError> {
        let after = self.saves_before();
        let at = |calls| Script::Save(Hold::Step { after, calls }, Signal::Kill);
        let mut ran = Ran::default();
        let (one, beside) = match self.threads() {
            false => (self.forked(0, seed, at(first))?, None),
            true => {
                let mut threads = self.threaded(seed, &[at(first), at(then)])?.into_iter();
                let (Some(one), two) = (threads.next(), threads.next()) else { return Ok(None) };
                one.begin();
                (one, two)
            }
        };
        match self.until_pause(&one)? {
            Pause::Held if one.board.saves() == after => {}
            Pause::Held => return Ok(None),
            pause => {
                // Nobody else is there: it failed all by itself.
                let calls = one.board.calls_of_save();
                self.note_pause(0, pause, &mut ran);
                self.kill(one, &mut ran)?;
                return Ok((first == calls).then_some(ran));
            }
        }
        if self.writers() < 2 {
            return self.read_beside(one, seed, ending).map(Some);
        }
        let two = match beside {
            None => self.forked(1, seed, at(then))?,
            Some(thread) => {
                thread.begin();
                thread
            }
        };
        match self.until_pause(&two)? {
            Pause::Held if two.board.saves() == 0 => {}
            // It waits inside its last call so far: what comes after that is the same for every later position.
            Pause::Blocked(_) if two.board.calls_of_save() == then => {}
            Pause::Held | Pause::Blocked(_) => return Ok(None),
            pause => {
                self.note_pause(1, pause, &mut ran);
                if then > two.board.calls_of_save() {
                    return Ok(None);
                }
            }
        }
        match ending {
            Ending::Finish => {
                self.finish(&one, &mut ran)?;
                self.finish(&two, &mut ran)?;
                self.stop(vec![one, two], &mut ran)?;
                ran.termination = Some(Termination::Exit { status: 0 });
            }
            Ending::KillAll => {
                self.kill(one, &mut ran)?;
                self.kill(two, &mut ran)?;
            }
            Ending::FirstThenKill => {
                self.finish(&one, &mut ran)?;
                self.kill(one, &mut ran)?;
                self.kill(two, &mut ran)?;
            }
            Ending::SecondThenKill => {
                self.finish(&two, &mut ran)?;
                self.kill(one, &mut ran)?;
                self.kill(two, &mut ran)?;
            }
            Ending::KillFirst => {
                self.kill(one, &mut ran)?;
                self.finish(&two, &mut ran)?;
                self.stop(vec![two], &mut ran)?;
            }
            Ending::KillSecond => {
                self.kill(two, &mut ran)?;
                self.finish(&one, &mut ran)?;
                self.stop(vec![one], &mut ran)?;
            }
        }
        Ok(Some(ran))
    }

    /// Saves before the one in which a writer is held: a writer that has no other beside it has one behind it, so that there is something
    /// to lose.
    fn saves_before(&self) -> u64 {
        u64::from(self.writers() < 2)
    }

    /// Somebody loads what is there while the only writer is held in its save.
    fn read_beside(&mut self, one: Process, seed: Seed, ending: Ending) -> Result<Ran, EngineError> {
        let mut ran = Ran::default();
        let reader = self.forked(1, seed, Script::Load)?;
        let limit_ns = self.victims.limit_from_now();
        while reader.board.recovery().is_none() && !reader.is_over()? && now_ns() < limit_ns {
            sleep_until(now_ns() + LOOK_NS);
        }
        self.stop(vec![reader], &mut ran)?;
        if ending == Ending::Finish {
            self.finish(&one, &mut ran)?;
            self.stop(vec![one], &mut ran)?;
            ran.termination = Some(Termination::Exit { status: 0 });
        } else {
            self.kill(one, &mut ran)?;
        }
        Ok(ran)
    }

    /// Lets a process go on to the end of its save.
    fn finish(&self, process: &Process, ran: &mut Ran) -> Result<(), EngineError> {
        let after = self.saves_before();
        let whole = Hold::Step { after, calls: u64::MAX };
        let limit_ns = self.victims.limit_from_now();
        loop {
            if process.board.is_held() && process.board.saves() == after {
                process.board.let_go(whole);
            }
            match self.until_pause(process)? {
                Pause::Held if process.board.saves() == after => {}
                Pause::Held => return Ok(()),
                // The other one is held, or killed: it may take a moment until the kernel has let go of its lock.
                Pause::Blocked(wait) if wait.waiter != wait.holder && now_ns() < limit_ns => {
                    if self.is_deadlocked(process)? {
                        self.note_pause(process.number, Pause::Blocked(wait), ran);
                        return Ok(());
                    }
                    // Asleep in flock(2) until its holder goes on: leave it there if the holder is one of us.
                    if crashtest_linux::process::is_running(wait.holder) {
                        return Ok(());
                    }
                }
                pause => {
                    self.note_pause(process.number, pause, ran);
                    return Ok(());
                }
            }
        }
    }
}
