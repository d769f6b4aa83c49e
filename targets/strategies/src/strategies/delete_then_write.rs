//! `delete-then-write`: remove the file, then write the new one.
//!
//! What storage APIs without an atomic replace prescribe. Between the two calls there is no file at all.

use std::io;
use std::path::Path;

use crashtest_kit::Place;
use crashtest_model::{Expectation, Shape, StrategyInfo, Verdict};

use super::{damaged_by_kills_and_failures, first_start, parts_to_readers, remove_if_there, stream};
use crate::document::{Content, Strategy};

/// Unlink, write.
pub(crate) struct DeleteThenWrite;

/// Its name on the command line.
pub(crate) const NAME: &str = "delete-then-write";

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: NAME.into(),
        summary: "remove the file, then write the new one".into(),
        shape: Shape::Document,
        recipe: "unlink(f) · create(f) · write × n · close".into(),
        origin: "delete() and write() of a voice-agent SDK's file storage, in the order that its documentation gives"
            .into(),
        documented: [
            // An open that fails after the unlink leaves no file; writes that fail as for `direct`.
            damaged_by_kills_and_failures(
                &Expectation { must: vec![Verdict::Missing, Verdict::Empty, Verdict::Torn], ..Expectation::default() },
                &Expectation { must: vec![Verdict::SilentReset], ..Expectation::default() },
            ),
            first_start(&[Verdict::Empty, Verdict::Torn]),
            parts_to_readers(&[Verdict::Missing, Verdict::Empty, Verdict::Torn], &[]),
        ]
        .concat(),
        planted: false,
    }
}

impl Strategy for DeleteThenWrite {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        remove_if_there(place, path)?;
        stream(place.fs.create(path)?, content)?.close()
    }
}
