//! What can go wrong with a results folder: fragments that fit "failed to {error}", and what to do about them.
//!
//! An I/O error's own words are its source and not repeated in the fragment: whoever prints the chain prints them once.

use std::io;
use std::path::{Path, PathBuf};

use crashtest_linux::directory::DirectoryError;
use crashtest_model::FORMAT;

/// An error of a results folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The system refused.
    #[error("{doing} `{}`", path.display())]
    Io {
        /// The verb: "write", "create the folder".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder of ours is no longer what it was.
    #[error(transparent)]
    Replaced(DirectoryError),
    /// There is no `run.json`.
    #[error("read the results: `{}` is no results folder: it has no run.json", path.display())]
    NoRun {
        /// What was to be read.
        path: PathBuf,
        /// The results folders below it, newest first.
        below: Vec<PathBuf>,
    },
    /// An audit has no trials.
    #[error("find a trial in `{}`: it holds an audit, which has none", path.display())]
    NoTrials {
        /// Its folder.
        path: PathBuf,
    },
    /// A file is not what it should be.
    #[error("read `{}`, line {line}, column {column}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// From 1; 0 where it is not known.
        column: usize,
        /// What is wrong there.
        what: String,
    },
    /// Another major version wrote it.
    #[error("read the results in `{}`: their format is `{found}`, and this crashtest reads `{FORMAT}`", path.display())]
    Format {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// The start of the run, which names its folder, is no time.
    #[error("name the results folder: `{started}` is no time in RFC 3339")]
    Started {
        /// What it is.
        started: String,
        /// Why it is none.
        source: jiff::Error,
    },
    /// Evidence that lies elsewhere than in the run's spool is neither moved nor deleted.
    #[error("keep the evidence `{}`: it is not in the spool `{}`", path.display(), spool.display())]
    OutsideSpool {
        /// The evidence.
        path: PathBuf,
        /// The spool.
        spool: PathBuf,
    },
    /// There is no failure here.
    #[error("read the failure: neither `{}` nor a folder in it has a failure.json", path.display())]
    NoFailure {
        /// Where it was looked for.
        path: PathBuf,
    },
}

impl From<DirectoryError> for FolderError {
    fn from(error: DirectoryError) -> FolderError {
        match error {
            DirectoryError::Io { doing, path, source } => FolderError::Io { doing, path, source },
            other => FolderError::Replaced(other),
        }
    }
}

impl FolderError {
    /// A hint of what could be done about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            FolderError::Io { path, source, .. } => io_hint(path, source.kind()),
            FolderError::Replaced(_) => {
                Some("a program, or somebody else, has moved or replaced it: crashtest writes nowhere else".to_owned())
            }
            FolderError::NoRun { below, .. } => {
                let (first, rest) = below.split_first()?;
                let others = match rest.len() {
                    0 => String::new(),
                    1 => ", or the other one there".to_owned(),
                    n => format!(", or one of {n} others there"),
                };
                Some(format!("there are results below it: did you mean `{}`{others}?", first.display()))
            }
            FolderError::Format { .. } => Some(
                "use the crashtest that wrote them: run.json, or audit.json, names its version under `environment`"
                    .to_owned(),
            ),
            FolderError::NoTrials { .. } => Some("name a folder under its `failures/`".to_owned()),
            FolderError::NoFailure { .. } => {
                Some("name a folder under `failures/` of a run or an audit, or one trial's folder in it".to_owned())
            }
            FolderError::Malformed { .. } | FolderError::Started { .. } | FolderError::OutsideSpool { .. } => None,
        }
    }

    /// A `map_err` for I/O: `.map_err(FolderError::io("write", path))`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
        move |source| FolderError::Io { doing, path: path.to_owned(), source }
    }

    /// The error for text that is not the JSON it should be; `line` overrides the parser's where the text is one line of a file.
    pub(crate) fn malformed(path: &Path, line: Option<u64>, error: &serde_json::Error) -> FolderError {
        let mut what = error.to_string();
        if let Some(position) = what.rfind(" at line ") {
            what.truncate(position);
        }
        let line = line.unwrap_or(error.line() as u64);
        FolderError::Malformed { path: path.to_owned(), line, column: error.column(), what }
    }
}

/// The hint for a refusal of the system at `path`.
fn io_hint(path: &Path, kind: io::ErrorKind) -> Option<String> {
    Some(match kind {
        io::ErrorKind::PermissionDenied => {
            format!("you have no permission there: name another folder with --out, or check `{}`", path.display())
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "there is no space left: free some, or name a folder on another file system with --out".to_owned()
        }
        io::ErrorKind::FileTooLarge => "raise the limit on the size of files: ulimit -f unlimited".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only: name another folder with --out".to_owned(),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            format!("something on the way to `{}` is a file, not a directory", path.display())
        }
        io::ErrorKind::NotFound => "check the path: `crashtest run` prints the folder that it wrote".to_owned(),
        _ => return None,
    })
}
