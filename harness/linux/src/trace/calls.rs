//! The system calls that change files, or make them durable, as typed values instead of six registers.

use syscalls::Sysno;

/// What a relative path is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The working directory.
    Cwd,
    /// An open directory.
    Descriptor(i32),
}

impl At {
    /// What a call's argument `value` names: a descriptor, or the working directory.
    pub(super) fn of_argument(value: u64) -> At {
        // The kernel takes an int: whatever stands in the upper half does not count.
        match value as u32 as i32 {
            AT_FDCWD => At::Cwd,
            fd => At::Descriptor(fd),
        }
    }
}

/// A path in the tracee's memory, and what it is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// What it is relative to.
    pub at: At,
    /// Its address.
    pub path: u64,
    /// Whether a last link in it is followed.
    pub follow: bool,
    /// Whether what it is relative to is also where it begins when it begins with a slash (RESOLVE_IN_ROOT).
    pub in_root: bool,
}

/// Bytes in the tracee's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// In one piece.
    At {
        /// Their address.
        address: u64,
        /// How many.
        length: u64,
    },
    /// Described by an iovec array.
    Vector {
        /// The array's address.
        address: u64,
        /// Its length.
        count: u64,
    },
}

/// A trapped system call: its name, and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCall {
    /// The system call's name.
    pub name: &'static str,
    /// What it is about.
    pub request: Request,
}

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Opens a file so that it can be made, emptied or written.
    Open {
        /// Which.
        target: Target,
        /// Flags.
        flags: i32,
    },
    /// openat2(2): the flags are in memory.
    OpenHow {
        /// Which.
        target: Target,
        /// The address of its `struct open_how`.
        how: u64,
    },
    /// Writes to a descriptor.
    Write {
        /// Which.
        fd: i32,
        /// What.
        bytes: Bytes,
        /// Where, for the positioned writes.
        offset: Option<u64>,
    },
    /// Copies into a descriptor, inside the kernel.
    Copy {
        /// By which call.
        kind: CopyKind,
        /// Into which.
        fd: i32,
        /// The address of the offset there; 0: the descriptor's own.
        offset: u64,
        /// How many bytes at most.
        length: u64,
    },
    /// Makes a descriptor's file share the data of another (ioctl FICLONE and FICLONERANGE).
    Reflink {
        /// Into which.
        fd: i32,
    },
    /// Zeroes a range of a descriptor's file, or makes a hole of it (ioctl FS_IOC_ZERO_RANGE, FS_IOC_UNRESVSP).
    Punch {
        /// Which.
        fd: i32,
        /// The address of its `struct space_resv`.
        range: u64,
    },
    /// Changes a descriptor's file by an ioctl(2) of which there is no model.
    Control {
        /// Which.
        fd: i32,
    },
    /// truncate(2).
    Truncate {
        /// Which.
        target: Target,
        /// The new length in bytes.
        length: u64,
    },
    /// ftruncate(2).
    Ftruncate {
        /// Which.
        fd: i32,
        /// The new length in bytes.
        length: u64,
    },
    /// fallocate(2).
    Fallocate {
        /// Which.
        fd: i32,
        /// The mode.
        mode: i32,
        /// Where, in bytes.
        offset: u64,
        /// How many bytes.
        length: u64,
    },
    /// The rename family.
    Rename {
        /// The old name.
        from: Target,
        /// The new name.
        to: Target,
        /// Flags.
        flags: u32,
    },
    /// link(2), linkat(2).
    Link {
        /// The old name.
        from: Target,
        /// The new name.
        to: Target,
        /// Flags.
        flags: i32,
    },
    /// symlink(2), symlinkat(2).
    Symlink {
        /// The address of what it points to.
        content: u64,
        /// Its name.
        target: Target,
    },
    /// unlink(2), rmdir(2), unlinkat(2).
    Unlink {
        /// Which.
        target: Target,
        /// Whether a directory.
        directory: bool,
    },
    /// mkdir(2), mkdirat(2).
    Mkdir {
        /// Which.
        target: Target,
    },
    /// mknod(2), mknodat(2).
    Mknod {
        /// Which.
        target: Target,
        /// The mode, with the kind of file.
        mode: u32,
    },
    /// bind(2): of a socket with a name, which it makes.
    Bind {
        /// The address of its `struct sockaddr_un`.
        address: u64,
        /// The length of that in bytes.
        length: u64,
    },
    /// chmod(2) and its relatives by name.
    Chmod {
        /// Which.
        target: Target,
        /// The mode.
        mode: u32,
    },
    /// fchmod(2).
    Fchmod {
        /// Which.
        fd: i32,
        /// The mode.
        mode: u32,
    },
    /// Owners, times and extended attributes by name.
    Attribute {
        /// Which.
        target: Target,
    },
    /// Owners, times and extended attributes of a descriptor.
    AttributeOf {
        /// Which.
        fd: i32,
    },
    /// Makes durable what a descriptor is open on.
    Sync {
        /// Which.
        fd: i32,
        /// What of it.
        kind: SyncKind,
    },
    /// sync(2): everything, on every file system.
    SyncAll,
    /// msync(2): mapped pages.
    SyncMapping {
        /// Where they are mapped.
        address: u64,
    },
    /// close(2).
    Close {
        /// Which.
        fd: i32,
    },
    /// mmap(2), shared, of a descriptor.
    Map {
        /// Which.
        fd: i32,
    },
    /// Reads from a descriptor.
    Read {
        /// Which.
        fd: i32,
    },
    /// Changes what names stand for, for whoever makes the call: another root, other mounts.
    Reroot,
    /// May change files in a way that is not modelled.
    Unmodelled,
    /// io_uring_setup(2): a ring would carry calls past us.
    Ring,
}

