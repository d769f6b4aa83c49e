//! Whether a process makes no progress because the machine does not let it: its disk does not answer, or others have the processors.

use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::time::{Duration, Instant};

/// Looks at a process: between two waits for a disk it runs for a moment, and may be seen just then.
const LOOKS: usize = 10;
/// Time between two of them.
const LOOK: Duration = Duration::from_millis(10);

/// A thread at one look.
struct Thread {
    id: OsString,
    /// One letter, as in proc_pid_stat(5).
    state: u8,
    /// For how long it has run; `None` where the kernel does not count it.
    ran: Option<Duration>,
}

/// Whether `pid` is held up by the machine, and not by itself: one of its threads waits for a device inside a call that no signal ends
/// (state D of proc_pid_stat(5)), or is ready to run and hardly gets to.
///
/// Looks for a tenth of a second, or until it sees a wait for a device.
#[must_use]
pub fn is_held_up(pid: i32) -> bool {
    let (begun, mut looks) = (Instant::now(), Vec::new());
    for look in 0..LOOKS {
        if look > 0 {
            std::thread::sleep(LOOK);
        }
        looks.push(threads_of(pid));
        if shows_held_up(&looks, begun.elapsed()) {
            return true;
        }
    }
    false
}

/// Whether looks that took so long together show a process that is held up; the looks before the last one did not.
fn shows_held_up(looks: &[Vec<Thread>], took: Duration) -> bool {
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else { return false };
    if last.iter().any(|thread| thread.state == b'D') {
        return true;
    }
    let is_ready = |look: &[Thread], id: &OsString| look.iter().any(|thread| thread.id == *id && thread.state == b'R');
    // Ready each time, and yet nearly always somebody else ran.
    let is_starved = |thread: &Thread| {
        let now = last.iter().find(|other| other.id == thread.id);
        let ran = now.and_then(|now| Some(now.ran?.saturating_sub(thread.ran?)));
        ran.is_some_and(|ran| ran < took / 10) && looks.iter().all(|look| is_ready(look, &thread.id))
    };
    looks.len() == LOOKS && first.iter().any(is_starved)
}

fn threads_of(pid: i32) -> Vec<Thread> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let look = |task: DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        // The name before it, in brackets, may hold anything.
        let state = *stat.rsplit_once(')')?.1.trim_start().as_bytes().first()?;
        let counted = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let ran = counted.split(' ').next().and_then(|ns| ns.parse().ok()).map(Duration::from_nanos);
        Some(Thread { id: task.file_name(), state, ran })
    };
    tasks.flatten().filter_map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(id: &str, state: u8, ran_ms: Option<u64>) -> Thread {
        Thread { id: id.into(), state, ran: ran_ms.map(Duration::from_millis) }
    }

    /// Looks at one thread, a tenth of a second in all: its state, and how long it had run at the first and the last, in ms.
    fn looks_at(states: &str, ran_ms: [u64; 2]) -> bool {
        let ran = |look: usize| ran_ms[0] + (ran_ms[1] - ran_ms[0]) * look as u64 / (LOOKS as u64 - 1);
        let look = |(look, state): (usize, u8)| vec![thread("7", state, Some(ran(look)))];
        let looks: Vec<Vec<Thread>> = states.bytes().enumerate().map(look).collect();
        shows_held_up(&looks, Duration::from_millis(100))
    }

    #[test]
    fn who_waits_for_a_device_at_one_look_is_held_up_and_who_sleeps_at_all_is_not() {
        assert!(looks_at("SSSD", [0, 0]));
        assert!(!looks_at("SSSSSSSSSS", [0, 0]));
        for wakes in ["RSSSSSSSSS", "SRSSSSRSSS", "SSSSSSSSSR", "RSSSSSSSSR"] {
            assert!(!looks_at(wakes, [0, 1]), "it wakes up from time to time");
        }
    }

    #[test]
    fn who_is_ready_and_hardly_runs_is_held_up_and_who_runs_all_the_time_is_not() {
        assert!(looks_at("RRRRRRRRRR", [50, 59]));
        assert!(!looks_at("RRRRRRRRRR", [50, 60]), "an endless loop on a busy machine");
        assert!(!looks_at("RRRRR", [50, 51]), "it may yet run");
    }

    #[test]
    fn threads_are_not_taken_for_each_other_and_what_is_not_counted_is_not_known() {
        let tenth = Duration::from_millis(100);
        let looks = |states: [[u8; 2]; 2], ran| -> Vec<Vec<Thread>> {
            let look = |n: usize| vec![thread("7", states[n % 2][0], ran), thread("8", states[n % 2][1], ran)];
            (0..LOOKS).map(look).collect()
        };
        assert!(!shows_held_up(&looks([*b"RS", *b"SR"], Some(1)), tenth), "one of them is ready, never the same");
        assert!(shows_held_up(&looks([*b"SR", *b"SR"], Some(1)), tenth));
        assert!(!shows_held_up(&looks([*b"SR", *b"SR"], None), tenth), "a kernel without schedstat");
    }
}
