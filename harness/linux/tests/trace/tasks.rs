//! Threads, processes and programs are followed, and told apart.

use std::fs::{self, File};
use std::process::Command;
use std::thread;

use crashtest_linux::process::{Exit, fork_child};
use crashtest_linux::trace::Ending;
use nix::unistd::getpid;

use crate::victim::{RECORDS, record, records, status, until};
use crate::witness::trace;

pub(crate) fn two_threads_are_told_apart() {
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

pub(crate) fn threads_are_followed_after_the_first_one_has_ended() {
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

pub(crate) fn a_program_that_a_second_thread_executes_is_the_same_process() {
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

pub(crate) fn two_processes_and_their_children_are_told_apart() {
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
pub(crate) fn two_hundred_programs_between_the_calls_are_all_seen() {
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
