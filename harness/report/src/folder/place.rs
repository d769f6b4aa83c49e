//! Where a results folder is made: `<out>/<time>-<name>-<seed>/`, a new one that is never one of an earlier run. An audit has no seed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crashtest_model::Seed;

use super::{index, layout};
use crate::error::FolderError;

/// Makes the folder of what started at `started` (RFC 3339) below `out`. Its path and the last part of it.
pub(crate) fn new_folder(
    out: &Path,
    started: &str,
    name: &str,
    seed: Option<Seed>,
) -> Result<(PathBuf, String), FolderError> {
    let time: jiff::Timestamp =
        started.parse().map_err(|source| FolderError::Started { started: started.to_owned(), source })?;
    let seed = seed.map_or_else(String::new, |seed| format!("-{}", seed.0));
    let stem = format!("{}-{}{seed}", time.strftime("%Y%m%dT%H%M%SZ"), layout::file_name(name));
    fs::create_dir_all(out).map_err(FolderError::io("create the folder", out))?;
    create_exclusively(out, &stem)
}

/// Whether `folder` holds the results of a run, a grid or an audit.
pub(crate) fn is_results(folder: &Path) -> bool {
    [layout::RUN, layout::GRID, layout::AUDIT].iter().any(|name| folder.join(name).is_file())
}

/// The results folders in `out`, and the link to the newest of them.
pub(crate) fn results_in(out: &Path) -> Vec<PathBuf> {
    let names = index::names_in(out).unwrap_or_default();
    let mut found: Vec<PathBuf> =
        names.into_iter().map(|name| out.join(name)).filter(|path| is_results(path)).collect();
    let latest = out.join(layout::LATEST);
    if fs::read_link(&latest).is_ok_and(|target| found.iter().any(|folder| *folder == out.join(&target))) {
        found.push(latest);
    }
    found
}

/// Makes `<out>/<stem>`, or the first of `<stem>-2`, `<stem>-3`, … that does not exist. The path and its last part.
fn create_exclusively(out: &Path, stem: &str) -> Result<(PathBuf, String), FolderError> {
    for n in 1u64.. {
        let name = if n == 1 { stem.to_owned() } else { format!("{stem}-{n}") };
        let path = out.join(&name);
        match fs::create_dir(&path) {
            Ok(()) => return Ok((path, name)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(FolderError::io("create the folder", &path)(error)),
        }
    }
    unreachable!("a folder with each number up to 2^64 exists")
}
