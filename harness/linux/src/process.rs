//! Forking a child that runs our own code, killing it, and knowing how it ended.
//!
//! A running and an ended child are different types: nothing can be asked of a child that was waited for.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::linux::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid};
use thiserror::Error;

use crate::supervision;

/// The exit status of a child whose body panicked, as Rust programs have it.
pub const PANICKED: i32 = 101;

/// Why no child could be forked.
#[derive(Debug, Error)]
pub enum ForkError {
    /// A forked child has one thread: locks that another thread held would stay locked in it for ever.
    #[error("fork from a process with {0} threads")]
    ManyThreads(u64),
    /// What fork(2) said.
    #[error("fork: {0}")]
    Kernel(#[from] io::Error),
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It returned or exited with this status.
    Status(i32),
    /// A signal ended it.
    Signal(i32),
}

impl Exit {
    /// Returns whether SIGKILL ended it.
    #[must_use]
    pub fn by_sigkill(self) -> bool {
        self == Exit::Signal(libc::SIGKILL)
    }

    /// Returns whether SIGABRT ended it.
    #[must_use]
    pub fn by_sigabrt(self) -> bool {
        self == Exit::Signal(libc::SIGABRT)
    }

    /// "exited with status 1", "was killed by SIGABRT".
    #[must_use]
    pub fn in_words(self) -> String {
        match self {
            Exit::Status(status) => format!("exited with status {status}"),
            Exit::Signal(signal) => format!("was killed by {}", name_of_signal(signal)),
        }
    }

    /// Returns whether it ended by a signal that a process is sent, and does not bring upon itself as SIGSEGV and SIGABRT are.
    #[must_use]
    pub fn was_sent_a_signal(self) -> bool {
        let own = [libc::SIGABRT, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGSEGV, libc::SIGSYS, libc::SIGTRAP];
        matches!(self, Exit::Signal(signal) if !own.contains(&signal))
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Status(status) => write!(f, "with status {status}"),
            Exit::Signal(signal) => write!(f, "by signal {signal}"),
        }
    }
}

/// "SIGTERM", or "signal 34" for those that programs may give a meaning of their own.
#[must_use]
pub fn name_of_signal(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |signal| signal.to_string())
}

/// What a child has done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// It is dead, and was waited for.
    Ended(Exit),
    /// It was stopped by this signal.
    Stopped(i32),
}

/// The next change of child `pid` (-1: of any) that is waiting to be looked at. An error: there is no such child.
pub(crate) fn look(pid: i32, more: libc::c_int) -> io::Result<Option<(i32, Change)>> {
    let mut status = 0;
    // SAFETY: the status is written to a live integer.
    let found = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG | more) };
    let change = match found {
        -1 => return Err(io::Error::last_os_error()),
        0 => return Ok(None),
        _ if libc::WIFSTOPPED(status) => Change::Stopped(libc::WSTOPSIG(status)),
        _ if libc::WIFSIGNALED(status) => Change::Ended(Exit::Signal(libc::WTERMSIG(status))),
        _ => Change::Ended(Exit::Status(libc::WEXITSTATUS(status))),
    };
    Ok(Some((found, change)))
}

/// A forked child that runs. Killed and waited for when dropped.
#[derive(Debug)]
pub struct Running {
    pid: Pid,
    exit: Option<Exit>,
}

/// Returns how many threads this process has.
///
/// /proc/self/task has one subdirectory per thread, and like every directory a link count of two more than that.
///
/// # Errors
/// /proc is not mounted.
pub fn threads() -> io::Result<u64> {
    Ok(std::fs::metadata("/proc/self/task")?.st_nlink().saturating_sub(2))
}

/// Returns whether there is a process of this number.
#[must_use]
pub fn is_running(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

/// A descriptor that stands for `process` (pidfd_open(2), Linux 5.3), and is readable once it has ended.
pub(crate) fn pidfd(process: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes two numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) })
}

/// A descriptor that a system call has returned, close-on-exec.
pub(crate) fn owned(returned: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = Errno::result(returned)? as RawFd;
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Forks a child that runs `body` and ends with the status that it returns, or [`PANICKED`]. It never outlives this process.
///
/// # Errors
/// This process has more than one thread, or the kernel has no process to give.
pub fn fork_child(body: impl FnOnce() -> i32) -> Result<Running, ForkError> {
    // SAFETY: `child` calls it only where this process has exactly one thread, so the child may call anything.
    child(|| unsafe { fork() }, body)
}

/// The same, of a child that we are going to trace. Where somebody traces this process with its children (`strace -f`), that child is
/// left out: it can have one tracer only.
pub(crate) fn fork_child_to_trace(body: impl FnOnce() -> i32) -> Result<Running, ForkError> {
    match is_traced() {
        false => fork_child(body),
        true => child(fork_untraced, body),
    }
}

/// Returns whether somebody traces this process.
fn is_traced() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}

