//! Signals disturb no call, and an interrupted call is counted as what it is.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::thread;

use crashtest_linux::shared;
use crashtest_linux::trace::Tracee;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getpid, mkfifo};

use crate::victim::{RECORDS, record, until};
use crate::witness::{Seen, Traced, trace};

/// What the handlers of signals in victims see.
static HANDLED: AtomicU64 = AtomicU64::new(0);

static ALARMS: AtomicU64 = AtomicU64::new(0);

static DESCRIPTOR: AtomicI32 = AtomicI32::new(-1);

extern "C" fn count_alarm(_: libc::c_int) {
    ALARMS.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn write_record(_: libc::c_int) {
    record(&borrowed(), HANDLED.fetch_add(1, Ordering::Relaxed));
}

extern "C" fn drain_pipe(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
    (&*borrowed()).read_exact(&mut [0; PIPE]).unwrap();
}

fn borrowed() -> std::mem::ManuallyDrop<File> {
    use std::os::fd::FromRawFd;
    // SAFETY: the victim keeps the descriptor open, and the file is never dropped.
    std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(DESCRIPTOR.load(Ordering::Relaxed)) })
}

fn handle(signal: Signal, handler: extern "C" fn(libc::c_int), flags: SaFlags) {
    let action = SigAction::new(SigHandler::Handler(handler), flags, SigSet::empty());
    // SAFETY: the handlers here make system calls and change atomics, no more.
    unsafe { sigaction(signal, &action) }.unwrap();
}

fn alarms_every(interval_us: i64) {
    let interval = libc::timeval { tv_sec: 0, tv_usec: interval_us };
    let timer = libc::itimerval { it_interval: interval, it_value: interval };
    // SAFETY: reads a live structure, and the old one is not asked for.
    let set = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

const PIPE: usize = 4096;

/// A pipe that is full.
fn full_pipe(dir: &Path) -> File {
    mkfifo(&dir.join("pipe"), Mode::S_IRWXU).unwrap();
    let mut pipe = File::options().read(true).write(true).open(dir.join("pipe")).unwrap();
    nix::fcntl::fcntl(&pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(PIPE as i32)).unwrap();
    assert_eq!(pipe.write(&[b'a'; PIPE]).unwrap(), PIPE);
    pipe
}

/// Sends `signal` to the victim before its first write of b's.
fn at_b(signal: Signal) -> impl FnMut(&Tracee, &Seen) {
    let mut sent = false;
    move |tracee, seen| {
        if seen.data.starts_with(b"b") && !std::mem::replace(&mut sent, true) {
            kill(Pid::from_raw(tracee.process()), signal).unwrap();
        }
    }
}

/// The first bytes of all that was written, and what came of it.
fn written(traced: &Traced) -> Vec<(u8, Result<u64, i32>)> {
    let writes = traced.seen.iter().filter(|seen| seen.call == "write");
    writes.map(|seen| (seen.data[0], seen.result.unwrap())).collect()
}

const WHOLE: Result<u64, i32> = Ok(PIPE as u64);

/// A write to a full pipe is interrupted by a signal, whose handler makes room.
fn interrupted_write(flags: SaFlags) -> Traced {
    trace(
        |dir| {
            let mut pipe = full_pipe(dir);
            DESCRIPTOR.store(pipe.as_raw_fd(), Ordering::Relaxed);
            handle(Signal::SIGUSR1, drain_pipe, flags);
            match pipe.write(&[b'b'; PIPE]) {
                Ok(length) => assert_eq!(length, PIPE),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Interrupted);
                    assert_eq!(pipe.write(&[b'b'; PIPE]).unwrap(), PIPE);
                }
            }
            let mut got = [0; PIPE];
            pipe.read_exact(&mut got).unwrap();
            assert!(got == [b'b'; PIPE] && HANDLED.load(Ordering::Relaxed) == 1);
            0
        },
        at_b(Signal::SIGUSR1),
    )
}

/// A signal in every call, whose handler makes calls of its own, and an alarm at any moment.
pub(crate) fn signals_and_the_calls_of_their_handlers_disturb_nothing() {
    for flags in [SaFlags::empty(), SaFlags::SA_RESTART] {
        let traced = trace(
            |dir| {
                let handlers = File::create(dir.join("handler")).unwrap();
                DESCRIPTOR.store(handlers.as_raw_fd(), Ordering::Relaxed);
                let main = File::create(dir.join("main")).unwrap();
                handle(Signal::SIGUSR1, write_record, flags);
                handle(Signal::SIGALRM, count_alarm, flags);
                alarms_every(300);
                (0..RECORDS).for_each(|n| record(&main, n));
                until("the alarms", || ALARMS.load(Ordering::Relaxed) >= 10);
                0
            },
            |tracee, seen| {
                if seen.file == "main" && seen.call == "write" {
                    kill(Pid::from_raw(tracee.process()), Signal::SIGUSR1).unwrap();
                }
            },
        );
        traced.assert_whole("main", RECORDS);
        traced.assert_whole("handler", RECORDS);
    }
}

pub(crate) fn a_write_that_the_kernel_makes_again_after_a_signal_is_one_write() {
    let traced = interrupted_write(SaFlags::SA_RESTART);
    assert_eq!(written(&traced), [(b'a', WHOLE), (b'b', WHOLE)]);
}

pub(crate) fn a_write_that_the_program_makes_again_after_a_signal_is_two_writes() {
    let traced = interrupted_write(SaFlags::empty());
    assert_eq!(written(&traced), [(b'a', WHOLE), (b'b', Err(libc::EINTR)), (b'b', WHOLE)]);
}

/// Without a handler the kernel always makes the call again: here until a thread makes room.
pub(crate) fn a_write_that_an_ignored_signal_interrupts_is_one_write() {
    let latch = &shared::map(NonZeroUsize::new(1).unwrap()).unwrap()[0];
    let mut signal = at_b(Signal::SIGWINCH);
    let traced = trace(
        |dir| {
            let mut pipe = full_pipe(dir);
            let mut drained = pipe.try_clone().unwrap();
            let stat = format!("/proc/{0}/task/{0}/stat", getpid());
            let drain = thread::spawn(move || {
                shared::wait_at(latch);
                until("the wait for room", || fs::read_to_string(&stat).unwrap().contains(") S "));
                drained.read_exact(&mut [0; PIPE]).unwrap();
            });
            assert_eq!(pipe.write(&[b'b'; PIPE]).unwrap(), PIPE);
            drain.join().unwrap();
            0
        },
        |tracee, seen| {
            signal(tracee, seen);
            if seen.data.starts_with(b"b") {
                shared::open(latch);
            }
        },
    );
    assert_eq!(written(&traced), [(b'a', WHOLE), (b'b', WHOLE)]);
}
