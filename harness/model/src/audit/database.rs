//! A database whose files an audit has found, and what would judge it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseKind {
    /// A SQLite file, with its journal.
    Sqlite,
    /// A directory of LevelDB or RocksDB.
    #[serde(rename = "leveldb")]
    LevelDb,
    /// A directory of LMDB.
    Lmdb,
    /// A git repository.
    Git,
    /// A Mercurial repository.
    Mercurial,
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DatabaseKind::Sqlite => "SQLite database",
            DatabaseKind::LevelDb => "LevelDB or RocksDB directory",
            DatabaseKind::Lmdb => "LMDB directory",
            DatabaseKind::Git => "git repository",
            DatabaseKind::Mercurial => "Mercurial repository",
        })
    }
}

/// A database: one row of an audit, whatever files it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its file, or its directory, below the state directory.
    pub path: String,
    /// Its kind.
    pub kind: DatabaseKind,
}

impl Database {
    /// A checker for it, as the words of `--check`; `{dir}` stands for the state directory. `None` where its library has no command.
    #[must_use]
    pub fn checker(&self) -> Option<String> {
        let below = |name: &str| match name {
            "" => "{dir}".to_owned(),
            name => format!("{{dir}}/{name}"),
        };
        let parent = self.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let is_bare = !self.path.ends_with(".git");
        match self.kind {
            DatabaseKind::Sqlite => {
                Some(format!("sh -c 'test \"$(sqlite3 \"{}\" \"pragma integrity_check\")\" = ok'", below(&self.path)))
            }
            DatabaseKind::Git if is_bare => Some(format!("git --git-dir {} fsck --strict", below(&self.path))),
            DatabaseKind::Git => Some(format!("git -C {} fsck --strict", below(parent))),
            DatabaseKind::Mercurial => Some(format!("hg -R {} verify", below(parent))),
            DatabaseKind::Lmdb => Some(format!("mdb_stat -a {}", below(&self.path))),
            DatabaseKind::LevelDb => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checker_names_the_database_below_the_state_directory() {
        let checker = |path: &str, kind| Database { path: path.into(), kind }.checker();
        assert_eq!(checker("sub/.git", DatabaseKind::Git).unwrap(), "git -C {dir}/sub fsck --strict");
        assert_eq!(checker(".git", DatabaseKind::Git).unwrap(), "git -C {dir} fsck --strict");
        assert!(checker("s.db", DatabaseKind::Sqlite).unwrap().contains("\"{dir}/s.db\" \"pragma integrity_check\""));
        assert_eq!(checker("", DatabaseKind::LevelDb), None);
    }
}
