//! One thread of a traced program: what is known of it, and the calls that it is inside of.

use nix::errno::Errno;

use super::calls::{Bytes, FileCall, Request};
use super::registers::SyscallEntry;
use super::stopped::Stopped;
use super::tracee::Tracee;

/// One thread of the program.
pub(super) struct Task {
    pub(super) tracee: Tracee,
    /// The watched call that it is inside of.
    pub(super) inside: Option<Inside>,
    /// Calls that signals have interrupted, the last one first: made again, or failed, when the handlers have returned.
    pub(super) interrupted: Vec<Inside>,
}

impl Task {
    /// A thread, of whichever process.
    pub(super) fn new(tid: i32) -> Task {
        Task::traced_as(Tracee::new(tid))
    }

    /// The first thread of a process.
    pub(super) fn leader(pid: i32) -> Task {
        Task::traced_as(Tracee::of_process(pid, pid))
    }

    fn traced_as(tracee: Tracee) -> Task {
        Task { tracee, inside: None, interrupted: Vec::new() }
    }
}

/// A watched call that was begun.
pub(super) struct Inside {
    pub(super) call: FileCall,
    pub(super) entry: SyscallEntry,
    /// The most bytes that it is to write, if it is to write less than it was asked to.
    pub(super) limit: Option<u64>,
    /// What was changed so that it writes no more.
    pub(super) shortened: Option<Shortened>,
}

/// What a write had asked for before it was shortened: the program may rely on it when the call has returned.
pub(super) struct Shortened {
    /// The argument that says how much.
    argument: usize,
    /// Its value before.
    was: u64,
    /// The length of a buffer in memory that was changed as well: its address, and its value before.
    buffer: Option<(u64, u64)>,
}

impl Shortened {
    /// Makes `call`, before which `stopped` stands, write at most `bytes`; `None` where it cannot write more.
    pub(super) fn apply(
        bytes: u64,
        stopped: &Stopped,
        mut entry: SyscallEntry,
        tracee: &Tracee,
        call: &FileCall,
    ) -> Result<Option<Shortened>, Errno> {
        let Some(argument) = call.length_argument() else { return Ok(None) };
        let was = entry.args[argument];
        let mut buffer = None;
        entry.args[argument] = match call.request {
            Request::Write { bytes: vector @ Bytes::Vector { .. }, .. } => {
                let Some(cut) = tracee.cut(vector, bytes) else { return Ok(None) };
                stopped.poke(cut.address, cut.length)?;
                buffer = Some((cut.address, cut.was));
                cut.count
            }
            _ => bytes.min(was),
        };
        stopped.set_arguments(entry.args)?;
        Ok(Some(Shortened { argument, was, buffer }))
    }

    /// Gives everything back once the call has returned.
    pub(super) fn restore(&self, stopped: &Stopped) -> Result<(), Errno> {
        if let Some((address, was)) = self.buffer {
            stopped.poke(address, was)?;
        }
        stopped.restore_argument(self.argument, self.was)
    }
}
