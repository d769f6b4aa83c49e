//! Keeping a crash state before anything is cleaned: a directory in the spool, which the supervisor takes over.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use crashtest_states::Snapshot;

use crate::snapshot;

/// A worker keeps this many crash states of a signature; the supervisor picks from all workers'.
const PER_SIGNATURE: u32 = 3;

/// The spool of one worker.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: Option<PathBuf>,
    kept: HashMap<String, u32>,
    next: u64,
}

impl Spool {
    /// Evidence goes to new directories below `dir`; without one, none is kept.
    pub(crate) fn new(dir: Option<PathBuf>) -> Spool {
        Spool { dir, kept: HashMap::new(), next: 0 }
    }

    /// Keeps a crash state of `signature`, and the directory as it is after recovery; `None` where there are enough.
    pub(crate) fn keep(
        &mut self,
        signature: &str,
        crash: &Snapshot,
        after: Option<&Snapshot>,
        trace: Option<&str>,
    ) -> io::Result<Option<PathBuf>> {
        let Some(spool) = &self.dir else { return Ok(None) };
        let kept = self.kept.entry(signature.to_owned()).or_default();
        if *kept == PER_SIGNATURE {
            return Ok(None);
        }
        *kept += 1;
        self.next += 1;
        let dir = spool.join(format!("{}-{}", std::process::id(), self.next));
        fs::create_dir_all(dir.join("crash-state"))?;
        snapshot::write_below(crash, &dir.join("crash-state"))?;
        if let Some(after) = after {
            fs::create_dir(dir.join("after-recovery"))?;
            snapshot::write_below(after, &dir.join("after-recovery"))?;
        }
        if let Some(trace) = trace {
            fs::write(dir.join("trace.txt"), trace)?;
        }
        Ok(Some(dir))
    }
}
