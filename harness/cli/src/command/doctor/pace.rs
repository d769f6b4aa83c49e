//! How long a process takes to start here and now, and the limits that follow from that.
//!
//! A limit in milliseconds means little by itself: beside other work a process waits for its turn many times as long as it runs. Every
//! start is held against the processor time that it used, which other work does not change.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crashtest_engine::WorkerProgram;
use crashtest_linux::machine;

use crate::problem::Problem;

/// Starts in one measurement.
const STARTS: usize = 15;
/// The ratio of a usual start's time to its processor time above which a machine is busy. On a quiet one a start hardly waits.
const BUSY: u32 = 3;
/// A limit that nothing is expected to reach, in worst starts. It may be long, as nobody waits for its end.
const GENEROUS: u32 = 100;
/// A limit whose end is waited for, in worst starts.
const TIGHT: u32 = 5;
/// No limit is shorter or longer than this, in ms.
const GENEROUS_MS: (u64, u64) = (10_000, 60_000);
const TIGHT_MS: (u64, u64) = (200, 10_000);

/// One start: how long it took, and how long it ran.
type BareStart = (Duration, Duration);

/// The starts of a program that ends at once, by how long they took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// The median.
    pub usual: Duration,
    /// The longest.
    pub worst: Duration,
    /// The median of their processor time.
    ran: Duration,
}

impl Pace {
    /// Starts `program` some times, as a worker that is told nothing and ends; `None` where `stop` is set meanwhile.
    ///
    /// Nothing else that this process has started may end meanwhile: its processor time would be taken for theirs.
    pub(super) fn measure(program: &WorkerProgram, stop: &AtomicBool) -> Result<Option<Pace>, Problem> {
        let mut starts = Vec::with_capacity(STARTS);
        for _ in 0..STARTS {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            starts.push(bare_start(program)?);
        }
        Ok(Some(Pace::from(&starts)))
    }

    fn from(starts: &[BareStart]) -> Pace {
        let sorted = |part: fn(&BareStart) -> Duration| {
            let mut parts: Vec<Duration> = starts.iter().map(part).collect();
            parts.sort_unstable();
            parts
        };
        let (took, ran) = (sorted(|start| start.0), sorted(|start| start.1));
        let middle = |sorted: &[Duration]| sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        Pace { usual: middle(&took), worst: took.last().copied().unwrap_or_default(), ran: middle(&ran) }
    }

    /// Whether processes wait for their turn so long that what is late says nothing about who is late.
    pub(super) fn is_busy(self) -> bool {
        self.usual > self.ran * BUSY
    }

    /// The limit for a step that is expected to end by itself, in ms.
    pub(super) fn generous_ms(self) -> u64 {
        within(self.worst * GENEROUS, GENEROUS_MS)
    }

    /// The limit for a step that is expected to hang, in ms.
    pub(super) fn tight_ms(self) -> u64 {
        within(self.worst * TIGHT, TIGHT_MS)
    }
}

fn within(time: Duration, (shortest, longest): (u64, u64)) -> u64 {
    (time.as_millis() as u64).clamp(shortest, longest)
}

fn bare_start(program: &WorkerProgram) -> Result<BareStart, Problem> {
    let (began, ran_before) = (Instant::now(), machine::processor_time_of_children());
    let status =
        Command::new(&program.path).args(&program.arguments).stdin(Stdio::null()).stdout(Stdio::null()).status();
    let took = began.elapsed();
    status.map_err(|error| Problem::lacking(format!("failed to start `{}`: {error}", program.path.display())))?;
    Ok((took, machine::processor_time_of_children().saturating_sub(ran_before)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// As measured beside eight busy loops on two processors, and beside nothing.
    pub(in super::super) const BESIDE_LOAD: Pace = Pace { usual: ms(80), worst: ms(340), ran: ms(3) };
    pub(in super::super) const QUIET: Pace = Pace { usual: ms(4), worst: ms(9), ran: ms(3) };

    #[test]
    fn a_pace_is_the_median_and_the_worst_of_its_starts() {
        let starts = [(ms(9), ms(1)), (ms(2), ms(2)), (ms(90), ms(3))];
        assert_eq!(Pace::from(&starts), Pace { usual: ms(9), worst: ms(90), ran: ms(2) });
    }

    #[test]
    fn a_machine_is_busy_where_starts_wait_not_where_they_run_long() {
        assert!(BESIDE_LOAD.is_busy() && !QUIET.is_busy());
        let slow = Pace { usual: ms(500), worst: ms(700), ran: ms(400) };
        assert!(!slow.is_busy(), "a slow machine is no busy one");
        let hiccup = Pace { worst: ms(340), ..QUIET };
        assert!(!hiccup.is_busy(), "one late start of many is chance");
    }

    #[test]
    fn limits_follow_the_worst_start_within_bounds() {
        assert_eq!((QUIET.tight_ms(), QUIET.generous_ms()), (200, 10_000));
        assert_eq!((BESIDE_LOAD.tight_ms(), BESIDE_LOAD.generous_ms()), (1_700, 34_000));
        let frozen = Pace { worst: Duration::from_secs(30), ..BESIDE_LOAD };
        assert_eq!((frozen.tight_ms(), frozen.generous_ms()), (10_000, 60_000));
    }

    #[test]
    fn a_real_start_takes_and_uses_time() {
        let program = WorkerProgram { path: "true".into(), arguments: Vec::new() };
        let pace = Pace::measure(&program, &AtomicBool::new(false)).unwrap().unwrap();
        assert!(pace.worst >= pace.usual && pace.usual > Duration::ZERO, "{pace:?}");
        assert_eq!(Pace::measure(&program, &AtomicBool::new(true)).unwrap(), None, "an interrupt ends it");
    }
}
