//! A run ends with all that it has started, or kills it.

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crashtest_linux::process::Exit;
use crashtest_linux::trace::Ending;
use crashtest_linux::{clock, shared};
use nix::sys::signal::kill;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::getpid;

use crate::victim::{BACKGROUND_NS, orphan, report_and_loop, until};
use crate::witness::{self, ENOUGH, left_over, trace, trace_within};

/// A child in a session of its own and its child, which write when the first process has ended.
pub(crate) fn what_runs_in_the_background_is_followed_to_its_end() {
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

/// A process that waits for its child in a call that no signal ends, for longer than the limit.
pub(crate) fn who_is_held_up_by_the_machine_is_given_more_time() {
    let traced = trace_within(
        Duration::from_millis(300),
        |_| {
            // SAFETY: as fork(2), with memory of its own; the child does nothing but sleep and end.
            let child = unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_VFORK | libc::SIGCHLD, 0, 0, 0, 0) };
            if child == 0 {
                clock::sleep_until(clock::now_ns() + 1_000_000_000);
                // SAFETY: ends the child, which shares nothing.
                unsafe { libc::_exit(0) };
            }
            3
        },
        |_, _| (),
    );
    assert_eq!(traced.ending, Ending::Exited(Exit::Status(3)));
}

/// Children that loop, one in a session of its own, and their children.
pub(crate) fn what_does_not_end_with_the_first_process_is_killed() {
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
pub(crate) fn a_child_that_is_born_while_everything_is_killed_is_killed_too() {
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
