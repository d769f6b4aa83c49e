//! Which files below a directory are opened, by whomever: inotify(7).

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// A watch on a directory and those below it, as they are when it begins.
#[derive(Debug)]
pub struct Opened {
    inotify: Inotify,
    directories: HashMap<WatchDescriptor, PathBuf>,
}

impl Opened {
    /// Watches `dir` from now on.
    ///
    /// # Errors
    /// It cannot be read, or nothing more can be watched.
    pub fn below(dir: &Path) -> io::Result<Opened> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let mut opened = Opened { inotify, directories: HashMap::new() };
        opened.watch(dir, PathBuf::new())?;
        Ok(opened)
    }

    fn watch(&mut self, dir: &Path, below: PathBuf) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.watch(&entry.path(), below.join(entry.file_name()))?;
            }
        }
        // Last, so that reading it is not seen.
        let watch = self.inotify.add_watch(dir, AddWatchFlags::IN_OPEN | AddWatchFlags::IN_MOVED_FROM)?;
        self.directories.insert(watch, below);
        Ok(())
    }

    /// The names, relative to the directory, that were opened since; `None` where there were too many to be told, or one was renamed: what is
    /// opened under its new name is not seen.
    ///
    /// # Errors
    /// What the system says.
    pub fn names(self) -> io::Result<Option<BTreeSet<PathBuf>>> {
        let mut names = BTreeSet::new();
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EAGAIN) => return Ok(Some(names)),
                Err(error) => return Err(error.into()),
            };
            for event in events {
                if event.mask.intersects(AddWatchFlags::IN_Q_OVERFLOW | AddWatchFlags::IN_MOVED_FROM) {
                    return Ok(None);
                }
                if let (Some(below), Some(name)) = (self.directories.get(&event.wd), event.name) {
                    names.insert(below.join(name));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened_is_named_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        for name in ["a", "b", "below/c", "below/d"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let opened = Opened::below(dir.path()).unwrap();
        for name in ["a", "below/d"] {
            fs::read(dir.path().join(name)).unwrap();
        }
        assert!(fs::metadata(dir.path().join("b")).is_ok(), "looking at it is not opening it");
        let names = opened.names().unwrap().unwrap();
        assert_eq!(names.iter().map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>(), ["a", "below/d"]);
        let opened = Opened::below(dir.path()).unwrap();
        fs::rename(dir.path().join("b"), dir.path().join("e")).unwrap();
        assert_eq!(opened.names().unwrap(), None, "its new name may be one outside");
    }
}
