//! What a file has besides its name and its content: its mode, its owner, its time of change, its extended attributes.
//!
//! Of extended attributes only those in the `user` namespace are looked at: others are the affair of the system. Left out: access
//! times, and access control lists.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

/// The namespace that programs without privilege may write.
const USERS: &str = "user.";
/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

/// What a file has besides its name and its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The permission bits, with set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// The numbers of its user and its group.
    pub owner: (u32, u32),
    /// When its content was changed last, in ns since 1970.
    pub modified_ns: i64,
    /// How many names it has.
    pub links: u64,
    /// Its device and inode.
    pub inode: (u64, u64),
    /// Its extended attributes in the `user` namespace, whose names are text.
    pub extended: BTreeMap<String, Vec<u8>>,
}

/// What cannot be given to a file here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An owner: only root may.
    Owner,
    /// An extended attribute: the file system has none, or no room for it.
    Extended,
}

/// The attributes of an open file.
///
/// # Errors
/// What the system says.
pub fn of(file: impl AsFd) -> io::Result<Attributes> {
    let stat = rustix::fs::fstat(file.as_fd())?;
    Ok(Attributes { extended: extended(file)?, ..from_stat(&stat) })
}

/// The attributes of what `path` names; a last link is not followed.
///
/// # Errors
/// What the system says.
pub fn of_path(path: &Path) -> io::Result<Attributes> {
    let stat = rustix::fs::lstat(path)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Directory => behind(path),
        // What is none of these has no attributes of users.
        _ => Ok(from_stat(&stat)),
    }
}

/// The attributes of what `path` leads to, through a last link as well.
///
/// # Errors
/// What the system says.
pub fn behind(path: &Path) -> io::Result<Attributes> {
    let mut all = from_stat(&rustix::fs::stat(path)?);
    let names = rustix::fs::listxattr_query(path).unwrap_or(0);
    if names > 0 {
        let mut list = vec![0; names];
        let length = rustix::fs::listxattr(path, &mut list[..])?;
        for name in of_users(&list[..length]) {
            let mut value = vec![0; rustix::fs::getxattr_query(path, name)?];
            let length = rustix::fs::getxattr(path, name, &mut value[..])?;
            value.truncate(length);
            all.extended.insert(name.to_owned(), value);
        }
    }
    Ok(all)
}

/// The attributes that stat(2) tells: without the extended ones.
pub(crate) fn from_stat(stat: &Stat) -> Attributes {
    Attributes {
        mode: stat.st_mode & 0o7777,
        owner: (stat.st_uid, stat.st_gid),
        modified_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
        links: stat.st_nlink,
        inode: (stat.st_dev, stat.st_ino),
        extended: BTreeMap::new(),
    }
}

/// The extended attributes of an open file.
fn extended(file: impl AsFd) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let file = file.as_fd();
    let mut found = BTreeMap::new();
    let mut list = vec![
        0;
        match rustix::fs::flistxattr_query(file) {
            Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(found),
            length => length?,
        }
    ];
    let length = rustix::fs::flistxattr(file, &mut list[..])?;
    for name in of_users(&list[..length]) {
        let mut value = vec![0; rustix::fs::fgetxattr_query(file, name)?];
        let length = rustix::fs::fgetxattr(file, name, &mut value[..])?;
        value.truncate(length);
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}

/// The names in a list of the system's that are of users.
fn of_users(list: &[u8]) -> impl Iterator<Item = &str> {
    let names = list.split(|byte| *byte == 0).filter_map(|name| str::from_utf8(name).ok());
    names.filter(|name| name.starts_with(USERS))
}

/// A time of stat(2), in ns since 1970.
pub(crate) fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(SECOND).saturating_add(rest)
}

/// Gives an open file all of `wanted`; returns what cannot be given here.
///
/// # Errors
/// What else the system says.
pub(crate) fn set(file: BorrowedFd<'_>, wanted: &Attributes) -> Result<Vec<Refused>, Errno> {
    let stat = rustix::fs::fstat(file)?;
    let mut refused = Vec::new();
    if (stat.st_uid, stat.st_gid) != wanted.owner {
        let (user, group) = (Uid::from_raw(wanted.owner.0), Gid::from_raw(wanted.owner.1));
        match rustix::fs::fchown(file, Some(user), Some(group)) {
            Err(Errno::PERM | Errno::INVAL) => refused.push(Refused::Owner),
            done => done?,
        }
    }
    let there = extended(file).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    for name in there.keys().filter(|name| !wanted.extended.contains_key(*name)) {
        rustix::fs::fremovexattr(file, name.as_str())?;
    }
    for (name, value) in wanted.extended.iter().filter(|(name, value)| there.get(*name) != Some(value)) {
        match rustix::fs::fsetxattr(file, name.as_str(), value, XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP | Errno::NOSPC | Errno::TOOBIG | Errno::PERM) => refused.push(Refused::Extended),
            done => done?,
        }
    }
    // Behind the owner, whose change takes set-user-ID away.
    if stat.st_mode & 0o7777 != wanted.mode || refused.is_empty() {
        rustix::fs::fchmod(file, Mode::from_raw_mode(wanted.mode))?;
    }
    let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let modified =
        Timespec { tv_sec: wanted.modified_ns.div_euclid(SECOND), tv_nsec: wanted.modified_ns.rem_euclid(SECOND) };
    rustix::fs::futimens(file, &Timestamps { last_access: omit, last_modification: modified })?;
    Ok(refused)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn what_was_set_is_what_is_found_to_the_nanosecond() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, b"x").unwrap();
        let file = File::open(&path).unwrap();
        let before = of(&file).unwrap();
        let extended = BTreeMap::from([("user.sum".to_owned(), b"7".to_vec())]);
        let wanted = Attributes { mode: 0o666, modified_ns: 1_234_567_890_123_456_789, extended, ..before.clone() };
        assert_eq!(set(file.as_fd(), &wanted).unwrap(), []);
        assert_eq!(of(&file).unwrap(), wanted);
        assert_eq!(of_path(&path).unwrap(), wanted, "by its name as well");
        assert_eq!(set(file.as_fd(), &before).unwrap(), []);
        assert_eq!(of(&file).unwrap(), before, "and taken away again");
        let early = Attributes { modified_ns: -1, ..before };
        set(file.as_fd(), &early).unwrap();
        assert_eq!(of(&file).unwrap().modified_ns, -1, "before 1970");
    }
}
