//! The checker of an audit, asked once more about a crash state that was kept.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crashtest_linux::directory::Directory;
use crashtest_linux::scratch::{self, Scratch};
use crashtest_model::{CheckedExample, Recheck, Seed, Verdict};

use super::checker::{self, Asked};
use crate::error::EngineError;
use crate::judge::judgement::Judgement;
use crate::judge::oracle;
use crate::snapshot::{self, Detail};
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

/// Asks the checker about the files in `crash_state`, which are copied below `temporary`, and judges its answer by what had been promised
/// at the crash point of `example`. `None` once `stop` is set.
///
/// # Errors
/// The crash state cannot be read, the checker cannot be started, or its directory is not there.
pub fn ask_again(
    recheck: &Recheck,
    crash_state: &Path,
    example: &CheckedExample,
    temporary: &Path,
    stop: &Arc<AtomicBool>,
) -> Result<Option<Answered>, EngineError> {
    let state = snapshot::take(&Directory::named(crash_state)?, Detail::Everything)?;
    scratch::sweep(&[temporary]);
    // The directory in memory goes with the other one, which it announces.
    let (_memory, scratch) = Scratch::make_announced(temporary, "replay")?;
    let ours = scratch.dir();
    let dir = Rc::new(StateDir::make(ours, "state")?.guarded(Directory::ours(ours.path())?));
    let cwd = match &recheck.dir {
        Some(named) => checker::start_directory(&recheck.cwd, named, dir.path()),
        None => recheck.cwd.clone(),
    };
    let in_state = cwd.starts_with(dir.path());
    if !in_state && (recheck.copied || !cwd.is_dir()) {
        return Err(EngineError::Gone(cwd));
    }
    let place = Place { dir, cwd, seed: Seed::default(), stop: Some(Arc::clone(stop)) };
    let limit = Duration::from_millis(recheck.limit_ms);
    let mut asked = Asked::new(&recheck.check, place, &recheck.cwd, limit)?;
    let observed = match asked.restart_anew(&state, example.promise) {
        Err(EngineError::Interrupted) => return Ok(None),
        observed => observed?,
    };
    // What its files are like, only the run could say of which they are versions.
    let (verdict, why) = match &example.raw {
        Some(raw) => oracle::judge(example.promise, &observed, raw),
        None => {
            let judgement = Judgement::new(example.promise, &state, &observed, asked.generations());
            (judgement.verdict, judgement.why)
        }
    };
    Ok(Some(Answered { verdict, why }))
}
