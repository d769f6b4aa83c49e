//! `atomic-suffix`: as `atomic`, but the temporary *replaces* the suffix: `fills.json` and `fills.yaml` share `fills.tmp`.
//!
//! Alone it is as good as `atomic`. Two targets of one stem write through one temporary.

use std::io;
use std::path::{Path, PathBuf};

use crashtest_kit::Place;
use crashtest_model::{Expectation, Shape, StrategyInfo, Verdict};

use super::{always_intact, one_temporary, stream, together, whole_to_readers};
use crate::document::{Content, Strategy};

/// Temp with another suffix, rename.
pub(crate) struct AtomicSuffix;

/// The same for two targets of one stem, each with a writer of its own.
pub(crate) struct Pair;

/// Its name on the command line.
pub(crate) const NAME: &str = "atomic-suffix";
/// Two targets.
pub(crate) const PAIR: &str = "atomic-suffix-pair";
/// The targets of a pair.
pub(crate) const TARGETS: u32 = 2;

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: NAME.into(),
        summary: "as atomic, with a temporary whose suffix replaces the file's: shared by files of one stem".into(),
        shape: Shape::Document,
        recipe: "create(stem.tmp) · write × n · close · rename(stem.tmp, f)".into(),
        origin: "write_state_atomic() of a signal pipeline: path.with_suffix('.tmp')".into(),
        documented: [always_intact(), whole_to_readers(), one_temporary()].concat(),
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

pub(crate) fn info_pair() -> StrategyInfo {
    // A mix of both saves is torn; the whole of the other one's is taken for its own.
    let mixed = |may: &[Verdict]| Expectation {
        one_of: vec![Verdict::AcceptedGarbage, Verdict::FailedSave],
        may: may.to_vec(),
        ..Expectation::default()
    };
    StrategyInfo {
        name: PAIR.into(),
        summary: "two writers, each with a file of its own, f.json and f.yaml: as atomic-suffix saves them, through one f.tmp".into(),
        documented: together(&mixed(&[Verdict::Torn, Verdict::Empty]), &mixed(&[Verdict::SilentReset])),
        ..info()
    }
}

impl Strategy for Pair {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        AtomicSuffix.persist(place, path, content)
    }

    fn document_of(&self, writer: u32, path: PathBuf) -> PathBuf {
        if writer.is_multiple_of(TARGETS) { path } else { path.with_extension("yaml") }
    }
}
