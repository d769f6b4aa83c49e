//! `direct`: truncate the file and stream the new content into it.
//!
//! What `json.dump(state, open(path, "w"))` does. From the truncation to the last write the old state is gone and the new one is
//! not there yet; a kill in between leaves an empty or a partial file.

use std::io;
use std::path::Path;

use crashtest_kit::Place;
use crashtest_model::{Expectation, Shape, StrategyInfo, Verdict};

use super::{damaged_by_kills_and_failures, first_start, parts_to_readers, stream};
use crate::document::{Content, Strategy};

/// Truncate, stream, close.
pub(crate) struct Direct;

/// Its name on the command line.
pub(crate) const NAME: &str = "direct";

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: NAME.into(),
        summary: "truncate the file and stream the new content into it".into(),
        shape: Shape::Document,
        recipe: "truncate(f) · write × n · close".into(),
        origin:
            "open(path, \"w\") and write_text() of every language; a gateway's fill log that came back with 0 bytes"
                .into(),
        documented: [
            // A first write that fails, then again as its buffer is dropped, leaves an empty file; any other a partial one.
            damaged_by_kills_and_failures(
                &Expectation { must: vec![Verdict::Empty, Verdict::Torn], ..Expectation::default() },
                &Expectation { must: vec![Verdict::SilentReset], ..Expectation::default() },
            ),
            first_start(&[Verdict::Empty, Verdict::Torn]),
            // A reader that is slow enough reads the beginning of one save and the end of a later one, which may fit together.
            parts_to_readers(&[Verdict::Empty, Verdict::Torn], &[Verdict::AcceptedGarbage]),
        ]
        .concat(),
        planted: false,
    }
}

impl Strategy for Direct {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        stream(place.fs.create(path)?, content)?.close()
    }
}