/// What a sync of a descriptor makes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncKind {
    /// fsync(2): data and inode.
    File,
    /// fdatasync(2): data, and what is needed to find it.
    Data,
    /// sync_file_range(2): a range of pages, handed to the device.
    Range,
    /// syncfs(2): the whole file system.
    FileSystem,
}

/// How bytes are copied inside the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyKind {
    /// copy_file_range(2).
    Range,
    /// splice(2).
    Splice,
    /// sendfile(2).
    SendFile,
}

impl FileCall {
    /// Returns which of its arguments says how much it writes, in bytes or in buffers, for calls that can be shortened.
    pub(super) fn length_argument(&self) -> Option<usize> {
        match self.request {
            Request::Write { .. } => Some(2),
            Request::Copy { kind: CopyKind::SendFile, .. } => Some(3),
            Request::Copy { .. } => Some(4),
            _ => None,
        }
    }

    /// Returns whether it can be made to write less than it was asked to.
    #[must_use]
    pub fn can_be_shortened(&self) -> bool {
        self.length_argument().is_some()
    }
}

const AT_FDCWD: i32 = libc::AT_FDCWD;

/// The ioctl(2) requests that change data in a file, beside those that libc names (include/uapi/linux/falloc.h, fs/ext4/ext4.h).
pub(super) const FS_IOC_UNRESVSP: u64 = 0x4030_5829;
pub(super) const FS_IOC_UNRESVSP64: u64 = 0x4030_582B;
pub(super) const FS_IOC_ZERO_RANGE: u64 = 0x4030_5839;
pub(super) const EXT4_IOC_MOVE_EXT: u64 = 0xC028_660F;

/// The call of `number` with `args`.
pub(super) fn decode(number: u64, args: [u64; 6]) -> FileCall {
    let name = usize::try_from(number).ok().and_then(Sysno::new).map_or("unknown", |call| call.name());
    FileCall { name, request: request(name, args) }
}

