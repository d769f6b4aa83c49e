//! `atomic-suffix`: as `atomic`, but the temporary *replaces* the suffix: `fills.json` and `fills.yaml` share `fills.tmp`.
//!
//! Alone it is as good as `atomic`. Two targets of one stem write through one temporary.

use std::io;
use std::path::Path;

use crashtest_kit::Place;
use crashtest_model::{Shape, StrategyInfo};

use super::{always_intact, stream};
use crate::document::{Content, Strategy};

/// Temp with another suffix, rename.
pub(crate) struct AtomicSuffix;

/// Its name on the command line.
pub(crate) const NAME: &str = "atomic-suffix";

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: NAME.into(),
        summary: "as atomic, with a temporary whose suffix replaces the file's: shared by files of one stem".into(),
        shape: Shape::Document,
        recipe: "create(stem.tmp) · write × n · close · rename(stem.tmp, f)".into(),
        origin: "write_state_atomic() of a signal pipeline: path.with_suffix('.tmp')".into(),
        documented: always_intact(),
        planted: false,
    }
}

impl Strategy for AtomicSuffix {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let temp = path.with_extension("tmp");
        stream(place.fs.create(&temp)?, content)?.close()?;
        place.fs.rename(&temp, path)
    }
}
