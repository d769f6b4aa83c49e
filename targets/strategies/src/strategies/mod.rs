//! The strategies, one a file. Each gives its calls, its origin and its ground truth beside its code.

pub(crate) mod append;
pub(crate) mod atomic;
pub(crate) mod atomic_fsync;
pub(crate) mod atomic_fsync_nodir;
pub(crate) mod atomic_suffix;
pub(crate) mod backup;
pub(crate) mod delete_then_write;
pub(crate) mod direct;
pub(crate) mod forward_journal;
pub(crate) mod in_place;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crashtest_kit::Place;
use crashtest_kit::fs::FsFile;
use crashtest_model::{Documented, Expectation, Fault, Loader, Start, Verdict};

use crate::document::Content;

/// Streams `content` into `file` through a buffer of 8 KiB, as real programs do; gives the file back, everything written.
pub(crate) fn stream<'fs>(file: FsFile<'fs>, content: Content<'_>) -> io::Result<FsFile<'fs>> {
    let mut out = BufWriter::new(file);
    content(&mut out)?;
    out.flush()?;
    out.into_inner().map_err(|error| error.into_error())
}

/// `fills.json` → `fills.json.tmp`.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    with_suffix(path, ".tmp")
}

/// What a restart after a kill inside the very first `init` may show: a strict loader refuses what `init` had not finished, a
/// lenient one starts fresh, which is right before `init` has returned.
pub(crate) fn first_start(may: &[Verdict]) -> Documented {
    Documented { start: Start::First, ..shows(Loader::Strict, Fault::Kill, &[], may) }
}

/// The ground truth of a strategy whose kills damage the file: `strict` loaders refuse it, lenient ones reset in silence.
pub(crate) fn damaged_by_kills(strict: Expectation, lenient: Expectation) -> Vec<Documented> {
    let row = |loader, fault, expectation| Documented { loader, fault, start: Start::Again, expectation };
    vec![
        row(Loader::Strict, Fault::None, Expectation::default()),
        row(Loader::Strict, Fault::Kill, strict),
        row(Loader::Lenient, Fault::None, Expectation::default()),
        row(Loader::Lenient, Fault::Kill, lenient),
    ]
}

/// `fills.json` → `fills.json.bak`, for the suffix `.bak`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// unlink(2) of a file that need not be there.
pub(crate) fn remove_if_there(place: &Place, path: &Path) -> io::Result<()> {
    match place.fs.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Writes `content` to `path` in one write: truncate, write, close.
pub(crate) fn write(place: &Place, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = place.fs.create(path)?;
    file.write_all(content)?;
    file.close()
}

/// One row of ground truth.
pub(crate) fn shows(loader: Loader, fault: Fault, must: &[Verdict], may: &[Verdict]) -> Documented {
    Documented {
        loader,
        fault,
        start: Start::Again,
        expectation: Expectation { must: must.to_vec(), one_of: Vec::new(), may: may.to_vec() },
    }
}

/// The ground truth of a strategy that shows `intact` only, with either loader, under no fault and under kill.
pub(crate) fn always_intact() -> Vec<Documented> {
    let loaders = [Loader::Strict, Loader::Lenient];
    let faults = [Fault::None, Fault::Kill];
    loaders.into_iter().flat_map(|loader| faults.map(|fault| shows(loader, fault, &[], &[]))).collect()
}
