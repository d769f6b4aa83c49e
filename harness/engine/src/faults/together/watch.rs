//! Watching the processes of a trial: who does not go on and why, who waits for ever, and how each of them ended.

use std::time::Duration;

use crashtest_linux::clock::{now_ns, sleep_until};
use crashtest_linux::locks::{self, Wait};
use crashtest_model::{Call, Moment, Termination, Verdict};

use super::participants::Participants;
use super::process::{Pause, Process, Ran};
use crate::error::EngineError;
use crate::subject::life::FAILED;

/// Pause between two looks at a process that is to be held, in ns.
pub(super) const LOOK_NS: u64 = 20_000;
/// After so many looks it takes long: then there are longer pauses, in ns.
const SOON_LOOKS: u32 = 500;
const LATER_NS: u64 = 1_000_000;
/// After so many looks it may be waiting for a lock.
const LOOKS_BEFORE_LOCKS: u32 = 10;
/// Pause between two looks at writers that run freely.
const TURN: Duration = Duration::from_micros(50);
/// How long a deadlock must last to be one.
const SECOND_LOOK: Duration = Duration::from_millis(2);

impl Participants<'_, '_, '_> {
    pub(super) fn is_deadlocked(&self, process: &Process) -> Result<bool, EngineError> {
        let pid = process.pid();
        Ok(self.deadlocks()?.iter().any(|wait| Some(wait.waiter) == pid))
    }

    /// Waits until a process does not go on.
    pub(super) fn until_pause(&self, process: &Process) -> Result<Pause, EngineError> {
        let mut limit = self.victims.limit();
        let pid = process.pid();
        for look in 0u32.. {
            let board = process.board;
            if board.is_held() {
                return Ok(Pause::Held);
            }
            if process.is_over()? {
                return Ok(Pause::Ended);
            }
            if board.is_at_latch() {
                return Ok(Pause::Refused);
            }
            let in_lock = matches!(board.phase().map(|phase| phase.moment), Some(Moment::In(Call::Lock)));
            if in_lock && look >= LOOKS_BEFORE_LOCKS {
                let waits = locks::waits().map_err(EngineError::Wait)?;
                if let Some(wait) = waits.into_iter().find(|wait| Some(wait.waiter) == pid) {
                    return Ok(Pause::Blocked(wait));
                }
            }
            if limit.is_over(pid) {
                return Ok(Pause::TimeUp);
            }
            // Who waits for long leaves the processor to the one that it waits for.
            sleep_until(now_ns() + if look < SOON_LOOKS { LOOK_NS } else { LATER_NS });
        }
        Ok(Pause::TimeUp)
    }

    /// Waits until the first writer has saved so often, or somebody does not go on.
    pub(super) fn until_saved(
        &self,
        processes: &[Process],
        saves: u64,
        limit_ns: u64,
        ran: &mut Ran,
    ) -> Result<(), EngineError> {
        for look in 1u32.. {
            let mut ended = false;
            for process in processes {
                ended |= process.is_over()? || process.board.is_at_latch();
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
    pub(super) fn note_deadlock(&self, processes: &[Process], ran: &mut Ran) -> Result<bool, EngineError> {
        let in_lock =
            |process: &Process| matches!(process.board.phase().map(|phase| phase.moment), Some(Moment::In(Call::Lock)));
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
    pub(super) fn stop(&self, mut processes: Vec<Process>, ran: &mut Ran) -> Result<(), EngineError> {
        for process in &processes {
            process.board.ask_to_stop();
        }
        let mut limit = self.victims.limit();
        while !processes.is_empty() {
            let mut left = Vec::new();
            for process in processes {
                // Who has refused what it found waits for nobody.
                if process.has_ended()? || process.board.is_at_latch() {
                    let termination = process.end(self.victims)?;
                    self.note_end(process.number, &termination, ran);
                } else {
                    left.push(process);
                }
            }
            processes = left;
            if limit.is_over(processes.iter().filter_map(Process::pid)) || self.note_deadlock(&processes, ran)? {
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

    /// Notes an end that nobody asked for.
    pub(super) fn note_end(&self, number: usize, termination: &Termination, ran: &mut Ran) {
        let who = self.name(number);
        let failure = self.boards[number].failure();
        match (termination, failure) {
            (Termination::Kill | Termination::Exit { status: 0 | FAILED }, Some(failure)) => {
                ran.wrong.push((Verdict::FailedSave, format!("{who}: {}", failure.why)));
            }
            (Termination::Kill | Termination::Exit { status: 0 }, None) => {}
            (Termination::Exit { status }, failure) => {
                let why = failure.map_or_else(|| format!("exited with status {status}"), |failure| failure.why);
                ran.wrong.push((Verdict::FailedSave, format!("{who} {why}")));
            }
            (Termination::Signal { signal }, _) => {
                ran.wrong.push((Verdict::Inconclusive, format!("signal {signal}, which we did not send, ended {who}")));
            }
            (termination, _) => {
                ran.wrong.push((Verdict::Inconclusive, format!("{who} was not killed: {termination:?}")))
            }
        }
    }

    pub(super) fn note_pause(&self, number: usize, pause: Pause, ran: &mut Ran) {
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
