//! A program, run once and traced, and what that one run shows of its files.
//!
//! Its files are read before and after, into memory: a directory that holds very much is refused.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crashtest_model::Audit;

use crate::error::EngineError;
use crate::program::trace_program;
use crate::snapshot;

/// Bytes that a state directory may hold.
const MOST_HELD: u64 = 1 << 30;

/// A program that was audited.
#[derive(Clone, Debug)]
pub struct AuditedProgram {
    /// What its run shows.
    pub audit: Audit,
    /// How it ended: "exit status 0".
    pub status: String,
}

/// Runs `command` once with `dir` as its state directory, and audits what it does to the files there. `excluded` gives the pattern
/// by which a file, named relative to `dir`, is not to be judged. What holds for [`trace_program`] holds for this.
///
/// # Errors
/// The directory cannot be read or holds too much, the program cannot be started, or programs cannot be traced here.
pub fn audit_program(
    command: &[OsString],
    dir: &Path,
    excluded: &dyn Fn(&Path) -> Option<String>,
    limit: Duration,
    stop: &AtomicBool,
) -> Result<AuditedProgram, EngineError> {
    let holds = bytes_below(dir, 0).map_err(EngineError::sandbox("read", dir))?;
    if holds > MOST_HELD {
        return Err(EngineError::Big { path: dir.to_owned(), most: MOST_HELD });
    }
    let before = snapshot::take(dir).map_err(EngineError::sandbox("read", dir))?;
    let traced = trace_program(command, dir, true, limit, stop)?;
    let after = snapshot::take(dir).map_err(EngineError::sandbox("read", dir))?;
    let audit = crashtest_states::audit(&traced.trace, &before, &after, excluded);
    Ok(AuditedProgram { audit, status: traced.status })
}

/// The sizes of the files below `dir`, on top of `so_far`; no longer counted once they are too many.
fn bytes_below(dir: &Path, mut so_far: u64) -> io::Result<u64> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            so_far = bytes_below(&entry.path(), so_far)?;
        } else if kind.is_file() {
            so_far += entry.metadata()?.len();
        }
        if so_far > MOST_HELD {
            break;
        }
    }
    Ok(so_far)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(dir: &Path, command: &[&str]) -> Result<AuditedProgram, EngineError> {
        let command: Vec<OsString> = command.iter().map(OsString::from).collect();
        audit_program(&command, dir, &|_| None, Duration::from_secs(10), &AtomicBool::new(false))
    }

    #[test]
    fn a_directory_that_holds_too_much_is_refused_before_anything_runs() {
        let dir = tempfile::tempdir().unwrap();
        // A hole: no disk is filled for this.
        fs::File::create(dir.path().join("big")).unwrap().set_len(MOST_HELD + 1).unwrap();
        let error = audit(dir.path(), &["touch", "ran"]).unwrap_err();
        assert!(matches!(error, EngineError::Big { .. }) && error.hint().is_some(), "{error}");
        assert!(!dir.path().join("ran").exists());
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        assert!(audit(Path::new("/nowhere/at/all"), &["true"]).is_err());
    }
}
