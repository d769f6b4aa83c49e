//! Directories of ours that are gone when we are: locked while we live, removed when they are dropped. Where we were killed, the
//! next crashtest finds them.
//!
//! Nothing is removed because of its name or its age. A directory is a dead crashtest's when three things hold. Its name begins as
//! ours do, and it belongs to this user. Its mark names this very directory (device and inode), so a copy of it is none. Nobody
//! holds its lock (flock(2) of the directory itself), which the kernel releases however the owner dies.
//!
//! Left out: directories of another machine on a network file system, where such locks cannot be taken.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::directory::{Directory, DirectoryError, Kind};

/// How the names of all of them begin.
pub const PREFIX: &str = ".crashtest-";
/// Where files live in memory.
pub const MEMORY: &str = "/dev/shm";
/// The file in such a directory that says which one it is.
const MARK: &str = ".crashtest-mark";
/// The first line of a mark.
const FORMAT: &str = "crashtest directory 1: removed by its run, or by the next one where that was killed";
/// How the line of a mark begins that names a place where the owner has made more such directories.
const PLACE: &[u8] = b"place ";
/// How often a name is tried where a sweep of another process was quicker.
const TRIES: usize = 16;

/// A directory of ours, removed with everything in it when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    dir: Directory,
    parent: Directory,
    name: OsString,
    mark: File,
    removed: bool,
}

/// What a directory is that is named as ours are.
enum Ownership {
    /// Its owner lives, or is another user.
    Held,
    /// Its owner is dead, and had announced to make others in these places.
    Dead(Vec<PathBuf>),
    /// Nobody can tell.
    Unknown,
}

/// What was found of dead runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Directories that were removed, or would be.
    pub dead: Vec<PathBuf>,
    /// Directories that look like ours, of which that is not proven, or that could not be removed: why.
    pub kept: Vec<(PathBuf, String)>,
}

impl Scratch {
    /// Makes `.crashtest-<kind>-XXXXXX` below `parent`, for this user alone, and locks it.
    ///
    /// # Errors
    /// `parent` cannot be used.
    pub fn make(parent: &Path, kind: &str) -> Result<Scratch, DirectoryError> {
        let parent = Directory::named(parent)?;
        let failed = |source: io::Error| {
            // tempfile wraps the system's error together with the path, which our own message gives.
            let source = source.raw_os_error().map_or_else(|| source.kind().into(), io::Error::from_raw_os_error);
            DirectoryError::Io { doing: "make a directory in", path: parent.path().to_owned(), source }
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let made = tempfile::Builder::new().prefix(&format!("{PREFIX}{kind}-")).tempdir_in(parent.path());
            let path = made.map_err(failed)?.keep();
            let name = path.file_name().unwrap_or_default().to_owned();
            match Scratch::take(&parent, &name) {
                // A sweep that found it before it was locked was quicker.
                Ok(None) if tries < TRIES => drop(parent.remove_tree(Path::new(&name))),
                Ok(None) => return Err(failed(io::ErrorKind::ResourceBusy.into())),
                Ok(Some((dir, mark))) => return Ok(Scratch { dir, parent, name, mark, removed: false }),
                Err(error) => {
                    // Empty, but for a mark.
                    let _ = parent.remove_tree(Path::new(&name));
                    return Err(error);
                }
            }
        }
    }

    /// Makes one in memory, which announces the other one, `.crashtest-<kind>-XXXXXX` below `parent`: every crashtest on this machine
    /// finds it. Without a place in memory only those find it that work in `parent`.
    ///
    /// # Errors
    /// `parent` cannot be used, or it cannot be announced.
    pub fn make_announced(parent: &Path, kind: &str) -> Result<(Option<Scratch>, Scratch), DirectoryError> {
        let mut memory = Scratch::make(Path::new(MEMORY), "memory").ok();
        if let Some(memory) = &mut memory {
            let path = memory.path().to_owned();
            let failed = |source| DirectoryError::Io { doing: "write in", path, source };
            memory.announce(&std::path::absolute(parent).unwrap_or_else(|_| parent.to_owned())).map_err(failed)?;
        }
        Ok((memory, Scratch::make(parent, kind)?))
    }

