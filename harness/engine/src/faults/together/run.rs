//! One trial of several processes: everybody runs, some are killed, the rest stop.

use std::time::Duration;

use crashtest_kit::Hold;
use crashtest_linux::clock::{now_ns, sleep_until};
use crashtest_linux::locks::{self, Wait};
use crashtest_model::{Aim, Ending, Fault, Landed, MOST_SAVES, Moment, Seed, Signal, Verdict};

use super::participants::Participants;
use super::process::{Pause, Process, Ran};
use crate::context::trial::Trial;
use crate::error::EngineError;
use crate::faults::kill::aim;
use crate::subject::life::{FAILED, Script};
use crate::subject::victims::is_stuck;

/// Pause between two looks at a process that is to be held, in ns.
const LOOK_NS: u64 = 20_000;
/// After so many looks it takes long: then there are longer pauses, in ns.
const SOON_LOOKS: u32 = 500;
const LATER_NS: u64 = 1_000_000;
/// After so many looks it may be waiting for a lock.
const LOOKS_BEFORE_LOCKS: u32 = 10;
/// Where no process is to be held.
const FREE: Hold = Hold::Step { after: MOST_SAVES, calls: u64::MAX };
/// Saves of the first writer in a life from which durations are learnt: as many as kills are aimed at.
const SAVES_TO_LEARN_FROM: u64 = 5;
/// Pause between two looks at writers that run freely.
const TURN: Duration = Duration::from_micros(50);

