//! A process that dies last: it stands above the one that does the work, and kills whatever that leaves behind.
//!
//! A program under test may start processes that leave their group and their session. While the working process lives, orphans come to
//! it. When it dies, or when whoever has asked for the work dies, they come to the reaper. The reaper kills them and ends as the work
//! did. A PID namespace would do the same and is no choice: it changes what the program sees of itself and of its files.

use std::ffi::{CStr, c_int};
use std::io;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, pthread_sigmask, sigaction};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, setpgid};

use crate::process::{self, Change, Exit, ForkError, look};
use crate::{clock, supervision};

/// The exit status of a reaper whose working process somebody has stopped (SIGSTOP). No command of ours ends with it.
pub const STOPPED: i32 = 86;

/// What a reaper is called in process lists: killing by the name of the program does not hit it.
const NAME: &CStr = c"reaper";
/// For so long a reaper tries to kill what was left, in ns.
const PATIENCE_NS: u64 = 5_000_000_000;
/// How long whoever has a reaper waits for a signal before it looks after it.
const LONG_LOOK: Duration = Duration::from_secs(1);
/// How long a reaper waits for a death before it looks at its children again.
const LOOK: Duration = Duration::from_millis(10);

/// On which side of the reaper a process is that has put one above its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It does the work.
    Work,
    /// It had the work done, and nothing of it is left.
    Done {
        /// How the work ended.
        ended: Ended,
        /// The last signal by which somebody had asked this process to end.
        asked: Option<i32>,
    },
}

/// How a working process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, or by a signal.
    Exit(Exit),
    /// Somebody had stopped it, so it was killed.
    Stopped,
}

impl Ended {
    /// Returns what the exit of a reaper says of the work.
    #[must_use]
    pub fn of_reaper(exit: Exit) -> Ended {
        match exit {
            Exit::Status(STOPPED) => Ended::Stopped,
            exit => Ended::Exit(exit),
        }
    }
}

/// Who is served by a reaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Master {
    /// A program of ours, to which the reaper stands for the work: a signal ends both.
    Supervisor,
    /// The process that a person has started: signals are passed on to the work, which may take its time.
    Person,
}

/// Makes this process a reaper, and returns in the process that does the work, with the number of the process that had started the
/// reaper. To be called first: the reaper closes its descriptors, and never returns.
///
/// # Errors
/// This process has more than one thread, or the kernel has no process to give.
pub fn under_reaper() -> Result<u32, ForkError> {
    one_thread()?;
    default_sigchld()?;
    let before = block(&SigSet::all())?;
    reap(Master::Supervisor, None, &before)
}

/// Puts a reaper between this process and its work. Returns in the process that does the work, and when that has ended in this one.
/// Meanwhile this one passes SIGINT, SIGTERM and SIGHUP on to it.
///
/// # Errors
/// This process has more than one thread, or the kernel has no process to give.
pub fn work_under_reaper() -> Result<Side, ForkError> {
    one_thread()?;
    // Should the reaper be killed, what it would have killed comes here.
    supervision::adopt_orphans()?;
    default_sigchld()?;
    let passed_on = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
    let waited_for: SigSet = passed_on.into_iter().chain([Signal::SIGCHLD]).collect();
    let before = block(&waited_for)?;
    let person = getpid();
    // SAFETY: this process has exactly one thread (checked above), so the child may call anything.
    match unsafe { fork() }.map_err(io::Error::from)? {
        ForkResult::Child => {
            reap(Master::Person, Some(person), &before)?;
            Ok(Side::Work)
        }
        ForkResult::Parent { child: reaper } => {
            let mut asked = None;
            let ended = loop {
                match look(reaper.as_raw(), libc::WUNTRACED) {
                    Ok(Some((_, Change::Ended(exit)))) => break Ended::of_reaper(exit),
                    // It can do nothing any more: what it would have killed comes here once it is dead.
                    Ok(Some((_, Change::Stopped(_)))) => {
                        let _ = kill(reaper, Signal::SIGKILL);
                        let _ = waitpid(reaper, None);
                        break Ended::Stopped;
                    }
                    Ok(None) => {}
                    Err(error) => return Err(error.into()),
                }
                match wait_for(&waited_for, Some(LONG_LOOK)) {
                    Some(signal) if signal != libc::SIGCHLD => {
                        asked = Some(signal);
                        // It fails only where the reaper is gone already.
                        send(reaper, signal);
                    }
                    _ => {}
                }
            };
            // Ctrl-C goes to the work as well, which may have ended by now.
            while let Some(signal) = wait_for(&waited_for, Some(Duration::ZERO)) {
                asked = if signal == libc::SIGCHLD { asked } else { Some(signal) };
            }
            supervision::kill_strays(&[]);
            restore(&before)?;
            Ok(Side::Done { ended, asked })
        }
    }
}

