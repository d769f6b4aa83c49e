//! Snapshots and the file system: reading one from a directory, writing one into it.
//!
//! Everything goes by the directory's descriptor. Links are kept as links and never followed: a victim's link may point anywhere.
//! What files have besides their contents is read where somebody asks for it, and written wherever a snapshot has it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crashtest_linux::attributes::{self, Refused};
use crashtest_linux::directory::{self, Directory, DirectoryError, Kind, Listed};
use crashtest_model::{Attributes, Data, Node};
use crashtest_states::{Content, Entry, LONGEST_WHOLE, Snapshot};

/// What is read at once of a long file, in bytes.
const PIECE: u64 = 1 << 20;

/// How much of the files is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Names, kinds, modes and contents, and which names are one file.
    #[default]
    Contents,
    /// Owners, times and extended attributes as well.
    Everything,
}

/// Reads everything below `dir`, in so much detail.
///
/// # Errors
/// What the file system says, or something is mounted there.
pub(crate) fn take(dir: &Directory, detail: Detail) -> Result<Snapshot, DirectoryError> {
    let mut taken = Taken { detail, ..Taken::default() };
    taken.below(dir, Path::new(""))?;
    let snapshot = taken.entries.into_iter().collect::<Snapshot>();
    let snapshot = if taken.names.values().all(|names| names.len() == 1) {
        snapshot
    } else {
        let mut twins = Vec::new();
        for mut names in taken.names.into_values() {
            names.sort();
            let mut names = names.into_iter();
            let Some(first) = names.next() else { continue };
            twins.extend(names.map(|name| (name, first.clone())));
        }
        snapshot.with_twins(twins)
    };
    match detail {
        Detail::Contents => Ok(snapshot),
        Detail::Everything => {
            let root = dir.attributes(Path::new(""))?;
            Ok(snapshot.with_attributes(taken.attributes, Some((root.mode, Arc::new(besides(&root))))))
        }
    }
}

/// What is there, as far as it was read.
#[derive(Default)]
struct Taken {
    detail: Detail,
    entries: Vec<(PathBuf, Entry)>,
    /// The names of files that have several, by device and inode.
    names: HashMap<(u64, u64), Vec<PathBuf>>,
    attributes: Vec<(PathBuf, Arc<Attributes>)>,
}

impl Taken {
    fn below(&mut self, dir: &Directory, below: &Path) -> Result<(), DirectoryError> {
        for Listed { name, kind } in dir.list()? {
            let name = Path::new(&name);
            let path = below.join(name);
            let entry = match kind {
                Kind::Link => Entry::Link { target: dir.link_target(name)? },
                Kind::Directory => {
                    self.below(&dir.open(name)?, &path)?;
                    Entry::Directory { mode: dir.mode(name)? }
                }
                Kind::File => self.file(dir, name, &path)?,
                Kind::Special => Entry::Special { node: node(dir.node(name)?), mode: dir.mode(name)? },
            };
            if self.detail == Detail::Everything && matches!(kind, Kind::Directory | Kind::Special) {
                self.attributes.push((path.clone(), Arc::new(besides(&dir.attributes(name)?))));
            }
            self.entries.push((path, entry));
        }
        Ok(())
    }

    fn file(&mut self, dir: &Directory, name: &Path, path: &Path) -> Result<Entry, DirectoryError> {
        let failed = |source| DirectoryError::Io { doing: "read", path: dir.path().join(name), source };
        let file = dir.open_file(name)?;
        let metadata = file.metadata().map_err(failed)?;
        let content = read_content(&file, metadata.len()).map_err(failed)?;
        if metadata.nlink() > 1 {
            self.names.entry((metadata.dev(), metadata.ino())).or_default().push(path.to_owned());
        }
        if self.detail == Detail::Everything {
            let found = attributes::of(&file).map_err(failed)?;
            self.attributes.push((path.to_owned(), Arc::new(besides(&found))));
        }
        Ok(Entry::File { mode: metadata.permissions().mode() & 0o7777, content })
    }
}

/// What is in `file` of this length; the holes of a long one are not read.
fn read_content(mut file: &File, length: u64) -> io::Result<Content> {
    if length <= LONGEST_WHOLE {
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.read_to_end(&mut bytes)?;
        return Ok(bytes.into());
    }
    let mut content = Content::zeros(length);
    let mut piece = vec![0; PIECE as usize];
    for data in directory::data(file)? {
        for at in data.clone().step_by(PIECE as usize) {
            let some = &mut piece[..(data.end - at).min(PIECE) as usize];
            file.read_exact_at(some, at)?;
            content.write(at, some);
        }
    }
    Ok(content)
}

/// What a file has besides, as a snapshot keeps it.
pub(crate) fn besides(found: &attributes::Attributes) -> Attributes {
    let extended = found.extended.iter().map(|(name, value)| (name.clone(), Data::Kept(value.clone())));
    Attributes { modified_ns: found.modified_ns, owner: found.owner, extended: Some(extended.collect()) }
}

fn node(node: directory::Node) -> Node {
    match node {
        directory::Node::Pipe => Node::Pipe,
        directory::Node::Socket => Node::Socket,
        directory::Node::Device => Node::Device,
    }
}

