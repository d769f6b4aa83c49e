//! A program that is held before its first call that touches a directory, and copied there: an interpreter is started once, and each copy
//! of it looks at other files in that directory.
//!
//! The copy is made by a clone(2) that is put in place of the call before which the program is held. Then the program stands before its
//! call again, and so does the copy, which makes it. The copy is a child of ours, not of the program (CLONE_PARENT): nobody but us is told
//! of its end. It is traced as well, with all that it starts, since without a tracer the calls that the filter traps would fail.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use syscalls::Sysno;

use super::TraceError;
use super::calls::{At, Target};
use super::filter::{Stops, path_arguments};
use super::registers::Before;
use super::spawn::{self, Spawned};
use super::stopped::{Event, Reason, Stopped, wait, wait_for};
use super::timer::Alarm;
use super::tracee::Tracee;
use crate::process::Exit;

thread_local! {
    /// The programs that are held by this thread: none of a traced run.
    static HELD: RefCell<BTreeSet<i32>> = const { RefCell::new(BTreeSet::new()) };
}

/// Whether this thread holds process `pid` to make copies of it.
pub(super) fn is_held(pid: i32) -> bool {
    HELD.with_borrow(|held| held.contains(&pid))
}

/// A program that is held to be copied. Killed when dropped.
pub struct Copies {
    program: i32,
    before: Before,
    /// Declared last: what is held is forgotten first.
    spawned: Spawned,
}

/// Why a program cannot be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotHeld {
    /// It ended, or was not there in time, without a look at the directory.
    NeverLooked,
    /// It has threads or other processes when it looks there.
    Several,
    /// It has something open there already.
    Open,
    /// This machine has no such thing.
    Unsupported,
}

/// How a copy came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyEnd {
    /// By itself.
    Exited(Exit),
    /// By us, as somebody had heard enough.
    Enough,
    /// By us, as the time was up.
    TimeUp,
    /// The program itself is gone: there are no more copies of it.
    Lost,
}

impl Copies {
    /// Starts `body` in a new process, and holds the program that it executes before its first call that touches `dir`. `heard` is asked
    /// as in [`run`](Copies::run); where it says that this is enough, the program is given up. This process must have one thread.
    ///
    /// # Errors
    /// Tracing is not possible here.
    pub fn hold(
        body: impl FnOnce() -> i32,
        dir: &Path,
        limit: Duration,
        heard: &mut dyn FnMut() -> bool,
    ) -> Result<Result<Copies, NotHeld>, TraceError> {
        let dir = fs::canonicalize(dir)?;
        let spawned = spawn::spawn(body, Stops::Paths)?;
        let program = spawned.pid();
        let mut alarm = Alarm::after(limit)?;
        let mut tasks = BTreeSet::from([program]);
        spawned.go()?;
        // Where it is not held it is killed here, with all that it has started.
        let give_up = |mut spawned: Spawned, tasks: BTreeSet<i32>, why: NotHeld| {
            kill_all(tasks);
            spawned.is_gone();
            Ok(Err(why))
        };
        loop {
            match wait() {
                // It may be stopped by a full pipe.
                Err(Errno::EINTR) if heard() || alarm.is_over() => {
                    return give_up(spawned, tasks, NotHeld::NeverLooked);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => return give_up(spawned, tasks, NotHeld::NeverLooked),
                Err(other) => return Err(io::Error::from(other).into()),
                Ok(Event::Ended { tid, .. }) => {
                    tasks.remove(&tid);
                    if tid == program {
                        return give_up(spawned, tasks, NotHeld::NeverLooked);
                    }
                }
                Ok(Event::Stopped(stopped, Reason::Entry)) if touches(&stopped, &dir) => {
                    tasks.insert(stopped.tid());
                    drop(alarm);
                    if tasks.len() > 1 || stopped.tid() != program || threads_of(program) != 1 {
                        return give_up(spawned, tasks, NotHeld::Several);
                    }
                    if has_open(program, &dir) {
                        return give_up(spawned, tasks, NotHeld::Open);
                    }
                    let Ok(before) = Before::read(program) else {
                        return give_up(spawned, tasks, NotHeld::Unsupported);
                    };
                    // What it has printed so far is none of its copies'.
                    heard();
                    HELD.with_borrow_mut(|held| held.insert(program));
                    return Ok(Ok(Copies { program, before, spawned }));
                }
                Ok(Event::Stopped(stopped, reason)) => {
                    tasks.insert(stopped.tid());
                    // One that is gone ends next.
                    let _ = go_on(stopped, reason);
                    alarm = if reason == Reason::Exec { Alarm::after(limit)? } else { alarm };
                }
            }
        }
    }

    /// The process that is held.
    #[must_use]
    pub fn process(&self) -> i32 {
        self.program
    }

    /// Lets a copy of the program go on alone, for at most `limit`, until it has ended, or `heard`, which is asked whenever it has written
    /// something and from time to time, says that this is enough. Nothing of it is left then.
    ///
    /// # Errors
    /// What the system says.
    pub fn run(&mut self, limit: Duration, heard: &mut dyn FnMut() -> bool) -> Result<CopyEnd, TraceError> {
        // Before there is a copy: nothing is left where there is no alarm to be had.
        let mut alarm = Alarm::after(limit)?;
        let Ok(copy) = self.copy() else { return Ok(CopyEnd::Lost) };
        let mut tasks = BTreeSet::from([copy]);
        let end = loop {
            match wait() {
                Err(Errno::EINTR) if alarm.is_over() => break CopyEnd::TimeUp,
                // It may be stopped by a full pipe.
                Err(Errno::EINTR) if heard() => break CopyEnd::Enough,
                Err(Errno::EINTR) => {}
                Err(_) => break CopyEnd::Lost,
                Ok(Event::Ended { tid, exit }) => {
                    tasks.remove(&tid);
                    if tid == self.program {
                        break CopyEnd::Lost;
                    }
                    if tid == copy {
                        heard();
                        break CopyEnd::Exited(exit);
                    }
                }
                Ok(Event::Stopped(stopped, reason)) => {
                    tasks.insert(stopped.tid());
                    if reason == Reason::Return && heard() {
                        break CopyEnd::Enough;
                    }
                    let _ = go_on(stopped, reason);
                }
            }
        };
        kill_all(tasks);
        Ok(end)
    }

    /// Makes a copy that stands before the same call and goes on.
    fn copy(&self) -> Result<i32, Errno> {
        let program = self.program;
        self.before.call_instead(
            program,
            libc::SYS_clone.unsigned_abs(),
            [libc::CLONE_PARENT.unsigned_abs().into(), 0, 0, 0, 0, 0],
        )?;
        resume_to_return(program)?;
        let mut copy = None;
        loop {
            match wait_for(program)? {
                Event::Ended { .. } => return Err(Errno::ESRCH),
                Event::Stopped(stopped, Reason::Birth) => {
                    copy = Some(stopped.event_task()?);
                    stopped.resume_to_return(0)?;
                }
                Event::Stopped(_, Reason::Return) => break,
                Event::Stopped(stopped, Reason::Signal(signal)) => stopped.resume_to_return(signal)?,
                Event::Stopped(stopped, _) => stopped.resume_to_return(0)?,
            }
        }
        let copy = copy.ok_or(Errno::EAGAIN)?;
        let stands = self.stand_again(copy);
        if stands.is_err() {
            kill_all(BTreeSet::from([copy]));
        }
        stands.map(|()| copy)
    }

    /// Puts the program and its new copy before the call again, and lets the copy go on.
    fn stand_again(&self, copy: i32) -> Result<(), Errno> {
        let Event::Stopped(stopped, _) = wait_for(copy)? else { return Err(Errno::ESRCH) };
        self.before.again(copy)?;
        stopped.resume(0)?;
        self.before.again(self.program)?;
        resume(self.program)?;
        match wait_for(self.program)? {
            Event::Stopped(_, Reason::Entry) => Ok(()),
            _ => Err(Errno::ESRCH),
        }
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|held| held.remove(&self.program));
        kill_all(BTreeSet::from([self.program]));
        self.spawned.is_gone();
    }
}

