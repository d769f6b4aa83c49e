//! Which of the files that a program changes are judged: all but well-known scratch files, and what `--exclude` and `--include` say.
//!
//! Globs are relative to the state directory, as in a `.gitignore`: one without a slash matches at any depth, `*` stops at
//! slashes and `**` does not. What an `--include` matches is judged, whatever else matches it.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobMatcher};

use crate::problem::Problem;

/// Files that nobody misses, whatever a crash leaves of them.
pub(crate) const SCRATCH: [&str; 5] = ["**/.git/COMMIT_EDITMSG", "*.log", "*.pid", "*.lock", "**/__pycache__/**"];

/// What is judged.
#[derive(Debug)]
pub(crate) struct Selection {
    include: Vec<GlobMatcher>,
    /// With the pattern as it was typed.
    exclude: Vec<(String, GlobMatcher)>,
}

impl Selection {
    /// All but scratch files and those that match one of `exclude`; and what matches one of `include`.
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Selection, Problem> {
        let typed = exclude.iter().map(String::as_str);
        Ok(Selection {
            include: include.iter().map(|pattern| matcher("--include", pattern)).collect::<Result<_, _>>()?,
            exclude: typed
                .chain(SCRATCH)
                .map(|pattern| Ok((pattern.to_owned(), matcher("--exclude", pattern)?)))
                .collect::<Result<_, Problem>>()?,
        })
    }

    /// The pattern by which a file is not judged.
    pub(crate) fn excludes(&self, path: &Path) -> Option<String> {
        if self.include.iter().any(|glob| glob.is_match(path)) {
            return None;
        }
        self.exclude.iter().find(|(_, glob)| glob.is_match(path)).map(|(pattern, _)| pattern.clone())
    }
}

fn matcher(option: &str, pattern: &str) -> Result<GlobMatcher, Problem> {
    let anywhere = if pattern.contains('/') { pattern.to_owned() } else { format!("**/{pattern}") };
    let glob: Result<Glob, _> =
        GlobBuilder::new(anywhere.strip_prefix("./").unwrap_or(&anywhere)).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| {
        Problem::usage(format!("{option} does not take `{pattern}`: {}", error.kind()))
            .hint("globs are relative to the state directory: `*.bak`, `cache/**`, `orders/[0-9]*.json`".to_owned())
    })
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
    fn a_glob_that_is_none_is_named_with_its_option() {
        let problem = Selection::new(&["[".to_owned()], &[]).unwrap_err().to_string();
        assert!(problem.contains("--include does not take `[`") && problem.contains("hint"), "{problem}");
    }
}
