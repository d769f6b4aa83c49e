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
    /// For how long it has run.
    ran: Duration,
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

/// Whether looks that took so long together show a process that is held up.
fn shows_held_up(looks: &[Vec<Thread>], took: Duration) -> bool {
    let waits = |look: &Vec<Thread>| look.iter().any(|thread| thread.state == b'D');
    let Some((first, later)) = looks.split_first() else { return false };
    if looks.iter().any(waits) {
        return true;
    }
    // Ready each time, and yet nearly always somebody else ran.
    let is_starved = |thread: &Thread| {
        let same = later.iter().map(|look| look.iter().find(|other| other.id == thread.id && other.state == b'R'));
        let ran = same.map(|same| same.map(|same| same.ran.saturating_sub(thread.ran))).collect::<Option<Vec<_>>>();
        thread.state == b'R' && ran.and_then(|ran| ran.last().copied()).is_some_and(|ran| ran < took / 10)
    };
    looks.len() == LOOKS && first.iter().any(is_starved)
}

fn threads_of(pid: i32) -> Vec<Thread> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let look = |task: DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        // The name before it, in brackets, may hold anything.
        let state = *stat.rsplit_once(')')?.1.trim_start().as_bytes().first()?;
        // A kernel that does not count it says nothing about starving.
        let counted = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let ran = counted.split(' ').next().and_then(|ns| ns.parse().ok()).map(Duration::from_nanos);
        let state = if ran.is_none() && state == b'R' { b'?' } else { state };
        Some(Thread { id: task.file_name(), state, ran: ran.unwrap_or_default() })
    };
    tasks.flatten().filter_map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at one thread, so many ms apart: its state, and how long it has run by then, in ms.
    fn looks_at(states: &str, ran_ms: [u64; 2]) -> bool {
        let ran = |look: usize| ran_ms[0] + (ran_ms[1] - ran_ms[0]) * look as u64 / (LOOKS as u64 - 1);
        let thread =
            |(look, state): (usize, u8)| vec![Thread { id: "7".into(), state, ran: Duration::from_millis(ran(look)) }];
        let looks: Vec<Vec<Thread>> = states.bytes().enumerate().map(thread).collect();
        shows_held_up(&looks, Duration::from_millis(100))
    }

    #[test]
    fn who_waits_for_a_device_at_one_look_is_held_up_and_who_sleeps_at_all_is_not() {
        assert!(looks_at("SSSD", [0, 0]));
        assert!(!looks_at("SSSSSSSSSS", [0, 0]));
        assert!(!looks_at("SRSSSSRSSS", [0, 1]), "it wakes up from time to time");
    }

    #[test]
    fn who_is_ready_and_hardly_runs_is_held_up_and_who_runs_all_the_time_is_not() {
        assert!(looks_at("RRRRRRRRRR", [50, 59]));
        assert!(!looks_at("RRRRRRRRRR", [50, 60]), "an endless loop on a busy machine");
        assert!(!looks_at("RRRRR", [50, 51]), "it may yet run");
    }
}
