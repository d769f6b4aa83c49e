//! A stopped task, seen from outside: its memory, its descriptors, its directory.

use std::cell::{OnceCell, RefCell};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use super::calls::{At, Bytes, Target};
use super::copies::is_held;
use super::descriptor::Descriptor;
use super::resolve::{Resolved, Walk, place};

/// The longest path that the kernel takes, in bytes.
const PATH_MAX: usize = 4096;
/// What stands behind the name of a file that has none any more.
const DELETED: &str = " (deleted)";
/// Pages by which a path is read: one may end where memory ends.
const PAGE: u64 = 4096;
/// The start of no page.
const NO_PAGE: u64 = u64::MAX;

/// A task that is stopped at a call.
#[derive(Debug)]
pub struct Tracee {
    tid: i32,
    process: i32,
    /// Whether it is all there is of the program, now and before: nothing changes while it is stopped.
    alone: bool,
    /// Its descriptors' names, /proc/TID/fd, once one was asked for; `None` where it cannot be opened. Of one that is alone only: of
    /// very many tasks it would be more descriptors than we may have.
    names: OnceCell<Option<OwnedFd>>,
    /// Its pidfd, likewise. For others, a look at an offset may wait for their read(2), which may wait for one that is stopped.
    pidfd: OnceCell<Option<OwnedFd>>,
    /// A page of its memory, as long as it is stopped: where it starts, and its bytes.
    page: RefCell<(u64, Vec<u8>)>,
}

/// A file that is mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// Device and inode.
    pub inode: (u64, u64),
    /// Its name.
    pub path: PathBuf,
}

/// Where an iovec array is cut.
pub(super) struct Cut {
    /// How many of its buffers are left.
    pub(super) count: u64,
    /// The address of the length of the last of them.
    pub(super) address: u64,
    /// What that was.
    pub(super) was: u64,
    /// What it has to be.
    pub(super) length: u64,
}

impl Tracee {
    /// A thread, of whichever process.
    pub(super) fn new(tid: i32) -> Tracee {
        Tracee::of_process(tid, process_of(tid).unwrap_or(tid))
    }

    /// The thread `tid` of a process that is known.
    pub(super) fn of_process(tid: i32, process: i32) -> Tracee {
        let page = RefCell::new((NO_PAGE, Vec::new()));
        Tracee { tid, process, alone: false, names: OnceCell::new(), pidfd: OnceCell::new(), page }
    }

    /// The thread.
    #[must_use]
    pub fn tid(&self) -> i32 {
        self.tid
    }

    /// The process that it belongs to.
    #[must_use]
    pub fn process(&self) -> i32 {
        self.process
    }

    /// Reads `length` bytes at `address`.
    ///
    /// # Errors
    /// The address is not mapped there: the call itself will fail as well.
    pub fn read(&self, address: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read_into(address, &mut bytes)?;
        Ok(bytes)
    }