fn request(name: &str, args: [u64; 6]) -> Request {
    // Descriptors, flags and modes are 32 bits: what the upper half of the register holds is not theirs.
    let int = |n: usize| args[n] as u32 as i32;
    let word = |n: usize| args[n] as u32;
    let named = |at, path: usize, follow| Target { at, path: args[path], follow, in_root: false };
    let directory = |fd: usize| At::of_argument(args[fd]);
    // Itself where it is a link, or what it leads to.
    let cwd = |n: usize| named(At::Cwd, n, false);
    let at = |fd: usize, path: usize| named(directory(fd), path, false);
    let cwd_behind = |n: usize| named(At::Cwd, n, true);
    let at_behind = |fd: usize, path: usize, follow: bool| named(directory(fd), path, follow);
    let nofollow = |n: usize| word(n) & libc::AT_SYMLINK_NOFOLLOW as u32 != 0;
    let opens = |flags: i32| {
        flags & libc::O_NOFOLLOW == 0 && flags & (libc::O_CREAT | libc::O_EXCL) != libc::O_CREAT | libc::O_EXCL
    };
    let plain = Bytes::At { address: args[1], length: args[2] };
    let vector = Bytes::Vector { address: args[1], count: args[2] };
    let sync = |kind| Request::Sync { fd: int(0), kind };
    let copy = |kind| Request::Copy { kind, fd: int(2), offset: args[3], length: args[4] };
    match name {
        "open" => Request::Open { target: named(At::Cwd, 0, opens(int(1))), flags: int(1) },
        "creat" => Request::Open { target: cwd_behind(0), flags: libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC },
        "openat" => Request::Open { target: at_behind(0, 1, opens(int(2))), flags: int(2) },
        "openat2" => Request::OpenHow { target: at(0, 1), how: args[2] },
        "write" => Request::Write { fd: int(0), bytes: plain, offset: None },
        "pwrite64" => Request::Write { fd: int(0), bytes: plain, offset: Some(args[3]) },
        "writev" => Request::Write { fd: int(0), bytes: vector, offset: None },
        "pwritev" => Request::Write { fd: int(0), bytes: vector, offset: Some(args[3]) },
        // Position -1: the descriptor's own.
        "pwritev2" => Request::Write { fd: int(0), bytes: vector, offset: Some(args[3]).filter(|at| *at != u64::MAX) },
        "copy_file_range" => copy(CopyKind::Range),
        "splice" => copy(CopyKind::Splice),
        "sendfile" => Request::Copy { kind: CopyKind::SendFile, fd: int(0), offset: 0, length: args[3] },
        "ioctl" => match args[1] as u32 as u64 {
            FS_IOC_ZERO_RANGE | FS_IOC_UNRESVSP | FS_IOC_UNRESVSP64 => Request::Punch { fd: int(0), range: args[2] },
            EXT4_IOC_MOVE_EXT => Request::Control { fd: int(0) },
            _ => Request::Reflink { fd: int(0) },
        },
        "truncate" => Request::Truncate { target: cwd_behind(0), length: args[1] },
        "ftruncate" => Request::Ftruncate { fd: int(0), length: args[1] },
        "fallocate" => Request::Fallocate { fd: int(0), mode: int(1), offset: args[2], length: args[3] },
        "rename" => Request::Rename { from: cwd(0), to: cwd(1), flags: 0 },
        "renameat" => Request::Rename { from: at(0, 1), to: at(2, 3), flags: 0 },
        "renameat2" => Request::Rename { from: at(0, 1), to: at(2, 3), flags: word(4) },
        "link" => Request::Link { from: cwd(0), to: cwd(1), flags: 0 },
        "linkat" => Request::Link {
            from: at_behind(0, 1, word(4) & libc::AT_SYMLINK_FOLLOW as u32 != 0),
            to: at(2, 3),
            flags: int(4),
        },
        "symlink" => Request::Symlink { content: args[0], target: cwd(1) },
        "symlinkat" => Request::Symlink { content: args[0], target: at(1, 2) },
        "unlink" => Request::Unlink { target: cwd(0), directory: false },
        "rmdir" => Request::Unlink { target: cwd(0), directory: true },
        "unlinkat" => Request::Unlink { target: at(0, 1), directory: int(2) & libc::AT_REMOVEDIR != 0 },
        "mkdir" => Request::Mkdir { target: cwd(0) },
        "mkdirat" => Request::Mkdir { target: at(0, 1) },
        "mknod" => Request::Mknod { target: cwd(0), mode: word(1) },
        "mknodat" => Request::Mknod { target: at(0, 1), mode: word(2) },
        "bind" => Request::Bind { address: args[1], length: args[2] },
        "chmod" => Request::Chmod { target: cwd_behind(0), mode: word(1) },
        "fchmodat" => Request::Chmod { target: at_behind(0, 1, true), mode: word(2) },
        "fchmodat2" => Request::Chmod { target: at_behind(0, 1, !nofollow(3)), mode: word(2) },
        "fchmod" => Request::Fchmod { fd: int(0), mode: word(1) },
        "chown" | "setxattr" | "removexattr" | "utime" | "utimes" => Request::Attribute { target: cwd_behind(0) },
        "lchown" | "lsetxattr" | "lremovexattr" => Request::Attribute { target: cwd(0) },
        "fchownat" => Request::Attribute { target: at_behind(0, 1, !nofollow(4)) },
        "setxattrat" | "removexattrat" | "file_setattr" => {
            Request::Attribute { target: at_behind(0, 1, !nofollow(if name == "file_setattr" { 4 } else { 2 })) }
        }
        "futimesat" => Request::Attribute { target: at_behind(0, 1, true) },
        // Without a name: the descriptor's own file.
        "utimensat" if args[1] == 0 => Request::AttributeOf { fd: int(0) },
        "utimensat" => Request::Attribute { target: at_behind(0, 1, !nofollow(3)) },
        "fchown" | "fsetxattr" | "fremovexattr" => Request::AttributeOf { fd: int(0) },
        "fsync" => sync(SyncKind::File),
        "fdatasync" => sync(SyncKind::Data),
        "sync_file_range" => sync(SyncKind::Range),
        "syncfs" => sync(SyncKind::FileSystem),
        "sync" => Request::SyncAll,
        "msync" => Request::SyncMapping { address: args[0] },
        "close" => Request::Close { fd: int(0) },
        "mmap" => Request::Map { fd: int(4) },
        "io_uring_setup" => Request::Ring,
        "read" | "pread64" | "readv" | "preadv" | "preadv2" => Request::Read { fd: int(0) },
        "chroot" | "pivot_root" | "unshare" | "setns" | "mount" | "move_mount" => Request::Reroot,
        _ => Request::Unmodelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_the_lower_half_of_their_registers() {
        let cwd = (AT_FDCWD as u32).into();
        for register in [cwd, AT_FDCWD as i64 as u64, 0x7fff_0000_0000_0000 | cwd] {
            let Request::Mkdir { target } = request("mkdirat", [register, 8, 0, 0, 0, 0]) else { panic!() };
            assert_eq!(target, Target { at: At::Cwd, path: 8, follow: false, in_root: false });
        }
    }

    #[test]
    fn a_last_link_is_followed_where_the_call_follows_it() {
        let follow = |name: &str, args: [u64; 6]| match request(name, args) {
            Request::Open { target, .. }
            | Request::Truncate { target, .. }
            | Request::Chmod { target, .. }
            | Request::Unlink { target, .. }
            | Request::Attribute { target } => target.follow,
            other => panic!("{other:?}"),
        };
        let flags = |flags: i32| [0, 0, flags as u64, 0, 0, 0];
        assert!(follow("openat", flags(libc::O_WRONLY)) && follow("openat", flags(libc::O_CREAT)));
        assert!(!follow("openat", flags(libc::O_NOFOLLOW)) && !follow("openat", flags(libc::O_CREAT | libc::O_EXCL)));
        assert!(follow("truncate", [0; 6]) && follow("chmod", [0; 6]) && follow("setxattr", [0; 6]));
        assert!(!follow("unlink", [0; 6]) && !follow("lsetxattr", [0; 6]));
        let nofollow = libc::AT_SYMLINK_NOFOLLOW as u64;
        assert!(follow("fchownat", [0; 6]) && !follow("fchownat", [0, 0, 0, 0, nofollow, 0]));
        assert!(follow("utimensat", [0, 8, 0, 0, 0, 0]) && !follow("utimensat", [0, 8, 0, nofollow, 0, 0]));
        assert_eq!(request("utimensat", [7, 0, 0, 0, 0, 0]), Request::AttributeOf { fd: 7 });
    }

    #[test]
    fn what_is_trapped_and_not_known_is_unmodelled() {
        assert_eq!(request("io_submit", [0; 6]), Request::Unmodelled);
        assert_eq!(decode(u64::MAX, [0; 6]).name, "unknown");
    }
}
