//! What a descriptor of a stopped task is open on.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::stat::{fstat, stat};
use nix::unistd::{Whence, lseek};

use crate::attributes::nanoseconds;
use crate::process;

/// A descriptor of a stopped task. To be dropped before the task goes on: a lock on the same open file is held until the last of
/// its descriptors is closed.
#[derive(Debug)]
pub enum Descriptor {
    /// The same open file as a descriptor of ours (pidfd_getfd(2), Linux 5.6): it is looked at directly.
    Same(OwnedFd),
    /// Looked up in /proc, which is slower: security profiles may forbid the other way and allow ptrace(2).
    Named {
        /// The thread whose descriptor it is.
        tid: i32,
        /// Its number.
        fd: i32,
    },
}

/// The file that a descriptor is open on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFile {
    /// Device and inode: the same file under whatever name.
    pub inode: (u64, u64),
    /// Its length in bytes.
    pub length: u64,
    /// Whether it is a directory.
    pub directory: bool,
    /// Whether it is a regular file.
    pub regular: bool,
    /// Its permissions.
    pub mode: u32,
    /// How many names it has.
    pub links: u64,
    /// The numbers of its user and its group.
    pub owner: (u32, u32),
    /// When its content was changed last, in ns since 1970.
    pub modified_ns: i64,
}

impl Descriptor {
    /// Descriptor `fd` of thread `tid`, for which `pidfd` stands.
    pub(super) fn look_up(pidfd: Option<&OwnedFd>, tid: i32, fd: i32) -> io::Result<Descriptor> {
        let Some(pidfd) = pidfd else { return Ok(Descriptor::Named { tid, fd }) };
        // SAFETY: takes three numbers.
        match process::owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) }) {
            Ok(same) => Ok(Descriptor::Same(same)),
            Err(Errno::EBADF) => Err(Errno::EBADF.into()),
            Err(_) => Ok(Descriptor::Named { tid, fd }),
        }
    }

    /// The file.
    ///
    /// # Errors
    /// The descriptor is not open.
    pub fn file(&self) -> io::Result<OpenFile> {
        let status = match self {
            Descriptor::Same(same) => fstat(same)?,
            Descriptor::Named { tid, fd } => stat(format!("/proc/{tid}/fd/{fd}").as_str())?,
        };
        Ok(OpenFile {
            inode: (status.st_dev, status.st_ino),
            length: status.st_size.cast_unsigned(),
            directory: status.st_mode & libc::S_IFMT == libc::S_IFDIR,
            regular: status.st_mode & libc::S_IFMT == libc::S_IFREG,
            mode: status.st_mode & 0o7777,
            links: status.st_nlink,
            owner: (status.st_uid, status.st_gid),
            modified_ns: nanoseconds(status.st_mtime, status.st_mtime_nsec),
        })
    }

    /// The offset of the next read or write, in bytes; 0 for what has none.
    ///
    /// # Errors
    /// The descriptor is not open.
    pub fn offset(&self) -> io::Result<u64> {
        match self {
            Descriptor::Same(same) => Ok(lseek(same, 0, Whence::SeekCur).unwrap_or(0).cast_unsigned()),
            Descriptor::Named { tid, fd } => fdinfo_field(*tid, *fd, "pos:")?.parse().map_err(io::Error::other),
        }
    }

    /// The flags that it was opened with, O_CLOEXEC aside.
    ///
    /// # Errors
    /// The descriptor is not open.
    pub fn flags(&self) -> io::Result<i32> {
        match self {
            Descriptor::Same(same) => Ok(fcntl(same, FcntlArg::F_GETFL)?),
            Descriptor::Named { tid, fd } => {
                let flags = i32::from_str_radix(&fdinfo_field(*tid, *fd, "flags:")?, 8).map_err(io::Error::other)?;
                Ok(flags & !libc::O_CLOEXEC)
            }
        }
    }

    /// Returns whether it was opened for writing.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.flags().is_ok_and(|flags| matches!(flags & libc::O_ACCMODE, libc::O_WRONLY | libc::O_RDWR))
    }
}

/// The value of `field` in the fdinfo of descriptor `fd`. It is in the first lines: one read is enough.
fn fdinfo_field(tid: i32, fd: i32, field: &str) -> io::Result<String> {
    let mut info = [0; 128];
    let length = File::open(format!("/proc/{tid}/fdinfo/{fd}"))?.read(&mut info)?;
    let info = String::from_utf8_lossy(&info[..length]);
    Ok(info.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_descriptor_is_the_same_whichever_way_it_is_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, b"some bytes").unwrap();
        let mut appends = OpenOptions::new().append(true).open(&path).unwrap();
        appends.write_all(b", and more").unwrap();
        let reads = File::open(&path).unwrap();
        let mut writes = OpenOptions::new().write(true).open(&path).unwrap();
        writes.write_all(b"SOME").unwrap();
        let (pipe, _) = nix::unistd::pipe().unwrap();
        let process = std::process::id().cast_signed();
        let this = crate::process::pidfd(process).unwrap();
        for (fd, offset) in [(appends.as_raw_fd(), 20), (reads.as_raw_fd(), 0), (writes.as_raw_fd(), 4)] {
            let named = Descriptor::look_up(None, process, fd).unwrap();
            let same = Descriptor::look_up(Some(&this), process, fd).unwrap();
            assert!(matches!((&named, &same), (Descriptor::Named { .. }, Descriptor::Same(_))));
            assert_eq!(named.file().unwrap(), same.file().unwrap());
            assert_eq!((same.file().unwrap().length, same.file().unwrap().directory), (20, false));
            assert_eq!(named.flags().unwrap(), same.flags().unwrap());
            assert_eq!((named.offset().unwrap(), same.offset().unwrap()), (offset, offset));
            assert_eq!((named.is_writable(), same.is_writable()), (offset > 0, offset > 0));
        }
        let same = Descriptor::look_up(Some(&this), process, pipe.as_raw_fd()).unwrap();
        assert_eq!((same.offset().unwrap(), same.is_writable()), (0, false));
        let of_dir = File::open(dir.path()).unwrap();
        let same = Descriptor::look_up(Some(&this), process, of_dir.as_raw_fd()).unwrap();
        assert!(same.file().unwrap().directory);
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_an_error_in_both_ways() {
        let process = std::process::id().cast_signed();
        let this = crate::process::pidfd(process).unwrap();
        assert_eq!(Descriptor::look_up(Some(&this), process, 9_999).unwrap_err().raw_os_error(), Some(libc::EBADF));
        let named = Descriptor::look_up(None, process, 9_999).unwrap();
        assert!(named.file().is_err() && named.flags().is_err() && named.offset().is_err());
    }
}
