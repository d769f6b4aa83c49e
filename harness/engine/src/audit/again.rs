//! The checker of an audit, asked once more about a crash state that was kept.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crashtest_linux::directory::Directory;
use crashtest_linux::scratch::{self, Scratch};
use crashtest_model::{Promise, Recheck, Seed, Verdict};

use super::checker::{self, Asked};
use crate::error::EngineError;
use crate::judge::judgement::Judgement;
use crate::snapshot;
use crate::state_dir::StateDir;
use crate::subject::Restarts;
use crate::subject::program::Place;

/// An answer of the checker, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What it comes to.
    pub verdict: Verdict,
    /// One sentence.
    pub why: String,
}

/// Asks the checker about the files in `crash_state`, which are copied below `temporary`, and judges its answer by `promise`. `None` once
/// `stop` is set.
///
/// # Errors
/// The crash state cannot be read, or the checker cannot be started.
pub fn ask_again(
    recheck: &Recheck,
    crash_state: &Path,
    promise: Promise,
    temporary: &Path,
    stop: &Arc<AtomicBool>,
) -> Result<Option<Answered>, EngineError> {
    let state = snapshot::take(&Directory::named(crash_state)?)?;
    scratch::sweep(&[temporary]);
    // The directory in memory goes with the other one, which it announces.
    let (_memory, scratch) = Scratch::make_announced(temporary, "replay")?;
    let ours = scratch.dir();
    let dir = Rc::new(StateDir::make(ours, "state")?.guarded(Directory::ours(ours.path())?));
    let in_copy = |named: &PathBuf| checker::start_directory(&recheck.cwd, named, dir.path());
    let cwd = recheck.dir.as_ref().map_or_else(|| recheck.cwd.clone(), in_copy);
    let place = Place { dir, cwd, seed: Seed::default(), stop: Some(Arc::clone(stop)) };
    let limit = Duration::from_millis(recheck.limit_ms);
    let mut asked = Asked::new(&recheck.check, place, &recheck.cwd, limit)?;
    let observed = match asked.restart_anew(&state, promise) {
        Err(EngineError::Interrupted) => return Ok(None),
        observed => observed?,
    };
    let Judgement { verdict, why, .. } = Judgement::new(promise, &state, &observed, asked.generations());
    Ok(Some(Answered { verdict, why }))
}
