//! The seccomp(2) filter: which calls stop a traced program. It lets everything else run at full speed.
//!
//! Calls are named, so that one table serves every architecture: those that one does not have (open(2) on aarch64) drop out.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use syscalls::Sysno;

/// Calls that always stop.
const ALWAYS: &[&str] = &[
    "chmod",
    "chown",
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
    "fremovexattr",
    "fsetxattr",
    "fsync",
    "ftruncate",
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
    "msync",
    "openat2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "removexattr",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "setxattr",
    "splice",
    "symlink",
    "symlinkat",
    "sync",
    "sync_file_range",
    "syncfs",
    "truncate",
    "unlink",
    "unlinkat",
    "write",
    "writev",
    // Not modelled: named in the report when a program makes them.
    "file_setattr",
    "io_submit",
    "open_by_handle_at",
    "removexattrat",
    "setxattrat",
    "vmsplice",
];

/// An argument has a value under a mask: (argument, mask, value).
type Condition = (u8, u64, u64);

/// Calls that stop only if one of these conditions holds.
const SOMETIMES: &[(&str, &[Condition])] = &[
    ("open", &on_flags(1)),
    ("openat", &on_flags(2)),
    // MAP_SHARED and MAP_SHARED_VALIDATE of a file, not anonymous.
    ("mmap", &[(3, 0x21, 0x01)]),
    ("ioctl", &[(1, 0xffff_ffff, libc::FICLONE), (1, 0xffff_ffff, libc::FICLONERANGE)]),
];

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
pub(super) fn program() -> Result<&'static BpfProgram, BackendError> {
    static PROGRAM: OnceLock<BpfProgram> = OnceLock::new();
    match PROGRAM.get() {
        Some(program) => Ok(program),
        None => compile().map(|program| PROGRAM.get_or_init(|| program)),
    }
}

fn compile() -> Result<BpfProgram, BackendError> {
    let number = |name: &str| name.parse::<Sysno>().ok().map(|call| i64::from(call.id()));
    let always = ALWAYS.iter().filter_map(|name| Some((number(name)?, Vec::new())));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = always.collect();
    for (name, conditions) in SOMETIMES {
        let Some(number) = number(name) else { continue };
        let conditions = conditions.iter().map(|(argument, mask, value)| {
            let masked = SeccompCmpOp::MaskedEq(*mask);
            SeccompRule::new(vec![SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, masked, *value)?])
        });
        rules.insert(number, conditions.collect::<Result<_, _>>()?);
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Trace(0), arch)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_compiles_and_every_name_is_a_system_call_somewhere() {
        assert!(program().unwrap().len() > 50);
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
            "chmod", "chown", "creat", "lchown", "link", "mkdir", "mknod", "open", "rename", "rmdir", "symlink",
            "unlink",
        ];
        assert_eq!(old.into_iter().filter(|name| !replaced.contains(name)).collect::<Vec<_>>(), [""; 0]);
    }
}
