//! Whoever decides what becomes of a call: asked before it runs, and again when it has returned.

use super::{FileCall, Stops, Tracee};

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
    /// Not now: ask again when another call has returned, or a task has ended, and from time to time.
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
    /// Which calls it is asked about.
    fn stops(&self) -> Stops {
        Stops::default()
    }

    /// A trapped call is about to run.
    fn enters(&mut self, tracee: &Tracee, call: &FileCall) -> Enter;

    /// A call that was watched has returned: its result, or the error number.
    fn returned(&mut self, tracee: &Tracee, call: &FileCall, result: Result<u64, i32>) -> Return;

    /// A thread has ended, or is another program from here on: none of its calls returns any more.
    fn ended(&mut self, _tid: i32) {}

    /// Returns whether everything is to be killed now. Asked again and again, also while nothing happens.
    fn has_enough(&mut self) -> bool {
        false
    }

    /// Returns whether the program may be waiting for the watcher, so that [`idle`](Watcher::idle) is to be called again and again.
    fn is_awaited(&self) -> bool {
        false
    }

    /// Nothing has happened for some milliseconds, or the watcher is awaited. May wait a moment for what it is awaited for.
    fn idle(&mut self) {}
}
