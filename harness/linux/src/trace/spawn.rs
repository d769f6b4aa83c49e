//! A child that is traced from its first instruction on: it waits until we hold it, installs the filter, then runs.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::TraceError;
use super::filter::{self, Stops};
use crate::process::{Exit, Running, fork_child_to_trace};

/// The exit status of a child that could not install the filter.
pub(super) const NOT_TRACED: i32 = 125;

/// A traced child that waits to be let go.
pub(super) struct Spawned {
    child: Running,
    latch: std::fs::File,
    complaint: std::fs::File,
}

/// Forks a child that will run `body`, and takes hold of it.
pub(super) fn spawn(body: impl FnOnce() -> i32, stops: Stops) -> Result<Spawned, TraceError> {
    let (waits, latch) = pipe()?;
    let (complaint, complains) = pipe()?;
    let filter = filter::program(stops);
    let (mut waits, mut complains) = (std::fs::File::from(waits), std::fs::File::from(complains));
    let (latch, complaint) = (std::fs::File::from(latch), std::fs::File::from(complaint));
    let child = fork_child_to_trace(|| {
        let mut go = [0];
        if waits.read_exact(&mut go).is_err() {
            return NOT_TRACED;
        }
        if let Err(error) = seccompiler::apply_filter(filter) {
            let _ = complains.write_all(error.to_string().as_bytes());
            return NOT_TRACED;
        }
        body()
    })?;
    match ptrace::seize(Pid::from_raw(child.pid()), options()) {
        Ok(()) => Ok(Spawned { child, latch, complaint }),
        Err(Errno::EPERM | Errno::EACCES | Errno::ENOSYS) => Err(TraceError::Forbidden("ptrace")),
        Err(other) => Err(io::Error::from(other).into()),
    }
}

impl Spawned {
    pub(super) fn pid(&self) -> i32 {
        self.child.pid()
    }

    /// Lets it go on.
    pub(super) fn go(&self) -> io::Result<()> {
        (&self.latch).write_all(&[1])
    }

    /// Takes note that everything that was started is gone.
    pub(super) fn is_gone(&mut self) {
        self.child.was_waited_for(Exit::Signal(libc::SIGKILL));
    }

    /// Returns whether it complained that it could not install the filter. It must have ended.
    pub(super) fn filter_failed(&self) -> bool {
        nix::fcntl::fcntl(&self.complaint, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).is_ok()
            && (&self.complaint).read(&mut [0; 64]).is_ok_and(|length| length > 0)
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?)
}

/// Returns what the kernel is asked to report, and that nothing outlives us.
fn options() -> ptrace::Options {
    ptrace::Options::PTRACE_O_TRACESECCOMP
        | ptrace::Options::PTRACE_O_TRACESYSGOOD
        | ptrace::Options::PTRACE_O_TRACEFORK
        | ptrace::Options::PTRACE_O_TRACEVFORK
        | ptrace::Options::PTRACE_O_TRACECLONE
        | ptrace::Options::PTRACE_O_TRACEEXEC
        | ptrace::Options::PTRACE_O_EXITKILL
}
