//! What crashtest needs before it starts: what is missing is named here, and not by what fails for want of it.

use crashtest_engine::EngineError;
use crashtest_linux::{requirements, signals};

use crate::problem::Problem;

/// Whether the stack may grow far enough to read the command line.
pub(crate) fn stack() -> Result<(), Problem> {
    Ok(requirements::stack().map_err(EngineError::from)?)
}

/// Makes a write of ours that meets the limit on the size of files an error with a message, in place of a silent death.
pub(crate) fn prepare() -> Result<(), Problem> {
    signals::survive_the_file_size_limit()
        .map_err(|error| Problem::lacking(format!("failed to ignore SIGXFSZ: {error}")))
}

/// Whether everything is there that processes need.
pub(crate) fn all() -> Result<(), Problem> {
    Ok(requirements::all().map_err(EngineError::from)?)
}
