//! Stopping a program at its file-changing system calls: ptrace(2) of our own children, with a seccomp(2) filter that stops them
//! at these calls only, so that everything else runs at full speed. Needs no privilege.
//!
//! *What* to do at a call is the [`Watcher`]'s affair; *how* the program is stopped, ours. The contract:
//!
//! 1. [`enters`](Watcher::enters) is called before a trapped call has done anything, by whichever thread makes it.
//! 2. After [`Enter::Watch`] and [`Enter::Shorten`] comes exactly one [`returned`](Watcher::returned) of the same thread, unless it
//!    is killed inside the call or ends the process. A call that a signal interrupts and the kernel makes again is one call; what the
//!    signal's handler calls comes inside of it.
//! 3. The thread is stopped while the watcher looks at it; other threads and processes run on.
//! 4. Threads, children (fork, vfork, clone) and what they execute are followed from their first instruction.
//! 5. A run ends with the last process that it has started. Those that still run [`LINGER`] after the first one has ended, or when the
//!    watcher says so, or the time is up, are killed and waited for; they also die when we die (PTRACE_O_EXITKILL).
//!
//! Not followed: a program of another architecture's calls (32 bits) is killed by the filter.

mod calls;
mod descriptor;
mod filter;
mod probe;
mod registers;
mod spawn;
mod timer;
mod tracee;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use thiserror::Error;

pub use calls::{At, Bytes, FileCall, Request, Target};
pub use descriptor::{Descriptor, OpenFile};
pub use filter::traced_calls;
pub use probe::probe;
pub use tracee::Tracee;

use crate::pinned::Pinned;
use crate::process::{Exit, ForkError};
use registers::{SyscallReturn, SyscallStop};
use spawn::Spawned;
use timer::Alarm;

/// How long processes may go on that a program has left running when it ended.
pub const LINGER: Duration = Duration::from_secs(10);

/// Why a program could not be traced.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The kernel, a container or a security module forbids ptrace(2) or seccomp(2).
    #[error("trace a program: {0} is not permitted here")]
    Forbidden(&'static str),
    /// No process could be forked.
    #[error("trace a program: {0}")]
    Fork(#[from] ForkError),
    /// Anything else that the system said.
    #[error("trace a program: {0}")]
    System(#[from] io::Error),
}

/// What to do with a call before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enter {
    /// Let it run, and hear nothing more of it.
    Pass,
    /// Let it run, and look again when it returns.
    Watch,
    /// Let it write at most so many bytes, and look again when it returns.
    Shorten(u64),
    /// Do not run it; it returns this error.
    Fail(i32),
    /// Not now: ask again when another call has returned, or a task has ended.
    Hold,
    /// Do not run it: kill everything.
    Kill,
}

/// What to do when a call has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// Go on.
    Go,
    /// It returns this error instead of what it did.
    Fail(i32),
    /// Kill everything.
    Kill,
}

/// Whoever decides.
pub trait Watcher {
    /// A trapped call is about to run.
    fn enters(&mut self, tracee: &Tracee, call: &FileCall) -> Enter;

    /// A call that was watched has returned: its result, or the error number.
    fn returned(&mut self, tracee: &Tracee, call: &FileCall, result: Result<u64, i32>) -> Return;

    /// A thread has ended, or is another program from here on: none of its calls returns any more.
    fn ended(&mut self, _tid: i32) {}

    /// Whether everything is to be killed now. Asked again and again, also while nothing happens.
    fn has_enough(&self) -> bool {
        false
    }

    /// Whether the program may be waiting for the watcher, so that [`idle`](Watcher::idle) is to be called again and again.
    fn is_awaited(&self) -> bool {
        false
    }

    /// Nothing has happened for some milliseconds, or the watcher is awaited. May wait a moment for what it is awaited for.
    fn idle(&mut self) {}
}

/// How a traced run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The first process ended by itself, and so did all that it had started.
    Exited(Exit),
    /// The first process ended by itself, and others that it had started did not.
    Lingers(Exit),
    /// The watcher had everything killed.
    Killed,
    /// The time was up.
    TimeUp,
}

/// A traced run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traced {
    /// How it ended.
    pub ending: Ending,
    /// Processes and threads that were followed.
    pub tasks: usize,
}

