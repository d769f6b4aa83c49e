//! Which files below a directory are opened, by whomever: inotify(7).
//!
//! One instance serves for long. Closing it takes the kernel a hundredth of a second: it waits until no processor looks at it any more.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

/// Watches one directory after the other, each with those below it as they are when that begins.
#[derive(Debug)]
pub struct Opened {
    inotify: Inotify,
    /// What is watched now, relative to the directory.
    directories: HashMap<WatchDescriptor, PathBuf>,
}

impl Opened {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// There are too many instances.
    pub fn nothing() -> io::Result<Opened> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        Ok(Opened { inotify, directories: HashMap::new() })
    }

    /// Watches `dir`, and no longer what it watched before.
    ///
    /// # Errors
    /// It cannot be read, or nothing more can be watched.
    pub fn watch(&mut self, dir: &Path) -> io::Result<()> {
        self.directories.clear();
        self.add(dir, PathBuf::new())?;
        // Of what was watched before some may be watched still: what happened there until now is not what is asked for.
        while !self.events()?.is_empty() {}
        Ok(())
    }

    fn add(&mut self, dir: &Path, below: PathBuf) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.add(&entry.path(), below.join(entry.file_name()))?;
            }
        }
        let watch = self.inotify.add_watch(dir, AddWatchFlags::IN_OPEN | AddWatchFlags::IN_MOVED_FROM)?;
        self.directories.insert(watch, below);
        Ok(())
    }

    /// The names, relative to the directory, that were opened since; `None` where there were too many to be told, or one was renamed: what is
    /// opened under its new name is not seen.
    ///
    /// # Errors
    /// What the system says.
    pub fn names(&self) -> io::Result<Option<BTreeSet<PathBuf>>> {
        let mut names = BTreeSet::new();
        loop {
            let events = self.events()?;
            if events.is_empty() {
                return Ok(Some(names));
            }
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

    /// What has happened and was not read so far, or some of it; nothing where there is no more.
    fn events(&self) -> io::Result<Vec<InotifyEvent>> {
        match self.inotify.read_events() {
            Err(Errno::EAGAIN) => Ok(Vec::new()),
            events => Ok(events?),
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
        let mut opened = Opened::nothing().unwrap();
        opened.watch(dir.path()).unwrap();
        for name in ["a", "below/d"] {
            fs::read(dir.path().join(name)).unwrap();
        }
        assert!(fs::metadata(dir.path().join("b")).is_ok(), "looking at it is not opening it");
        let names = opened.names().unwrap().unwrap();
        assert_eq!(names.iter().map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>(), ["a", "below/d"]);
        fs::read(dir.path().join("b")).unwrap();
        opened.watch(dir.path()).unwrap();
        assert_eq!(opened.names().unwrap(), Some(BTreeSet::new()), "what was before is not asked for");
        fs::rename(dir.path().join("b"), dir.path().join("e")).unwrap();
        assert_eq!(opened.names().unwrap(), None, "its new name may be one outside");
        let other = tempfile::tempdir().unwrap();
        opened.watch(other.path()).unwrap();
        fs::read(dir.path().join("a")).unwrap();
        assert_eq!(opened.names().unwrap(), Some(BTreeSet::new()), "it is no longer watched");
    }
}
