//! `atomic`: write a sibling under a fixed temporary name, rename it over the file. No sync.
//!
//! Whole under every kill, as the page cache survives; not under power loss, which the rename does not wait for.

use std::io;
use std::path::Path;

use crashtest_kit::Place;
use crashtest_model::{Shape, StrategyInfo};

use super::{always_intact, one_temporary, stream, temporary, whole_to_readers};
use crate::document::{Content, Strategy};

/// Temp, rename.
pub(crate) struct Atomic;

/// Its name on the command line.
pub(crate) const NAME: &str = "atomic";

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: NAME.into(),
        summary: "write a temporary sibling, rename it over the file; no sync".into(),
        shape: Shape::Document,
        recipe: "create(f.tmp) · write × n · close · rename(f.tmp, f)".into(),
        origin: "os.replace() recipes and write_text_atomic() helpers".into(),
        documented: [always_intact(), whole_to_readers(), one_temporary()].concat(),
        planted: false,
    }
}

impl Strategy for Atomic {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            place.fs.create_dir_all(parent)?;
        }
        let temp = temporary(path);
        stream(place.fs.create(&temp)?, content)?.close()?;
        place.fs.rename(&temp, path)
    }
}
