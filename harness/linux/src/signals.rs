//! What a process does with a signal: it notices that it is to stop, dies of it without a core file, or goes on.
//!
//! A handler may interrupt anything, a lock that is held as well: it sets a word and does nothing else.

use std::ffi::c_int;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// What the handler sets. A process has one; the children that it forks before it is set have their own.
static ASKED: OnceLock<&'static AtomicU64> = OnceLock::new();

extern "C" fn note(_signal: c_int) {
    if let Some(asked) = ASKED.get() {
        asked.store(1, Ordering::Release);
    }
}

/// From now on SIGTERM makes `asked` non-zero, and nothing else: calls that it interrupts are made again (SA_RESTART). The first word
/// that a process gives is the one that counts.
///
/// # Errors
/// What sigaction(2) says.
pub fn note_sigterm(asked: &'static AtomicU64) -> io::Result<()> {
    ASKED.get_or_init(|| asked);
    set(Signal::SIGTERM, SigHandler::Handler(note))
}

/// Makes SIGABRT end this process at once, whatever it was started with, and leave no core. No file is written (setrlimit(2)). A
/// program that takes cores from a pipe does not mind that limit, so it gets none either (core(5), prctl(2), PR_SET_DUMPABLE).
///
/// # Errors
/// What these calls say.
pub fn die_of_sigabrt() -> io::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    prctl::set_dumpable(false)?;
    set(Signal::SIGABRT, SigHandler::SigDfl)
}

/// From now on a write beyond the limit on the size of files fails with EFBIG, where it would have ended this process (SIGXFSZ). What it
/// forks and executes is the same, unless it is [started as usual](with_the_usual_limit_signal).
///
/// # Errors
/// What sigaction(2) says.
pub fn survive_the_file_size_limit() -> io::Result<()> {
    set(Signal::SIGXFSZ, SigHandler::SigIgn)
}

/// Makes what `command` starts die of SIGXFSZ again, as a program does that knows nothing of us.
pub fn with_the_usual_limit_signal(command: &mut Command) {
    // SAFETY: between fork and exec only sigaction(2) and sigprocmask(2) are called, which are async-signal-safe.
    unsafe { command.pre_exec(|| set(Signal::SIGXFSZ, SigHandler::SigDfl)) };
}

/// Sets what `signal` does, and lets it through: both are inherited from whoever started us.
fn set(signal: Signal, handler: SigHandler) -> io::Result<()> {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler, where there is one, reads a cell that is set before and stores to an atomic word: both may interrupt anything.
    unsafe { sigaction(signal, &action)? };
    let mut set = SigSet::empty();
    set.add(signal);
    Ok(set.thread_unblock()?)
}
