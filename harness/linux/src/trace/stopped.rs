//! A stopped task as a value: asked of the kernel only while it is stopped, and consumed when it is resumed.
//!
//! A ptrace(2) request to a task that runs fails with ESRCH, as one to a task that is gone: here it does not compile.

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::registers::{self, SyscallEntry, SyscallReturn};
use crate::process::Exit;

/// A task that the kernel holds stopped for us. Dropped without being resumed, it stays so until it is killed.
#[derive(Debug)]
#[must_use = "it stays stopped until it is resumed"]
pub(super) struct Stopped {
    tid: i32,
}

/// Why a task has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It is before a system call that the filter traps.
    Entry,
    /// It is behind a system call.
    Return,
    /// It has started a new task.
    Birth,
    /// It executes another program; the other threads are gone.
    Exec,
    /// A stopping signal has stopped its whole process: it stays stopped until it is continued.
    GroupStop,
    /// A signal is about to be delivered.
    Signal(i32),
    /// Anything else that needs no more than to be resumed.
    Other,
}

/// What waitpid(2) reports of a task.
#[derive(Debug)]
pub(super) enum Event {
    /// It has ended.
    Ended {
        /// The task.
        tid: i32,
        /// How.
        exit: Exit,
    },
    /// It has stopped.
    Stopped(Stopped, Reason),
}

impl Stopped {
    /// A task that was left stopped.
    pub(super) fn that_is_held(tid: i32) -> Stopped {
        Stopped { tid }
    }

    /// The thread.
    pub(super) fn tid(&self) -> i32 {
        self.tid
    }

    /// Lets it run on to the next trapped call, with `signal` delivered (0: none).
    pub(super) fn resume(self, signal: i32) -> Result<(), Errno> {
        self.request(libc::PTRACE_CONT, signal)
    }

    /// Lets it run on to the end of its next system call, with `signal` delivered (0: none).
    pub(super) fn resume_to_return(self, signal: i32) -> Result<(), Errno> {
        self.request(libc::PTRACE_SYSCALL, signal)
    }

    /// Leaves it in its group-stop, and listens for what ends that.
    pub(super) fn listen(self) -> Result<(), Errno> {
        self.request(libc::PTRACE_LISTEN, 0)
    }

    /// A ptrace(2) request without an address, after which it is no longer ours to ask.
    fn request(self, request: libc::c_uint, data: i32) -> Result<(), Errno> {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: these requests (CONT, SYSCALL, LISTEN) take a number and read no memory of ours.
        let result = unsafe { libc::ptrace(request, self.tid, none, libc::c_long::from(data)) };
        Errno::result(result).map(|_| ())
    }

    /// The task that its event is about: the new one after a birth, its own former number after an exec.
    pub(super) fn event_task(&self) -> Result<i32, Errno> {
        Ok(ptrace::getevent(Pid::from_raw(self.tid))? as i32)
    }

    /// The system call that it is before.
    pub(super) fn entry(&self) -> Result<SyscallEntry, Errno> {
        SyscallEntry::read(self.tid)
    }

    /// The result of the system call that it is behind; `None` if it is before it.
    pub(super) fn syscall_return(&self) -> Result<Option<SyscallReturn>, Errno> {
        SyscallReturn::read(self.tid)
    }

    /// Gives the call that it is before these arguments.
    pub(super) fn set_arguments(&self, args: [u64; 6]) -> Result<(), Errno> {
        registers::set_arguments(self.tid, args)
    }

    /// Makes the call that it is before not run, and return `errno`.
    pub(super) fn skip_call(&self, errno: i32) -> Result<(), Errno> {
        registers::skip(self.tid, errno)
    }

    /// Gives an argument of the call that it is behind the value back that it was called with.
    pub(super) fn restore_argument(&self, argument: usize, value: u64) -> Result<(), Errno> {
        registers::restore_argument(self.tid, argument, value)
    }

    /// Makes the call that it is behind return `errno`.
    pub(super) fn return_error(&self, errno: i32) -> Result<(), Errno> {
        registers::return_error(self.tid, errno)
    }

    /// Writes a 64-bit number to `address`, also where the program itself may not.
    pub(super) fn poke(&self, address: u64, value: u64) -> Result<(), Errno> {
        ptrace::write(Pid::from_raw(self.tid), address as usize as *mut libc::c_void, value.cast_signed())
    }
}

/// Waits for whatever one of this thread's own children and tracees does next.
pub(super) fn wait() -> Result<Event, Errno> {
    wait_with(-1, 0).map(|(tid, status)| event(tid, status))
}

/// Waits for what task `tid` does next.
pub(super) fn wait_for(tid: i32) -> Result<Event, Errno> {
    loop {
        match wait_with(tid, 0) {
            Err(Errno::EINTR) => {}
            waited => return waited.map(|(tid, status)| event(tid, status)),
        }
    }
}

/// Returns what one of them has done by now; EINTR where none has done anything.
pub(super) fn look() -> Result<Event, Errno> {
    match wait_with(-1, libc::WNOHANG)? {
        (0, _) => Err(Errno::EINTR),
        (tid, status) => Ok(event(tid, status)),
    }
}

fn wait_with(tid: i32, options: libc::c_int) -> Result<(i32, i32), Errno> {
    let mut status = 0;
    // SAFETY: the status is written to a live integer.
    let tid = unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL | libc::__WNOTHREAD | options) };
    Errno::result(tid).map(|tid| (tid, status))
}

/// The event that a status of waitpid(2) stands for: here a task becomes a stopped one.
fn event(tid: i32, status: i32) -> Event {
    if libc::WIFEXITED(status) {
        return Event::Ended { tid, exit: Exit::Status(libc::WEXITSTATUS(status)) };
    }
    if libc::WIFSIGNALED(status) {
        return Event::Ended { tid, exit: Exit::Signal(libc::WTERMSIG(status)) };
    }
    Event::Stopped(Stopped { tid }, reason(status))
}

fn reason(status: i32) -> Reason {
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        libc::PTRACE_EVENT_SECCOMP => Reason::Entry,
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => Reason::Birth,
        libc::PTRACE_EVENT_EXEC => Reason::Exec,
        // A group-stop if the signal is a stopping one, else the first stop of a new task.
        libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Reason::GroupStop,
        0 if signal == libc::SIGTRAP | 0x80 => Reason::Return,
        0 => Reason::Signal(signal),
        _ => Reason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_no_stop_and_a_stop_has_its_reason() {
        assert!(matches!(event(7, 3 << 8), Event::Ended { tid: 7, exit: Exit::Status(3) }));
        assert!(matches!(event(7, libc::SIGKILL), Event::Ended { exit: Exit::Signal(libc::SIGKILL), .. }));
        let stop = |event: i32, signal: i32| reason(event << 16 | signal << 8 | 0x7f);
        assert_eq!(stop(libc::PTRACE_EVENT_SECCOMP, libc::SIGTRAP), Reason::Entry);
        assert_eq!(stop(0, libc::SIGTRAP | 0x80), Reason::Return);
        assert_eq!(stop(0, libc::SIGUSR1), Reason::Signal(libc::SIGUSR1));
        assert_eq!(stop(libc::PTRACE_EVENT_STOP, libc::SIGSTOP), Reason::GroupStop);
        assert_eq!(stop(libc::PTRACE_EVENT_STOP, libc::SIGTRAP), Reason::Other);
        assert_eq!(stop(libc::PTRACE_EVENT_EXEC, libc::SIGTRAP), Reason::Exec);
        assert_eq!(stop(libc::PTRACE_EVENT_VFORK, libc::SIGTRAP), Reason::Birth);
    }
}