    fn read_into(&self, address: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            let remote = RemoteIoVec { base: address as usize + done, len: bytes.len() - done };
            match process_vm_readv(Pid::from_raw(self.tid), &mut [IoSliceMut::new(&mut bytes[done..])], &[remote]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => done += n,
                // Security profiles may forbid it and allow ptrace(2), which this needs.
                Err(Errno::EPERM | Errno::ENOSYS) => {
                    fs::File::open(format!("/proc/{}/mem", self.tid))?.read_exact_at(bytes, address)?;
                    done = bytes.len();
                }
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    /// Reads the path at `address`.
    ///
    /// # Errors
    /// The address is not mapped, or the path is longer than any path.
    pub fn path(&self, address: u64) -> io::Result<PathBuf> {
        let mut path = Vec::new();
        let (page, bytes) = &mut *self.page.borrow_mut();
        while path.len() < PATH_MAX {
            let at = address + path.len() as u64;
            let (start, offset) = (at - at % PAGE, (at % PAGE) as usize);
            if *page != start {
                // Whole: a call with two paths has both of them close together, most of the time.
                *page = NO_PAGE;
                bytes.resize(PAGE as usize, 0);
                self.read_into(start, bytes)?;
                *page = start;
            }
            let part = &bytes[offset..];
            if let Some(end) = part.iter().position(|byte| *byte == 0) {
                path.extend_from_slice(&part[..end]);
                return Ok(OsString::from_vec(path).into());
            }
            path.extend_from_slice(part);
        }
        Err(io::ErrorKind::InvalidFilename.into())
    }

    /// The task was somewhere else since it was looked at last; `alone` says whether it still is all there is of the program.
    pub(super) fn has_run(&mut self, alone: bool) {
        self.page.get_mut().0 = NO_PAGE;
        self.alone = alone;
    }

    /// Returns whether the program has not had another task so far.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// The first `limit` of the bytes that a call writes.
    ///
    /// # Errors
    /// The addresses are not mapped.
    pub fn bytes(&self, bytes: Bytes, limit: u64) -> io::Result<Vec<u8>> {
        match bytes {
            Bytes::At { address, length } => self.read(address, length.min(limit) as usize),
            Bytes::Vector { address, count } => {
                let mut all = Vec::new();
                for vector in self.vector(address, count)? {
                    let left = limit - all.len() as u64;
                    all.extend(self.read(vector.0, vector.1.min(left) as usize)?);
                }
                Ok(all)
            }
        }
    }

    /// Returns how many bytes a call was asked to write.
    ///
    /// # Errors
    /// The address of the vector is not mapped.
    pub fn length(&self, bytes: Bytes) -> io::Result<u64> {
        match bytes {
            Bytes::At { length, .. } => Ok(length),
            Bytes::Vector { address, count } => Ok(self.vector(address, count)?.iter().map(|(_, length)| length).sum()),
        }
    }

    /// Returns where a vector has to be cut so that it holds `most` bytes; `None` if it holds no more, or cannot be read.
    pub(super) fn cut(&self, bytes: Bytes, most: u64) -> Option<Cut> {
        let Bytes::Vector { address, count } = bytes else { return None };
        let mut left = most;
        for (n, (_, was)) in self.vector(address, count).ok()?.into_iter().enumerate() {
            if left < was {
                return Some(Cut { count: n as u64 + 1, address: address + n as u64 * 16 + 8, was, length: left });
            }
            left -= was;
        }
        None
    }

    /// The addresses and lengths of an iovec array.
    fn vector(&self, address: u64, count: u64) -> io::Result<Vec<(u64, u64)>> {
        // The kernel takes at most 1,024.
        let raw = self.read(address, count.min(1024) as usize * 16)?;
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
        Ok(raw.chunks_exact(16).map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect())
    }

    /// A 64-bit number at `address`; `None` for a null pointer.
    ///
    /// # Errors
    /// The address is not mapped.
    pub fn number(&self, address: u64) -> io::Result<Option<u64>> {
        if address == 0 {
            return Ok(None);
        }
        Ok(self.read(address, 8)?.try_into().ok().map(u64::from_ne_bytes))
    }

    /// The name that descriptor `fd` is open under now, absolute; what is no file has no absolute name. A file without a name has
    /// " (deleted)" behind its last one.
    ///
    /// # Errors
    /// It is not open.
    pub fn name_of(&self, fd: i32) -> io::Result<PathBuf> {
        let names = || open_directory(&format!("/proc/{}/fd", self.tid)).ok();
        match self.alone.then(|| self.names.get_or_init(names).as_ref()).flatten() {
            Some(names) => link_in(names, fd),
            None => fs::read_link(format!("/proc/{}/fd/{fd}", self.tid)),
        }
    }

    /// The file that is mapped at `address`; `None` where none is.
    ///
    /// # Errors
    /// /proc cannot be read.
    pub fn mapping(&self, address: u64) -> io::Result<Option<MappedFile>> {
        let maps = fs::read(format!("/proc/{}/maps", self.tid))?;
        let of_line = |line: &[u8]| {
            // "start-end perms offset major:minor inode   path": proc_pid_maps(5).
            let text = str::from_utf8(&line[..line.len().min(120)]).unwrap_or_default();
            let mut fields = text.split_ascii_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let hex = |text: &str| u64::from_str_radix(text, 16).ok();
            if !(hex(start)?..hex(end)?).contains(&address) {
                return None;
            }
            let (major, minor) = fields.nth(2)?.split_once(':')?;
            let device = rustix::fs::makedev(hex(major)? as u32, hex(minor)? as u32);
            let inode = fields.next()?.parse().ok()?;
            let path =
                line.iter().position(|byte| *byte == b'/').map(|at| PathBuf::from(OsStr::from_bytes(&line[at..])))?;
            Some(MappedFile { inode: (device, inode), path })
        };
        Ok(maps.split(|byte| *byte == b'\n').find_map(of_line))
    }

    /// Descriptor `fd`, until the task goes on.
    ///
    /// # Errors
    /// It is not open.
    pub fn descriptor(&self, fd: i32) -> io::Result<Descriptor> {
        let pidfd = || crate::process::pidfd(self.process).ok();
        Descriptor::look_up(self.alone.then(|| self.pidfd.get_or_init(pidfd).as_ref()).flatten(), self.tid, fd)
    }

    /// Where `target` leads, as the kernel will find it: every link is resolved, but for a last one that is not followed. That the
    /// last name exists is not needed. `known` is a directory that is its own resolved path where the task has the root and the mounts
    /// of this process: a name directly below it is not looked up.
    ///
    /// # Errors
    /// The path cannot be read, or its directory does not exist: the call itself will fail as well.
    pub fn resolve(&self, target: Target, known: Option<&Path>) -> io::Result<Resolved> {
        let path = self.path(target.path)?;
        if path.as_os_str().is_empty() {
            // What the descriptor is open on, or the working directory.
            let path = match target.at {
                At::Cwd => fs::read_link(format!("/proc/{}/cwd", self.tid))?,
                At::Descriptor(fd) => self.name_of(fd)?,
            };
            return Ok(Resolved { path, parent: None });
        }
        let is_plain = known.is_some_and(|known| is_directly_below(&path, known));
        if is_plain && !(target.follow && fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink())) {
            return Ok(Resolved { path, parent: None });
        }
        let of_task = |what: &str| place(&format!("/proc/{}/{what}", self.tid));
        let start = match target.at {
            At::Cwd => of_task("cwd")?,
            // One that an absolute path does not need may be no descriptor at all.
            At::Descriptor(fd) if path.is_relative() || target.in_root => of_task(&format!("fd/{fd}"))?,
            At::Descriptor(_) => of_task("root")?,
        };
        let root = if target.in_root { start.try_clone()? } else { of_task("root")? };
        Walk { tid: self.tid, process: self.process, start, root, follow: target.follow }.to(&path)
    }
}

/// Returns whether `path` is that of `directory`, a slash and a name: byte for byte, as most are written. Nothing is resolved to
/// see that.
fn is_directly_below(path: &Path, directory: &Path) -> bool {
    let below = path.as_os_str().as_bytes().strip_prefix(directory.as_os_str().as_bytes());
    let name = below.and_then(|below| below.strip_prefix(b"/"));
    name.is_some_and(|name| !name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..")
}

/// A directory whose entries are to be looked up.
fn open_directory(path: &str) -> nix::Result<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// Returns what the link `fd` in the directory `names` says.
fn link_in(names: &OwnedFd, fd: i32) -> io::Result<PathBuf> {
    let name = CString::new(fd.to_string())?;
    // What does not fit is cut off: a longer one is read again.
    let mut short = [0; 256];
    match read_link(names, &name, &mut short)? {
        length if length < short.len() => Ok(OsStr::from_bytes(&short[..length]).into()),
        _ => {
            let mut long = vec![0; PATH_MAX + DELETED.len()];
            let length = read_link(names, &name, &mut long)?;
            long.truncate(length);
            Ok(OsString::from_vec(long).into())
        }
    }
}

/// Reads a link into `text`; how much of it there is.
fn read_link(directory: &OwnedFd, name: &CStr, text: &mut [u8]) -> io::Result<usize> {
    let room = text.as_mut_ptr().cast::<libc::c_char>();
    // SAFETY: the name ends with a zero byte, and the kernel writes at most as much as there is room for.
    let length = unsafe { libc::readlinkat(directory.as_raw_fd(), name.as_ptr(), room, text.len()) };
    Ok(usize::try_from(Errno::result(length)?).unwrap_or(0))
}

fn process_of(tid: i32) -> Option<i32> {
    status(tid, "Tgid:")
}

/// A number in a task's /proc/PID/status.
fn status(tid: i32, field: &str) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(field))?.trim().parse().ok()
}

/// Returns whether this thread traces task `tid`.
pub(super) fn is_of_this_thread(tid: i32) -> bool {
    status(tid, "TracerPid:") == Some(nix::unistd::gettid().as_raw())
}

/// The processes that this thread traces, but for those that it holds to be copied.
pub(super) fn of_this_thread() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| !is_held(*pid) && is_of_this_thread(*pid)).collect()
}
