//! What this machine is, and what its processes have used of it.

use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::sys::utsname::uname;

/// `Linux 6.18.44 x86_64`.
#[must_use]
pub fn kernel() -> String {
    match uname() {
        Ok(name) => format!(
            "{} {} {}",
            name.sysname().to_string_lossy(),
            name.release().to_string_lossy(),
            name.machine().to_string_lossy()
        ),
        Err(error) => format!("unknown ({error})"),
    }
}

/// Processors that this process may use.
#[must_use]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// The peak resident memory of process `pid` in KiB ("VmHWM" of proc_pid_status(5)); `None` when it is gone.
#[must_use]
pub fn peak_memory_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The processor time of every child that this process has waited for, with what these had waited for in turn (getrusage(2)). Zero
/// where the kernel does not say.
#[must_use]
pub fn processor_time_of_children() -> Duration {
    let time = |value: TimeVal| {
        let whole = Duration::from_secs(value.tv_sec().unsigned_abs());
        whole + Duration::from_micros(value.tv_usec().unsigned_abs())
    };
    getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_or(Duration::ZERO, |used| time(used.user_time()) + time(used.system_time()))
}
