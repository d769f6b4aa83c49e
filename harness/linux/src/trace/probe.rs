//! Whether programs can be traced here: found out by tracing one.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::{Ending, Enter, FileCall, Request, Return, TraceError, Tracee, Watcher, trace};
use crate::process::Exit;

/// What the traced program tries to remove, and how it fails where it is seen. Else /proc refuses in another way.
const NOWHERE: &str = "/proc/crashtest-was-here";
const SEEN: i32 = libc::EDQUOT;
const LIMIT: Duration = Duration::from_secs(10);

struct Probe;

impl Watcher for Probe {
    fn enters(&mut self, tracee: &Tracee, call: &FileCall) -> Enter {
        match call.request {
            Request::Unlink { target, .. } if tracee.path(target.path).is_ok_and(|path| path == Path::new(NOWHERE)) => {
                Enter::Fail(SEEN)
            }
            _ => Enter::Pass,
        }
    }

    fn returned(&mut self, _: &Tracee, _: &FileCall, _: Result<u64, i32>) -> Return {
        Return::Go
    }
}

/// Traces a program that makes one call: it is stopped there, its memory is read, and the call fails as it is told to. This process
/// must have one thread.
///
/// # Errors
/// Why programs cannot be traced here.
pub fn probe() -> Result<(), TraceError> {
    let program = || match fs::remove_dir(NOWHERE) {
        Err(error) if error.raw_os_error() == Some(SEEN) => 0,
        _ => 1,
    };
    match trace(program, &mut Probe, LIMIT)?.ending {
        Ending::Exited(Exit::Status(0)) => Ok(()),
        _ => Err(io::Error::other("a traced program's call was not seen").into()),
    }
}
