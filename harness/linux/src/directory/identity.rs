//! Which directory an open one is, whatever its path names.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, StatxFlags};

/// Which directory this is: no other one has all three numbers at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The device of its file system, as stat(2) has it.
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
    /// The mount that it was reached through (statx(2), `STATX_MNT_ID`); 0 before Linux 5.8.
    pub mount: u64,
}

/// The identity of an open file.
pub(super) fn identity_of(fd: &OwnedFd) -> io::Result<Identity> {
    let nothing: &CStr = c"";
    let wanted = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);
    Ok(identity(&rustix::fs::statx(fd, nothing, AtFlags::EMPTY_PATH, wanted)?))
}

pub(super) fn identity(found: &rustix::fs::Statx) -> Identity {
    let device = rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor);
    let known = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
    Identity { device, inode: found.stx_ino, mount: if known { found.stx_mnt_id } else { 0 } }
}
