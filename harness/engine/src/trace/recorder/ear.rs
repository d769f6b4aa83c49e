//! Where what a program prints is heard: in pipes of ours, or at the calls that print it where it prints elsewhere.
//!
//! Into a pipe a program prints before its next call begins: whoever empties it then knows what was printed before that call. There is
//! no need to stop at the return of the call that prints.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use crashtest_linux::trace::{Bytes, Enter, FileCall, Request, Tracee};

use crate::output::Output;
use crate::trace::line_protocol::Printed;

pub(super) enum Ear<'p> {
    /// Nobody listens.
    Nobody,
    /// What calls write to `output`, the name of an open file, is read from the memory of whoever makes them.
    Calls {
        output: PathBuf,
        printed: &'p RefCell<Printed>,
        /// By thread: what it is about to print.
        printing: BTreeMap<i32, Bytes>,
    },
    /// It is printed into pipes.
    Pipes(&'p RefCell<Output<Printed>>),
}

impl Ear<'_> {
    /// What to do at a call that prints; `None` for any other.
    pub(super) fn enters(&mut self, tracee: &Tracee, call: &FileCall) -> Option<Enter> {
        match (self, call.request) {
            (Ear::Calls { output, printing, .. }, Request::Write { fd, bytes, .. }) => {
                let prints = tracee.name_of(fd).is_ok_and(|name| name == *output);
                prints.then(|| {
                    printing.insert(tracee.tid(), bytes);
                    Enter::Watch
                })
            }
            (Ear::Pipes(output), Request::Write { fd, bytes, .. }) => {
                let length = || tracee.length(bytes).unwrap_or(0);
                output.borrow_mut().makes_room(&tracee.name_of(fd).ok()?, length).then_some(Enter::Pass)
            }
            (Ear::Pipes(output), Request::Copy { fd, length, .. }) => {
                output.borrow_mut().makes_room(&tracee.name_of(fd).ok()?, || length).then_some(Enter::Pass)
            }
            _ => None,
        }
    }

    /// Whether the call that has returned is one that has printed something, which is heard now.
    pub(super) fn returned(&mut self, tracee: &Tracee, result: Result<u64, i32>) -> bool {
        let Ear::Calls { printed, printing, .. } = self else { return false };
        let Some(bytes) = printing.remove(&tracee.tid()) else { return false };
        if let Ok(length) = result {
            printed.borrow_mut().hear(tracee.process(), &tracee.bytes(bytes, length).unwrap_or_default());
        }
        true
    }

    /// Hears what was printed until now.
    pub(super) fn hear(&self) {
        if let Ear::Pipes(output) = self {
            output.borrow_mut().hear();
        }
    }

    /// A thread makes no more calls.
    pub(super) fn ended(&mut self, tid: i32) {
        if let Ear::Calls { printing, .. } = self {
            printing.remove(&tid);
        }
    }

    /// Whether the program may be stopped because its pipe is full.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self, Ear::Pipes(output) if output.borrow().is_awaited())
    }

    /// Empties the pipes, also while the program makes no call.
    pub(super) fn attend(&self) {
        if let Ear::Pipes(output) = self {
            output.borrow_mut().attend();
        }
    }
}
