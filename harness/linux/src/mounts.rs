//! Which file system a path lies on, and what room it has.
//!
//! Source: proc_pid_mountinfo(5). Where it cannot be read the answer is "unknown", never a guess.

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC, statfs};
use nix::sys::statvfs::statvfs;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: PathBuf,
    /// `ext4`, `tmpfs`, …
    pub kind: String,
    /// Per-mount and per-file-system options, comma-separated.
    pub options: String,
}

/// The mount that holds `path`, which must exist.
///
/// # Errors
/// The path or /proc cannot be read.
pub fn mount_of(path: &Path) -> io::Result<Mount> {
    let path = path.canonicalize()?;
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    longest_match(&table, &path).ok_or_else(|| io::Error::other("no mount holds this path"))
}

/// Bytes that an unprivileged process may still write on the file system of `path`.
///
/// # Errors
/// What statvfs(3) says.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = statvfs(path)?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

/// Returns whether close(2) of a file on the file system of `path` has nothing left to do that can fail. Elsewhere it may
/// (close(2), NOTES): what was written is sent to a server there, or to a process.
#[must_use]
pub fn close_cannot_fail(path: &Path) -> bool {
    let local = [EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC].map(|kind| kind.0);
    statfs(path).is_ok_and(|of| local.contains(&of.filesystem_type().0))
}

/// The last of the mounts with the longest mount point that is a prefix of `path`: later mounts cover earlier ones.
fn longest_match(table: &str, path: &Path) -> Option<Mount> {
    table
        .lines()
        .filter_map(parse_line)
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count())
}

/// `36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue`; optional fields end at the hyphen.
fn parse_line(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(4);
    let point = unescape(mount.next()?);
    let mut options = mount.next()?.to_owned();
    let mut file_system = file_system.split(' ');
    let kind = file_system.next()?.to_owned();
    if let Some(more) = file_system.nth(1) {
        for option in more.split(',') {
            if !options.split(',').any(|o| o == option) {
                options.push(',');
                options.push_str(option);
            }
        }
    }
    Some(Mount { point: PathBuf::from(point), kind, options })
}

/// Space, tab, newline and backslash come as octal `\040`.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_close_without_fail_may_fail() {
        assert!(!close_cannot_fail(Path::new("/proc")));
        assert!(!close_cannot_fail(Path::new("/no/such/place")));
        if mount_of(Path::new("/dev/shm")).is_ok_and(|mount| mount.kind == "tmpfs") {
            assert!(close_cannot_fail(Path::new("/dev/shm")));
        }
    }

    const TABLE: &str = "\
21 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
22 21 0:20 / /proc rw - proc proc rw
30 21 0:30 / /mnt/a\\040b rw,noatime shared:7 - xfs /dev/vdb rw,attr2
31 21 0:31 / /mnt rw - tmpfs tmpfs rw,size=1024k";

    #[test]
    fn the_deepest_mount_above_a_path_holds_it() {
        let mount = longest_match(TABLE, Path::new("/mnt/a b/c")).unwrap();
        assert_eq!((mount.kind.as_str(), mount.options.as_str()), ("xfs", "rw,noatime,attr2"));
        assert_eq!(longest_match(TABLE, Path::new("/mnt/x")).unwrap().kind, "tmpfs");
        assert_eq!(longest_match(TABLE, Path::new("/home")).unwrap().options, "rw,relatime,discard");
    }

    #[test]
    fn the_real_table_knows_where_proc_lies() {
        assert_eq!(mount_of(Path::new("/proc")).unwrap().kind, "proc");
        assert!(mount_of(Path::new("/no such path")).is_err());
    }
}
