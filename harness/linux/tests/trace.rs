//! Tracing loses no call and takes none for another's: by threads, by processes, by programs that start programs, under signals.
//!
//! Each record that a victim writes holds who wrote it and its number, so that what the tracer says of a call is held against what
//! the call itself says. Forking needs a process of one thread: these tests run without the test harness, one after the other.

mod witness;

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crashtest_linux::process::{Exit, Running, fork_child};
use crashtest_linux::trace::{Ending, Tracee};
use crashtest_linux::{clock, shared};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid, gettid, mkfifo};
use witness::{ENOUGH, Seen, Traced, left_over, trace, trace_within};

const PATIENCE: Duration = Duration::from_secs(120);
const RECORDS: u64 = 200;
/// How long a victim's children run on: longer than any test, but not for ever if a test fails.
const BACKGROUND_NS: u64 = 10_000_000_000;

/// Writes record `n` in one call, without allocating: fit for the handler of a signal.
fn record(mut file: &File, n: u64) {
    let mut line = [0; 64];
    let mut rest = &mut line[..];
    writeln!(rest, "{} {} {n}", getpid(), gettid()).unwrap();
    let length = 64 - rest.len();
    assert_eq!(file.write(&line[..length]).unwrap(), length);
}

fn records(path: &Path) {
    let file = File::create(path).unwrap();
    (0..RECORDS).for_each(|n| record(&file, n));
}

fn two_threads_are_told_apart() {
    let traced = trace(
        |dir| {
            let threads = ["one", "two"].map(|name| {
                let path = dir.join(name);
                thread::spawn(move || records(&path))
            });
            records(&dir.join("main"));
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            0
        },
        |_, _| (),
    );
    for file in ["main", "one", "two"] {
        traced.assert_whole(file, RECORDS);
    }
    assert_eq!((traced.processes().len(), traced.threads().len(), traced.tasks), (1, 3, 3));
}

fn threads_are_followed_after_the_first_one_has_ended() {
    let traced = trace(
        |dir| {
            let path = dir.join("late");
            thread::spawn(move || {
                // A first thread that has ended is a zombie until the others have ended too.
                let stat = format!("/proc/{}/stat", getpid());
                until("the end of the first thread", || fs::read_to_string(&stat).unwrap().contains(") Z "));
                records(&path);
                // SAFETY: ends the process; nothing of it is needed any more.
                unsafe { libc::_exit(7) }
            });
            // SAFETY: ends this thread alone, which holds nothing that the other needs.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
            unreachable!()
        },
        |_, _| (),
    );
    traced.assert_whole("late", RECORDS);
    assert_eq!(traced.ending, Ending::Exited(Exit::Status(7)), "the end of the process, not of its first thread");
}

fn a_program_that_a_second_thread_executes_is_the_same_process() {
    let traced = trace(
        |dir| {
            use std::os::unix::process::CommandExt;
            let (before, after) = (dir.join("before"), dir.join("after"));
            thread::spawn(move || {
                records(&before);
                let script = format!("echo $$ $$ 0 > {}", after.display());
                Command::new("sh").args(["-c", &script]).exec()
            });
            loop {
                thread::park();
            }
        },
        |_, _| (),
    );
    traced.assert_whole("before", RECORDS);
    traced.assert_whole("after", 1);
    assert_eq!((traced.processes().len(), traced.threads().len()), (1, 2));
}

fn two_processes_and_their_children_are_told_apart() {
    let traced = trace(
        |dir| {
            let child = fork_child(|| {
                let grandchild = fork_child(|| {
                    records(&dir.join("grandchild"));
                    0
                });
                records(&dir.join("child"));
                status(grandchild.unwrap())
            });
            records(&dir.join("parent"));
            status(child.unwrap())
        },
        |_, _| (),
    );
    for file in ["parent", "child", "grandchild"] {
        traced.assert_whole(file, RECORDS);
    }
    assert_eq!((traced.processes().len(), traced.tasks), (3, 3));
}

/// std's `Command` starts programs with posix_spawn(3): CLONE_VM and CLONE_VFORK.
fn two_hundred_programs_between_the_calls_are_all_seen() {
    let traced = trace(
        |dir| {
            let log = File::create(dir.join("log")).unwrap();
            for n in 0..RECORDS {
                record(&log, n);
                let script = format!("echo $$ $$ 0 > {}/program-{n}", dir.display());
                let mut program = if n % 2 == 0 { Command::new("sh") } else { Command::new("true") };
                let arguments = if n % 2 == 0 { vec!["-c", &script] } else { Vec::new() };
                assert!(program.args(arguments).status().unwrap().success());
            }
            0
        },
        |_, _| (),
    );
    traced.assert_whole("log", RECORDS);
    (0..RECORDS).step_by(2).for_each(|n| traced.assert_whole(&format!("program-{n}"), 1));
    assert_eq!(traced.tasks as u64, 1 + RECORDS);
    assert_eq!(traced.processes().len() as u64, 1 + RECORDS / 2, "`true` writes nothing");
}

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

