//! The files of a directory, held in memory: a crash state before recovery touches it, or the installed state to go back to.
//!
//! Links are kept as links and never followed: a victim's link may point anywhere.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crashtest_model::Digest;
use nix::fcntl::OFlag;

/// One entry below the directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    File {
        mode: u32,
        content: Vec<u8>,
    },
    Directory {
        mode: u32,
    },
    Link {
        target: PathBuf,
    },
    /// A socket, a pipe or a device: noted, not kept.
    Special,
}

/// The entries below a directory by their relative path, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Snapshot {
    entries: Vec<(PathBuf, Entry)>,
}

impl Snapshot {
    /// Reads everything below `dir`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn take(dir: &Path) -> io::Result<Snapshot> {
        let mut entries = Vec::new();
        take_below(dir, Path::new(""), &mut entries)?;
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Snapshot { entries })
    }

    /// Writes everything below `dir`, which exists and is empty.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write_below(&self, dir: &Path) -> io::Result<()> {
        for (path, entry) in &self.entries {
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

    /// Empties `dir` and writes this state below it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn restore(&self, dir: &Path) -> io::Result<()> {
        empty(dir)?;
        self.write_below(dir)
    }

    /// The content of the file `name`; `None` if it is no file or not there.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.entries.iter().find_map(|(path, entry)| match entry {
            Entry::File { content, .. } if path == Path::new(name) => Some(content.as_slice()),
            _ => None,
        })
    }

    /// Whether anything of this name is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(path, _)| path == Path::new(name))
    }

    /// How many entries there are besides the file `name`.
    #[must_use]
    pub fn others_than(&self, name: &str) -> usize {
        self.entries.iter().filter(|(path, _)| path != Path::new(name)).count()
    }

    /// What identifies the state: names, kinds, modes and contents.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        self.hash(&mut hasher);
        Digest(hasher.finish())
    }
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
    Ok(Entry::File { mode: metadata.permissions().mode() & 0o7777, content })
}

/// Removes everything below `dir`, not `dir` itself. Links are removed, not followed.
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
        let taken = Snapshot::take(from.path()).unwrap();
        let to = tempfile::tempdir().unwrap();
        fs::write(to.path().join("stale"), b"x").unwrap();
        taken.restore(to.path()).unwrap();
        assert_eq!(Snapshot::take(to.path()).unwrap(), taken);
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
        let taken = Snapshot::take(dir.path()).unwrap();
        assert_eq!(taken.file("file"), None, "a link is not the file that it names");
        assert_eq!(taken.entries.len(), 2);
        empty(dir.path()).unwrap();
        assert_eq!(fs::read(outside.path().join("precious")).unwrap(), b"data");
    }

    #[test]
    fn states_differ_in_their_digest_when_a_name_a_mode_or_a_byte_differs() {
        let file = |path: &str, mode, content: &[u8]| Snapshot {
            entries: vec![(path.into(), Entry::File { mode, content: content.to_vec() })],
        };
        let base = file("a", 0o644, b"x").digest();
        for other in [file("b", 0o644, b"x"), file("a", 0o600, b"x"), file("a", 0o644, b"y"), Snapshot::default()] {
            assert_ne!(other.digest(), base);
        }
    }
}
