//! `trials.jsonl`, line by line.
//!
//! A supervisor that is killed leaves a last line that is cut off: it is ignored, and said so. Anything else that does not
//! parse is an error, as a count over half of a damaged file would look like a result.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::Path;

use crashtest_model::{Note, TrialRecord};
use serde::{Deserialize, Serialize};

use crate::error::FolderError;

/// The beginning of a note's line; no record begins so.
const NOTE: &[u8] = b"{\"note\":";

/// The line of a note.
#[derive(Serialize, Deserialize)]
struct NoteLine<N> {
    note: N,
}

/// Writes the line of a note.
pub(crate) fn write_note(to: &mut impl Write, note: &Note) -> io::Result<()> {
    serde_json::to_writer(&mut *to, &NoteLine { note })?;
    to.write_all(b"\n")
}

/// A line.
pub(crate) enum Line {
    /// A trial.
    Trial(Box<TrialRecord>),
    /// What is known of a fault as a whole.
    Note(Note),
}

impl Line {
    fn parse(text: &[u8]) -> Result<Line, serde_json::Error> {
        if text.starts_with(NOTE) {
            return serde_json::from_slice::<NoteLine<Note>>(text).map(|line| Line::Note(line.note));
        }
        serde_json::from_slice(text).map(|record| Line::Trial(Box::new(record)))
    }
}

/// Whether to read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read the next line.
    Go,
    /// The answer is known.
    Stop,
}

/// The end of the file.
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
    /// The note for a reader.
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

/// Hands each line of `path` to `visit`, one in memory at a time.
pub(crate) fn for_each(path: &Path, mut visit: impl FnMut(Line) -> Next) -> Result<Tail, FolderError> {
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
        match Line::parse(&line) {
            Ok(read) => {
                if visit(read) == Next::Stop {
                    break;
                }
            }
            Err(_) if line.last() != Some(&b'\n') => return Ok(Tail::Cut(line.len())),
            Err(error) => return Err(FolderError::malformed(path, Some(number), &error)),
        }
    }
    Ok(Tail::Whole)
}