/// A signal in every call, whose handler makes calls of its own, and an alarm at any moment.
fn signals_and_the_calls_of_their_handlers_disturb_nothing() {
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

fn a_write_that_the_kernel_makes_again_after_a_signal_is_one_write() {
    let traced = interrupted_write(SaFlags::SA_RESTART);
    assert_eq!(written(&traced), [(b'a', WHOLE), (b'b', WHOLE)]);
}

fn a_write_that_the_program_makes_again_after_a_signal_is_two_writes() {
    let traced = interrupted_write(SaFlags::empty());
    assert_eq!(written(&traced), [(b'a', WHOLE), (b'b', Err(libc::EINTR)), (b'b', WHOLE)]);
}

/// Without a handler the kernel always makes the call again: here until a thread makes room.
fn a_write_that_an_ignored_signal_interrupts_is_one_write() {
    let gate = &shared::map(NonZeroUsize::new(1).unwrap()).unwrap()[0];
    let mut signal = at_b(Signal::SIGWINCH);
    let traced = trace(
        |dir| {
            let mut pipe = full_pipe(dir);
            let mut drained = pipe.try_clone().unwrap();
            let stat = format!("/proc/{0}/task/{0}/stat", getpid());
            let drain = thread::spawn(move || {
                shared::wait_at(gate);
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
                shared::open(gate);
            }
        },
    );
    assert_eq!(written(&traced), [(b'a', WHOLE), (b'b', WHOLE)]);
}

fn a_first_process_that_its_child_stops_and_continues_loses_nothing() {
    let words = shared::map(NonZeroUsize::new(2).unwrap()).unwrap();
    let (written, over) = (&words[0], &words[1]);
    let traced = trace(
        |dir| {
            let child = fork_child(|| {
                let count = || written.load(Ordering::Relaxed);
                for _ in 0..20 {
                    let begun = count();
                    until("a record", || count() > begun);
                    kill(getppid(), Signal::SIGSTOP).unwrap();
                    until("the stop", || {
                        let before = count();
                        pause(2_000_000);
                        count() == before
                    });
                    kill(getppid(), Signal::SIGCONT).unwrap();
                }
                over.store(1, Ordering::Relaxed);
                0
            });
            let file = File::create(dir.join("stopped")).unwrap();
            while over.load(Ordering::Relaxed) == 0 {
                record(&file, written.fetch_add(1, Ordering::Relaxed));
            }
            status(child.unwrap())
        },
        |_, _| (),
    );
    traced.assert_whole("stopped", written.load(Ordering::Relaxed));
}

/// The parent waits for the stops and continuations of its child, as a shell does with jobs.
fn a_parent_sees_the_stops_of_its_child_and_the_child_loses_nothing() {
    let words = shared::map(NonZeroUsize::new(2).unwrap()).unwrap();
    let (written, over) = (&words[0], &words[1]);
    let traced = trace(
        |dir| {
            let child = fork_child(|| {
                let file = File::create(dir.join("stopped")).unwrap();
                while over.load(Ordering::Relaxed) == 0 {
                    record(&file, written.fetch_add(1, Ordering::Relaxed));
                }
                0
            });
            let child = child.unwrap();
            let pid = Pid::from_raw(child.pid());
            let flags = Some(WaitPidFlag::WUNTRACED | WaitPidFlag::WCONTINUED);
            for _ in 0..50 {
                kill(pid, Signal::SIGSTOP).unwrap();
                assert_eq!(waitpid(pid, flags), Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)));
                let before = written.load(Ordering::Relaxed);
                pause(200_000);
                assert_eq!(written.load(Ordering::Relaxed), before, "it stays stopped");
                kill(pid, Signal::SIGCONT).unwrap();
                assert_eq!(waitpid(pid, flags), Ok(WaitStatus::Continued(pid)));
            }
            over.store(1, Ordering::Relaxed);
            status(child)
        },
        |_, _| (),
    );
    traced.assert_whole("stopped", written.load(Ordering::Relaxed));
}

