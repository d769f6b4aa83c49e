//! Snapshots and the file system: reading one from a directory, writing one into it.
//!
//! Everything goes by the directory's descriptor. Links are kept as links and never followed: a victim's link may point anywhere.

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crashtest_linux::directory::{Directory, DirectoryError, Kind, Listed};
use crashtest_states::{Entry, Snapshot};

/// Reads everything below `dir`.
///
/// # Errors
/// What the file system says, or something is mounted there.
pub(crate) fn take(dir: &Directory) -> Result<Snapshot, DirectoryError> {
    let mut entries = Vec::new();
    take_below(dir, Path::new(""), &mut entries)?;
    Ok(entries.into_iter().collect())
}

/// Writes everything in `snapshot` below `dir`, which is empty.
///
/// # Errors
/// What the file system says.
pub(crate) fn write_below(snapshot: &Snapshot, dir: &Directory) -> Result<(), DirectoryError> {
    write_entries(snapshot.entries(), dir)
}

fn write_entries<'s>(
    entries: impl Iterator<Item = (&'s Path, &'s Entry)>,
    dir: &Directory,
) -> Result<(), DirectoryError> {
    for (path, entry) in entries {
        match entry {
            Entry::Directory { mode } => dir.make_closed(path, *mode | 0o700)?,
            Entry::File { mode, content } => drop(dir.write(path, *mode, content)?),
            Entry::Link { target } => dir.link(target, path)?,
            Entry::Special => {}
        }
    }
    Ok(())
}

/// Makes `snapshot` all there is below `dir`. A file that is as it should be is left alone.
///
/// # Errors
/// What the file system says, or something is mounted there.
pub(crate) fn restore(snapshot: &Snapshot, dir: &Directory) -> Result<(), DirectoryError> {
    let mut there = Vec::new();
    for Listed { name, kind } in dir.list()? {
        let name = PathBuf::from(name);
        match kind {
            Kind::Directory => dir.remove_tree(&name)?,
            Kind::File if snapshot.entry(&name).is_some_and(|wanted| is_as(dir, &name, wanted)) => there.push(name),
            _ => dir.remove_file(&name)?,
        }
    }
    write_entries(snapshot.entries().filter(|(path, _)| !there.iter().any(|name| name == path)), dir)
}

/// Whether `name` is a file like `wanted`, under this name only.
fn is_as(dir: &Directory, name: &Path, wanted: &Entry) -> bool {
    let Entry::File { mode, content } = wanted else { return false };
    let Ok(mut file) = dir.open_file(name) else { return false };
    let is_alike = file.metadata().is_ok_and(|metadata| {
        metadata.nlink() == 1
            && metadata.permissions().mode() & 0o7777 == *mode
            && metadata.len() == content.len() as u64
    });
    let mut bytes = Vec::with_capacity(content.len());
    is_alike && file.read_to_end(&mut bytes).is_ok() && bytes[..] == content[..]
}

/// fsync of every file and directory below `dir`: what was installed counts as long on disk.
///
/// # Errors
/// What the file system says.
pub(crate) fn sync(dir: &Directory) -> Result<(), DirectoryError> {
    let failed = |path: &Path, source| DirectoryError::Io { doing: "sync", path: path.to_owned(), source };
    for Listed { name, kind } in dir.list()? {
        let name = Path::new(&name);
        match kind {
            Kind::Directory => sync(&dir.open(name)?)?,
            Kind::File => dir.open_file(name)?.sync_all().map_err(|source| failed(&dir.path().join(name), source))?,
            Kind::Link | Kind::Special => {}
        }
    }
    dir.sync().map_err(|source| failed(dir.path(), source))
}

fn take_below(dir: &Directory, below: &Path, entries: &mut Vec<(PathBuf, Entry)>) -> Result<(), DirectoryError> {
    for Listed { name, kind } in dir.list()? {
        let name = Path::new(&name);
        let path = below.join(name);
        let entry = match kind {
            Kind::Link => Entry::Link { target: dir.link_target(name)? },
            Kind::Directory => {
                take_below(&dir.open(name)?, &path, entries)?;
                Entry::Directory { mode: dir.mode(name)? }
            }
            Kind::File => read_file(dir, name)?,
            Kind::Special => Entry::Special,
        };
        entries.push((path, entry));
    }
    Ok(())
}

fn read_file(dir: &Directory, name: &Path) -> Result<Entry, DirectoryError> {
    let failed = |source| DirectoryError::Io { doing: "read", path: dir.path().join(name), source };
    let mut file = dir.open_file(name)?;
    let metadata = file.metadata().map_err(failed)?;
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.read_to_end(&mut content).map_err(failed)?;
    Ok(Entry::File { mode: metadata.permissions().mode() & 0o7777, content: content.into() })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    fn open(dir: &tempfile::TempDir) -> Directory {
        Directory::named(dir.path()).unwrap()
    }

    #[test]
    fn a_restored_state_is_the_one_that_was_taken() {
        let from = tempfile::tempdir().unwrap();
        fs::create_dir(from.path().join("sub")).unwrap();
        fs::write(from.path().join("sub/a.json"), b"{}").unwrap();
        fs::write(from.path().join("empty"), b"").unwrap();
        fs::set_permissions(from.path().join("empty"), fs::Permissions::from_mode(0o600)).unwrap();
        let taken = take(&open(&from)).unwrap();
        let to = tempfile::tempdir().unwrap();
        fs::write(to.path().join("stale"), b"x").unwrap();
        restore(&taken, &open(&to)).unwrap();
        let again = take(&open(&to)).unwrap();
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
        let taken = take(&open(&from)).unwrap();
        let to = tempfile::tempdir().unwrap();
        restore(&taken, &open(&to)).unwrap();
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
        restore(&taken, &open(&to)).unwrap();
        assert_eq!(take(&open(&to)).unwrap(), taken);
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
        let taken = take(&open(&dir)).unwrap();
        assert_eq!(taken.file("file"), None, "a link is not the file that it names");
        assert_eq!(taken.entries().count(), 2);
        restore(&Snapshot::default(), &open(&dir)).unwrap();
        assert_eq!(fs::read(outside.path().join("precious")).unwrap(), b"data");
    }
}
