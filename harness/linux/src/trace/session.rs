//! A traced run from its first stop to the end of its last task. The watcher hears of each call, and the kernel of the answer.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::spawn::Spawned;
use super::stopped::{Event, Reason, Stopped, look, wait};
use super::task::{Inside, Shortened, Task};
use super::timer::Alarm;
use super::watcher::{Enter, Return, Watcher};
use super::{Ending, LINGER, TraceError, calls, tracee};
use crate::pinned::Pinned;
use crate::process::Exit;

/// The tasks of a traced program, and whoever watches them.
pub(super) struct Session<'w> {
    watcher: &'w mut dyn Watcher,
    tasks: BTreeMap<i32, Task>,
    seen: usize,
    leader: i32,
    /// Whether one has died of a call that its architecture has and this one has not.
    foreign: bool,
    /// Tasks that are held before a call.
    held: Vec<Stopped>,
    /// Those of them that the watcher is to be asked about again.
    again: Vec<Stopped>,
}

/// Why a task was not resumed.
enum Halt {
    /// The watcher has everything killed.
    Kill,
    /// It died while it was stopped: its end is the next event.
    Gone,
    /// The system refused.
    System(Errno),
}

impl From<Errno> for Halt {
    fn from(errno: Errno) -> Halt {
        match errno {
            Errno::ESRCH => Halt::Gone,
            other => Halt::System(other),
        }
    }
}