/// A child in a session of its own and its child, which write when the first process has ended.
fn what_runs_in_the_background_is_followed_to_its_end() {
    let traced = trace(
        |dir| {
            let first = getpid();
            let over = || until("the end of the first process", || kill(first, None).is_err());
            orphan(|| {
                nix::unistd::setsid().unwrap();
                orphan(|| {
                    over();
                    std::fs::write(dir.join("last"), "written").unwrap();
                    4
                });
                over();
                5
            });
            3
        },
        |_, _| (),
    );
    assert_eq!((traced.ending, traced.tasks), (Ending::Exited(Exit::Status(3)), 3));
    assert!(traced.seen.iter().any(|seen| seen.file == "last" && seen.data == b"written"));
}

/// Children that loop, one in a session of its own, and their children.
fn what_does_not_end_with_the_first_process_is_killed() {
    let pids = shared::map(NonZeroUsize::new(4).unwrap()).unwrap();
    let traced = trace_within(
        Duration::from_secs(1),
        |_| {
            for n in 0..2 {
                orphan(|| {
                    if n == 0 {
                        nix::unistd::setsid().unwrap();
                    }
                    orphan(|| report_and_loop(&pids[2 * n]));
                    report_and_loop(&pids[2 * n + 1])
                });
            }
            until("all four", || pids.iter().all(|pid| pid.load(Ordering::Relaxed) != 0));
            3
        },
        |_, _| (),
    );
    assert_eq!((traced.ending, traced.tasks), (Ending::Lingers(Exit::Status(3)), 5));
    for pid in pids {
        let pid = pid.load(Ordering::Relaxed);
        assert!(witness::is_gone(pid as i32), "{pid} is left");
    }
}

/// The first process has everything killed while others fork: also a child that nobody has heard of yet must not be left.
fn a_child_that_is_born_while_everything_is_killed_is_killed_too() {
    for _ in 0..40 {
        let forks = &shared::map(NonZeroUsize::new(1).unwrap()).unwrap()[0];
        let traced = trace(
            |dir| {
                for _ in 0..4 {
                    orphan(|| {
                        let end = clock::now_ns() + BACKGROUND_NS;
                        while clock::now_ns() < end {
                            forks.fetch_add(1, Ordering::Relaxed);
                            orphan(|| 0);
                            // Ended ones are waited for, or there would soon be too many.
                            let _ = waitpid(None, Some(WaitPidFlag::WNOHANG));
                        }
                        0
                    });
                }
                until("some forks", || forks.load(Ordering::Relaxed) > 50);
                let _ = std::fs::File::create(dir.join(ENOUGH));
                0
            },
            |_, _| (),
        );
        assert_eq!(traced.ending, Ending::Killed);
        assert!(traced.tasks > 40, "{} forks were seen", traced.tasks);
        assert_eq!(left_over(), [0; 0]);
    }
}

fn report_and_loop(pid: &AtomicU64) -> i32 {
    pid.store(getpid().as_raw() as u64, Ordering::Relaxed);
    pause(BACKGROUND_NS);
    0
}

/// A child that nothing but the tracer ends: `fork_child`'s dies with its parent.
fn orphan(body: impl FnOnce() -> i32) {
    // SAFETY: victims that call this have one thread.
    if let nix::unistd::ForkResult::Child = unsafe { nix::unistd::fork() }.unwrap() {
        let status = body();
        // SAFETY: runs no handlers and flushes nothing of the parent's.
        unsafe { libc::_exit(status) }
    }
}

fn status(mut child: Running) -> i32 {
    loop {
        match child.try_wait().unwrap() {
            Some(Exit::Status(status)) => return status,
            Some(Exit::Signal(signal)) => return 128 + signal,
            None => pause(100_000),
        }
    }
}

fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = clock::now_ns() + PATIENCE.as_nanos() as u64;
    while !happened() {
        assert!(clock::now_ns() < deadline, "{what} did not come");
        pause(50_000);
    }
}

fn pause(ns: u64) {
    clock::sleep_until(clock::now_ns() + ns);
}

fn main() {
    two_threads_are_told_apart();
    threads_are_followed_after_the_first_one_has_ended();
    a_program_that_a_second_thread_executes_is_the_same_process();
    two_processes_and_their_children_are_told_apart();
    two_hundred_programs_between_the_calls_are_all_seen();
    signals_and_the_calls_of_their_handlers_disturb_nothing();
    a_write_that_the_kernel_makes_again_after_a_signal_is_one_write();
    a_write_that_the_program_makes_again_after_a_signal_is_two_writes();
    a_write_that_an_ignored_signal_interrupts_is_one_write();
    a_first_process_that_its_child_stops_and_continues_loses_nothing();
    a_parent_sees_the_stops_of_its_child_and_the_child_loses_nothing();
    what_runs_in_the_background_is_followed_to_its_end();
    what_does_not_end_with_the_first_process_is_killed();
    a_child_that_is_born_while_everything_is_killed_is_killed_too();
}
