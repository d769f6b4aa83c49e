//! A limit for a thread that waits in the kernel: a signal that makes the wait come back.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::deadline::Deadline;
use crate::supervision::descendants;

/// The signal that ends a wait. Nobody else uses it here, and its handler does nothing.
const SIGNAL: Signal = Signal::SIGURG;
/// The signal comes again and again: whoever waits looks around, and it may have come just before the wait began.
const AGAIN: Duration = Duration::from_millis(20);

/// Ends the waits of this thread once a limit is over; disarmed when it is dropped.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: libc::timer_t,
    deadline: Deadline,
}

extern "C" fn nothing(_: libc::c_int) {}

impl Alarm {
    pub(super) fn after(limit: Duration) -> io::Result<Alarm> {
        let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing at all.
        unsafe { sigaction(SIGNAL, &action)? };
        // SAFETY: all of its fields are numbers and pointers for which zero is a value.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = SIGNAL as libc::c_int;
        event.sigev_notify_thread_id = nix::unistd::gettid().as_raw();
        let mut timer: libc::timer_t = std::ptr::null_mut();
        // SAFETY: reads the event and writes the timer, both of which live until the call returns.
        let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
        Errno::result(made)?;
        let alarm = Alarm { timer, deadline: Deadline::after(limit) };
        let spec = libc::itimerspec { it_value: timespec(AGAIN), it_interval: timespec(AGAIN) };
        // SAFETY: the timer exists, the specification lives until the call returns, and the old one is not asked for.
        let set = unsafe { libc::timer_settime(alarm.timer, 0, &raw const spec, std::ptr::null_mut()) };
        Errno::result(set)?;
        Ok(alarm)
    }

    /// Whether it is, for all that this process follows: later for who is held up by the machine.
    pub(super) fn is_over(&mut self) -> bool {
        self.deadline.is_over(descendants())
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: the timer exists, and nothing uses it any more.
        unsafe { libc::timer_delete(self.timer) };
    }
}

fn timespec(duration: Duration) -> libc::timespec {
    *nix::sys::time::TimeSpec::from(duration).as_ref()
}
