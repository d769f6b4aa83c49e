//! The files outside of the state directory that the words of a program name: none may change.
//!
//! A program that is started inside the state directory gets the files that its words name by their whole path. Such a word may name a
//! state file in the directory where crashtest was started: the real one. It is found by comparing the files before and after a run.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crashtest_model::{NamedFile, Program};
use crashtest_states::Snapshot;

use crate::error::EngineError;

/// What a change of a file changes: device, inode, size, and the times of the last change to its content and to itself, in s and ns.
type Looks = [i128; 7];

/// The named files of a program as they were at one moment.
#[derive(Debug)]
pub(crate) struct Named<'p> {
    files: Vec<(&'p NamedFile, Option<Looks>)>,
}

impl Named<'_> {
    /// As they are now.
    pub(crate) fn look(program: &Program) -> Named<'_> {
        Named { files: program.named.iter().map(|named| (named, looks(&named.path))).collect() }
    }

    /// Checks that they are as they were.
    ///
    /// # Errors
    /// One of them has changed or is gone.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        match self.files.iter().find(|(named, before)| looks(&named.path) != *before) {
            Some((named, _)) => Err(EngineError::Changed { typed: named.typed.clone(), path: named.path.clone() }),
            None => Ok(()),
        }
    }
}

/// Checks that no word of `program` was taken for a file outside where the set-up made one of that name, in `installed`.
///
/// # Errors
/// A word stands for two files, and which of them is meant is not known.
pub(crate) fn check_set_up(program: &Program, installed: &Snapshot) -> Result<(), EngineError> {
    let made = |named: &&NamedFile| {
        // `./state.json` is the entry `state.json`.
        let parts = Path::new(&named.typed).components().filter(|part| *part != Component::CurDir);
        named.was_relative() && installed.entry(&parts.collect::<PathBuf>()).is_some()
    };
    match program.named.iter().find(made) {
        Some(named) => Err(EngineError::Ambiguous { typed: named.typed.clone(), path: named.path.clone() }),
        None => Ok(()),
    }
}

fn looks(path: &Path) -> Option<Looks> {
    let found = fs::metadata(path).ok()?;
    Some([
        found.dev().into(),
        found.ino().into(),
        found.size().into(),
        found.mtime().into(),
        found.mtime_nsec().into(),
        found.ctime().into(),
        found.ctime_nsec().into(),
    ])
}

#[cfg(test)]
mod tests {
    use crashtest_states::Entry;

    use super::*;

    fn naming(typed: &str, path: &Path) -> Program {
        let named = vec![NamedFile { typed: typed.to_owned(), path: path.to_owned() }];
        Program { inside: true, named, ..Program::default() }
    }

    #[test]
    fn a_named_file_that_changed_or_vanished_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let program = naming("state.json", &path);
        type Change = fn(&Path);
        let changes: [(Change, bool); 5] = [
            (|_| (), false),
            (|path| drop(fs::read(path).unwrap()), false),
            (|path| fs::write(path, "other").unwrap(), true),
            (|path| fs::remove_file(path).unwrap(), true),
            (
                |path| {
                    fs::write(path.with_extension("tmp"), "state").unwrap();
                    fs::rename(path.with_extension("tmp"), path).unwrap();
                },
                true,
            ),
        ];
        for (change, changes) in changes {
            fs::write(&path, "state").unwrap();
            let named = Named::look(&program);
            change(&path);
            assert_eq!(named.check().is_err(), changes, "{:?}", named.check());
        }
    }

    #[test]
    fn a_word_that_names_two_files_is_refused() {
        let path = Path::new("/u/state.json");
        let entry = Entry::File { mode: 0o644, content: b"{}".to_vec().into() };
        let installed = Snapshot::from_iter([("state.json".into(), entry)]);
        for typed in ["state.json", "./state.json"] {
            assert!(check_set_up(&naming(typed, path), &installed).is_err(), "{typed}");
            assert!(check_set_up(&naming(typed, path), &Snapshot::default()).is_ok(), "{typed}");
        }
        assert!(check_set_up(&naming("/u/state.json", path), &installed).is_ok(), "a whole path names one file");
    }
}