/// Ends this process by `signal`, without a core.
fn end_by(signal: i32) -> ! {
    // A reaper must not write a core over that of the process it speaks for. Where that cannot be had, it ends all the same.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
    // By its number: nix does not know those that programs may give a meaning of their own.
    let mut set: libc::sigset_t = *SigSet::empty().as_ref();
    // SAFETY: the set lives until the call returns; a number that is none is refused.
    unsafe { libc::sigaddset(&raw mut set, signal) };
    // SAFETY: no handler is installed, the default action is.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    // SAFETY: it is a set that was emptied and then changed by sigaddset alone.
    let set = unsafe { SigSet::from_sigset_t_unchecked(set) };
    let _ = set.thread_unblock();
    send(getpid(), signal);
    // As shells say it, where the signal ends nobody.
    exit(128 + signal)
}

/// Whoever ignores SIGCHLD, as it may have been inherited, has children that cannot be waited for.
fn default_sigchld() -> io::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed, the default action is.
    unsafe { sigaction(Signal::SIGCHLD, &default) }?;
    Ok(())
}

fn one_thread() -> Result<(), ForkError> {
    match process::threads()? {
        1 => Ok(()),
        threads => Err(ForkError::ManyThreads(threads)),
    }
}

/// Makes this process the reaper for `master`, which is its parent (`parent`, where that is known for sure). Returns in the working
/// process only, with the signals let through that were `before`.
fn reap(master: Master, parent: Option<Pid>, before: &SigSet) -> Result<u32, ForkError> {
    block(&SigSet::all())?;
    // Not SIGKILL: then nobody would be left to kill the others. SIGCONT wakes a reaper also where somebody has stopped it.
    prctl::set_pdeathsig(Signal::SIGCONT).map_err(io::Error::from)?;
    prctl::set_child_subreaper(true).map_err(io::Error::from)?;
    let parent = parent.unwrap_or_else(getppid);
    let reaper = getpid();
    // SAFETY: this process has exactly one thread (the callers have checked), so the child may call anything.
    match unsafe { fork() }.map_err(io::Error::from)? {
        ForkResult::Child => {
            supervision::die_with_parent(reaper.as_raw().unsigned_abs())?;
            restore(before)?;
            Ok(parent.as_raw().unsigned_abs())
        }
        ForkResult::Parent { child: work } => {
            let _ = prctl::set_name(NAME);
            if master == Master::Person {
                // Out of the reach of what a program, or a terminal, sends to the group of the work.
                let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
            }
            close_everything();
            let ended = watch(master, parent, work);
            let exit = kill_all(work);
            match (ended, exit) {
                (Some(Ended::Stopped), _) => exit_with(Exit::Status(STOPPED)),
                (Some(Ended::Exit(exit)), _) | (None, Some(exit)) => exit_with(exit),
                (None, None) => exit_with(Exit::Signal(libc::SIGKILL)),
            }
        }
    }
}

