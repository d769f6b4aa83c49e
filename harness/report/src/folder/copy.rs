//! Copying and measuring directory trees that a victim made: links in them are never followed.
//!
//! A victim may leave a link to `/etc/passwd` or to a disk; evidence is the link, not what it points to. Pipes, sockets and
//! devices are left out: they hold no state.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::Path;

use nix::libc;

/// Copies the tree `from` to `to`, which must not exist yet.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(from)?;
    if found.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        }
        fs::set_permissions(to, found.permissions())
    } else if found.is_symlink() {
        symlink(fs::read_link(from)?, to)
    } else if found.is_file() {
        let mut source = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(from)?;
        io::copy(&mut source, &mut File::create_new(to)?)?;
        fs::set_permissions(to, found.permissions())
    } else {
        Ok(())
    }
}

/// The bytes in the files of the tree `path`, by their length: what a copy of it would take.
pub(crate) fn tree_bytes(path: &Path) -> io::Result<u64> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return Ok(if found.is_file() { found.len() } else { 0 });
    }
    let mut bytes = 0u64;
    for entry in fs::read_dir(path)? {
        bytes = bytes.saturating_add(tree_bytes(&entry?.path())?);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_a_copied_tree_stay_links() {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("secret");
        fs::write(&secret, "not evidence").unwrap();
        let from = directory.path().join("from");
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join("inner/state"), "state").unwrap();
        symlink(&secret, from.join("link")).unwrap();
        symlink(directory.path(), from.join("inner/up")).unwrap();
        let to = directory.path().join("to");

        copy_tree(&from, &to).unwrap();

        assert_eq!(fs::read_link(to.join("link")).unwrap(), secret);
        assert_eq!(fs::read_link(to.join("inner/up")).unwrap(), directory.path());
        assert_eq!(fs::read_to_string(to.join("inner/state")).unwrap(), "state");
        assert_eq!(tree_bytes(&from).unwrap(), 5);
    }
}
