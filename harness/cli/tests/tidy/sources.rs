//! The sources that the house rules are held against.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every Rust file of the workspace with its text, by its path from the root.
pub(crate) fn sources() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for top in ["harness", "targets"] {
        walk(&root().join(top), &mut found);
    }
    assert!(found.len() > 60, "the sources are found");
    found
}

/// The source files of the crate in `crate_dir`, by their paths from its `src`.
pub(crate) fn sources_of(crate_dir: &str) -> BTreeMap<String, String> {
    let within = |(path, text): (PathBuf, String)| {
        let path = path.strip_prefix(crate_dir).ok()?.strip_prefix("src").ok()?.to_str()?.to_owned();
        Some((path, text))
    };
    let found: BTreeMap<String, String> = sources().into_iter().filter_map(within).collect();
    assert!(!found.is_empty(), "{crate_dir} has sources");
    found
}

fn walk(dir: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.insert(path.strip_prefix(root()).unwrap().to_owned(), text);
        }
    }
}
