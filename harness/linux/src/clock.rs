//! The monotonic clock, which parent and child share, and sleeping until a moment on it.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// Nanoseconds of CLOCK_MONOTONIC: comparable between processes of one boot. Read through the vDSO, so no system call.
#[must_use]
pub fn now_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |t| t.tv_sec().unsigned_abs() * 1_000_000_000 + t.tv_nsec().unsigned_abs())
}

/// Sleeps until [`now_ns`] reaches `deadline_ns`; returns at once when it has.
pub fn sleep_until(deadline_ns: u64) {
    let until = TimeSpec::from(Duration::from_nanos(deadline_ns));
    while clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &until) == Err(Errno::EINTR) {}
}

/// How long this process wants to run in one go, in ns: much shorter than the kernel's usual 3 ms.
const SLICE_NS: u64 = 100_000;

/// Asks for timers that fire when they are due, not up to 50 µs later (prctl(2), PR_SET_TIMERSLACK; inherited over fork). Also asks
/// to run as soon as one fires, even where every processor is busy (sched_setattr(2), a short slice since Linux 6.12). That is not
/// inherited, so a child does not get ahead of its parent.
pub fn precise_timers() {
    // A kernel that refuses leaves the defaults: kills land a little later, nothing else changes.
    let _ = nix::sys::prctl::set_timerslack(1);
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: libc::SCHED_FLAG_RESET_ON_FORK as u64,
        sched_nice: nice(),
        sched_priority: 0,
        sched_runtime: SLICE_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads `size` bytes of a structure that lives until the call returns.
    let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

/// The nice value of this process, which stays as it is.
fn nice() -> i32 {
    // SAFETY: takes numbers and no pointers.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_never_ends_before_its_deadline() {
        for delay in [0, 1_000, 200_000] {
            let deadline = now_ns() + delay;
            sleep_until(deadline);
            assert!(now_ns() >= deadline);
        }
    }
}
