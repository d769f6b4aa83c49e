//! The seccomp(2) filter: which calls stop a traced program. It lets everything else run at full speed.
//!
//! Calls are named, so that one table serves every architecture: those that one does not have (open(2) on aarch64) drop out.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use seccompiler::{BpfProgram, sock_filter};
use syscalls::Sysno;

use super::calls::{EXT4_IOC_MOVE_EXT, FS_IOC_UNRESVSP, FS_IOC_UNRESVSP64, FS_IOC_ZERO_RANGE};

/// Calls that always stop.
const ALWAYS: &[&str] = &[
    "bind",
    "chmod",
    "chown",
    "chroot",
    "close",
    "copy_file_range",
    "creat",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "fchown",
    "fchownat",
    "fdatasync",
    "file_setattr",
    "fremovexattr",
    "fsetxattr",
    "fsync",
    "ftruncate",
    "futimesat",
    "io_uring_setup",
    "lchown",
    "link",
    "linkat",
    "lremovexattr",
    "lsetxattr",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "mount",
    "move_mount",
    "msync",
    "openat2",
    "pivot_root",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "removexattr",
    "removexattrat",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "setns",
    "setxattr",
    "setxattrat",
    "splice",
    "symlink",
    "symlinkat",
    "sync",
    "sync_file_range",
    "syncfs",
    "truncate",
    "unlink",
    "unlinkat",
    "unshare",
    "utime",
    "utimensat",
    "utimes",
    "write",
    "writev",
    // Not modelled: named in the report when a program makes them.
    "io_submit",
    "open_by_handle_at",
];

/// An argument has a value under a mask: (argument, mask, value).
type Condition = (u8, u64, u64);

/// Calls that stop only if one of these conditions holds.
const SOMETIMES: &[(&str, &[Condition])] = &[
    ("open", &on_flags(1)),
    ("openat", &on_flags(2)),
    // MAP_SHARED and MAP_SHARED_VALIDATE of a file, not anonymous.
    ("mmap", &[(3, 0x21, 0x01)]),
    (
        "ioctl",
        &[
            (1, 0xffff_ffff, libc::FICLONE),
            (1, 0xffff_ffff, libc::FICLONERANGE),
            (1, 0xffff_ffff, FS_IOC_UNRESVSP),
            (1, 0xffff_ffff, FS_IOC_UNRESVSP64),
            (1, 0xffff_ffff, FS_IOC_ZERO_RANGE),
            (1, 0xffff_ffff, EXT4_IOC_MOVE_EXT),
        ],
    ),
    // SECCOMP_FILTER_FLAG_NEW_LISTENER: calls that somebody else is asked about do not come to us.
    ("seccomp", &[(1, 0x8, 0x8)]),
];

/// Calls that read: they stop only where they are made to fail.
const READING: &[&str] = &["read", "pread64", "readv", "preadv", "preadv2"];
/// The same, which stop only if a condition holds otherwise.
const OPENING: &[&str] = &["open", "openat"];

/// Which calls stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stops {
    /// Those that change files, or make them durable.
    #[default]
    Changes,
    /// Those that read as well.
    AlsoReads,
    /// Those that name a file, whatever they do to it, and those that print.
    Paths,
}

/// Calls that print.
const PRINTING: &[&str] = &["write", "writev"];
/// Calls that name a file: which argument is the directory that the name is relative to, and which the name. What names two is there twice.
const NAMING: &[(&str, Option<usize>, usize)] = &[
    ("access", None, 0),
    ("chdir", None, 0),
    ("chmod", None, 0),
    ("chown", None, 0),
    ("creat", None, 0),
    ("execve", None, 0),
    ("execveat", Some(0), 1),
    ("faccessat", Some(0), 1),
    ("faccessat2", Some(0), 1),
    ("fchmodat", Some(0), 1),
    ("fchmodat2", Some(0), 1),
    ("fchownat", Some(0), 1),
    ("getxattr", None, 0),
    ("inotify_add_watch", None, 1),
    ("lgetxattr", None, 0),
    ("link", None, 0),
    ("link", None, 1),
    ("linkat", Some(0), 1),
    ("linkat", Some(2), 3),
    ("listxattr", None, 0),
    ("llistxattr", None, 0),
    ("lstat", None, 0),
    ("mkdir", None, 0),
    ("mkdirat", Some(0), 1),
    ("mknod", None, 0),
    ("mknodat", Some(0), 1),
    ("name_to_handle_at", Some(0), 1),
    ("newfstatat", Some(0), 1),
    ("open", None, 0),
    ("openat", Some(0), 1),
    ("openat2", Some(0), 1),
    ("readlink", None, 0),
    ("readlinkat", Some(0), 1),
    ("rename", None, 0),
    ("rename", None, 1),
    ("renameat", Some(0), 1),
    ("renameat", Some(2), 3),
    ("renameat2", Some(0), 1),
    ("renameat2", Some(2), 3),
    ("rmdir", None, 0),
    ("setxattr", None, 0),
    ("stat", None, 0),
    ("statfs", None, 0),
    ("statx", Some(0), 1),
    ("symlink", None, 1),
    ("symlinkat", Some(1), 2),
    ("truncate", None, 0),
    ("unlink", None, 0),
    ("unlinkat", Some(0), 1),
    ("utimensat", Some(0), 1),
];

