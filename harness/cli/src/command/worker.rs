//! `crashtest worker`: a worker process of another command. Not for people.

use crashtest_strategies::Builtin;

use crate::exit::Exit;

/// Serves the supervisor on standard input and output.
pub(crate) fn serve() -> Exit {
    if crashtest_engine::serve(&Builtin) { Exit::Clean } else { Exit::Bug }
}
