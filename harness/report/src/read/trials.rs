//! `trials.jsonl`, line by line.
//!
//! A supervisor that is killed leaves a last line that is cut off: it is ignored, and said so. Anything else that does not
//! parse is an error, as a count over half of a damaged file would look like a result.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use crashtest_model::TrialRecord;

use crate::FolderError;

/// Whether to read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read the next line.
    Go,
    /// The answer is known.
    Stop,
}

/// How the file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// With a whole line.
    Whole,
    /// With a line that was cut off after so many bytes.
    Cut(usize),
    /// There is no file: the supervisor ended before it made one.
    Absent,
}

impl Tail {
    /// What to tell a reader.
    pub(crate) fn note(self) -> Option<String> {
        match self {
            Tail::Whole => None,
            Tail::Cut(bytes) => {
                Some(format!("the last line of trials.jsonl was cut off after {bytes} bytes and is not counted"))
            }
            Tail::Absent => Some("there is no trials.jsonl: no trial was reported".to_owned()),
        }
    }
}

/// Hands each record of `path` to `visit`, one in memory at a time.
pub(crate) fn for_each(path: &Path, mut visit: impl FnMut(TrialRecord) -> Next) -> Result<Tail, FolderError> {
    let mut lines = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tail::Absent),
        file => BufReader::with_capacity(1 << 16, file.map_err(FolderError::io("read", path))?),
    };
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(FolderError::io("read", path))? == 0 {
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(record) => {
                if visit(record) == Next::Stop {
                    break;
                }
            }
            Err(_) if line.last() != Some(&b'\n') => return Ok(Tail::Cut(line.len())),
            Err(error) => return Err(FolderError::malformed(path, Some(number), &error)),
        }
    }
    Ok(Tail::Whole)
}
