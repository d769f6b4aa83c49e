//! `atomic-fsync`: a temporary of its own for each save, fsync, rename, fsync of the directory.
//!
//! The whole protocol: data before name, name before ack. Temporaries that a crash left are removed at the next start, but only
//! those whose writer is provably dead: every writer holds the lock of its temporary, and the kernel drops it with the process.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crashtest_kit::Place;
use crashtest_kit::fs::FsFile;
use crashtest_model::{Expectation, Shape, StrategyInfo, Verdict};

use super::{always_intact, intact_together, remove_if_there, stream, together, whole_to_readers, with_suffix};
use crate::document::{Content, Strategy};

/// Unique temp, fsync, rename, fsync of the directory.
#[derive(Default)]
pub(crate) struct AtomicFsync {
    temporaries: u64,
    sweeps: Sweeps,
}

/// Which temporaries a start removes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sweeps {
    /// Those whose writer is dead.
    #[default]
    Dead,
    /// All of them, those that somebody is writing with them.
    All,
}

impl AtomicFsync {
    /// Removes `sweeps` at each start.
    pub(crate) fn sweeping(sweeps: Sweeps) -> AtomicFsync {
        AtomicFsync { sweeps, ..AtomicFsync::default() }
    }
}

/// Its name on the command line.
pub(crate) const NAME: &str = "atomic-fsync";
/// With a start that removes every temporary.
pub(crate) const BADSWEEP: &str = "atomic-fsync-badsweep";

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: NAME.into(),
        summary: "write a unique temporary, fsync it, rename it over the file, fsync the directory".into(),
        shape: Shape::Document,
        recipe: "create(f.X.tmp, O_EXCL) · flock · write × n · fsync · rename(f.X.tmp, f) · close · fsync(dir)".into(),
        origin: "the protocol that file system developers ask for; atomic_write_file() as storage APIs should offer it"
            .into(),
        documented: [always_intact(), whole_to_readers(), intact_together()].concat(),
        planted: false,
    }
}

pub(crate) fn info_badsweep() -> StrategyInfo {
    let failing = Expectation { must: vec![Verdict::FailedSave], ..Expectation::default() };
    StrategyInfo {
        name: BADSWEEP.into(),
        summary: "as atomic-fsync, with a start that removes every temporary, also one that somebody is writing".into(),
        documented: [always_intact(), whole_to_readers(), together(&failing, &failing)].concat(),
        ..info()
    }
}

impl AtomicFsync {
    /// A new temporary beside `path`, locked. Its name comes from the life's seed and a counter, so a repeated run repeats it.
    fn temporary<'p>(&mut self, place: &'p Place, path: &Path) -> io::Result<(PathBuf, FsFile<'p>)> {
        loop {
            let unique = place.names.derive("temporary", self.temporaries);
            self.temporaries += 1;
            let temp = with_suffix(path, &format!(".{unique}.tmp"));
            let file = match place.fs.create_new(&temp) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                result => result?,
            };
            // Somebody who swept between the two calls saw an unlocked file and removed it: take another name.
            if file.lock()? {
                return Ok((temp, file));
            }
        }
    }
}

impl Strategy for AtomicFsync {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let parent = path.parent().unwrap_or(Path::new("."));
        for made in place.fs.create_dir_all(parent)? {
            if let Some(above) = made.parent() {
                place.fs.sync_dir(above)?;
            }
        }
        let (temp, file) = self.temporary(place, path)?;
        let file = stream(file, content)?;
        file.sync_all()?;
        place.fs.rename(&temp, path)?;
        file.close()?;
        place.fs.sync_dir(parent)
    }

    fn before_load(&mut self, place: &Place, path: &Path) -> io::Result<()> {
        let Some(parent) = path.parent() else { return Ok(()) };
        for entry in place.fs.list(parent)? {
            match self.sweeps {
                _ if !is_temporary_of(&entry, path) => {}
                Sweeps::Dead => drop(place.fs.remove_if_unlocked(&entry)?),
                Sweeps::All => remove_if_there(place, &entry)?,
            }
        }
        Ok(())
    }
}

/// Whether `entry` is `NAME.<16 hexadecimal digits>.tmp` for the name of `path`: nothing else is ever removed.
fn is_temporary_of(entry: &Path, path: &Path) -> bool {
    let name = |p: &Path| p.file_name().and_then(OsStr::to_str).map(str::to_owned);
    let (Some(entry), Some(name)) = (name(entry), name(path)) else { return false };
    entry
        .strip_prefix(&name)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(".tmp"))
        .is_some_and(|unique| unique.len() == 16 && unique.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_temporaries_are_swept() {
        let path = Path::new("/s/fills.json");
        let swept = |name: &str| is_temporary_of(&Path::new("/s").join(name), path);
        assert!(swept("fills.json.0123456789abcdef.tmp"));
        for foreign in ["fills.json", "fills.json.tmp", "fills.json.0123.tmp", "other.json.0123456789abcdef.tmp"] {
            assert!(!swept(foreign), "{foreign}");
        }
    }
}
