//! Databases, by what their files are called and how they begin: the files of one belong together, and only its own check can judge them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crashtest_model::{Database, DatabaseKind};

use crate::{Entry, Snapshot};

/// How a SQLite database begins (sqlite.org/fileformat2.html).
const SQLITE: &[u8] = b"SQLite format 3\0";
/// What stands behind its name in the names of the files beside it.
const BESIDE_SQLITE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// The databases among files that are as in `before` or `after` a run, or that it has `changed`.
pub(super) fn databases(before: &Snapshot, after: &Snapshot, changed: &[&Path]) -> Vec<Database> {
    let entries = || before.entries().chain(after.entries());
    let mut found: BTreeSet<(PathBuf, DatabaseKind)> = BTreeSet::new();
    for (path, entry) in entries() {
        if let Entry::File { content, .. } = entry
            && content.starts_with(SQLITE)
        {
            found.insert((path.to_owned(), DatabaseKind::Sqlite));
        }
    }
    let names: BTreeSet<&Path> = entries().map(|(path, _)| path).chain(changed.iter().copied()).collect();
    let has = |dir: &Path, name: &str| names.contains(dir.join(name).as_path());
    let directories: BTreeSet<&Path> = names.iter().filter_map(|path| path.parent()).collect();
    for dir in directories {
        let in_it = |begins: &str| {
            names.iter().any(|path| {
                path.parent() == Some(dir)
                    && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begins))
            })
        };
        let kind = match () {
            () if has(dir, "HEAD") && has(dir, "objects") && in_it("refs") => DatabaseKind::Git,
            () if dir.file_name().is_some_and(|name| name == ".hg") && has(dir, "requires") => DatabaseKind::Mercurial,
            () if has(dir, "CURRENT") && in_it("MANIFEST-") => DatabaseKind::LevelDb,
            () if has(dir, "data.mdb") => DatabaseKind::Lmdb,
            () => continue,
        };
        found.insert((dir.to_owned(), kind));
    }
    let database = |(path, kind): (PathBuf, DatabaseKind)| Database { path: path.to_string_lossy().into_owned(), kind };
    found.into_iter().map(database).collect()
}

/// The database that the file of this name is part of.
pub(super) fn database_of<'d>(path: &Path, databases: &'d [Database]) -> Option<&'d Database> {
    databases.iter().find(|database| {
        let own = Path::new(&database.path);
        match database.kind {
            DatabaseKind::Sqlite => {
                let name = path.to_string_lossy();
                let rest = name.strip_prefix(database.path.as_str());
                rest.is_some_and(|rest| rest.is_empty() || BESIDE_SQLITE.contains(&rest))
            }
            DatabaseKind::Git | DatabaseKind::Mercurial => path.starts_with(own),
            // What lies below it is somebody else's.
            DatabaseKind::LevelDb | DatabaseKind::Lmdb => path.parent() == Some(own),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_database_belong_to_it_and_others_do_not() {
        let file = |path: &str, content: &[u8]| {
            (PathBuf::from(path), Entry::File { mode: 0o644, content: content.to_vec().into() })
        };
        let files = [
            file("s", b"SQLite format 3\0 and more"),
            file("ldb/CURRENT", b"MANIFEST-000001"),
            file("ldb/MANIFEST-000001", b""),
            file("mdb/data.mdb", b""),
            file(".git/HEAD", b"ref: refs/heads/main"),
            file(".git/refs/heads/main", b""),
            file(".git/logs/HEAD", b""),
            file(".hg/requires", b""),
            file("state.json", b"{}"),
        ];
        let after = Snapshot::from_iter(files.into_iter().chain(
            [".git/refs", ".git/objects", ".git/logs/refs"].map(|dir| (dir.into(), Entry::Directory { mode: 0o755 })),
        ));
        let found = databases(&Snapshot::default(), &after, &[]);
        let of =
            |path: &str| database_of(Path::new(path), &found).map(|database| (database.path.as_str(), database.kind));
        for path in ["s", "s-wal", "s-shm", "s-journal"] {
            assert_eq!(of(path), Some(("s", DatabaseKind::Sqlite)));
        }
        assert_eq!(of("ldb/000003.log"), Some(("ldb", DatabaseKind::LevelDb)));
        assert_eq!(of("mdb/lock.mdb"), Some(("mdb", DatabaseKind::Lmdb)));
        assert_eq!(of(".git/objects/ab/cd"), Some((".git", DatabaseKind::Git)));
        assert_eq!(of(".hg/store/00changelog.i"), Some((".hg", DatabaseKind::Mercurial)));
        for path in ["state.json", "s-wal2", "ldb/sub/x", "README"] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