/// Writes everything in `snapshot` below `dir`, which is empty; returns what cannot be put there, a sentence each.
///
/// # Errors
/// What the file system says.
pub(crate) fn write_below(snapshot: &Snapshot, dir: &Directory) -> Result<Vec<String>, DirectoryError> {
    write_entries(snapshot, &|_| true, dir)
}

/// Writes the entries of which `wanted` says so.
fn write_entries(
    snapshot: &Snapshot,
    wanted: &dyn Fn(&Path) -> bool,
    dir: &Directory,
) -> Result<Vec<String>, DirectoryError> {
    let mut lost = Vec::new();
    for (path, entry) in snapshot.entries().filter(|(path, _)| wanted(path)) {
        match entry {
            Entry::Directory { mode } => dir.make_closed(path, *mode | 0o700)?,
            Entry::File { .. } if let Some(first) = snapshot.twin(path) => dir.hard_link(first, path)?,
            Entry::File { mode, content } => write_file(dir, path, *mode, content)?,
            Entry::Link { target } => dir.link(target, path)?,
            Entry::Special { node: Node::Device, .. } => {
                lost.push(format!("`{}` is a device, which is not put back", path.display()));
            }
            Entry::Special { node, mode } => {
                let node = if *node == Node::Pipe { directory::Node::Pipe } else { directory::Node::Socket };
                dir.make_node(path, node, *mode)?;
            }
        }
    }
    // What is in a directory changes its times, and its mode may close it: the deepest first.
    let all: Vec<(&Path, &Entry)> = snapshot.entries().filter(|(path, _)| wanted(path)).collect();
    for (path, entry) in all.into_iter().rev() {
        let mode = match entry {
            Entry::Directory { mode } | Entry::File { mode, .. } => *mode,
            Entry::Link { .. } | Entry::Special { .. } => continue,
        };
        if let (Some(besides), None) = (snapshot.attributes(path), snapshot.twin(path)) {
            give(dir, path, mode, besides, &mut lost)?;
        }
    }
    Ok(lost)
}

/// Gives what has the name `path` this mode and these attributes; adds what cannot be given here to `lost`.
fn give(
    dir: &Directory,
    path: &Path,
    mode: u32,
    besides: &Attributes,
    lost: &mut Vec<String>,
) -> Result<(), DirectoryError> {
    let extended = besides.extended.iter().flatten();
    let wanted = attributes::Attributes {
        mode,
        owner: besides.owner,
        modified_ns: besides.modified_ns,
        extended: extended.map(|(name, value)| (name.clone(), value.bytes().to_vec())).collect(),
        ..attributes::Attributes::default()
    };
    let name =
        || if path.as_os_str().is_empty() { "the state directory".to_owned() } else { format!("`{}`", path.display()) };
    for refused in dir.set_attributes(path, &wanted)? {
        lost.push(match refused {
            Refused::Owner => format!("the owner of {} cannot be put back: only root may", name()),
            Refused::Extended => format!("the file system here does not take an extended attribute of {}", name()),
        });
    }
    Ok(())
}

/// Writes a new file; of what is long and all zeros only its length.
fn write_file(dir: &Directory, path: &Path, mode: u32, content: &Content) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::Io { doing: "write", path: dir.path().join(path), source };
    let file = dir.create(path, mode)?;
    let mut end = 0;
    for (at, part) in content.parts() {
        file.write_all_at(part, at).map_err(failed)?;
        end = at + part.len() as u64;
    }
    if end < content.length() {
        file.set_len(content.length()).map_err(failed)?;
    }
    Ok(())
}

/// Makes `snapshot` all there is below `dir`; returns what cannot be put there, a sentence each. A file that is as it should be is left
/// alone.
///
/// # Errors
/// What the file system says, or something is mounted there.
pub(crate) fn restore(snapshot: &Snapshot, dir: &Directory) -> Result<Vec<String>, DirectoryError> {
    let mut there = Vec::new();
    for Listed { name, kind } in dir.list()? {
        let name = PathBuf::from(name);
        match kind {
            Kind::Directory => dir.remove_tree(&name)?,
            Kind::File if is_as(dir, &name, snapshot) => there.push(name),
            _ => dir.remove_file(&name)?,
        }
    }
    let mut lost = write_entries(snapshot, &|path| !there.iter().any(|name| name == path), dir)?;
    if let Some((mode, besides)) = snapshot.root() {
        give(dir, Path::new(""), *mode, besides, &mut lost)?;
    }
    Ok(lost)
}