/// Returns where the call of this number has its names: the arguments of the directory and of the name.
pub(super) fn path_arguments(number: u64) -> Vec<(Option<usize>, usize)> {
    let Some(call) = usize::try_from(number).ok().and_then(Sysno::new) else { return Vec::new() };
    let named = NAMING.iter().filter(|(name, ..)| *name == call.name());
    named.map(|(_, directory, name)| (*directory, *name)).collect()
}

/// Opens that can write, make or empty a file. O_TMPFILE needs one of the first two.
const fn on_flags(argument: u8) -> [Condition; 4] {
    [
        (argument, libc::O_ACCMODE as u64, libc::O_WRONLY as u64),
        (argument, libc::O_ACCMODE as u64, libc::O_RDWR as u64),
        (argument, libc::O_CREAT as u64, libc::O_CREAT as u64),
        (argument, libc::O_TRUNC as u64, libc::O_TRUNC as u64),
    ]
}

/// The names of all calls at which a traced program can stop.
#[must_use]
pub fn traced_calls() -> Vec<&'static str> {
    ALWAYS.iter().copied().chain(SOMETIMES.iter().map(|(name, _)| *name)).collect()
}

/// The filter: compiled once, as a sweep starts thousands of programs under it.
pub(super) fn program(stops: Stops) -> &'static BpfProgram {
    static CHANGES: OnceLock<BpfProgram> = OnceLock::new();
    static ALSO_READS: OnceLock<BpfProgram> = OnceLock::new();
    static PATHS: OnceLock<BpfProgram> = OnceLock::new();
    match stops {
        Stops::Paths => PATHS.get_or_init(|| {
            let named = NAMING.iter().map(|(name, ..)| *name).chain(PRINTING.iter().copied());
            let calls = named.filter_map(|name| Some((number(name)?, vec![ret(libc::SECCOMP_RET_TRACE)])));
            assemble(calls.collect())
        }),
        Stops::Changes => CHANGES.get_or_init(|| compile(Stops::Changes)),
        Stops::AlsoReads => ALSO_READS.get_or_init(|| compile(Stops::AlsoReads)),
    }
}

/// The filter as a binary search for the number: the kernel runs it once for each number there is whenever a program starts under it.
fn compile(stops: Stops) -> BpfProgram {
    let reading: &[&[&str]] = if stops == Stops::AlsoReads { &[READING, OPENING] } else { &[] };
    let always = ALWAYS.iter().chain(reading.iter().copied().flatten());
    let always = always.filter_map(|name| Some((number(name)?, vec![ret(libc::SECCOMP_RET_TRACE)])));
    let by_condition = SOMETIMES.iter().filter(|(name, _)| stops == Stops::Changes || !OPENING.contains(name));
    let sometimes = by_condition.filter_map(|(name, conditions)| {
        let mut block: Vec<sock_filter> = conditions.iter().flat_map(|condition| trap_if(*condition)).collect();
        block.push(ret(libc::SECCOMP_RET_ALLOW));
        Some((number(name)?, block))
    });
    assemble(always.chain(sometimes).collect())
}

/// The number of a call, where this architecture has it.
fn number(name: &str) -> Option<u32> {
    name.parse::<Sysno>().ok().map(|call| call.id() as u32)
}

fn assemble(calls: BTreeMap<u32, Vec<sock_filter>>) -> BpfProgram {
    let calls: Vec<(u32, Vec<sock_filter>)> = calls.into_iter().collect();
    let mut program = vec![load(ARCH), jump_if_equal(NATIVE, 1, 0), ret(libc::SECCOMP_RET_KILL_PROCESS), load(NUMBER)];
    program.extend(search(&calls));
    program
}

/// Looks a number that is loaded up among `calls`, which are in order.
fn search(calls: &[(u32, Vec<sock_filter>)]) -> Vec<sock_filter> {
    let (left, right) = match calls {
        [] => return vec![ret(libc::SECCOMP_RET_ALLOW)],
        [(number, block)] => {
            let head = [jump_if_equal(*number, 1, 0), ret(libc::SECCOMP_RET_ALLOW)];
            return [&head, &block[..]].concat();
        }
        more => more.split_at(more.len() / 2),
    };
    let (smaller, others) = (search(left), search(right));
    // A conditional jump reaches 255 instructions, an unconditional one all of them.
    let head = [jump_if_at_least(right[0].0, 0, 1), jump(smaller.len() as u32)];
    [&head, &smaller[..], &others[..]].concat()
}

