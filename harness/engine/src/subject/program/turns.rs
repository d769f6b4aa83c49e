//! Runs of a program one at a time, where two of them would write the same file outside of their state directories.
//!
//! Each worker has a state directory of its own; what lies outside of it they share. Whether runs meet there shows when two of them were
//! recorded: until then, and from then on where they do, each waits for its turn.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use crashtest_model::{Action, Trace};

/// Recorded runs after which it is known.
const ENOUGH: u32 = 2;

/// Whose turn it is, of the workers of a campaign.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The file that they lock, in a directory of ours; `None` where there is one worker.
    lock: Option<PathBuf>,
    recorded: Cell<u32>,
    seen: RefCell<BTreeSet<String>>,
    meet: Cell<bool>,
}

impl Turns {
    /// Those who lock the file of this name.
    pub(super) fn by(lock: PathBuf) -> Turns {
        Turns { lock: Some(lock), ..Turns::default() }
    }

    /// Waits for a turn, where that is needed; it is over when the file is dropped.
    pub(super) fn wait(&self) -> io::Result<Option<File>> {
        let is_free = self.recorded.get() >= ENOUGH && !self.meet.get();
        match self.lock.as_ref().filter(|_| !is_free) {
            Some(lock) => {
                let file = File::options().create(true).truncate(false).write(true).open(lock)?;
                file.lock()?;
                Ok(Some(file))
            }
            None => Ok(None),
        }
    }

    /// Learns from a run which files outside it has written.
    pub(super) fn learn(&self, trace: &Trace) {
        let made = trace.operations.iter().filter_map(|operation| match &operation.action {
            Action::Open { path, .. } if path.starts_with('/') => Some(path.clone()),
            _ => None,
        });
        let outside: BTreeSet<String> = trace.outside.iter().cloned().chain(made).collect();
        let mut seen = self.seen.borrow_mut();
        if self.recorded.get() > 0 && outside.iter().any(|path| seen.contains(path)) {
            self.meet.set(true);
        }
        seen.extend(outside);
        self.recorded.set(self.recorded.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writing(outside: &[&str]) -> Trace {
        Trace { outside: outside.iter().map(|path| (*path).to_owned()).collect(), ..Trace::default() }
    }

    #[test]
    fn runs_that_meet_outside_take_turns_and_others_do_not() {
        let dir = tempfile::tempdir().unwrap();
        for (first, second, take_turns) in
            [(&["/a"][..], &["/a"][..], true), (&["/tmp/x1"], &["/tmp/x2"], false), (&[], &[], false)]
        {
            let turns = Turns::by(dir.path().join("turn"));
            assert!(turns.wait().unwrap().is_some(), "nothing is known");
            turns.learn(&writing(first));
            assert!(turns.wait().unwrap().is_some(), "of one run nothing follows");
            turns.learn(&writing(second));
            assert_eq!(turns.wait().unwrap().is_some(), take_turns, "{first:?} {second:?}");
        }
        assert!(Turns::default().wait().unwrap().is_none(), "there is nobody else");
    }
}
