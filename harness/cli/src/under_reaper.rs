//! A command that works below a reaper, so that nothing which it starts outlives it, not even when it is killed.

use crashtest_engine::EngineError;
use crashtest_linux::process::{Exit as ProcessExit, name_of_signal};
use crashtest_linux::reaper::{self, Ended, Side};

use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;

/// Does `work` in a process of its own below a reaper, and ends as it does. Must be called before any thread is started.
pub(crate) fn work(beside_a_program: bool, work: impl FnOnce() -> Result<Exit, Problem>) -> Result<Exit, Problem> {
    match reaper::work_under_reaper().map_err(EngineError::from)? {
        Side::Work => work(),
        Side::Done { ended, asked } => exit_after(ended, asked, beside_a_program),
    }
}

/// The exit of this process after its work has ended as in `ended`; `asked` is the signal that asked this process to end. The work has
/// said the rest itself.
fn exit_after(ended: Ended, asked: Option<i32>, beside_a_program: bool) -> Result<Exit, Problem> {
    let killed = |how: String| EngineError::Killed { how, times: 1, beside_a_program };
    let exit = match ended {
        Ended::Stopped => return Err(EngineError::Stopped.into()),
        Ended::Exit(exit) => exit,
    };
    match (exit, asked) {
        (ProcessExit::Status(status), _) if status == Exit::Interrupted as i32 => match asked {
            Some(signal) => Ok(interrupted(signal)),
            None => Err(killed("was told to end (SIGINT, SIGTERM or SIGHUP)".to_owned()).into()),
        },
        (ProcessExit::Status(status), _) => {
            let bug = || Problem::bug(format!("a worker process of crashtest {}", exit.in_words()));
            Exit::from_status(status).ok_or_else(bug)
        }
        // Before it could listen to the signal.
        (ProcessExit::Signal(signal), Some(asked)) if signal == asked => Ok(interrupted(signal)),
        (ProcessExit::Signal(_), _) if beside_a_program || exit.was_sent_a_signal() => {
            Err(killed(exit.in_words()).into())
        }
        (ProcessExit::Signal(_), _) => Err(Problem::bug(format!("a worker process of crashtest {}", exit.in_words()))),
    }
}

fn interrupted(signal: i32) -> Exit {
    console::complain(&format!("interrupted by {}", name_of_signal(signal)));
    Exit::Interrupted
}