/// Traps the call if an argument is as `(argument, mask, value)` says; goes on behind this if not.
fn trap_if((argument, mask, value): Condition) -> [sock_filter; 4] {
    // The lower half of a 64-bit argument, on little-endian machines.
    let low = ARGUMENTS + 8 * u32::from(argument);
    [load(low), and(mask as u32), jump_if_equal(value as u32, 0, 1), ret(libc::SECCOMP_RET_TRACE)]
}

/// Where struct seccomp_data has the number of the call, the architecture and the arguments, in bytes.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64 (include/uapi/linux/audit.h): 64 bits, little-endian, the machine's number.
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xC000_00B7;

fn load(offset: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn and(mask: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16, jt: 0, jf: 0, k: mask }
}

fn jump_if_equal(value: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt, jf, k: value }
}

fn jump_if_at_least(value: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16, jt, jf, k: value }
}

fn jump(over: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JA) as u16, jt: 0, jf: 0, k: over }
}

fn ret(action: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: action }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_compiles_and_every_name_is_a_system_call_somewhere() {
        assert!(program(Stops::Changes).len() > 50);
        for name in traced_calls() {
            let known =
                name.parse::<syscalls::x86_64::Sysno>().is_ok() || name.parse::<syscalls::aarch64::Sysno>().is_ok();
            assert!(known, "{name}");
        }
    }

    #[test]
    fn aarch64_has_a_call_for_everything_that_x86_64_can_do_to_files() {
        let known = |name: &str| name.parse::<syscalls::aarch64::Sysno>().is_ok();
        let old = traced_calls().into_iter().filter(|name| !known(name)).collect::<Vec<_>>();
        let replaced = [
            "chmod",
            "chown",
            "creat",
            "futimesat",
            "lchown",
            "link",
            "mkdir",
            "mknod",
            "open",
            "rename",
            "rmdir",
            "symlink",
            "unlink",
            "utime",
            "utimes",
        ];
        assert_eq!(old.into_iter().filter(|name| !replaced.contains(name)).collect::<Vec<_>>(), [""; 0]);
    }

    /// Returns what the kernel does with a call.
    fn run(stops: Stops, number: u32, arch: u32, args: [u64; 6]) -> u32 {
        let word = |offset: u32| match offset {
            NUMBER => number,
            ARCH => arch,
            _ => args[(offset - ARGUMENTS) as usize / 8] as u32,
        };
        let (mut at, mut loaded, mut steps) = (0, 0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program(stops)[at];
            (at, steps) = (at + 1, steps + 1);
            assert!(steps < 40, "a long way to {number}");
            match u32::from(code) {
                code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => loaded = word(k),
                code if code == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K => loaded &= k,
                code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => {
                    at += usize::from(if loaded == k { jt } else { jf });
                }
                code if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K => {
                    at += usize::from(if loaded >= k { jt } else { jf });
                }
                code if code == libc::BPF_JMP | libc::BPF_JA => at += k as usize,
                code if code == libc::BPF_RET | libc::BPF_K => return k,
                other => panic!("no such instruction: {other}"),
            }
        }
    }

    #[test]
    fn every_call_that_is_named_is_trapped_and_no_other_one() {
        let number = |name: &str| name.parse::<Sysno>().ok().map(|call| call.id() as u32);
        let always: Vec<u32> = ALWAYS.iter().filter_map(|name| number(name)).collect();
        let sometimes: Vec<(u32, &[Condition])> =
            SOMETIMES.iter().filter_map(|(name, conditions)| Some((number(name)?, *conditions))).collect();
        let arguments =
            [0, 1, 2, 8, 0x21, libc::O_CREAT as u64, libc::O_TRUNC as u64, 0x4004_9409, 0x4020_940D, u64::MAX];
        for call in 0..1_000 {
            for value in arguments {
                let args = [value; 6];
                let holds = |conditions: &[Condition]| {
                    conditions
                        .iter()
                        .any(|(n, mask, wanted)| args[usize::from(*n)] as u32 & *mask as u32 == *wanted as u32)
                };
                let named = always.contains(&call)
                    || sometimes.iter().any(|(number, conditions)| *number == call && holds(conditions));
                let wanted = if named { libc::SECCOMP_RET_TRACE } else { libc::SECCOMP_RET_ALLOW };
                assert_eq!(run(Stops::Changes, call, NATIVE, args), wanted, "call {call} with {value:#x}");
            }
            let reads = READING.iter().chain(OPENING).any(|name| number(name) == Some(call));
            for args in [[0; 6], [u64::MAX; 6]] {
                let before = run(Stops::Changes, call, NATIVE, args);
                let wanted = if reads { libc::SECCOMP_RET_TRACE } else { before };
                assert_eq!(run(Stops::AlsoReads, call, NATIVE, args), wanted, "call {call}");
            }
            assert_eq!(run(Stops::Changes, call, NATIVE ^ 1, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
        }
    }
}
