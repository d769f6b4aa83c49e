//! Counts by name, in the order in which they are shown.

use std::collections::BTreeMap;

/// The entries of `counts`, largest first.
pub(crate) fn largest_first(counts: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut entries: Vec<(&str, u64)> = counts.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    entries.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    entries
}
