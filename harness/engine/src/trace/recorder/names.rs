//! Which file of the state directory a name or a descriptor is about, if any.
//!
//! "Below the state directory" is a question about the object that the kernel finds, not about a string: a name may lead there through
//! links and descriptors, from another root or in other mounts, and a file may have a second name outside.
//!
//! A file that lies outside until it is renamed into the directory goes by its whole path.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crashtest_linux::trace::{Descriptor, OpenFile, Resolved, Target, Tracee};
use crashtest_model::FileId;

use crate::trace::recorder::Recorder;

/// What is said of a name that is no text.
const NOT_TEXT: &str = "names that are not UTF-8";
/// What stands behind the name of a file that has none any more.
const DELETED: &[u8] = b" (deleted)";

impl Recorder<'_> {
    /// The name below the state directory; `None` for what lies outside.
    pub(super) fn relative(&self, path: &Path) -> Option<String> {
        if path == self.root {
            return Some(".".to_owned());
        }
        // Both are resolved, without `.` and `..`: their bytes say it, which is asked of every descriptor.
        let below = path.as_os_str().as_bytes().strip_prefix(&self.below_root[..])?;
        let name = below.strip_suffix(DELETED).unwrap_or(below);
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// Where a call that names `target` is about to do something: the path, and the name in the trace.
    pub(super) fn target(&mut self, tracee: &Tracee, target: Target) -> Option<(PathBuf, String)> {
        let resolved = self.resolve(tracee, target)?;
        let name = self.named(&resolved)?;
        Some((resolved.path, name))
    }

    pub(super) fn resolve(&self, tracee: &Tracee, target: Target) -> Option<Resolved> {
        tracee.resolve(target, (!self.rerooted).then_some(&self.root)).ok()
    }

    /// The name in the trace of what a call names. The names of a trace are text: one that is none is not modelled.
    pub(super) fn named(&mut self, resolved: &Resolved) -> Option<String> {
        let path = &resolved.path;
        let name = self
            .relative(path)
            .or_else(|| self.beside(path))
            .or_else(|| self.in_other_mounts(resolved))
            .or_else(|| self.second_name(&fs::symlink_metadata(path).ok()?))?;
        if path.to_str().is_none() {
            self.unmodelled(NOT_TEXT);
        }
        Some(name)
    }

    /// The whole path, of what lies in a directory from which files come into the state directory.
    fn beside(&self, path: &Path) -> Option<String> {
        let is_there = self.aside.iter().any(|dir| path.starts_with(dir) && path != dir);
        is_there.then(|| String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned())
    }

    /// The name of what lies in the state directory for somebody who has other mounts: its path is another one for us.
    fn in_other_mounts(&self, resolved: &Resolved) -> Option<String> {
        let (true, Some((device, inode))) = (self.rerooted, resolved.parent) else { return None };
        let directory = self.found(&|found| found.is_dir() && (found.dev(), found.ino()) == (device, inode))?;
        self.relative(&directory.join(resolved.path.file_name()?))
    }

    /// The name in the state directory of a file that has one outside as well.
    fn second_name(&self, outside: &fs::Metadata) -> Option<String> {
        let has_two = outside.is_file() && outside.nlink() > 1 && outside.dev() == self.device;
        if !has_two || !self.files.contains_key(&(outside.dev(), outside.ino())) {
            return None;
        }
        self.relative(&self.found(&|found| (found.dev(), found.ino()) == (outside.dev(), outside.ino()))?)
    }

    /// What is in the state directory and `is_it`.
    fn found(&self, is_it: &dyn Fn(&fs::Metadata) -> bool) -> Option<PathBuf> {
        fn below(dir: &Path, is_it: &dyn Fn(&fs::Metadata) -> bool) -> io::Result<Option<PathBuf>> {
            for entry in fs::read_dir(dir)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                if is_it(&metadata) {
                    return Ok(Some(entry.path()));
                }
                if metadata.is_dir()
                    && let Some(found) = below(&entry.path(), is_it)?
                {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        }
        if fs::metadata(&self.root).is_ok_and(|root| is_it(&root)) {
            return Some(self.root.clone());
        }
        below(&self.root, is_it).ok()?
    }

    /// The name of a descriptor below the state directory. A file that is written outside is noted.
    pub(super) fn descriptor(&mut self, tracee: &Tracee, fd: i32, writes: bool) -> Option<String> {
        let path = tracee.name_of(fd).ok()?;
        if let Some(name) = self.relative(&path) {
            if path.to_str().is_none() {
                self.unmodelled(NOT_TEXT);
            }
            return Some(name);
        }
        if !path.is_absolute() {
            return None;
        }
        let name = self.beside(&path).or_else(|| self.open_under_another_name(tracee, fd));
        if name.is_none() && writes {
            let outside = path.to_string_lossy().into_owned();
            let memory = outside.starts_with("/dev/shm/");
            let device = ["/dev/", "/proc/", "/sys/", "/memfd:"].iter().any(|prefix| outside.starts_with(prefix));
            if (memory || !device) && !self.trace.outside.contains(&outside) {
                self.trace.outside.push(outside);
            }
        }
        name
    }

    /// The name in the state directory of a file there that a descriptor is open on under another one.
    fn open_under_another_name(&self, tracee: &Tracee, fd: i32) -> Option<String> {
        let open = tracee.descriptor(fd).and_then(|descriptor| descriptor.file()).ok()?;
        let may_be = open.inode.0 == self.device && (self.rerooted || (open.regular && open.links > 1));
        if !may_be {
            return None;
        }
        self.relative(&self.found(&|found| (found.dev(), found.ino()) == open.inode)?)
    }

    pub(super) fn of_descriptor(&mut self, tracee: &Tracee, fd: i32) -> Option<(FileId, OpenFile)> {
        let open = tracee.descriptor(fd).and_then(|descriptor| descriptor.file()).ok()?;
        Some((self.id_of(open.inode), open))
    }

    pub(super) fn of_path(&mut self, path: &Path) -> FileId {
        // What is not there has no number: the call fails, and nothing is done to it.
        fs::metadata(path).map_or(FileId(u32::MAX), |metadata| self.id_of((metadata.dev(), metadata.ino())))
    }

    /// Whether the file of this path is one whose content follows from the trace.
    pub(super) fn knows(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| self.files.contains_key(&(found.dev(), found.ino())))
    }

    /// Whether descriptor `fd` of thread `tid` is open on a regular file, and which.
    pub(super) fn regular(tid: i32, fd: i32) -> Option<(u64, u64)> {
        Descriptor::Named { tid, fd }.file().ok().filter(|open| open.regular).map(|open| open.inode)
    }
}

/// Whether the name of an open file says that it has none any more.
pub(super) fn is_deleted(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(DELETED)
}