/// fork(2) of a child that whoever traces this process does not trace. Past the C library, whose notes on this process stay those of its
/// parent in the child: for looking at crashtest with strace only.
fn fork_untraced() -> nix::Result<ForkResult> {
    let flags = libc::c_long::from(libc::CLONE_UNTRACED | libc::SIGCHLD);
    let none = 0 as libc::c_long;
    // SAFETY: without CLONE_VM and with no stack of its own the child is a copy of this process, as by fork(2); there is one thread.
    match Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) })? {
        0 => Ok(ForkResult::Child),
        child => Ok(ForkResult::Parent { child: Pid::from_raw(i32::try_from(child).unwrap_or(i32::MAX)) }),
    }
}

/// A child by `fork`, which is called where this process has one thread.
fn child(fork: impl FnOnce() -> nix::Result<ForkResult>, body: impl FnOnce() -> i32) -> Result<Running, ForkError> {
    let threads = threads()?;
    if threads != 1 {
        return Err(ForkError::ManyThreads(threads));
    }
    let parent = getpid().as_raw().unsigned_abs();
    match fork().map_err(io::Error::from)? {
        ForkResult::Parent { child } => Ok(Running { pid: child, exit: None }),
        ForkResult::Child => {
            let status = match supervision::die_with_parent(parent) {
                Ok(()) => catch_unwind(AssertUnwindSafe(body)).unwrap_or(PANICKED),
                Err(_) => PANICKED,
            };
            // SAFETY: _exit has no preconditions; unlike exit it runs no handlers and flushes no buffer of the parent's.
            unsafe { libc::_exit(status) }
        }
    }
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Returns how it ended, if it has.
    ///
    /// # Errors
    /// What waitpid(2) says: somebody else has waited for it.
    pub fn try_wait(&mut self) -> io::Result<Option<Exit>> {
        self.wait_with(Some(WaitPidFlag::WNOHANG))
    }

    /// Sends SIGKILL and does not wait: it may still be running for a moment.
    ///
    /// # Errors
    /// What kill(2) says.
    pub fn send_sigkill(&self) -> io::Result<()> {
        self.send(Signal::SIGKILL)
    }

    /// Sends SIGTERM, which asks it to stop: whether it does is its own affair.
    ///
    /// # Errors
    /// What kill(2) says.
    pub fn send_sigterm(&self) -> io::Result<()> {
        self.send(Signal::SIGTERM)
    }

    /// Sends SIGABRT and does not wait.
    ///
    /// # Errors
    /// What kill(2) says.
    pub fn send_sigabrt(&self) -> io::Result<()> {
        self.send(Signal::SIGABRT)
    }

    fn send(&self, signal: Signal) -> io::Result<()> {
        match self.exit {
            None => Ok(kill(self.pid, signal)?),
            Some(_) => Ok(()),
        }
    }

    /// Sends SIGKILL and waits. The result says how it really ended: it may have exited just before.
    ///
    /// # Errors
    /// What kill(2) and waitpid(2) say.
    pub fn kill(mut self) -> io::Result<Exit> {
        self.send_sigkill()?;
        self.wait_with(None)?.ok_or_else(|| io::Error::other("waitpid gave no exit"))
    }

    /// Takes note that somebody else has waited for it: its number may be another process's by now.
    pub(crate) fn was_waited_for(&mut self, exit: Exit) {
        self.exit = Some(exit);
    }

    fn wait_with(&mut self, flags: Option<WaitPidFlag>) -> io::Result<Option<Exit>> {
        if self.exit.is_none() {
            self.exit = match waitpid(self.pid, flags)? {
                WaitStatus::Exited(_, status) => Some(Exit::Status(status)),
                WaitStatus::Signaled(_, signal, _) => Some(Exit::Signal(signal as i32)),
                _ => None,
            };
        }
        Ok(self.exit)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.exit.is_none() {
            // Both fail only when the child is gone already, which is what is wanted.
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = waitpid(self.pid, None);
        }
    }
}
