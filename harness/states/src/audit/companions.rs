//! The files that a file may depend on, as far as names tell.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::versions::Timeline;
use super::ways::Ways;

/// Files beside one that are named.
const MOST_BESIDE: usize = 2;

/// The names, of those that are judged, that a file may depend on: all but temporaries that were only the way to another name.
pub(super) fn companions<'t>(
    timelines: &'t BTreeMap<PathBuf, Timeline>,
    ways: &Ways,
    is_judged: &dyn Fn(&Path) -> bool,
) -> Vec<&'t Path> {
    let names = timelines
        .iter()
        .filter(|(path, timeline)| is_judged(path) && (timeline.is_state() || !ways.sources.contains(*path)));
    names.map(|(path, _)| path.as_path()).collect()
}

/// The files that `path` most likely depends on: those whose names begin and end alike (`a.db-journal`, `logs/refs/main`).
pub(super) fn beside(path: &Path, companions: &[&Path]) -> Vec<String> {
    let name = path.to_string_lossy();
    let begin = |other: &str| name.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let end = |other: &str| name.bytes().rev().zip(other.bytes().rev()).take_while(|(a, b)| a == b).count();
    let alike = |other: &str| begin(other) + end(other);
    let mut others: Vec<String> =
        companions.iter().filter(|other| **other != path).map(|other| other.to_string_lossy().into_owned()).collect();
    others.sort_by_key(|other| std::cmp::Reverse(alike(other)));
    others.truncate(MOST_BESIDE);
    others
}
