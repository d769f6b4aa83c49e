//! What the workers of a run tell each other: each leaves a list, and waits for those of the others.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use crashtest_linux::directory::Directory;
use crashtest_model::Fault;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::EngineError;
use crate::protocol::Part;

/// How long it takes at most until a list that is there is found.
const LOOK: Duration = Duration::from_millis(5);
/// After so long the supervisor is told that this worker is still there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// What a list is about. Each worker leaves one of each that its fault has, an empty one where there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Crash states.
    CrashStates,
    /// Calls that fail.
    FailingCalls,
    /// Calls that read, and fail, in a life on what another has left.
    FailingReads,
}

impl Topic {
    /// The fault that it belongs to.
    pub(crate) fn fault(self) -> Fault {
        match self {
            Topic::CrashStates => Fault::Sweep,
            Topic::FailingCalls | Topic::FailingReads => Fault::Io,
        }
    }

    /// The name of the list that worker `number` leaves.
    fn list(self, number: u64) -> OsString {
        format!("{self:?}-{number}").into()
    }
}

/// Leaves empty lists in `spool` for a worker that has died on its share of `fault`, as far as it has left none: somebody may wait for them.
pub(crate) fn leave_nothing(spool: &Path, fault: Fault, part: Part) -> Result<(), EngineError> {
    let spool = Directory::ours(spool)?;
    let topics = [Topic::CrashStates, Topic::FailingCalls, Topic::FailingReads];
    for list in topics.iter().filter(|topic| topic.fault() == fault).map(|topic| topic.list(part.number)) {
        if spool.kind(Path::new(&list))?.is_none() {
            spool.replace(&list, b"[]")?;
        }
    }
    Ok(())
}

/// Leaves `ours` in `spool` for the other workers, and waits until each of them has left its list; returns all, in the order of the workers'
/// numbers. While it waits it says now and then that it is `still_here`.
pub(crate) fn exchange<T: Serialize + DeserializeOwned>(
    spool: &Directory,
    topic: Topic,
    part: Part,
    ours: &[T],
    still_here: &mut dyn FnMut() -> Result<(), EngineError>,
) -> Result<Vec<Vec<T>>, EngineError> {
    let no_list = |whose: &str, error: serde_json::Error| EngineError::Worker(format!("{whose}: {error}"));
    let text = serde_json::to_vec(ours).map_err(|error| no_list("the list for the other workers", error))?;
    spool.replace(&topic.list(part.number), &text)?;
    let mut said = Instant::now();
    let mut lists = Vec::new();
    while (lists.len() as u64) < part.of {
        match spool.read(Path::new(&topic.list(lists.len() as u64))) {
            Ok(text) => {
                lists.push(serde_json::from_slice(&text).map_err(|error| no_list("the list of another worker", error))?)
            }
            Err(error) if error.io_kind() == Some(ErrorKind::NotFound) => std::thread::sleep(LOOK),
            Err(error) => return Err(error.into()),
        }
        if said.elapsed() >= SIGN_OF_LIFE {
            still_here()?;
            said = Instant::now();
        }
    }
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_has_the_lists_of_all_also_where_one_has_died() {
        let spool = tempfile::tempdir().unwrap();
        let of = 3;
        let lists = |topic, number: u64| {
            let dir = Directory::named(spool.path()).unwrap();
            let part = Part { number, of };
            exchange(&dir, topic, part, &[number], &mut || Ok(())).unwrap()
        };
        let heard = std::thread::scope(|scope| {
            let workers = [0, 2].map(|number| scope.spawn(move || lists(Topic::FailingReads, number)));
            leave_nothing(spool.path(), Fault::Io, Part { number: 1, of }).unwrap();
            workers.map(|worker| worker.join().unwrap())
        });
        assert_eq!(heard, [vec![vec![0], vec![], vec![2]], vec![vec![0], vec![], vec![2]]]);
        leave_nothing(spool.path(), Fault::Io, Part { number: 2, of }).unwrap();
        assert_eq!(lists(Topic::FailingReads, 0)[2], [2], "what it had left before it died is left");
    }
}
