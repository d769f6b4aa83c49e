//! The document strategies, one a file. Each gives its calls, its origin and its ground truth beside its code.

pub(crate) mod atomic;
pub(crate) mod atomic_fsync;
pub(crate) mod direct;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crashtest_kit::fs::FsFile;
use crashtest_model::{Documented, Expectation, Fault, Loader, Verdict};

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
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// One row of ground truth.
pub(crate) fn shows(loader: Loader, fault: Fault, must: &[Verdict], may: &[Verdict]) -> Documented {
    Documented {
        loader,
        fault,
        expectation: Expectation { must: must.to_vec(), one_of: Vec::new(), may: may.to_vec() },
    }
}

/// The ground truth of a strategy that shows `intact` only, with either loader, under no fault and under kill.
pub(crate) fn always_intact() -> Vec<Documented> {
    let loaders = [Loader::Strict, Loader::Lenient];
    let faults = [Fault::None, Fault::Kill];
    loaders.into_iter().flat_map(|loader| faults.map(|fault| shows(loader, fault, &[], &[]))).collect()
}
