//! Results folders, and what the engine leaves in their spool.

use std::fs;
use std::path::{Path, PathBuf};

use crashtest_report::RunFolder;
use tempfile::TempDir;

use crate::common::direct;

pub(crate) fn create(out: &TempDir) -> RunFolder {
    RunFolder::create(out.path(), &direct(), "direct-fills").unwrap()
}

/// What the engine leaves in the spool for `trial`.
pub(crate) fn evidence(folder: &RunFolder, trial: u64) -> PathBuf {
    let path = folder.spool().join(format!("worker-0-{trial}"));
    fs::create_dir_all(path.join("crash-state")).unwrap();
    fs::create_dir_all(path.join("after-recovery")).unwrap();
    fs::write(path.join("crash-state/state.json"), format!("{{\"trial\":{trial}")).unwrap();
    path
}

pub(crate) fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
