//! `path-storage`: files below one directory and nowhere else, each replaced whole.
//!
//! The storage of a market-data gateway after it had lost a fill log: a name is resolved against the base directory and refused
//! where it would leave it; a save writes a sibling, syncs it and renames it over the file; what cannot be read back is an error of
//! its own, [`StorageCorruption`], never an empty default. [`FillAuditLog`](crate::FillAuditLog) and the position reconciler stand on it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crashtest_kit::Place;
use crashtest_model::{Shape, StrategyInfo};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::document::{Content, Strategy};
use crate::strategies::atomic_fsync_nodir::{AtomicFsyncNodir, unswept};
use crate::strategies::{
    always_intact, intact_together, one_temporary, remove_if_there, stream, temporary, whole_to_readers,
};

/// The longest name of a file or directory, in bytes, with room for the temporary's suffix.
const LONGEST_NAME: usize = 255 - ".tmp".len();
/// The longest path, in bytes.
const LONGEST_PATH: usize = 4096 - ".tmp".len() - 1;

/// What a name is refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It names nothing.
    Empty,
    /// It begins at the root.
    Absolute,
    /// It goes up (`..`).
    GoesUp,
    /// It holds a NUL byte.
    Nul,
    /// A part of it, or all of it, is longer than the kernel takes.
    TooLong,
    /// A link leads it out of the base directory.
    LinkOut,
}

/// Why the storage did not do what it was asked to.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The name does not stay below the base directory.
    #[error("`{name}` is refused: {refusal:?}")]
    Refused {
        /// The name.
        name: String,
        /// Why.
        refusal: Refusal,
    },
    /// A file is there and is not what was written, or is not there though it must be.
    #[error(transparent)]
    Corruption(#[from] StorageCorruption),
    /// What the file system says.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// A file that cannot be taken for what was written: missing, empty, torn. Whoever builds on the storage can catch it, and must: a
/// reconciler that is handed an empty log has nothing to compare with the broker, and stays quiet.
#[derive(Debug, Error)]
#[error("storage corruption: {name}: {why}")]
pub struct StorageCorruption {
    /// The name below the base directory.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// Files below `base`.
#[derive(Debug)]
pub struct PathStorage {
    base: PathBuf,
}

impl PathStorage {
    /// The storage below `base`, which exists.
    ///
    /// # Errors
    /// It cannot be resolved.
    pub fn new(base: &Path) -> io::Result<PathStorage> {
        Ok(PathStorage { base: fs::canonicalize(base)? })
    }

    /// The file that `name` means, below the base directory in any case.
    ///
    /// # Errors
    /// The name would leave it, or the file system does not say where its directory lies.
    pub fn resolve(&self, name: &Path) -> Result<PathBuf, StorageError> {
        let refused = |refusal| {
            let name = name.to_string_lossy().into_owned();
            Err(StorageError::Refused { name, refusal })
        };
        if let Err(refusal) = check(name) {
            return refused(refusal);
        }
        let path = self.base.join(name);
        // What is there already of it may be a link to somewhere else; a link that leads nowhere would be made there.
        let mut below = self.base.clone();
        for part in name.components() {
            below.push(part);
            match fs::symlink_metadata(&below) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error.into()),
                Ok(metadata) if metadata.is_symlink() => match fs::canonicalize(&below) {
                    Ok(real) if real.starts_with(&self.base) => {}
                    _ => return refused(Refusal::LinkOut),
                },
                Ok(_) => {}
            }
        }
        Ok(path)
    }

    /// What `name` holds.
    ///
    /// # Errors
    /// The name is refused; the file is missing or is not what was written.
    pub fn read<T: DeserializeOwned>(&self, name: &Path) -> Result<T, StorageError> {
        let path = self.resolve(name)?;
        let corrupt = |why: String| StorageCorruption { name: name.to_string_lossy().into_owned(), why };
        let bytes = fs::read(path).map_err(|error| corrupt(error.to_string()))?;
        Ok(serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?)
    }
}

/// Refuses a name by its letters alone.
fn check(name: &Path) -> Result<(), Refusal> {
    let bytes = name.as_os_str().as_bytes();
    if bytes.is_empty() {
        return Err(Refusal::Empty);
    }
    if bytes.contains(&0) {
        return Err(Refusal::Nul);
    }
    if bytes.len() > LONGEST_PATH || name.iter().map(OsStr::len).any(|part| part > LONGEST_NAME) {
        return Err(Refusal::TooLong);
    }
    let mut named = false;
    for part in name.components() {
        match part {
            Component::RootDir | Component::Prefix(_) => return Err(Refusal::Absolute),
            Component::ParentDir => return Err(Refusal::GoesUp),
            Component::CurDir => {}
            Component::Normal(_) => named = true,
        }
    }
    if named { Ok(()) } else { Err(Refusal::Empty) }
}

/// The storage as a strategy: the workload's document is one of its files.
#[derive(Default)]
pub(crate) struct Stored {
    /// What gives each save a temporary of its own; `None`: they all have the same.
    unique: Option<AtomicFsyncNodir>,
}

/// Its name on the command line.
pub(crate) const NAME: &str = "path-storage";
/// With a temporary of its own for each save.
pub(crate) const UNIQUE: &str = "path-storage-unique";

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: NAME.into(),
        summary: "write a temporary sibling, fsync it, rename it over the file; names never leave the base directory".into(),
        shape: Shape::Document,
        recipe: "create(f.tmp) · write × n · fsync · close · rename(f.tmp, f)".into(),
        origin: "the file storage of a market-data gateway, after a fill log of 0 bytes had let a position drift without an alert".into(),
        documented: [always_intact(), whole_to_readers(), one_temporary()].concat(),
        planted: false,
    }
}