    /// Locks and marks the new directory `name`; `None` where it is gone, or locked by a sweep.
    fn take(parent: &Directory, name: &OsString) -> Result<Option<(Directory, File)>, DirectoryError> {
        let dir = match parent.open(Path::new(name)) {
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => return Ok(None),
            dir => dir?,
        };
        // Of ours, although its parent is somebody else's: nothing is mounted in it.
        let dir = Directory::ours(dir.path())?;
        // Without locks on this file system, nobody will take it for a dead one's.
        if matches!(dir.lock(), Ok(false)) || dir.check().is_err() {
            return Ok(None);
        }
        let mark = dir.write(Path::new(MARK), 0o600, mark_of(&dir).as_bytes())?;
        Ok(Some((dir, mark)))
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Directory {
        &self.dir
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Notes that this process is about to make others like it in `place`: whoever finds this one looks there.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn announce(&mut self, place: &Path) -> io::Result<()> {
        let mut line = PLACE.to_vec();
        line.extend_from_slice(place.as_os_str().as_bytes());
        line.push(b'\n');
        self.mark.write_all(&line)
    }

    /// Removes it with everything in it.
    ///
    /// # Errors
    /// It is no longer where it was made, something is mounted inside, or what the system says. Then what is left stays.
    pub fn remove(mut self) -> Result<(), DirectoryError> {
        self.take_away()
    }

    fn take_away(&mut self) -> Result<(), DirectoryError> {
        if std::mem::replace(&mut self.removed, true) {
            return Ok(());
        }
        self.dir.check()?;
        remove(&self.parent, &self.name, &self.dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Who wants to know calls `remove`.
        let _ = self.take_away();
    }
}

/// Removes what dead runs of this user have left in memory, in `places`, and where else they had announced it.
pub fn sweep(places: &[&Path]) -> Leftovers {
    search(places, true)
}

/// The same, without removing anything.
#[must_use]
pub fn find(places: &[&Path]) -> Leftovers {
    search(places, false)
}

fn search(places: &[&Path], removes: bool) -> Leftovers {
    let mut search = Search { removes, seen: Vec::new(), found: Leftovers::default() };
    search.look_in(Path::new(MEMORY));
    places.iter().for_each(|place| search.look_in(place));
    search.found
}

/// A search for what dead runs have left.
struct Search {
    removes: bool,
    /// Where it has looked.
    seen: Vec<PathBuf>,
    found: Leftovers,
}

impl Search {
    fn look_in(&mut self, place: &Path) {
        let Ok(place) = Directory::named(place) else { return };
        if self.seen.iter().any(|seen| seen == place.path()) {
            return;
        }
        self.seen.push(place.path().to_owned());
        for listed in place.list().unwrap_or_default() {
            if listed.kind == Kind::Directory && listed.name.as_bytes().starts_with(PREFIX.as_bytes()) {
                self.look_at(&place, &listed.name);
            }
        }
    }

    fn look_at(&mut self, place: &Directory, name: &OsString) {
        let path = place.path().join(name);
        let Ok(dir) = Directory::ours(&path) else { return };
        match ownership(&dir) {
            Ownership::Held => {}
            Ownership::Unknown => self.found.kept.push((path, "nothing proves that crashtest made it".to_owned())),
            Ownership::Dead(places) => {
                // Before the list of them is removed, so that a kill in between loses none.
                places.iter().for_each(|place| self.look_in(place));
                match if self.removes { remove(place, name, &dir) } else { Ok(()) } {
                    Ok(()) => self.found.dead.push(path),
                    Err(error) => self.found.kept.push((path, format!("failed to {error}"))),
                }
            }
        }
    }
}

/// Returns what `dir` is. A dead one stays locked by us as long as it is open.
fn ownership(dir: &Directory) -> Ownership {
    // SAFETY: geteuid has no preconditions and cannot fail.
    if dir.owner().ok() != Some(unsafe { libc::geteuid() }) {
        return Ownership::Held;
    }
    match dir.lock() {
        Ok(true) => {}
        Ok(false) => return Ownership::Held,
        Err(_) => return Ownership::Unknown,
    }
    let Ok(mark) = dir.read(Path::new(MARK)) else {
        // Killed before it was marked, or after the mark was removed: there is nothing in it to lose.
        let is_empty = dir.list().is_ok_and(|listed| listed.is_empty());
        return if is_empty { Ownership::Dead(Vec::new()) } else { Ownership::Unknown };
    };
    let (first, places) = mark.split_at(mark.len().min(mark_of(dir).len()));
    // Killed while it was marked: then nothing else was made there yet.
    let is_begun = mark_of(dir).as_bytes().starts_with(&mark) && dir.list().is_ok_and(|listed| listed.len() == 1);
    if first != mark_of(dir).as_bytes() && !is_begun {
        return Ownership::Unknown;
    }
    let places = places.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(PLACE));
    Ownership::Dead(places.map(|place| PathBuf::from(OsString::from_vec(place.to_vec()))).collect())
}

/// Returns what the mark of `dir` begins with: it is of no other directory.
fn mark_of(dir: &Directory) -> String {
    let identity = dir.identity();
    format!("{FORMAT}\ndevice {} inode {}\n", identity.device, identity.inode)
}

/// Removes the directory `name` of `parent`, which is `dir`: the mark last, so that a kill in between loses no proof.
fn remove(parent: &Directory, name: &OsString, dir: &Directory) -> Result<(), DirectoryError> {
    for listed in dir.list()? {
        if listed.name != MARK {
            match listed.kind {
                Kind::Directory => dir.remove_tree(Path::new(&listed.name))?,
                _ => dir.remove_file(Path::new(&listed.name))?,
            }
        }
    }
    match dir.remove_file(Path::new(MARK)) {
        Err(error) if error.io_kind() != Some(io::ErrorKind::NotFound) => return Err(error),
        _ => {}
    }
    parent.remove_tree(Path::new(name))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A place for such directories, with what a killed run would have left: its descriptors are closed, nothing was removed.
    fn killed(place: &Path, kind: &str, announced: &[&Path]) -> PathBuf {
        let mut scratch = Scratch::make(place, kind).unwrap();
        announced.iter().for_each(|place| scratch.announce(place).unwrap());
        scratch.dir().write(Path::new("state"), 0o600, b"x").unwrap();
        scratch.removed = true;
        scratch.path().to_owned()
    }

    /// Of what was found, that below `places`: others leave theirs in memory meanwhile.
    fn only(found: Leftovers, places: &[&tempfile::TempDir]) -> Leftovers {
        let ours = |path: &PathBuf| places.iter().any(|place| path.starts_with(place.path()));
        let Leftovers { dead, kept } = found;
        Leftovers {
            dead: dead.into_iter().filter(ours).collect(),
            kept: kept.into_iter().filter(|(path, _)| ours(path)).collect(),
        }
    }

    #[test]
    fn a_scratch_directory_is_gone_when_it_is_dropped() {
        let place = tempfile::tempdir().unwrap();
        let scratch = Scratch::make(place.path(), "test").unwrap();
        fs::create_dir_all(scratch.path().join("a/b")).unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_that_was_replaced_stays_with_what_replaced_it() {
        let place = tempfile::tempdir().unwrap();
        let scratch = Scratch::make(place.path(), "test").unwrap();
        let path = scratch.path().to_owned();
        fs::rename(&path, place.path().join("moved")).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("precious"), "data").unwrap();
        assert!(matches!(scratch.remove(), Err(DirectoryError::Replaced { .. })));
        assert_eq!(fs::read(path.join("precious")).unwrap(), b"data");
    }

    #[test]
    fn what_the_dead_have_left_is_found_and_what_the_living_have_is_not() {
        let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let elsewhere = killed(other.path(), "sandbox", &[]);
        let dead = killed(place.path(), "memory", &[other.path(), place.path()]);
        let living = Scratch::make(place.path(), "memory").unwrap();
        // A child that another test has forked meanwhile holds the locks of both until it executes its program.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let found = loop {
            let found = only(find(&[place.path()]), &[&place, &other]);
            if found.dead.len() == 2 || std::time::Instant::now() > until {
                break found;
            }
            std::thread::yield_now();
        };
        assert_eq!(found.dead, [elsewhere.clone(), dead.clone()], "its places first");
        assert!(dead.exists());
        assert_eq!(only(sweep(&[place.path()]), &[&place, &other]).dead, [elsewhere.clone(), dead.clone()]);
        assert!(living.path().exists() && !dead.exists() && !elsewhere.exists());
    }

    #[test]
    fn neither_name_nor_age_makes_a_directory_a_dead_one_s() {
        let place = tempfile::tempdir().unwrap();
        let dead = killed(place.path(), "sandbox", &[]);
        let precious = place.path().join(".crashtest-sandbox-mine");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("file"), "data").unwrap();
        // A copy has the mark of another one.
        let copy = place.path().join(".crashtest-sandbox-copy");
        fs::create_dir(&copy).unwrap();
        fs::copy(dead.join(MARK), copy.join(MARK)).unwrap();
        std::os::unix::fs::symlink(&precious, place.path().join(".crashtest-sandbox-link")).unwrap();
        let found = only(sweep(&[place.path()]), &[&place]);
        assert_eq!((found.dead, found.kept.len()), (vec![dead], 2));
        assert_eq!(fs::read(precious.join("file")).unwrap(), b"data");
    }

    #[test]
    fn a_kill_at_any_step_of_making_or_removing_one_leaves_what_is_found() {
        let place = tempfile::tempdir().unwrap();
        for marked in ["", "crashtest dir"] {
            let begun = place.path().join(format!(".crashtest-memory-{}", marked.len()));
            fs::create_dir(&begun).unwrap();
            if !marked.is_empty() {
                fs::write(begun.join(MARK), marked).unwrap();
            }
            assert_eq!(only(sweep(&[place.path()]), &[&place]).dead, [begun], "{marked}");
        }
    }
}
