//! Processes that stop and continue each other lose nothing.

use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;

use crashtest_linux::process::fork_child;
use crashtest_linux::shared;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getppid};

use crate::victim::{pause, record, status, until};
use crate::witness::trace;

pub(crate) fn a_first_process_that_its_child_stops_and_continues_loses_nothing() {
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
pub(crate) fn a_parent_sees_the_stops_of_its_child_and_the_child_loses_nothing() {
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