pub(crate) fn info_unique() -> StrategyInfo {
    StrategyInfo {
        name: UNIQUE.into(),
        summary: "as path-storage, with a temporary of its own for each save, so that two savers do not meet; a crash leaves it behind".into(),
        recipe: "create(f.X.tmp, O_EXCL) · write × n · fsync · close · rename(f.X.tmp, f)".into(),
        documented: [unswept(), whole_to_readers(), intact_together()].concat(),
        ..info()
    }
}

impl Stored {
    /// With a temporary of its own for each save.
    pub(crate) fn unique() -> Stored {
        Stored { unique: Some(AtomicFsyncNodir::default()) }
    }

    /// Where a document lies, by its name below the directory of the target.
    fn resolve(place: &Place, path: &Path) -> io::Result<PathBuf> {
        let name = path.strip_prefix(&place.dir).map_err(io::Error::other)?;
        PathStorage::new(&place.dir)?.resolve(name).map_err(io::Error::other)
    }
}

impl Strategy for Stored {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let path = Stored::resolve(place, path)?;
        if let Some(parent) = path.parent() {
            place.fs.create_dir_all(parent)?;
        }
        if let Some(unique) = &mut self.unique {
            return unique.persist(place, &path, content);
        }
        let temp = temporary(&path);
        let file = stream(place.fs.create(&temp)?, content)?;
        file.sync_all()?;
        file.close()?;
        place.fs.rename(&temp, &path)
    }

    fn before_load(&mut self, place: &Place, path: &Path) -> io::Result<()> {
        let path = Stored::resolve(place, path)?;
        match self.unique {
            None => remove_if_there(place, &temporary(&path)),
            // Somebody may be writing it.
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    fn storage() -> (tempfile::TempDir, PathStorage) {
        let dir = tempfile::tempdir().unwrap();
        let storage = PathStorage::new(dir.path()).unwrap();
        (dir, storage)
    }

    fn refusal(storage: &PathStorage, name: &str) -> Option<Refusal> {
        match storage.resolve(Path::new(name)) {
            Err(StorageError::Refused { refusal, .. }) => Some(refusal),
            Ok(_) => None,
            Err(other) => panic!("{name}: {other}"),
        }
    }

    #[test]
    fn names_that_leave_the_base_directory_are_refused() {
        let (_dir, storage) = storage();
        for (name, why) in [
            ("", Refusal::Empty),
            (".", Refusal::Empty),
            ("/etc/passwd", Refusal::Absolute),
            ("../fills.json", Refusal::GoesUp),
            ("fills/../../x", Refusal::GoesUp),
            ("fills/..", Refusal::GoesUp),
            ("a\0b", Refusal::Nul),
        ] {
            assert_eq!(refusal(&storage, name), Some(why), "{name:?}");
        }
        assert_eq!(refusal(&storage, &"x".repeat(252)), Some(Refusal::TooLong), "no room for the temporary");
        assert_eq!(refusal(&storage, &"x".repeat(251)), None);
        assert_eq!(refusal(&storage, &"d/".repeat(2100)), Some(Refusal::TooLong));
    }

    #[test]
    fn names_that_stay_are_files_below_it() {
        let (dir, storage) = storage();
        for name in ["fills.json", "fills/AAPL.json", "./a", "a..b", "..a", "…", "with space"] {
            let path = storage.resolve(Path::new(name)).unwrap();
            assert!(path.starts_with(dir.path().canonicalize().unwrap()), "{name}");
        }
    }

    #[test]
    fn links_that_lead_out_are_refused_at_every_place_of_a_name() {
        let (dir, storage) = storage();
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("inside")).unwrap();
        symlink(outside.path(), dir.path().join("out")).unwrap();
        symlink(outside.path().join("not-there"), dir.path().join("dangling")).unwrap();
        symlink(dir.path().join("inside"), dir.path().join("in")).unwrap();
        for name in ["out", "out/x", "dangling", "inside/../out/x"] {
            assert!(refusal(&storage, name).is_some(), "{name}");
        }
        assert_eq!(refusal(&storage, "in/x"), None);
        assert_eq!(refusal(&storage, "out/x"), Some(Refusal::LinkOut));
    }

    #[test]
    fn what_is_missing_or_torn_is_corruption_and_never_an_empty_default() {
        let (dir, storage) = storage();
        for content in [None, Some(""), Some("[{\"id\":1,"), Some("{}x"), Some("null")] {
            if let Some(content) = content {
                fs::write(dir.path().join("fills.json"), content).unwrap();
            }
            let read: Result<Vec<u64>, _> = storage.read(Path::new("fills.json"));
            assert!(matches!(read, Err(StorageError::Corruption(_))), "{content:?}");
        }
        fs::write(dir.path().join("fills.json"), "[1]").unwrap();
        assert_eq!(storage.read::<Vec<u64>>(Path::new("fills.json")).unwrap(), [1]);
    }

    proptest! {
        #[test]
        fn whatever_a_name_is_made_of_it_stays_below_the_base(name in "(\\.\\./|/|\\./|[a-c]|\\.|\\x00|//){0,12}") {
            let (dir, storage) = storage();
            if let Ok(path) = storage.resolve(Path::new(&name)) {
                let base = dir.path().canonicalize().unwrap();
                prop_assert!(path.starts_with(&base) && path != base);
                prop_assert!(path.components().all(|part| part != Component::ParentDir));
            }
        }
    }
}
