//! How many saves a run has made so far, counted while it goes on.
//!
//! Where saves begin and end is known only from what comes after them (`audit::saves`): here a save is counted when what was written is
//! synced, closed or renamed, whichever comes first.

use std::collections::{BTreeMap, BTreeSet};

use crashtest_model::{Action, FileId, Operation};

/// The saves of a run so far.
#[derive(Clone, Debug, Default)]
pub struct SavesSoFar {
    names: BTreeMap<String, FileId>,
    /// Files with changes that no save has counted yet.
    changed: BTreeSet<FileId>,
    /// The names under which something was saved.
    saved: BTreeSet<String>,
    saves: u64,
}

impl SavesSoFar {
    /// Counts what `operation` makes a save.
    pub fn take(&mut self, operation: &Operation) {
        if operation.errno.is_some() {
            return;
        }
        match &operation.action {
            Action::Open { path, file, created, truncated, .. } => {
                self.names.insert(path.clone(), *file);
                if *truncated && !created {
                    self.changed.insert(*file);
                }
            }
            Action::Write { file, data, .. } if data.length() > 0 => drop(self.changed.insert(*file)),
            Action::Resize { file, .. } | Action::Zero { file, .. } => drop(self.changed.insert(*file)),
            Action::Sync { file: Some(file), path, .. } => self.settle(*file, path),
            Action::Close { file, path, .. } => self.settle(*file, path),
            Action::Rename { from, to, .. } => {
                let was_saved = self.saved.remove(from);
                if let Some(file) = self.names.remove(from) {
                    self.names.insert(to.clone(), file);
                    self.settle(file, to);
                }
                if was_saved {
                    self.saved.insert(to.clone());
                }
            }
            Action::Unlink { path } => {
                self.names.remove(path);
                self.saved.remove(path);
            }
            _ => {}
        }
    }

    /// Returns how many saves there were.
    #[must_use]
    pub fn saves(&self) -> u64 {
        self.saves
    }

    /// Returns of how many files they were, by the names that these have now.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.saved.len() as u64
    }

    fn settle(&mut self, file: FileId, name: &str) {
        if self.changed.remove(&file) {
            self.saves += 1;
            self.saved.insert(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acked::{acked, close, fsync, path, write};

    #[test]
    fn a_save_is_counted_once_however_it_is_finished() {
        let renamed = Action::Rename { from: path(), to: "state".into(), exchange: false };
        let opened = Action::Open {
            path: path(),
            file: FileId(0),
            created: true,
            truncated: false,
            synchronous: false,
            mode: 0o644,
        };
        for (calls, saves) in [
            (vec![write(), fsync(), close(), renamed.clone()], 1),
            (vec![write(), close(), renamed.clone()], 1),
            (vec![write(), renamed.clone(), close()], 1),
            (vec![write(), write(), close(), write(), fsync()], 2),
            (vec![write()], 0),
            (vec![close(), fsync()], 0),
        ] {
            let calls: Vec<(Action, Option<i32>)> =
                std::iter::once(opened.clone()).chain(calls).map(|action| (action, None)).collect();
            let mut so_far = SavesSoFar::default();
            acked(&calls).operations.iter().for_each(|operation| so_far.take(operation));
            assert_eq!((so_far.saves(), so_far.files()), (saves, saves.min(1)), "{calls:?}");
            let is_renamed = calls.iter().any(|(action, _)| *action == renamed);
            assert_eq!(so_far.saved.contains("state"), is_renamed, "{so_far:?}");
        }
    }
}
