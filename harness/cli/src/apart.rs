//! A command that works below a reaper, so that nothing which it starts outlives it, not even when it is killed.

use crashtest_engine::EngineError;
use crashtest_linux::process::Exit as ProcessExit;
use crashtest_linux::reaper::{self, Ended, Side};

use crate::exit::Exit;
use crate::problem::Problem;

/// Does `work` in a process of its own below a reaper, and ends as it does. To be called before any thread is started.
pub(crate) fn work(work: impl FnOnce() -> Result<Exit, Problem>) -> Result<Exit, Problem> {
    match reaper::work_under_reaper().map_err(EngineError::from)? {
        Side::Work => work(),
        Side::Done(ended) => came_of(ended),
    }
}

/// What this process says of work that has ended so. The work has said the rest itself.
fn came_of(ended: Ended) -> Result<Exit, Problem> {
    match ended {
        Ended::Stopped => Err(EngineError::Stopped.into()),
        Ended::Exit(exit) if exit.was_sent_a_signal() => {
            Err(EngineError::Killed { how: exit.in_words(), again: false, beside_a_program: true }.into())
        }
        Ended::Exit(ProcessExit::Status(status)) => Ok(Exit::from_status(status).unwrap_or(Exit::Bug)),
        Ended::Exit(ProcessExit::Signal(signal)) => reaper::end_by(signal),
    }
}
