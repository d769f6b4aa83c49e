//! Which of the files that a program changes are judged: all but well-known scratch files, and what `--exclude` and `--include` say.
//!
//! Globs are relative to the state directory, as in a `.gitignore`: one without a slash matches at any depth, `*` stops at
//! slashes and `**` does not. What an `--include` matches is judged, whatever else matches it.

use std::fmt;
use std::path::Path;

use globset::{Glob, GlobBuilder, GlobMatcher};

/// Files that nobody misses, whatever a crash leaves of them.
pub const SCRATCH: [&str; 5] = ["**/.git/COMMIT_EDITMSG", "*.log", "*.pid", "*.lock", "**/__pycache__/**"];

/// What is judged.
#[derive(Clone, Debug)]
pub struct Selection {
    include: Vec<GlobMatcher>,
    /// With the pattern as it was typed.
    exclude: Vec<(String, GlobMatcher)>,
}

/// A pattern that is no glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadGlob {
    /// As it was typed.
    pub pattern: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for BadGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.pattern, self.why)
    }
}

impl std::error::Error for BadGlob {}

impl Selection {
    /// All but scratch files and those that match one of `exclude`; and what matches one of `include`.
    ///
    /// # Errors
    /// A pattern is no glob.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Selection, BadGlob> {
        let exclude = exclude.iter().map(String::as_str).chain(SCRATCH);
        Ok(Selection {
            include: include.iter().map(|pattern| matcher(pattern)).collect::<Result<_, _>>()?,
            exclude: exclude
                .map(|pattern| Ok((pattern.to_owned(), matcher(pattern)?)))
                .collect::<Result<_, BadGlob>>()?,
        })
    }

    /// The pattern by which a file is not judged.
    #[must_use]
    pub fn excludes(&self, path: &Path) -> Option<String> {
        if self.include.iter().any(|glob| glob.is_match(path)) {
            return None;
        }
        self.exclude.iter().find(|(_, glob)| glob.is_match(path)).map(|(pattern, _)| pattern.clone())
    }
}

fn matcher(pattern: &str) -> Result<GlobMatcher, BadGlob> {
    let anywhere = if pattern.contains('/') { pattern.to_owned() } else { format!("**/{pattern}") };
    let glob: Result<Glob, _> =
        GlobBuilder::new(anywhere.strip_prefix("./").unwrap_or(&anywhere)).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher())
        .map_err(|error| BadGlob { pattern: pattern.to_owned(), why: error.kind().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(include: &[&str], exclude: &[&str], path: &str) -> Option<String> {
        let owned = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
        Selection::new(&owned(include), &owned(exclude)).unwrap().excludes(Path::new(path))
    }

    #[test]
    fn scratch_files_are_excluded_wherever_they_lie() {
        for (path, pattern) in [
            ("bot.log", "*.log"),
            ("deep/down/bot.log", "*.log"),
            ("run/bot.pid", "*.pid"),
            (".git/index.lock", "*.lock"),
            (".git/COMMIT_EDITMSG", "**/.git/COMMIT_EDITMSG"),
            ("sub/.git/COMMIT_EDITMSG", "**/.git/COMMIT_EDITMSG"),
            ("bot/__pycache__/bot.cpython-311.pyc", "**/__pycache__/**"),
        ] {
            assert_eq!(excluded(&[], &[], path).as_deref(), Some(pattern), "{path}");
        }
        for path in ["state.json", "log", ".git/logs/HEAD", "catalog", "COMMIT_EDITMSG"] {
            assert_eq!(excluded(&[], &[], path), None, "{path}");
        }
    }

    #[test]
    fn include_brings_back_and_exclude_takes_away() {
        assert_eq!(excluded(&["trades.log"], &[], "trades.log"), None);
        assert_eq!(excluded(&["trades.log"], &[], "other.log").as_deref(), Some("*.log"));
        assert_eq!(excluded(&[], &["cache/**"], "cache/a/b").as_deref(), Some("cache/**"));
        assert_eq!(excluded(&[], &["cache/*"], "cache/a/b"), None, "a star stops at slashes");
        assert_eq!(excluded(&["state/*"], &["*"], "state/a"), None);
        assert_eq!(excluded(&["state/*"], &["*"], "other").as_deref(), Some("*"));
        assert_eq!(excluded(&[], &["./a"], "a").as_deref(), Some("./a"));
    }

    #[test]
    fn a_glob_that_is_none_is_named() {
        let bad = Selection::new(&["[".to_owned()], &[]).unwrap_err();
        assert!(bad.pattern == "[" && !bad.why.is_empty(), "{bad}");
    }
}
