//! What any run needs of the machine, looked at before anything is started: what is missing later is blamed on the wrong one.

use std::fs::File;
use std::io;

use nix::sys::resource::{Resource, getrlimit};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use thiserror::Error;

/// So many files must be allowed to be open at a time: the results, two pipes a worker, the files that are saved.
const FEWEST_FILES: u64 = 32;
/// So far must the stack be allowed to grow, in bytes.
const SMALLEST_STACK: u64 = 1 << 20;
/// So much memory must be allowed to be mapped, in bytes: most of it is reserved and never used.
const SMALLEST_MEMORY: u64 = 128 << 20;

/// Something that is missing here. Messages are fragments that fit "failed to {error}".
#[derive(Debug, Error)]
pub enum Missing {
    /// There is no /proc.
    #[error("read /proc: {0}")]
    Proc(io::Error),
    /// There is no /dev/null.
    #[error("open /dev/null: {0}")]
    Null(io::Error),
    /// Files cannot be opened without following links.
    #[error("open a directory without following links (openat2, Linux 5.6): {0}")]
    OpenBeneath(io::Error),
    /// Too few files may be open.
    #[error("open the files of a run: at most {0} may be open here, and at least {FEWEST_FILES} are needed")]
    Files(u64),
    /// The stack is too small.
    #[error("start: the stack may grow to {} KiB here, and at least {} KiB are needed", .0 >> 10, SMALLEST_STACK >> 10)]
    Stack(u64),
    /// Too little memory may be mapped.
    #[error("map the memory of a run: at most {} MiB may be mapped here, and at least {} MiB are needed", .0 >> 20, SMALLEST_MEMORY >> 20)]
    Memory(u64),
}

impl Missing {
    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Missing::Proc(_) => "mount it: mount -t proc proc /proc",
            Missing::Null(_) => "make it: mknod -m 666 /dev/null c 1 3",
            Missing::OpenBeneath(_) => "use a newer kernel, or allow openat2(2) for this container",
            Missing::Files(_) => "raise the limit on open files: ulimit -n 1024",
            Missing::Stack(_) => "raise the limit on the stack: ulimit -s 8192",
            Missing::Memory(_) => "raise the limit on memory: ulimit -v unlimited",
        }
    }
}

/// Returns whether the stack may grow far enough for anything at all. Uses little of it.
///
/// # Errors
/// It may not.
pub fn stack() -> Result<(), Missing> {
    match limit(Resource::RLIMIT_STACK) {
        size if size < SMALLEST_STACK => Err(Missing::Stack(size)),
        _ => Ok(()),
    }
}

/// Returns whether everything is there that a run needs, on any machine.
///
/// # Errors
/// Something is missing.
pub fn all() -> Result<(), Missing> {
    std::fs::metadata("/proc/self/task").map_err(Missing::Proc)?;
    File::options().read(true).write(true).open("/dev/null").map_err(Missing::Null)?;
    rustix::fs::openat2(
        rustix::fs::CWD,
        "/",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    )
    .map_err(|errno| Missing::OpenBeneath(errno.into()))?;
    match limit(Resource::RLIMIT_NOFILE) {
        files if files < FEWEST_FILES => return Err(Missing::Files(files)),
        _ => {}
    }
    match limit(Resource::RLIMIT_AS) {
        bytes if bytes < SMALLEST_MEMORY => Err(Missing::Memory(bytes)),
        _ => Ok(()),
    }
}

/// The limit that holds now; one that cannot be read is none.
fn limit(resource: Resource) -> u64 {
    getrlimit(resource).map_or(u64::MAX, |(soft, _)| soft)
}
