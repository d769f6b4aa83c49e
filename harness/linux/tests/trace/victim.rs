//! What victims of these tests do: they write records, start children, and wait for each other.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crashtest_linux::clock;
use crashtest_linux::process::{Exit, Running};
use nix::unistd::{getpid, gettid};

pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const RECORDS: u64 = 200;

/// How long a victim's children run on: longer than any test, but not for ever if a test fails.
pub(crate) const BACKGROUND_NS: u64 = 10_000_000_000;

/// Writes record `n` in one call, without allocating: fit for the handler of a signal.
pub(crate) fn record(mut file: &File, n: u64) {
    let mut line = [0; 64];
    let mut rest = &mut line[..];
    writeln!(rest, "{} {} {n}", getpid(), gettid()).unwrap();
    let length = 64 - rest.len();
    assert_eq!(file.write(&line[..length]).unwrap(), length);
}

pub(crate) fn records(path: &Path) {
    let file = File::create(path).unwrap();
    (0..RECORDS).for_each(|n| record(&file, n));
}

pub(crate) fn report_and_loop(pid: &AtomicU64) -> i32 {
    pid.store(getpid().as_raw() as u64, Ordering::Relaxed);
    pause(BACKGROUND_NS);
    0
}

/// A child that nothing but the tracer ends: `fork_child`'s dies with its parent.
pub(crate) fn orphan(body: impl FnOnce() -> i32) {
    // SAFETY: victims that call this have one thread.
    if let nix::unistd::ForkResult::Child = unsafe { nix::unistd::fork() }.unwrap() {
        let status = body();
        // SAFETY: runs no handlers and flushes nothing of the parent's.
        unsafe { libc::_exit(status) }
    }
}

pub(crate) fn status(mut child: Running) -> i32 {
    loop {
        match child.try_wait().unwrap() {
            Some(Exit::Status(status)) => return status,
            Some(Exit::Signal(signal)) => return 128 + signal,
            None => pause(100_000),
        }
    }
}

pub(crate) fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = clock::now_ns() + PATIENCE.as_nanos() as u64;
    while !happened() {
        assert!(clock::now_ns() < deadline, "{what} did not come");
        pause(50_000);
    }
}

pub(crate) fn pause(ns: u64) {
    clock::sleep_until(clock::now_ns() + ns);
}