/// Waits until the work has ended, or was stopped, or `parent` is gone, or wants it to end (`None`).
fn watch(master: Master, parent: Pid, work: Pid) -> Option<Ended> {
    let all = SigSet::all();
    loop {
        // -1: also whoever was left by the work while it lived, which is nobody as long as it adopts its own.
        while let Ok(Some((pid, change))) = look(-1, libc::WUNTRACED) {
            match change {
                Change::Ended(exit) if pid == work.as_raw() => return Some(Ended::Exit(exit)),
                // A terminal stops and continues a person's whole group; who is sent SIGSTOP was stopped by somebody.
                Change::Stopped(signal)
                    if pid == work.as_raw() && (master == Master::Supervisor || signal == libc::SIGSTOP) =>
                {
                    return Some(Ended::Stopped);
                }
                Change::Ended(_) | Change::Stopped(_) => {}
            }
        }
        if getppid() != parent {
            return None;
        }
        if let Some(signal @ (libc::SIGTERM | libc::SIGINT | libc::SIGHUP)) = wait_for(&all, None) {
            match master {
                Master::Supervisor => return None,
                Master::Person if getppid() != parent => return None,
                // It fails only where the work has just ended, which the next look shows.
                Master::Person => drop(send(work, signal)),
            }
        }
    }
}

/// Kills every child of this process, and whatever becomes one meanwhile, until there is none. How `work` ended, if it did here.
fn kill_all(work: Pid) -> Option<Exit> {
    let deadline_ns = clock::now_ns() + PATIENCE_NS;
    let deaths: SigSet = [Signal::SIGCHLD].into_iter().collect();
    let mut exit = None;
    loop {
        for child in supervision::children() {
            // It fails only where it is gone already.
            let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
        }
        match look(-1, 0) {
            // Its own children have come to us by now.
            Ok(Some((pid, change))) => {
                if let (true, Change::Ended(how)) = (pid == work.as_raw(), change) {
                    exit = Some(how);
                }
            }
            Ok(None) if clock::now_ns() < deadline_ns => drop(wait_for(&deaths, Some(LOOK))),
            Ok(None) | Err(_) => return exit,
        }
    }
}

/// Waits for one of the `signals`, which are blocked, at most for `limit`: its number.
fn wait_for(signals: &SigSet, limit: Option<Duration>) -> Option<i32> {
    let limit = limit.map(|limit| libc::timespec {
        tv_sec: limit.as_secs().cast_signed(),
        tv_nsec: i64::from(limit.subsec_nanos()),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the set and the time live until the call returns; nothing is written.
    let signal = unsafe { libc::sigtimedwait(std::ptr::from_ref(signals.as_ref()), std::ptr::null_mut(), limit) };
    (signal > 0).then_some(signal)
}

/// Blocks `signals` besides those that are blocked: these are returned.
fn block(signals: &SigSet) -> io::Result<SigSet> {
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(signals), Some(&mut before))?;
    Ok(before)
}

fn restore(before: &SigSet) -> io::Result<()> {
    Ok(pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(before), None)?)
}

/// Sends a signal of which nix may not know the number.
fn send(pid: Pid, signal: i32) -> c_int {
    // SAFETY: kill(2) reads no memory of ours.
    unsafe { libc::kill(pid.as_raw(), signal) }
}

/// Closes every descriptor: the ends of pipes that the work has must be the last ones.
fn close_everything() {
    // SAFETY: this process goes on with calls that need no descriptor but those that they open themselves.
    let _ = unsafe { libc::close_range(0, libc::c_uint::MAX, 0) };
}

/// Ends as the work did.
fn exit_with(how: Exit) -> ! {
    match how {
        Exit::Status(status) => exit(status),
        Exit::Signal(signal) => end_by(signal),
    }
}

fn exit(status: i32) -> ! {
    // SAFETY: _exit has no preconditions; unlike exit it runs no handlers and flushes no buffer of the work's.
    unsafe { libc::_exit(status) }
}