/// How long a deadlock must last to be one.
const SECOND_LOOK: Duration = Duration::from_millis(2);

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
            ran.landed = Some(Landed::Exit { status: 0 });
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
                let landed = process.end(self.victims)?;
                self.tickets.died(process.number);
                self.note_end(process.number, &landed, &mut ran);
            }
        }
        Ok(ran)
    }

    /// One writer is held after so many calls of its save, then the other; `None` where a save has not so many.
    fn directed(&mut self, seed: Seed, first: u64, then: u64, ending: Ending) -> Result<Option<Ran>, EngineError> {
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
                ran.landed = Some(Landed::Exit { status: 0 });
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
            ran.landed = Some(Landed::Exit { status: 0 });
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

    fn is_deadlocked(&self, process: &Process) -> Result<bool, EngineError> {
        let pid = process.pid();
        Ok(self.deadlocks()?.iter().any(|wait| Some(wait.waiter) == pid))
    }

    /// Waits until a process does not go on.
    pub(super) fn until_pause(&self, process: &Process) -> Result<Pause, EngineError> {
        let mut limit = self.victims.limit();
        let pid = process.pid();
        for look in 0u32.. {
            // First: this may take long, and whoever has gone on meanwhile does not stand still.
            let is_over = limit.is_over(pid);
            let board = process.board;
            if board.is_held() {
                return Ok(Pause::Held);
            }
            if process.is_over()? {
                return Ok(Pause::Ended);
            }
            if board.stands_by() {
                return Ok(Pause::Refused);
            }
            let in_lock =
                matches!(board.phase().map(|phase| phase.moment), Some(Moment::In(crashtest_model::Call::Lock)));
            if in_lock && look >= LOOKS_BEFORE_LOCKS {
                let waits = locks::waits().map_err(EngineError::Wait)?;
                if let Some(wait) = waits.into_iter().find(|wait| Some(wait.waiter) == pid) {
                    return Ok(Pause::Blocked(wait));
                }
            }
            if is_over {
                return Ok(Pause::TimeUp);
            }
            // Who waits for long leaves the processor to the one that it waits for.
            sleep_until(now_ns() + if look < SOON_LOOKS { LOOK_NS } else { LATER_NS });
        }
        Ok(Pause::TimeUp)
    }

    /// Waits until the first writer has saved so often, or somebody does not go on.
    fn until_saved(&self, processes: &[Process], saves: u64, limit_ns: u64, ran: &mut Ran) -> Result<(), EngineError> {
        for look in 1u32.. {
            let mut ended = false;
            for process in processes {
                ended |= process.is_over()? || process.board.stands_by();
            }
            if ended || processes[0].board.saves() >= saves {
                return Ok(());
            }
            if look.is_multiple_of(100) && self.note_deadlock(processes, ran)? {
                return Ok(());
            }
            if now_ns() >= limit_ns {
                return Ok(());
            }
            std::thread::sleep(TURN);
        }
        Ok(())
    }

    /// Who waits for ever.
    fn deadlocks(&self) -> Result<Vec<Wait>, EngineError> {
        seen_twice(|| Ok(locks::deadlocked(&locks::waits().map_err(EngineError::Wait)?)))
    }

    /// Notes who waits for ever, if somebody does.
    fn note_deadlock(&self, processes: &[Process], ran: &mut Ran) -> Result<bool, EngineError> {
        let in_lock = |process: &Process| {
            matches!(process.board.phase().map(|phase| phase.moment), Some(Moment::In(crashtest_model::Call::Lock)))
        };
        if !processes.iter().any(in_lock) {
            return Ok(false);
        }
        let waits = self.deadlocks()?;
        let of_us = |wait: &Wait| processes.iter().find(|process| process.pid() == Some(wait.waiter));
        let found = waits.iter().find_map(|wait| of_us(wait).map(|process| (process.number, *wait)));
        if let Some((number, wait)) = found {
            self.note_pause(number, Pause::Blocked(wait), ran);
        }
        Ok(found.is_some())
    }

    /// Asks all of them to stop, and waits until they have.
    fn stop(&self, mut processes: Vec<Process>, ran: &mut Ran) -> Result<(), EngineError> {
        for process in &processes {
            process.board.ask_to_stop();
        }
        let mut limit = self.victims.limit();
        while !processes.is_empty() {
            // First: who has ended meanwhile is not stuck.
            let is_over = limit.is_over(processes.iter().filter_map(Process::pid));
            let mut left = Vec::new();
            for process in processes {
                // Who has refused what it found waits for nobody.
                if process.has_ended()? || process.board.stands_by() {
                    let landed = process.end(self.victims)?;
                    self.note_end(process.number, &landed, ran);
                } else {
                    left.push(process);
                }
            }
            processes = left;
            if is_over || self.note_deadlock(&processes, ran)? {
                break;
            }
            if !processes.is_empty() {
                sleep_until(now_ns() + LOOK_NS);
            }
        }
        if !ran.wrong.iter().any(|(verdict, _)| *verdict == Verdict::Stuck) {
            for process in &processes {
                self.note_pause(process.number, Pause::TimeUp, ran);
            }
        }
        processes.into_iter().try_for_each(|process| process.end(self.victims).map(drop))
    }

    /// Kills a writer; the trial is named after it.
    fn kill(&mut self, process: Process, ran: &mut Ran) -> Result<(), EngineError> {
        let (number, landed) = (process.number, process.end(self.victims)?);
        self.tickets.died(number);
        self.note_end(number, &landed, ran);
        ran.of = if ran.landed.is_none() { number } else { ran.of };
        ran.landed.get_or_insert(landed);
        Ok(())
    }

    /// Notes an end that nobody asked for.
    fn note_end(&self, number: usize, landed: &Landed, ran: &mut Ran) {
        let who = self.name(number);
        let failure = self.boards[number].failure();
        match (landed, failure) {
            (Landed::Kill | Landed::Exit { status: 0 | FAILED }, Some(failure)) => {
                ran.wrong.push((Verdict::FailedSave, format!("{who}: {}", failure.why)));
            }
            (Landed::Kill | Landed::Exit { status: 0 }, None) => {}
            (Landed::Exit { status }, failure) => {
                let why = failure.map_or_else(|| format!("exited with status {status}"), |failure| failure.why);
                ran.wrong.push((Verdict::FailedSave, format!("{who} {why}")));
            }
            (Landed::Signal { signal }, _) => {
                ran.wrong.push((Verdict::Inconclusive, format!("signal {signal}, which we did not send, ended {who}")));
            }
            (landed, _) => ran.wrong.push((Verdict::Inconclusive, format!("{who} was not killed: {landed:?}"))),
        }
    }

    fn note_pause(&self, number: usize, pause: Pause, ran: &mut Ran) {
        let who = self.name(number);
        let wrong = match pause {
            Pause::Held => return,
            Pause::Blocked(wait) => {
                let what = self.file_of(wait.inode).unwrap_or_else(|| "a file".to_owned());
                let holder = match wait.holder == wait.waiter {
                    true => "it holds the lock itself, through another descriptor".to_owned(),
                    false => format!("process {} holds it", wait.holder),
                };
                (Verdict::Stuck, format!("{who} waits for the lock of {what} and will for ever: {holder}"))
            }
            // What it refused is on its board, and judged with all that was loaded.
            Pause::Refused => return,
            // How it ended is noted when it is taken away.
            Pause::Ended => return,
            Pause::TimeUp => {
                let phase = self.boards[number].phase().map_or_else(|| "unknown".to_owned(), String::from);
                (Verdict::Stuck, format!("{who} makes no progress for {} ms, {phase}", self.context.plan.limit_ms))
            }
        };
        ran.wrong.push(wrong);
    }

    /// The name of the file with this number, in the state directory.
    fn file_of(&self, inode: u64) -> Option<String> {
        use std::os::unix::fs::DirEntryExt;
        let mut entries = std::fs::read_dir(self.victims.dir.path()).ok()?.flatten();
        entries.find(|entry| entry.ino() == inode).map(|entry| entry.file_name().to_string_lossy().into_owned())
    }

    /// "writer 0", "reader 1".
    pub(super) fn name(&self, number: usize) -> String {
        match number.checked_sub(self.writers()) {
            None => format!("writer {number}"),
            Some(reader) => format!("reader {reader}"),
        }
    }
}

/// Those who wait for ever each time when looked at: the kernel lists locks in pieces, and who waits in one may hold in the next.
fn seen_twice(mut look: impl FnMut() -> Result<Vec<Wait>, EngineError>) -> Result<Vec<Wait>, EngineError> {
    let first = look()?;
    if first.is_empty() {
        return Ok(first);
    }
    std::thread::sleep(SECOND_LOOK);
    let second = look()?;
    Ok(first.into_iter().filter(|wait| second.contains(wait)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_seems_to_wait_for_ever_at_one_look_alone_does_not() {
        let wait = |waiter| Wait { waiter, holder: 9, inode: 1 };
        let looked = |looks: [&[Wait]; 2]| {
            let mut looks = looks.into_iter();
            seen_twice(|| Ok(looks.next().unwrap().to_vec())).unwrap()
        };
        assert_eq!(looked([&[wait(1)], &[]]), []);
        assert_eq!(looked([&[wait(1), wait(2)], &[wait(2), wait(3)]]), [wait(2)]);
    }
}
