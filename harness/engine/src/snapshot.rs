//! Snapshots and the file system: reading one from a directory, writing one into it.
//!
//! Links are kept as links and never followed: a victim's link may point anywhere.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crashtest_states::{Entry, Snapshot};
use nix::fcntl::OFlag;

/// Reads everything below `dir`.
///
/// # Errors
/// What the file system says.
pub fn take(dir: &Path) -> io::Result<Snapshot> {
    let mut entries = Vec::new();
    take_below(dir, Path::new(""), &mut entries)?;
    Ok(entries.into_iter().collect())
}

/// Writes everything in `snapshot` below `dir`, which exists and is empty.
///
/// # Errors
/// What the file system says.
pub fn write_below(snapshot: &Snapshot, dir: &Path) -> io::Result<()> {
    for (path, entry) in snapshot.entries() {
        let path = dir.join(path);
        match entry {
            Entry::Directory { mode } => DirBuilder::new().mode(*mode | 0o700).create(path)?,
            Entry::File { mode, content } => {
                let mut file = OpenOptions::new().write(true).create_new(true).mode(*mode).open(path)?;
                file.write_all(content)?;
            }
            Entry::Link { target } => symlink(target, path)?,
            Entry::Special => {}
        }
    }
    Ok(())
}

/// Empties `dir` and writes `snapshot` below it.
///
/// # Errors
/// What the file system says.
pub fn restore(snapshot: &Snapshot, dir: &Path) -> io::Result<()> {
    empty(dir)?;
    write_below(snapshot, dir)
}

/// Removes everything below `dir`, not `dir` itself. Links are removed, not followed.
///
/// # Errors
/// What the file system says.
pub fn empty(dir: &Path) -> io::Result<()> {
    for found in fs::read_dir(dir)? {
        let found = found?;
        if found.file_type()?.is_dir() {
            fs::remove_dir_all(found.path())?;
        } else {
            fs::remove_file(found.path())?;
        }
    }
    Ok(())
}

fn take_below(root: &Path, below: &Path, entries: &mut Vec<(PathBuf, Entry)>) -> io::Result<()> {
    for found in fs::read_dir(root.join(below))? {
        let found = found?;
        let path = below.join(found.file_name());
        let kind = found.file_type()?;
        let entry = if kind.is_symlink() {
            Entry::Link { target: fs::read_link(found.path())? }
        } else if kind.is_dir() {
            take_below(root, &path, entries)?;
            Entry::Directory { mode: found.metadata()?.permissions().mode() & 0o7777 }
        } else if kind.is_file() {
            read_file(&found.path())?
        } else {
            Entry::Special
        };
        entries.push((path, entry));
    }
    Ok(())
}

fn read_file(path: &Path) -> io::Result<Entry> {
    let mut file: File = OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)?;
    let metadata = file.metadata()?;
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.read_to_end(&mut content)?;
    Ok(Entry::File { mode: metadata.permissions().mode() & 0o7777, content: content.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_state_is_the_one_that_was_taken() {
        let from = tempfile::tempdir().unwrap();
        fs::create_dir(from.path().join("sub")).unwrap();
        fs::write(from.path().join("sub/a.json"), b"{}").unwrap();
        fs::write(from.path().join("empty"), b"").unwrap();
        fs::set_permissions(from.path().join("empty"), fs::Permissions::from_mode(0o600)).unwrap();
        let taken = take(from.path()).unwrap();
        let to = tempfile::tempdir().unwrap();
        fs::write(to.path().join("stale"), b"x").unwrap();
        restore(&taken, to.path()).unwrap();
        let again = take(to.path()).unwrap();
        assert_eq!((again.digest(), again), (taken.digest(), taken.clone()));
        assert_eq!(taken.file("sub/a.json"), Some(&b"{}"[..]));
        assert_eq!(taken.others_than("empty"), 2);
    }

    #[test]
    fn links_out_of_the_directory_are_never_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("precious"), b"data").unwrap();
        let dir = tempfile::tempdir().unwrap();
        symlink(outside.path().join("precious"), dir.path().join("file")).unwrap();
        symlink(outside.path(), dir.path().join("folder")).unwrap();
        let taken = take(dir.path()).unwrap();
        assert_eq!(taken.file("file"), None, "a link is not the file that it names");
        assert_eq!(taken.entries().count(), 2);
        empty(dir.path()).unwrap();
        assert_eq!(fs::read(outside.path().join("precious")).unwrap(), b"data");
    }
}