fn resume_to_return(pid: i32) -> Result<(), Errno> {
    Stopped::that_is_held(pid).resume_to_return(0)
}

fn resume(pid: i32) -> Result<(), Errno> {
    Stopped::that_is_held(pid).resume(0)
}

/// Lets a stopped task go on; one that writes is stopped again behind its call.
fn go_on(stopped: Stopped, reason: Reason) -> Result<(), Errno> {
    match reason {
        Reason::Entry if is_write(&stopped) => stopped.resume_to_return(0),
        Reason::Signal(signal) => stopped.resume(signal),
        Reason::GroupStop => stopped.listen(),
        _ => stopped.resume(0),
    }
}

fn is_write(stopped: &Stopped) -> bool {
    let writes = [Sysno::write.id(), Sysno::writev.id()];
    stopped.entry().is_ok_and(|entry| writes.iter().any(|write| *write as u64 == entry.number))
}

/// Whether the call that a task is before names something in `dir`, or the directory itself.
fn touches(stopped: &Stopped, dir: &Path) -> bool {
    let Ok(entry) = stopped.entry() else { return false };
    let tracee = Tracee::new(stopped.tid());
    path_arguments(entry.number).into_iter().any(|(directory, path)| {
        let at = directory.map_or(At::Cwd, |n| At::of_argument(entry.args[n]));
        let target = Target { at, path: entry.args[path], follow: false, in_root: false };
        let resolved = tracee.resolve(target, None).map(|resolved| resolved.path);
        // Of a name that leads nowhere its text is all there is.
        let named = resolved.or_else(|_| tracee.path(target.path)).unwrap_or_else(|_| PathBuf::new());
        named.starts_with(dir)
    })
}

fn threads_of(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// Whether process `pid` has a descriptor on something in `dir`.
fn has_open(pid: i32, dir: &Path) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return true };
    descriptors.flatten().any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|open| open.starts_with(dir)))
}

/// Kills `tasks` and all that they have started meanwhile, and waits for the last of them.
fn kill_all(mut tasks: BTreeSet<i32>) {
    let kill_one = |tid: &i32| kill(Pid::from_raw(*tid), Signal::SIGKILL).is_ok();
    tasks.retain(kill_one);
    while !tasks.is_empty() {
        match wait() {
            Ok(Event::Ended { tid, .. }) => drop(tasks.remove(&tid)),
            Ok(Event::Stopped(stopped, _)) => {
                if kill_one(&stopped.tid()) {
                    tasks.insert(stopped.tid());
                }
            }
            Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}
