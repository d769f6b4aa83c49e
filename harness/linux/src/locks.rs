//! Who waits for whose lock, as the kernel lists it in /proc/locks.

use std::io;

/// A process that waits for a lock of flock(2) or fcntl(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The process that waits.
    pub waiter: i32,
    /// The process that holds it.
    pub holder: i32,
    /// The locked file's number in its file system.
    pub inode: u64,
}

/// Everybody who waits for a lock.
///
/// # Errors
/// /proc is not mounted.
pub fn waits() -> io::Result<Vec<Wait>> {
    Ok(parse(&std::fs::read_to_string("/proc/locks")?))
}

/// `1: FLOCK  ADVISORY  WRITE 123 08:01:4567 0 EOF` is held, `1: -> FLOCK …` below it waits for it.
fn parse(listed: &str) -> Vec<Wait> {
    let mut holder = None;
    let mut waits = Vec::new();
    for line in listed.lines() {
        let mut words = line.split_whitespace().skip(1).peekable();
        let is_waiting = words.next_if_eq(&"->").is_some();
        let mut words = words.skip(3);
        let (Some(pid), Some(file)) = (words.next().and_then(|pid| pid.parse().ok()), words.next()) else { continue };
        let inode = file.rsplit(':').next().and_then(|inode| inode.parse().ok());
        match (is_waiting, holder) {
            (false, _) => holder = Some(pid),
            (true, Some(holder)) => waits.extend(inode.map(|inode| Wait { waiter: pid, holder, inode })),
            (true, None) => {}
        }
    }
    waits
}

/// Those of `waits` that will never end: who waits for itself, or round in a circle.
#[must_use]
pub fn deadlocked(waits: &[Wait]) -> Vec<Wait> {
    let next = |pid: i32| waits.iter().find(|wait| wait.waiter == pid).map(|wait| wait.holder);
    let returns = |wait: &&Wait| {
        let mut at = Some(wait.holder);
        for _ in 0..=waits.len() {
            match at {
                Some(pid) if pid == wait.waiter => return true,
                Some(pid) => at = next(pid),
                None => return false,
            }
        }
        false
    };
    waits.iter().filter(returns).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_are_listed_with_the_process_that_they_wait_for() {
        let listed = "1: FLOCK  ADVISORY  WRITE 10 fe:00:77 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 11 fe:00:77 0 EOF\n\
                      1:  -> FLOCK  ADVISORY  WRITE 12 fe:00:77 0 EOF\n2: POSIX  ADVISORY  READ 5 00:15:9 128 128\n";
        let wait = |waiter| Wait { waiter, holder: 10, inode: 77 };
        assert_eq!(parse(listed), [wait(11), wait(12)]);
        assert!(deadlocked(&parse(listed)).is_empty());
    }

    #[test]
    fn who_waits_for_itself_or_in_a_circle_waits_for_ever() {
        let wait = |waiter, holder| Wait { waiter, holder, inode: 1 };
        assert_eq!(deadlocked(&[wait(1, 1), wait(2, 1)]), [wait(1, 1)]);
        assert_eq!(deadlocked(&[wait(1, 2), wait(2, 3), wait(3, 1)]).len(), 3);
        assert!(deadlocked(&[wait(1, 2), wait(2, 3)]).is_empty());
    }

    #[test]
    fn a_second_descriptor_of_one_process_waits_for_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = std::fs::File::create(&path).unwrap();
        first.lock().unwrap();
        let second = std::fs::File::open(&path).unwrap();
        let waiting = std::thread::spawn(move || second.lock());
        let me = std::process::id() as i32;
        let found = || waits().unwrap().into_iter().find(|wait| wait.waiter == me);
        let wait = loop {
            if let Some(wait) = found() {
                break wait;
            }
            std::thread::yield_now();
        };
        assert_eq!(deadlocked(&[wait]), [wait]);
        first.unlock().unwrap();
        waiting.join().unwrap().unwrap();
    }
}
