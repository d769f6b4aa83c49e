//! `backup`: copy the file to `.bak`, write the file, delete `.bak`.
//!
//! A good idea that three loaders make three things of. One falls back to `.bak`, and the next save copies the damaged file over it:
//! a second kill in that save finds two damaged files. One writes the file back from `.bak` first. One never looks at it.

use std::io;
use std::path::{Path, PathBuf};

use crashtest_kit::Place;
use crashtest_model::{Expectation, Fault, Shape, StrategyInfo, Verdict};

use super::{
    always_intact, damaged_by_kills, damaged_by_kills_and_failures, first_start, intact_under, stream, with_suffix,
    write,
};
use crate::document::{Content, Strategy};

/// What the loader makes of a backup.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackupLoader {
    /// Reads it when the file is missing or damaged.
    FallsBack,
    /// Reads it then, and writes the file back before anything else.
    Restores,
    /// Does not know of it.
    Ignores,
}

/// Copy, write, delete the copy.
pub(crate) struct Backup(pub(crate) BackupLoader);

/// Its name on the command line.
pub(crate) const NAME: &str = "backup";
/// The name of the one that restores.
pub(crate) const RESTORE: &str = "backup-restore";
/// The name of the one that ignores.
pub(crate) const IGNORED: &str = "backup-ignored";

const RECIPE: &str = "read(f) · create(f.bak) · write · close · truncate(f) · write × n · close · unlink(f.bak)";

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: NAME.into(),
        summary: "copy the file to .bak, write the file, delete .bak; the loader falls back to .bak".into(),
        shape: Shape::Document,
        recipe: RECIPE.into(),
        origin: "the other way to replace a file with write and delete alone, from a voice-agent SDK's documentation"
            .into(),
        documented: [
            damaged_by_kills(
                &Expectation { one_of: vec![Verdict::Torn, Verdict::Empty], ..Expectation::default() },
                &Expectation { must: vec![Verdict::SilentReset], ..Expectation::default() },
            ),
            // As for `backup-restore`: the damaged copy needs a second crash.
            intact_under(Fault::Io).to_vec(),
            first_start(&[Verdict::Empty, Verdict::Torn]),
        ]
        .concat(),
        planted: false,
    }
}

pub(crate) fn info_restore() -> StrategyInfo {
    StrategyInfo {
        name: RESTORE.into(),
        summary: "as backup; the loader writes the file back from .bak before anything else".into(),
        // A save that fails begins with a whole file. Until the copy is whole and closed the file is not touched; from its truncation
        // on, whatever fails, once or for good, leaves the copy, which is the last save that was acked. When the removal of the copy
        // fails, the file is whole and is read first; the next save makes the copy anew before it relies on it. Only `init` has no
        // copy to go back to.
        documented: [always_intact(), first_start(&[Verdict::Empty, Verdict::Torn])].concat(),
        ..info()
    }
}

pub(crate) fn info_ignored() -> StrategyInfo {
    StrategyInfo {
        name: IGNORED.into(),
        summary: "as backup, with a loader that does not know of .bak".into(),
        documented: [
            damaged_by_kills_and_failures(
                &Expectation { must: vec![Verdict::Empty, Verdict::Torn], ..Expectation::default() },
                &Expectation { must: vec![Verdict::SilentReset], ..Expectation::default() },
            ),
            first_start(&[Verdict::Empty, Verdict::Torn]),
        ]
        .concat(),
        ..info()
    }
}

fn backup(path: &Path) -> PathBuf {
    with_suffix(path, ".bak")
}

impl Strategy for Backup {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let copied = match place.fs.read(path) {
            Ok(old) => write(place, &backup(path), &old).map(|()| true),
            // The very first save.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }?;
        stream(place.fs.create(path)?, content)?.close()?;
        if copied { place.fs.remove(&backup(path)) } else { Ok(()) }
    }

    fn fallback(&self, path: &Path) -> Option<PathBuf> {
        (self.0 != BackupLoader::Ignores).then(|| backup(path))
    }

    fn fell_back(&mut self, place: &Place, path: &Path, content: &[u8]) -> io::Result<()> {
        if self.0 != BackupLoader::Restores {
            return Ok(());
        }
        write(place, path, content)?;
        place.fs.remove(&backup(path))
    }
}
