//! Forking needs a process of one thread, and the test harness has several: these tests run one after the other on the main thread.

mod trials;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use crashtest_linux::deadline::Deadline;
use crashtest_linux::process::{Exit, ForkError, PANICKED, fork_child};
use crashtest_linux::{clock, held_up, process, shared};
use trials::trials;

fn a_child_ends_with_the_status_that_its_body_returns() {
    let mut child = fork_child(|| 7).unwrap();
    assert_eq!(wait(&mut child), Exit::Status(7));
}

fn a_panic_in_the_child_is_a_status_and_not_our_panic() {
    let mut child = fork_child(|| {
        std::panic::set_hook(Box::new(|_| ()));
        panic!("planted")
    })
    .unwrap();
    assert_eq!(wait(&mut child), Exit::Status(PANICKED));
}

fn a_killed_child_shows_our_sigkill_and_what_it_shared() {
    let words = shared::map(NonZeroUsize::new(1).unwrap()).unwrap();
    let child = fork_child(|| {
        loop {
            words[0].fetch_add(1, Ordering::Relaxed);
        }
    })
    .unwrap();
    while words[0].load(Ordering::Relaxed) < 1000 {
        std::hint::spin_loop();
    }
    assert!(child.kill().unwrap().by_sigkill());
    let after = words[0].load(Ordering::Relaxed);
    clock::sleep_until(clock::now_ns() + 2_000_000);
    assert_eq!(words[0].load(Ordering::Relaxed), after, "nothing counts any more");
}

fn dropping_a_running_child_kills_it() {
    let child = fork_child(|| {
        loop {
            std::thread::park();
        }
    })
    .unwrap();
    let pid = child.pid();
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    drop(child);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

fn a_process_with_two_threads_is_refused() {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || stopped.recv());
    assert!(matches!(fork_child(|| 0), Err(ForkError::ManyThreads(2))));
    drop(stop);
    let _ = thread.join().unwrap();
    // The kernel takes a moment to forget a joined thread.
    while process::threads().unwrap() > 1 {
        std::hint::spin_loop();
    }
}

fn who_waits_in_a_call_that_no_signal_ends_is_held_up_and_who_sleeps_is_not() {
    let asleep = fork_child(|| {
        loop {
            std::thread::park();
        }
    })
    .unwrap();
    // The parent of a vfork(2) waits so until its child executes something, which this one never does.
    let held_up = fork_child(|| {
        // SAFETY: as fork(2), with memory of its own; the child does nothing but sleep.
        unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_VFORK | libc::SIGCHLD, 0, 0, 0, 0) };
        loop {
            std::thread::park();
        }
    })
    .unwrap();
    let children = format!("/proc/{0}/task/{0}/children", held_up.pid());
    let child = loop {
        match std::fs::read_to_string(&children).unwrap().trim().parse::<i32>() {
            Ok(child) if held_up::is_held_up(held_up.pid()) => break child,
            _ => clock::sleep_until(clock::now_ns() + 100_000),
        }
    };
    let over = |pid| {
        let mut deadline = Deadline::in_ns(0);
        [(); 2].map(|()| deadline.is_over([pid]))
    };
    let seen = [asleep.pid(), child].map(|pid| (held_up::is_held_up(pid), over(pid)));
    let mut both = Deadline::in_ns(0);
    let ends = [(); 2].map(|()| both.is_over([asleep.pid(), held_up.pid()]));
    // Before anything is asserted: while it lives, nobody can end the one that waits for it.
    // SAFETY: it is our grandchild, and nobody has waited for it.
    unsafe { libc::kill(child, libc::SIGKILL) };
    assert_eq!(seen, [(false, [false, true]); 2], "who sleeps");
    assert_eq!(ends, [false; 2], "one of them is held up");
}

fn wait(child: &mut process::Running) -> Exit {
    loop {
        if let Some(exit) = child.try_wait().unwrap() {
            return exit;
        }
        clock::sleep_until(clock::now_ns() + 100_000);
    }
}

fn main() -> ExitCode {
    trials::run(trials![
        a_child_ends_with_the_status_that_its_body_returns,
        a_panic_in_the_child_is_a_status_and_not_our_panic,
        a_killed_child_shows_our_sigkill_and_what_it_shared,
        dropping_a_running_child_kills_it,
        a_process_with_two_threads_is_refused,
        who_waits_in_a_call_that_no_signal_ends_is_held_up_and_who_sleeps_is_not,
    ])
}