impl Session<'_> {
    /// The session of a program whose first process is `leader`.
    pub(super) fn new(watcher: &mut dyn Watcher, leader: i32) -> Session<'_> {
        let tasks = BTreeMap::from([(leader, Task::leader(leader))]);
        Session { watcher, tasks, seen: 1, leader, foreign: false, held: Vec::new(), again: Vec::new() }
    }

    /// Processes and threads that were followed so far.
    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    /// Returns whether the filter has killed a task.
    pub(super) fn has_foreign(&self) -> bool {
        self.foreign
    }

    /// Follows the program for at most `limit`.
    pub(super) fn follow(
        &mut self,
        spawned: &Spawned,
        limit: Duration,
        pinned: &mut Pinned,
    ) -> Result<Ending, TraceError> {
        let mut alarm = Alarm::after(limit)?;
        let mut first = None;
        spawned.go()?;
        loop {
            if self.watcher.has_enough() {
                return Ok(Ending::Killed);
            }
            match self.next_event() {
                Err(Errno::EINTR) if alarm.is_over() => return Ok(first.map_or(Ending::TimeUp, Ending::Lingers)),
                Err(Errno::EINTR) => {
                    self.watcher.idle();
                    self.again.append(&mut self.held);
                }
                Err(Errno::ECHILD) => {
                    let gone = || io::Error::other("the traced program is gone").into();
                    return first.map(Ending::Exited).ok_or_else(gone);
                }
                Err(other) => return Err(io::Error::from(other).into()),
                Ok(Event::Ended { tid, exit }) => {
                    self.foreign |= exit == Exit::Signal(libc::SIGSYS);
                    self.ended(tid);
                    if tid == self.leader {
                        first = Some(exit);
                        if !self.tasks.is_empty() {
                            alarm = Alarm::after(limit.min(LINGER))?;
                        }
                    }
                    if let Some(exit) = first.filter(|_| self.tasks.is_empty()) {
                        return Ok(Ending::Exited(exit));
                    }
                }
                Ok(Event::Stopped(stopped, reason)) => match self.stopped(stopped, reason, pinned) {
                    Ok(()) | Err(Halt::Gone) => {}
                    Err(Halt::Kill) => return Ok(Ending::Killed),
                    Err(Halt::System(errno)) => return Err(io::Error::from(errno).into()),
                },
            }
        }
    }

    /// A task that was held and is asked about again, else what the kernel reports next.
    fn next_event(&mut self) -> Result<Event, Errno> {
        match self.again.pop() {
            Some(held) => Ok(Event::Stopped(held, Reason::Entry)),
            None if self.watcher.is_awaited() => look(),
            None => wait(),
        }
    }

    /// Does what the stop of a task calls for, and resumes it.
    fn stopped(&mut self, stopped: Stopped, reason: Reason, pinned: &mut Pinned) -> Result<(), Halt> {
        let tid = stopped.tid();
        if !self.tasks.contains_key(&tid) {
            self.seen += 1;
            self.tasks.insert(tid, Task::new(tid));
            pinned.release(tid);
        }
        match reason {
            Reason::Entry => self.entry(stopped),
            Reason::Return => self.syscall_return(stopped),
            Reason::Birth => {
                pinned.release(tid);
                self.born(&stopped);
                self.resume(stopped, 0)
            }
            Reason::Exec => {
                // A thread that executes a program takes the number of its process: nobody has its former one any more.
                if let Ok(former) = stopped.event_task() {
                    self.ended(former);
                }
                self.ended(tid);
                self.tasks.insert(tid, Task::new(tid));
                Ok(stopped.resume(0)?)
            }
            Reason::GroupStop => Ok(stopped.listen()?),
            Reason::Signal(signal) => self.resume(stopped, signal),
            Reason::Other => self.resume(stopped, 0),
        }
    }

    /// Notes the task that `parent` has just started: it may be heard of only later. It may also have ended by now.
    fn born(&mut self, parent: &Stopped) {
        if let Ok(child) = parent.event_task()
            && !self.tasks.contains_key(&child)
            && tracee::is_of_this_thread(child)
        {
            self.seen += 1;
            self.tasks.insert(child, Task::new(child));
        }
    }

    /// Forgets a task that has ended, or is another program from here on.
    fn ended(&mut self, tid: i32) {
        self.tasks.remove(&tid);
        self.watcher.ended(tid);
        self.again.append(&mut self.held);
        self.again.retain(|held| held.tid() != tid);
    }

    /// Asks the watcher about the call that a task is before.
    fn entry(&mut self, stopped: Stopped) -> Result<(), Halt> {
        let entry = stopped.entry()?;
        let Some(task) = self.tasks.get_mut(&stopped.tid()) else { return Ok(stopped.resume(0)?) };
        task.tracee.has_run(self.seen == 1);
        if let Some(again) = task.interrupted.pop_if(|interrupted| interrupted.entry == entry) {
            return self.enter(stopped, again);
        }
        let call = calls::decode(entry.number, entry.args);
        match self.watcher.enters(&task.tracee, &call) {
            Enter::Pass => self.resume(stopped, 0),
            Enter::Watch => self.enter(stopped, Inside { call, entry, limit: None, shortened: None }),
            Enter::Shorten(bytes) => self.enter(stopped, Inside { call, entry, limit: Some(bytes), shortened: None }),
            Enter::Fail(errno) => {
                stopped.skip_call(errno)?;
                self.resume(stopped, 0)
            }
            Enter::Hold => {
                self.held.push(stopped);
                Ok(())
            }
            Enter::Kill => Err(Halt::Kill),
        }
    }

    /// Lets a call run that is looked at when it returns.
    fn enter(&mut self, stopped: Stopped, mut inside: Inside) -> Result<(), Halt> {
        if let Some(task) = self.tasks.get_mut(&stopped.tid()) {
            inside.shortened = match inside.limit {
                Some(bytes) => Shortened::apply(bytes, &stopped, inside.entry, &task.tracee, &inside.call)?,
                None => None,
            };
            task.inside = Some(inside);
        }
        Ok(stopped.resume_to_return(0)?)
    }

    /// Looks at a task behind a call: of one that was watched the watcher hears.
    fn syscall_return(&mut self, stopped: Stopped) -> Result<(), Halt> {
        let Some(back) = stopped.syscall_return()? else { return self.resume(stopped, 0) };
        let Some(task) = self.tasks.get_mut(&stopped.tid()) else { return Ok(stopped.resume(0)?) };
        task.tracee.has_run(self.seen == 1);
        let Some(inside) = task.inside.take() else {
            // This is rt_sigreturn(2), with which a handler ends. Behind the interrupted call: it has failed. Else it is made again.
            return match task.interrupted.pop_if(|interrupted| interrupted.entry.place == back.place) {
                Some(failed) => self.returned(stopped, &failed, Err(libc::EINTR)),
                None => self.resume(stopped, 0),
            };
        };
        if let Some(shortened) = &inside.shortened {
            shortened.restore(&stopped)?;
        }
        if back.is_interrupted() {
            task.interrupted.push(inside);
            return self.resume(stopped, 0);
        }
        self.returned(stopped, &inside, back.result)
    }

    /// Asks the watcher about a watched call that has returned.
    fn returned(&mut self, stopped: Stopped, inside: &Inside, result: Result<u64, i32>) -> Result<(), Halt> {
        let Some(task) = self.tasks.get_mut(&stopped.tid()) else { return Ok(stopped.resume(0)?) };
        match self.watcher.returned(&task.tracee, &inside.call, result) {
            Return::Go => {}
            Return::Fail(errno) => stopped.return_error(errno)?,
            Return::Kill => return Err(Halt::Kill),
        }
        self.again.append(&mut self.held);
        self.resume(stopped, 0)
    }

    /// Resumes a task: to the end of its next system call while one is interrupted, as a handler returns by one.
    fn resume(&self, stopped: Stopped, signal: i32) -> Result<(), Halt> {
        match self.tasks.get(&stopped.tid()) {
            Some(task) if !task.interrupted.is_empty() => Ok(stopped.resume_to_return(signal)?),
            _ => Ok(stopped.resume(signal)?),
        }
    }

    /// Kills every task and waits for the last one, also those of which nothing was heard yet.
    pub(super) fn kill_all(&mut self, outcome: &Result<Ending, TraceError>) {
        // A single task that came to its end, or was stopped when that was decided, was not forking.
        let alone = self.seen == 1 && matches!(outcome, Ok(Ending::Exited(_) | Ending::Killed));
        loop {
            self.kill_known();
            if self.tasks.is_empty() && !alone {
                // A task that died while it forked has reported no child, which is traced all the same.
                self.tasks.extend(tracee::of_this_thread().into_iter().map(|tid| (tid, Task::new(tid))));
                self.kill_known();
            }
            if self.tasks.is_empty() {
                return;
            }
            match wait() {
                Ok(Event::Ended { tid, .. }) => {
                    self.tasks.remove(&tid);
                }
                Ok(Event::Stopped(stopped, _)) => {
                    let tid = stopped.tid();
                    self.tasks.entry(tid).or_insert_with(|| Task::new(tid));
                    let _ = kill(Pid::from_raw(tid), Signal::SIGKILL);
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    fn kill_known(&mut self) {
        // An error: dead and waited for already, which is what is wanted.
        self.tasks.retain(|tid, _| kill(Pid::from_raw(*tid), Signal::SIGKILL).is_ok());
    }
}
