//! Keeping a crash state before anything is cleaned: a directory in the spool, which the supervisor takes over.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crashtest_linux::directory::{Directory, DirectoryError};
use crashtest_states::Snapshot;

use crate::snapshot;

/// A worker keeps this many crash states of a signature, and each of a trial with a lower number than those; the supervisor picks from all
/// workers'.
const PER_SIGNATURE: u32 = 3;

/// The spool of one worker.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: Directory,
    /// By signature: how many, and the lowest number of their trials.
    kept: HashMap<String, (u32, u64)>,
    next: u64,
}

impl Spool {
    /// Evidence goes to new directories below `dir`.
    pub(crate) fn below(dir: Directory) -> Spool {
        Spool { dir, kept: HashMap::new(), next: 0 }
    }

    /// Where it is.
    pub(crate) fn dir(&self) -> &Directory {
        &self.dir
    }

    /// Keeps a crash state of `signature` from trial number `trial`, and the directory as it is after recovery; `None` where there are enough.
    pub(crate) fn keep(
        &mut self,
        signature: &str,
        trial: u64,
        crash: &Snapshot,
        after: Option<&Snapshot>,
        trace: Option<&str>,
    ) -> Result<Option<PathBuf>, DirectoryError> {
        let (kept, lowest) = self.kept.entry(signature.to_owned()).or_insert((0, trial));
        if *kept >= PER_SIGNATURE && trial >= *lowest {
            return Ok(None);
        }
        *kept += 1;
        *lowest = trial.min(*lowest);
        self.next += 1;
        self.dir.check()?;
        let dir = self.dir.make(Path::new(&format!("{}-{}", std::process::id(), self.next)), 0o777)?;
        snapshot::write_below(crash, &dir.make(Path::new("crash-state"), 0o777)?)?;
        if let Some(after) = after {
            snapshot::write_below(after, &dir.make(Path::new("after-recovery"), 0o777)?)?;
        }
        if let Some(trace) = trace {
            dir.write(Path::new("trace.txt"), 0o666, trace.as_bytes())?;
        }
        Ok(Some(dir.path().to_owned()))
    }
}
