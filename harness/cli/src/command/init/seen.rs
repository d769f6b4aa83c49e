//! What a recorded run shows of its state files: what is in them, and whether they were there before.

use std::path::Path;

use crashtest_engine::AuditedProgram;
use crashtest_model::{DatabaseKind, Way};

/// What is in a file, as far as its content and its name tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    /// One JSON value.
    Json,
    /// One JSON value a line.
    JsonLines,
    /// A SQLite database.
    Sqlite,
    /// A Python pickle.
    Pickle,
    /// YAML, by its name.
    Yaml,
    /// A directory that is a database.
    Database(DatabaseKind),
    /// UTF-8.
    Text,
    /// Anything else.
    Binary,
}

impl Format {
    /// The words for it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Format::Json => "JSON",
            Format::JsonLines => "a JSON value a line",
            Format::Sqlite => "a SQLite database",
            Format::Pickle => "a pickle",
            Format::Yaml => "YAML",
            Format::Database(DatabaseKind::LevelDb) => "a LevelDB or RocksDB directory",
            Format::Database(DatabaseKind::Lmdb) => "an LMDB directory",
            Format::Database(DatabaseKind::Git) => "a git repository",
            Format::Database(DatabaseKind::Mercurial) => "a Mercurial repository",
            Format::Database(DatabaseKind::Sqlite) => "a SQLite database",
            Format::Text => "text",
            Format::Binary => "binary",
        }
    }

    /// Whether a whole file of this kind can be told from a damaged one without knowing what it is about.
    pub(super) fn tells_damage(self) -> bool {
        let is_opened_by_a_library = matches!(self, Format::Database(DatabaseKind::LevelDb | DatabaseKind::Lmdb));
        !matches!(self, Format::Text | Format::Binary) && !is_opened_by_a_library
    }

    /// What `content` is, of a file with this name.
    fn of(name: &str, content: &[u8]) -> Format {
        let named = |endings: &[&str]| {
            Path::new(name)
                .extension()
                .is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
        };
        let is_json = |text: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
        if content.starts_with(b"SQLite format 3\0") {
            return Format::Sqlite;
        }
        // Its protocol, and its last opcode.
        if let [0x80, 2..=5, .., b'.'] = content {
            return Format::Pickle;
        }
        let Ok(text) = std::str::from_utf8(content) else { return Format::Binary };
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        match text {
            _ if named(&["yaml", "yml"]) => Format::Yaml,
            _ if named(&["jsonl", "ndjson"]) => Format::JsonLines,
            // A number alone is as good as any text.
            _ if is_json(content) && (named(&["json"]) || text.trim_start().starts_with(['{', '['])) => Format::Json,
            _ if lines.len() > 1 && lines.iter().all(|line| line.starts_with('{') && is_json(line.as_bytes())) => {
                Format::JsonLines
            }
            _ if text.contains('\0') => Format::Binary,
            _ => Format::Text,
        }
    }
}

/// A state file that the run has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenFile {
    /// Its name below the state directory.
    pub(super) path: String,
    pub(super) format: Format,
    /// Whether it was there before the run.
    pub(super) was_there: bool,
    /// How it is written, in words.
    pub(super) written: &'static str,
}

/// The files of `audited` that hold state: no logs, no scratch files, and of a database the file or directory that it is called by.
pub(super) fn state_files(audited: &AuditedProgram) -> Vec<SeenFile> {
    let mut seen: Vec<SeenFile> = audited
        .audit
        .files
        .iter()
        .filter_map(|file| {
            let format = match (&file.database, audited.left(&file.path)) {
                (Some(database), _) if database.kind != DatabaseKind::Sqlite => Format::Database(database.kind),
                (_, content) => Format::of(&file.path, &content?),
            };
            Some(SeenFile {
                format,
                was_there: audited.was_there(&file.path),
                written: file.written.first().map_or(Way::Create.phrase(), |written| written.way.phrase()),
                path: file.path.clone(),
            })
        })
        .collect();
    seen.sort_by(|one, other| one.path.cmp(&other.path));
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_what_is_in_it_and_then_by_its_name() {
        for (name, content, format) in [
            ("a", &b"{\"cash\": 1}\n"[..], Format::Json),
            ("a.json", b"17", Format::Json),
            ("a", b"17", Format::Text),
            ("a.json", b"{\"cash\":", Format::Text),
            ("a", b"{\"n\": 1}\n{\"n\": 2}\n", Format::JsonLines),
            ("a.jsonl", b"{\"n\": 1}\n", Format::JsonLines),
            ("a.json", b"SQLite format 3\0...", Format::Sqlite),
            ("a", b"\x80\x04\x95\x05.", Format::Pickle),
            ("a.yml", b"cash: 1\n", Format::Yaml),
            ("a", b"cash: 1\n", Format::Text),
            ("a", b"\xff\x00", Format::Binary),
            ("a", b"a\0b", Format::Binary),
            ("a", b"", Format::Text),
        ] {
            assert_eq!(Format::of(name, content), format, "{name} {content:?}");
        }
    }
}
