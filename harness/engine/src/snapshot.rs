//! Snapshots and the file system: reading one from a directory, writing one into it.
//!
//! Links are kept as links and never followed: a victim's link may point anywhere.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crashtest_states::{Entry, Snapshot};
use nix::fcntl::OFlag;

/// Reads everything below `dir`.
///
/// # Errors
/// What the file system says.
pub(crate) fn take(dir: &Path) -> io::Result<Snapshot> {
    let mut entries = Vec::new();
    take_below(dir, Path::new(""), &mut entries)?;
    Ok(entries.into_iter().collect())
}

/// Writes everything in `snapshot` below `dir`, which exists and is empty.
///
/// # Errors
/// What the file system says.
pub(crate) fn write_below(snapshot: &Snapshot, dir: &Path) -> io::Result<()> {
    write_entries(snapshot.entries(), dir)
}

fn write_entries<'s>(entries: impl Iterator<Item = (&'s Path, &'s Entry)>, dir: &Path) -> io::Result<()> {
    for (path, entry) in entries {
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

/// Makes `snapshot` all there is below `dir`. A file that is as it should be is left alone.
///
/// # Errors
/// What the file system says.
pub(crate) fn restore(snapshot: &Snapshot, dir: &Path) -> io::Result<()> {
    let mut there = Vec::new();
    for found in fs::read_dir(dir)? {
        let found = found?;
        let name = PathBuf::from(found.file_name());
        if found.file_type()?.is_dir() {
            fs::remove_dir_all(found.path())?;
        } else if snapshot.entry(&name).is_some_and(|wanted| is_as(&found.path(), wanted).unwrap_or(false)) {
            there.push(name);
        } else {
            fs::remove_file(found.path())?;
        }
    }
    write_entries(snapshot.entries().filter(|(path, _)| !there.iter().any(|name| name == path)), dir)
}

/// Whether `path` is a file like `wanted`, under this name only.
fn is_as(path: &Path, wanted: &Entry) -> io::Result<bool> {
    let Entry::File { mode, content } = wanted else { return Ok(false) };
    let mut file = OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)?;
    let metadata = file.metadata()?;
    if metadata.nlink() != 1
        || metadata.permissions().mode() & 0o7777 != *mode
        || metadata.len() != content.len() as u64
    {
        return Ok(false);
    }
    let mut bytes = Vec::with_capacity(content.len());
    file.read_to_end(&mut bytes)?;
    Ok(bytes[..] == content[..])
}

/// Removes everything below `dir`, not `dir` itself. Links are removed, not followed.
///
/// # Errors
/// What the file system says.
pub(crate) fn empty(dir: &Path) -> io::Result<()> {
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
    fn a_file_that_is_as_it_should_be_is_left_alone_and_every_other_one_is_made_anew() {
        let from = tempfile::tempdir().unwrap();
        for name in ["same", "other", "mode", "linked", "link"] {
            fs::write(from.path().join(name), name).unwrap();
        }
        let taken = take(from.path()).unwrap();
        let to = tempfile::tempdir().unwrap();
        restore(&taken, to.path()).unwrap();
        let inode = |name: &str| fs::symlink_metadata(to.path().join(name)).unwrap().ino();
        // Those that are replaced are held, so that their numbers are not given to others.
        let held: Vec<File> =
            fs::read_dir(to.path()).unwrap().map(|e| File::open(e.unwrap().path()).unwrap()).collect();
        let names = ["same", "other", "mode", "linked", "link"];
        let before = names.map(inode);
        fs::write(to.path().join("other"), b"OTHER").unwrap();
        fs::set_permissions(to.path().join("mode"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(to.path().join("linked"), to.path().join("twin")).unwrap();
        fs::remove_file(to.path().join("link")).unwrap();
        symlink(from.path().join("link"), to.path().join("link")).unwrap();
        restore(&taken, to.path()).unwrap();
        assert_eq!(take(to.path()).unwrap(), taken);
        // "linked" may be kept as well: once its twin is gone, it has one name.
        let kept = |(name, before): &(&str, u64)| *name != "linked" && inode(name) == *before;
        let kept: Vec<&str> = names.into_iter().zip(before).filter(kept).map(|(name, _)| name).collect();
        assert_eq!((kept, held.len()), (vec!["same"], 5));
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
