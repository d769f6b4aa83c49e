//! `forward-journal`: write the new content beside the file, verify it, delete the file, write it, delete the copy.
//!
//! An atomic replace made of write, read and delete alone. Recovery takes the copy when the file is missing or damaged. As published
//! it *promotes the copy at the next write*, and the first thing that a write does is to truncate that copy: a second kill in the
//! first save after a recovery finds neither. `forward-journal-promote` writes the file back before anything else.

use std::io;
use std::path::{Path, PathBuf};

use crashtest_kit::Place;
use crashtest_model::{Documented, Expectation, Fault, Shape, StrategyInfo, Verdict};
use serde::de::IgnoredAny;

use super::{always_intact, damaged_by_kills, intact_under, remove_if_there, stream, temporary, write};
use crate::document::{Content, Strategy};

/// When the copy that recovery fell back to becomes the file again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promotion {
    /// With the next save, as published.
    AtTheNextSave,
    /// At once.
    AtRecovery,
}

/// Copy, verify, delete, write, delete the copy.
pub(crate) struct ForwardJournal(pub(crate) Promotion);

/// Its name on the command line.
pub(crate) const NAME: &str = "forward-journal";
/// The name of the one that promotes at recovery.
pub(crate) const PROMOTE: &str = "forward-journal-promote";

const RECIPE: &str =
    "create(f.tmp) · write × n · close · read(f.tmp) · unlink(f) · create(f) · write × n · close · unlink(f.tmp)";

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: NAME.into(),
        summary: "write and verify a copy, delete the file, write it, delete the copy; recovery reads the copy".into(),
        shape: Shape::Document,
        recipe: RECIPE.into(),
        origin: "a voice-agent SDK's file storage, whose primitives are exists, read, write and delete".into(),
        documented: documented(),
        planted: false,
    }
}

pub(crate) fn info_promote() -> StrategyInfo {
    StrategyInfo {
        name: PROMOTE.into(),
        summary: "as forward-journal; recovery writes the file back from the copy before anything else".into(),
        documented: always_intact(),
        ..info()
    }
}

/// Two crashes are needed, the second in the first save after the recovery from the first; one failing save never is enough.
///
/// It begins with a whole file. Whatever fails before the unlink, or the unlink itself, leaves that file; whatever fails after it
/// finds the copy whole, verified and closed: the file may be missing, empty or partial, once or for good, and the loader takes the
/// copy, which is the save in flight. When the removal of the copy fails, the two are equal. No call's failure is ignored, and the
/// program stops, so that no second save truncates the copy.
fn documented() -> Vec<Documented> {
    let strict =
        Expectation { one_of: vec![Verdict::Missing, Verdict::Torn, Verdict::Empty], ..Expectation::default() };
    let lenient = Expectation { must: vec![Verdict::SilentReset], ..Expectation::default() };
    [damaged_by_kills(&strict, &lenient), intact_under(Fault::Io).to_vec()].concat()
}

impl Strategy for ForwardJournal {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let copy = temporary(path);
        let file = stream(place.fs.create(&copy)?, content)?;
        let length = file.offset();
        file.close()?;
        let written = place.fs.read(&copy)?;
        if written.len() as u64 != length || serde_json::from_slice::<IgnoredAny>(&written).is_err() {
            return Err(io::Error::other("the copy is not what was written"));
        }
        remove_if_there(place, path)?;
        stream(place.fs.create(path)?, content)?.close()?;
        place.fs.remove(&copy)
    }

    fn fallback(&self, path: &Path) -> Option<PathBuf> {
        Some(temporary(path))
    }

    fn fell_back(&mut self, place: &Place, path: &Path, content: &[u8]) -> io::Result<()> {
        if self.0 == Promotion::AtTheNextSave {
            return Ok(());
        }
        write(place, path, content)?;
        place.fs.remove(&temporary(path))
    }
}