/// Whether `name` is a file as it is in `snapshot`, under this name only.
fn is_as(dir: &Directory, name: &Path, snapshot: &Snapshot) -> bool {
    let Some(Entry::File { mode, content }) = snapshot.entry(name) else { return false };
    let Ok(file) = dir.open_file(name) else { return false };
    let is_alike = file.metadata().is_ok_and(|metadata| {
        metadata.nlink() == 1 && metadata.permissions().mode() & 0o7777 == *mode && metadata.len() == content.length()
    });
    let is_twin = snapshot.twins().any(|(path, first)| path == name || first == name);
    let has = |wanted: &Arc<Attributes>| attributes::of(&file).is_ok_and(|found| besides(&found) == **wanted);
    if !is_alike || is_twin || !snapshot.attributes(name).is_none_or(has) {
        return false;
    }
    read_content(&file, content.length()).is_ok_and(|found| found == *content)
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

#[cfg(test)]
mod tests {
    use std::fs;
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
        let taken = take(&open(&from), Detail::Contents).unwrap();
        let to = tempfile::tempdir().unwrap();
        fs::write(to.path().join("stale"), b"x").unwrap();
        restore(&taken, &open(&to)).unwrap();
        let again = take(&open(&to), Detail::Contents).unwrap();
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
        let taken = take(&open(&from), Detail::Contents).unwrap();
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
        assert_eq!(take(&open(&to), Detail::Contents).unwrap(), taken);
        // "linked" may be kept as well: once its twin is gone, it has one name.
        let kept = |(name, before): &(&str, u64)| *name != "linked" && inode(name) == *before;
        let kept: Vec<&str> = names.into_iter().zip(before).filter(kept).map(|(name, _)| name).collect();
        assert_eq!((kept, held.len()), (vec!["same"], 5));
    }

    #[test]
    fn of_a_file_of_a_tebibyte_only_what_is_in_it_is_read_and_written() {
        let from = tempfile::tempdir().unwrap();
        let file = File::create(from.path().join("long")).unwrap();
        file.set_len(1 << 40).unwrap();
        for at in [0, 1 << 30, (1 << 40) - 3] {
            file.write_all_at(b"abc", at).unwrap();
        }
        let taken = take(&open(&from), Detail::Contents).unwrap();
        let to = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            restore(&taken, &open(&to)).unwrap();
            assert_eq!(take(&open(&to), Detail::Contents).unwrap(), taken);
        }
        let metadata = fs::metadata(to.path().join("long")).unwrap();
        assert_eq!(metadata.len(), 1 << 40);
        assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
    }

    #[test]
    fn a_hole_comes_back_as_a_hole() {
        let from = tempfile::tempdir().unwrap();
        let file = File::create(from.path().join("f")).unwrap();
        file.set_len(8 << 20).unwrap();
        file.write_all_at(b"abc", 4 << 20).unwrap();
        let taken = take(&open(&from), Detail::Contents).unwrap();
        let to = tempfile::tempdir().unwrap();
        restore(&taken, &open(&to)).unwrap();
        let data = directory::data(&File::open(to.path().join("f")).unwrap()).unwrap();
        let bytes: u64 = data.iter().map(|part| part.end - part.start).sum();
        assert!(data.len() == 1 && bytes <= 64 << 10, "{data:?}");
    }

    #[test]
    fn links_out_of_the_directory_are_never_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("precious"), b"data").unwrap();
        let dir = tempfile::tempdir().unwrap();
        symlink(outside.path().join("precious"), dir.path().join("file")).unwrap();
        symlink(outside.path(), dir.path().join("folder")).unwrap();
        let taken = take(&open(&dir), Detail::Contents).unwrap();
        assert_eq!(taken.file("file"), None, "a link is not the file that it names");
        assert_eq!(taken.entries().count(), 2);
        restore(&Snapshot::default(), &open(&dir)).unwrap();
        assert_eq!(fs::read(outside.path().join("precious")).unwrap(), b"data");
    }

    #[test]
    fn two_names_of_one_file_and_all_that_a_program_can_read_come_back() {
        let from = tempfile::tempdir().unwrap();
        let at = |name: &str| from.path().join(name);
        fs::create_dir(at("closed")).unwrap();
        fs::write(at("closed/f"), b"f").unwrap();
        fs::write(at("open-to-all"), vec![0; 3 << 16]).unwrap();
        fs::hard_link(at("closed/f"), at("second")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::from_bits_truncate(0o640)).unwrap();
        let mode = |name: &str, mode| fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
        for (name, to) in [("open-to-all", 0o666), ("closed", 0o555), ("", 0o751)] {
            mode(name, to);
        }
        File::open(at("second")).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let taken = take(&open(&from), Detail::Everything).unwrap();
        assert_eq!(taken.twin(Path::new("second")), Some(Path::new("closed/f")));
        let to = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            assert_eq!(restore(&taken, &open(&to)).unwrap(), [""; 0]);
            let again = take(&open(&to), Detail::Everything).unwrap();
            assert_eq!((again.digest(), &again), (taken.digest(), &taken));
            let times = |state: &Snapshot| {
                let files = state.entries().filter(|(path, _)| !path.ends_with("pipe"));
                files.map(|(path, _)| state.attributes(path).map(|a| a.modified_ns)).collect::<Vec<_>>()
            };
            assert_eq!(times(&again), times(&taken));
            assert_eq!(again.root().map(|(mode, _)| *mode), Some(0o751));
        }
        assert_eq!(fs::metadata(to.path().join("open-to-all")).unwrap().blocks(), 0, "holes stay holes");
        mode("closed", 0o755);
    }
}
