//! Stopping a program at its file-changing system calls, by ptrace(2) of our own children. A seccomp(2) filter stops them at these
//! calls only, so that everything else runs at full speed. Needs no privilege.
//!
//! *What* to do at a call is the [`Watcher`]'s affair; *how* the program is stopped, ours. The contract:
//!
//! 1. [`enters`](Watcher::enters) is called before a trapped call has done anything, by whichever thread makes it.
//! 2. After [`Enter::Watch`] and [`Enter::Shorten`] comes exactly one [`returned`](Watcher::returned) of the same thread, unless it
//!    is killed inside the call or ends the process. A call that a signal interrupts and the kernel makes again is one call; what the
//!    signal's handler calls comes inside of it.
//! 3. The thread is stopped while the watcher looks at it; other threads and processes run on.
//! 4. Threads, children (fork, vfork, clone) and what they execute are followed from their first instruction.
//! 5. A run ends with the last process that it has started. Those that still run [`LINGER`] after the first one has ended are
//!    killed and waited for. So are all when the watcher says so, or the time is up. They also die when we die (PTRACE_O_EXITKILL).
//!
//! Not followed: a program of another architecture's calls (32 bits) is killed by the filter.

mod calls;
mod copies;
mod descriptor;
mod filter;
mod probe;
mod registers;
mod resolve;
mod session;
mod spawn;
mod stopped;
mod task;
mod timer;
mod tracee;
mod watcher;

use std::io;
use std::time::Duration;

use thiserror::Error;

pub use calls::{At, Bytes, CopyKind, FileCall, Request, SyncKind, Target};
pub use copies::{Copies, CopyEnd, NotHeld};
pub use descriptor::{Descriptor, OpenFile};
pub use filter::{Stops, traced_calls};
pub use probe::probe;
pub use resolve::Resolved;
pub use tracee::{MappedFile, Tracee};
pub use watcher::{Enter, Return, Watcher};

use crate::pinned::Pinned;
use crate::process::{Exit, ForkError};
use session::Session;

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
    /// Whether the filter has killed one of them: a program of another architecture, or one of its own filters did.
    pub foreign: bool,
}

/// Runs `body` in a new process and reports its file-changing calls to `watcher`, for at most `limit`. This process must have one
/// thread. Both run on one processor until the program starts a second task: each stop is then a switch, not a wake-up.
///
/// # Errors
/// Tracing is not possible here, or the system has no process to give.
pub fn trace(body: impl FnOnce() -> i32, watcher: &mut dyn Watcher, limit: Duration) -> Result<Traced, TraceError> {
    let mut pinned = Pinned::here();
    let mut spawned = spawn::spawn(body, watcher.stops())?;
    let mut session = Session::new(watcher, spawned.pid());
    let outcome = session.follow(&spawned, limit, &mut pinned);
    session.kill_all(&outcome);
    spawned.is_gone();
    let ending = outcome?;
    if ending == Ending::Exited(Exit::Status(spawn::NOT_TRACED)) && spawned.filter_failed() {
        return Err(TraceError::Forbidden("seccomp"));
    }
    Ok(Traced { ending, tasks: session.seen(), foreign: session.has_foreign() })
}