/// Runs `body` in a new process and tells `watcher` of its file-changing calls, for at most `limit`. This process must have one
/// thread. Both run on one processor until the program starts a second task: each stop is then a switch, not a wake-up.
///
/// # Errors
/// Tracing is not possible here, or the system has no process to give.
pub fn trace(body: impl FnOnce() -> i32, watcher: &mut dyn Watcher, limit: Duration) -> Result<Traced, TraceError> {
    let mut pinned = Pinned::here();
    let mut spawned = spawn::spawn(body)?;
    let leader = spawned.pid();
    let mut session = Session { watcher, tasks: BTreeMap::new(), seen: 1, leader, held: Vec::new(), again: Vec::new() };
    session.tasks.insert(leader.as_raw(), Task::of(Tracee::of_process(leader.as_raw(), leader.as_raw())));
    let outcome = session.follow(&spawned, limit, &mut pinned);
    session.kill_all(&outcome);
    spawned.is_gone();
    let ending = outcome?;
    if ending == Ending::Exited(Exit::Status(spawn::NOT_TRACED)) && spawned.filter_failed() {
        return Err(TraceError::Forbidden("seccomp"));
    }
    Ok(Traced { ending, tasks: session.seen })
}

/// One thread of the program.
struct Task {
    tracee: Tracee,
    /// The call that it is inside of, and is watched.
    inside: Option<Inside>,
    /// Calls that signals have interrupted, and that are made again or fail when the handlers have returned; the last one first.
    interrupted: Vec<Inside>,
}

/// A watched call that was begun.
struct Inside {
    call: FileCall,
    stop: SyscallStop,
    /// The most bytes that it is to write, if it is to write less than it was asked to.
    limit: Option<u64>,
    /// What was changed so that it writes no more.
    shortened: Option<Shortened>,
}

/// What a write had asked for before it was shortened: the program may rely on it when the call has returned.
struct Shortened {
    /// The argument that says how much.
    argument: usize,
    /// What it said.
    was: u64,
    /// The length of a buffer in memory that was changed as well: its address, and what it said.
    buffer: Option<(u64, u64)>,
}

impl Shortened {
    /// Makes the call at which `stop` stands write at most `bytes`.
    fn to(bytes: u64, mut stop: SyscallStop, tracee: &Tracee, call: &FileCall) -> Result<Option<Shortened>, Errno> {
        let Some(argument) = call.length_argument() else { return Ok(None) };
        let was = stop.args[argument];
        let mut buffer = None;
        stop.args[argument] = match call.request {
            Request::Write { bytes: vector @ Bytes::Vector { .. }, .. } => {
                let Some(cut) = tracee.cut(vector, bytes) else { return Ok(None) };
                tracee.poke(cut.address, cut.length)?;
                buffer = Some((cut.address, cut.was));
                cut.count
            }
            _ => bytes.min(was),
        };
        stop.store()?;
        Ok(Some(Shortened { argument, was, buffer }))
    }

    /// Gives everything back once the call has returned.
    fn restore(&self, tracee: &Tracee) -> Result<(), Errno> {
        if let Some((address, was)) = self.buffer {
            tracee.poke(address, was)?;
        }
        registers::restore_argument(tracee.tid(), self.argument, self.was)
    }
}

impl Task {
    fn new(tid: i32) -> Task {
        Task::of(Tracee::new(tid))
    }

    fn of(tracee: Tracee) -> Task {
        Task { tracee, inside: None, interrupted: Vec::new() }
    }
}

struct Session<'w> {
    watcher: &'w mut dyn Watcher,
    tasks: BTreeMap<i32, Task>,
    seen: usize,
    leader: Pid,
    /// Tasks that are held before a call.
    held: Vec<i32>,
    /// Those of them that are to be asked about again.
    again: Vec<i32>,
}

/// What waitpid(2) reported of a task.
enum Report {
    Ended(Exit),
    /// At a system call that the filter traps.
    Entry,
    /// At the end of one.
    Exit,
    /// A new task was started.
    Birth,
    /// Another program is executed; the other threads are gone.
    Execs,
    /// Stopped by a stopping signal, with its whole process: it stays stopped until it is continued.
    GroupStop,
    /// Anything else that needs no more than to go on.
    Other,
    /// A signal is about to be delivered.
    Signal(i32),
}

