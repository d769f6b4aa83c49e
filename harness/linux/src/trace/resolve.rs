//! Names as a stopped task sees them: below its root and its working directory, in its mounts, through its links.
//!
//! The kernel's walk (path_resolution(7)) is made once more, name by name, from the directories that the task starts at. What its
//! links in /proc lead to is asked of the kernel: `self` is the task there, and `fd/3` an open file.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

/// The most links that one name leads through, as in the kernel.
const MOST_LINKS: usize = 40;
/// What statfs(2) calls a proc file system.
const PROC: i64 = 0x9fa0;

/// Where a walk begins and what it may not leave.
pub(super) struct Walk {
    /// The thread and its process: what `self` is in /proc.
    pub(super) tid: i32,
    pub(super) process: i32,
    /// What a name is relative to.
    pub(super) start: OwnedFd,
    /// Where a name that begins with a slash is looked up.
    pub(super) root: OwnedFd,
    /// Whether a last link is followed.
    pub(super) follow: bool,
}

/// Opens a directory, or whatever else, only to look names up in it.
pub(super) fn place(path: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// The path of an open directory or file, as it is for us.
fn path_of(open: &OwnedFd) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", open.as_raw_fd()))
}

/// Device and inode of an open file.
fn identity(open: impl AsFd) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::fstat(open)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Its path for us: every link in it is resolved, but for a last one that is not followed.
    pub path: PathBuf,
    /// Device and inode of the directory that holds the last name; `None` where the path was known beforehand, or ends at no name.
    pub parent: Option<(u64, u64)>,
}

impl Walk {
    /// Where `path` leads. That its last name exists is not needed.
    pub(super) fn to(self, path: &Path) -> io::Result<Resolved> {
        let mut left: VecDeque<OsString> = parts(path);
        let root = identity(&self.root)?;
        let mut here = if path.is_absolute() { self.root.try_clone()? } else { self.start.try_clone()? };
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            if name == "." {
                continue;
            }
            if name == ".." {
                if identity(&here)? != root {
                    here = below(&here, &name)?;
                }
                continue;
            }
            let is_last = left.is_empty();
            let found = rustix::fs::statat(&here, &*name, AtFlags::SYMLINK_NOFOLLOW);
            let is_link = found.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
            if is_link && (!is_last || self.follow) {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::LOOP.into());
                }
                if is_proc(&here) {
                    match self.own(&name) {
                        Some(own) => parts(Path::new(&own)).into_iter().rev().for_each(|part| left.push_front(part)),
                        // The kernel knows what such a link leads to; its text may name something else.
                        None => {
                            here = rustix::fs::openat(&here, &*name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?
                        }
                    }
                    continue;
                }
                let target = rustix::fs::readlinkat(&here, &*name, Vec::new())?;
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                if target.is_absolute() {
                    here = self.root.try_clone()?;
                }
                parts(target).into_iter().rev().for_each(|part| left.push_front(part));
                continue;
            }
            if is_last {
                return Ok(Resolved { path: path_of(&here)?.join(name), parent: Some(identity(&here)?) });
            }
            here = below(&here, &name)?;
        }
        Ok(Resolved { path: path_of(&here)?, parent: None })
    }

    /// What a link in /proc stands for that is another one for each task.
    fn own(&self, name: &OsStr) -> Option<String> {
        match name.to_str()? {
            "self" => Some(self.process.to_string()),
            "thread-self" => Some(format!("{}/task/{}", self.process, self.tid)),
            _ => None,
        }
    }
}

/// The names of a path, with a dot at its end where that says that it names a directory.
fn parts(path: &Path) -> VecDeque<OsString> {
    let bytes = path.as_os_str().as_bytes();
    let names = bytes.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    let mut parts: VecDeque<OsString> = names.map(|name| OsStr::from_bytes(name).to_owned()).collect();
    if bytes.ends_with(b"/") {
        parts.push_back(".".into());
    }
    parts
}

fn below(here: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(here, name, flags, Mode::empty())?)
}

fn is_proc(open: &OwnedFd) -> bool {
    rustix::fs::fstatfs(open).is_ok_and(|found| found.f_type == PROC)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    /// Where `path` leads from `start`, under `root`.
    fn walk(start: &Path, root: &Path, path: &str, follow: bool) -> io::Result<Resolved> {
        let [start, root] = [start, root].map(|path| place(path.to_str().unwrap()).unwrap());
        let tid = nix::unistd::gettid().as_raw();
        Walk { tid, process: std::process::id().cast_signed(), start, root, follow }.to(Path::new(path))
    }

    #[test]
    fn a_name_leads_where_the_kernel_leads_it() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().canonicalize().unwrap();
        fs::create_dir_all(dir.join("a/b")).unwrap();
        fs::write(dir.join("a/b/file"), b"x").unwrap();
        symlink("b", dir.join("a/to-b")).unwrap();
        symlink(dir.join("a/b/file"), dir.join("link")).unwrap();
        symlink("nowhere", dir.join("dangling")).unwrap();
        symlink("/a/b/file", dir.join("below-root")).unwrap();
        symlink("loop", dir.join("loop")).unwrap();
        let root = Path::new("/");
        for (path, follow, leads) in [
            ("a/b/file", true, "a/b/file"),
            ("a/to-b/../b/./file", true, "a/b/file"),
            ("a/to-b/new", false, "a/b/new"),
            ("link", true, "a/b/file"),
            ("link", false, "link"),
            ("dangling", true, "nowhere"),
            ("a/to-b/", false, "a/b"),
            ("a/b/..", false, "a"),
        ] {
            assert_eq!(walk(&dir, root, path, follow).unwrap().path, dir.join(leads), "{path}");
        }
        assert!(walk(&dir, root, "loop", true).is_err());
        assert!(walk(&dir, root, "not/there", true).is_err(), "the call itself fails");
        let parent = walk(&dir, root, "link", true).unwrap().parent.unwrap();
        assert_eq!(parent.1, fs::metadata(dir.join("a/b")).unwrap().ino());
        // Under another root its links lead elsewhere, and nothing leads out.
        assert_eq!(walk(&dir, &dir, "/below-root", true).unwrap().path, dir.join("a/b/file"));
        assert_eq!(walk(&dir, &dir, "../../a", true).unwrap().path, dir.join("a"));
    }

    #[test]
    fn open_files_are_found_behind_their_numbers() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().canonicalize().unwrap();
        let file = File::create(dir.join("file")).unwrap();
        for path in ["/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"] {
            let path = format!("{path}/{}", file.as_raw_fd());
            assert_eq!(walk(&dir, Path::new("/"), &path, true).unwrap().path, dir.join("file"), "{path}");
        }
    }
}
