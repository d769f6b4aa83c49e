//! The processes of a test, found by a mark in their environment, which every descendant inherits: also one that is forked while
//! its supervisor is already dying, and one that has left its session.

use std::fs;

use super::{Place, is_alive};

/// The variable that marks a test's processes with its directory.
pub(crate) const MARK: &str = "CRASHTEST_TEST_PLACE";

/// The living processes of a place. A process that is gone while it is looked at is dead.
pub(crate) fn alive(place: &Place) -> Vec<u32> {
    let mark = format!("{MARK}={}", place.path().display());
    let is_marked = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(is_marked).filter(|pid| is_alive(*pid)).collect()
}