impl Session<'_> {
    fn follow(&mut self, spawned: &Spawned, limit: Duration, pinned: &mut Pinned) -> Result<Ending, TraceError> {
        let mut alarm = Alarm::after(limit)?;
        let mut first = None;
        spawned.go()?;
        loop {
            if self.watcher.has_enough() {
                return Ok(Ending::Killed);
            }
            let (pid, report) = match self.again.pop() {
                Some(held) => (held, Report::Entry),
                None => match if self.watcher.is_awaited() { look() } else { wait() } {
                    Err(Errno::EINTR) if alarm.is_over() => return Ok(first.map_or(Ending::TimeUp, Ending::Lingers)),
                    Err(Errno::EINTR) => {
                        self.watcher.idle();
                        continue;
                    }
                    Err(Errno::ECHILD) => {
                        let gone = || io::Error::other("the traced program is gone").into();
                        return first.map(Ending::Exited).ok_or_else(gone);
                    }
                    Err(other) => return Err(io::Error::from(other).into()),
                    Ok((pid, status)) => (pid, report(status)),
                },
            };
            if let Report::Ended(exit) = report {
                self.ended(pid);
                if pid == self.leader.as_raw() {
                    first = Some(exit);
                    if !self.tasks.is_empty() {
                        alarm = Alarm::after(limit.min(LINGER))?;
                    }
                }
                match first {
                    Some(exit) if self.tasks.is_empty() => return Ok(Ending::Exited(exit)),
                    _ => continue,
                }
            }
            if !self.tasks.contains_key(&pid) {
                self.seen += 1;
                self.tasks.insert(pid, Task::new(pid));
                pinned.release(pid);
            }
            let outcome = match report {
                Report::Entry => self.entry(pid),
                Report::Exit => self.exit(pid),
                Report::Birth => {
                    pinned.release(pid);
                    self.born(pid);
                    self.go_on(pid, 0)
                }
                Report::Execs => {
                    // A thread that executes a program takes the number of its process: nobody has its former one any more.
                    if let Ok(former) = ptrace::getevent(Pid::from_raw(pid)) {
                        self.ended(former as i32);
                    }
                    self.ended(pid);
                    self.tasks.insert(pid, Task::new(pid));
                    resume(pid, 0)
                }
                Report::GroupStop => request(libc::PTRACE_LISTEN, pid, 0),
                Report::Signal(signal) => self.go_on(pid, signal),
                Report::Other | Report::Ended(_) => self.go_on(pid, 0),
            };
            match outcome {
                // It died while it was stopped: its end is the next thing to be reported.
                Ok(()) | Err(Stop::System(Errno::ESRCH)) => {}
                Err(Stop::Kill) => return Ok(Ending::Killed),
                Err(Stop::System(errno)) => return Err(io::Error::from(errno).into()),
            }
        }
    }

    /// Notes the task that `parent` has just started: it may be heard of only later. It may also have ended by now.
    fn born(&mut self, parent: i32) {
        if let Ok(child) = ptrace::getevent(Pid::from_raw(parent)).map(|message| message as i32)
            && !self.tasks.contains_key(&child)
            && tracee::is_of_this_thread(child)
        {
            self.seen += 1;
            self.tasks.insert(child, Task::new(child));
        }
    }

    fn ended(&mut self, tid: i32) {
        self.tasks.remove(&tid);
        self.watcher.ended(tid);
        self.again.append(&mut self.held);
        self.again.retain(|held| *held != tid);
    }

    fn entry(&mut self, pid: i32) -> Result<(), Stop> {
        let stop = SyscallStop::entry(pid)?;
        let Some(task) = self.tasks.get_mut(&pid) else { return resume(pid, 0) };
        task.tracee.has_run(self.seen == 1);
        if let Some(again) = task.interrupted.pop_if(|interrupted| interrupted.stop == stop) {
            return self.go_in(pid, again);
        }
        let call = calls::decode(stop.number, stop.args);
        match self.watcher.enters(&task.tracee, &call) {
            Enter::Pass => self.go_on(pid, 0),
            Enter::Watch => self.go_in(pid, Inside { call, stop, limit: None, shortened: None }),
            Enter::Shorten(bytes) => self.go_in(pid, Inside { call, stop, limit: Some(bytes), shortened: None }),
            Enter::Fail(errno) => {
                stop.skip(errno)?;
                self.go_on(pid, 0)
            }
            Enter::Hold => {
                self.held.push(pid);
                Ok(())
            }
            Enter::Kill => Err(Stop::Kill),
        }
    }

    /// Lets a call run that is looked at when it returns.
    fn go_in(&mut self, pid: i32, mut inside: Inside) -> Result<(), Stop> {
        if let Some(task) = self.tasks.get_mut(&pid) {
            inside.shortened = match inside.limit {
                Some(bytes) => Shortened::to(bytes, inside.stop, &task.tracee, &inside.call)?,
                None => None,
            };
            task.inside = Some(inside);
        }
        request(libc::PTRACE_SYSCALL, pid, 0)
    }

    fn exit(&mut self, pid: i32) -> Result<(), Stop> {
        let Some(back) = SyscallReturn::of(pid)? else { return self.go_on(pid, 0) };
        let Some(task) = self.tasks.get_mut(&pid) else { return resume(pid, 0) };
        task.tracee.has_run(self.seen == 1);
        let Some(inside) = task.inside.take() else {
            // This is rt_sigreturn(2), with which a handler ends. Behind the interrupted call: it has failed. Else it is made again.
            return match task.interrupted.pop_if(|interrupted| interrupted.stop.place == back.place) {
                Some(failed) => self.returned(pid, &failed, Err(libc::EINTR)),
                None => self.go_on(pid, 0),
            };
        };
        if let Some(shortened) = &inside.shortened {
            shortened.restore(&task.tracee)?;
        }
        if back.is_interrupted() {
            task.interrupted.push(inside);
            return self.go_on(pid, 0);
        }
        self.returned(pid, &inside, back.result)
    }

    fn returned(&mut self, pid: i32, inside: &Inside, result: Result<u64, i32>) -> Result<(), Stop> {
        let Some(task) = self.tasks.get_mut(&pid) else { return resume(pid, 0) };
        match self.watcher.returned(&task.tracee, &inside.call, result) {
            Return::Go => {}
            Return::Fail(errno) => registers::return_error(pid, errno)?,
            Return::Kill => return Err(Stop::Kill),
        }
        self.again.append(&mut self.held);
        self.go_on(pid, 0)
    }

    /// Lets a task go on, to the end of its next system call while one is interrupted: a handler returns by one.
    fn go_on(&self, pid: i32, signal: i32) -> Result<(), Stop> {
        match self.tasks.get(&pid) {
            Some(task) if !task.interrupted.is_empty() => request(libc::PTRACE_SYSCALL, pid, signal),
            _ => resume(pid, signal),
        }
    }

    /// Kills every task and waits for the last one, also those of which nothing was heard yet.
    fn kill_all(&mut self, outcome: &Result<Ending, TraceError>) {
        // A single task that came to its end, or was stopped when that was decided, was not forking.
        let alone = self.seen == 1 && matches!(outcome, Ok(Ending::Exited(_) | Ending::Killed));
        loop {
            self.kill_known();
            if self.tasks.is_empty() && !alone {
                // A task that died while it forked has told nobody of its child, which is traced all the same.
                self.tasks.extend(tracee::of_this_thread().into_iter().map(|tid| (tid, Task::new(tid))));
                self.kill_known();
            }
            if self.tasks.is_empty() {
                return;
            }
            match wait() {
                Ok((pid, status)) => {
                    if matches!(report(status), Report::Ended(_)) {
                        self.tasks.remove(&pid);
                    } else {
                        self.tasks.entry(pid).or_insert_with(|| Task::new(pid));
                        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                    }
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

/// Why a task does not go on.
enum Stop {
    Kill,
    System(Errno),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Stop {
        Stop::System(errno)
    }
}

/// Waits for whatever one of this thread's own children and tracees does next.
fn wait() -> Result<(i32, i32), Errno> {
    wait_with(0)
}

/// What one of them has done by now; EINTR where none has done anything.
fn look() -> Result<(i32, i32), Errno> {
    match wait_with(libc::WNOHANG)? {
        (0, _) => Err(Errno::EINTR),
        done => Ok(done),
    }
}

fn wait_with(options: libc::c_int) -> Result<(i32, i32), Errno> {
    let mut status = 0;
    // SAFETY: the status is written to a live integer.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD | options) };
    Errno::result(pid).map(|pid| (pid, status))
}

fn report(status: i32) -> Report {
    if libc::WIFEXITED(status) {
        return Report::Ended(Exit::Status(libc::WEXITSTATUS(status)));
    }
    if libc::WIFSIGNALED(status) {
        return Report::Ended(Exit::Signal(libc::WTERMSIG(status)));
    }
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        libc::PTRACE_EVENT_SECCOMP => Report::Entry,
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => Report::Birth,
        libc::PTRACE_EVENT_EXEC => Report::Execs,
        // A group-stop if the signal is a stopping one, else the first stop of a new task.
        libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Report::GroupStop,
        0 if signal == libc::SIGTRAP | 0x80 => Report::Exit,
        0 => Report::Signal(signal),
        _ => Report::Other,
    }
}

fn resume(pid: i32, signal: i32) -> Result<(), Stop> {
    request(libc::PTRACE_CONT, pid, signal)
}

/// A ptrace(2) request without an address.
fn request(request: libc::c_uint, pid: i32, data: i32) -> Result<(), Stop> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: these requests (CONT, SYSCALL, LISTEN) take a number and read no memory of ours.
    let result = unsafe { libc::ptrace(request, pid, none, libc::c_long::from(data)) };
    Ok(Errno::result(result).map(|_| ())?)
}

/// What the kernel is asked to report, and that nothing outlives us.
fn options() -> ptrace::Options {
    ptrace::Options::PTRACE_O_TRACESECCOMP
        | ptrace::Options::PTRACE_O_TRACESYSGOOD
        | ptrace::Options::PTRACE_O_TRACEFORK
        | ptrace::Options::PTRACE_O_TRACEVFORK
        | ptrace::Options::PTRACE_O_TRACECLONE
        | ptrace::Options::PTRACE_O_TRACEEXEC
        | ptrace::Options::PTRACE_O_EXITKILL
}
