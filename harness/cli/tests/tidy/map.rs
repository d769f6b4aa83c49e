//! The code map of ARCHITECTURE.md: one row a source file, with the first sentence of its `//!`.
//!
//! `CRASHTEST_BLESS=1 cargo test -p crashtest --test tidy` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use crate::sources::{root, sources_of};

/// The crates in the order of the map, each with what its heading says.
const CRATES: [(&str, &str); 10] = [
    ("harness/model", "plain data: every type that is stored, sent or shown"),
    ("harness/kit", "what a victim links"),
    ("harness/linux", "typed Linux, all unsafe code"),
    ("harness/states", "from a trace to crash states, without I/O"),
    ("harness/engine", "campaigns"),
    ("harness/report", "the results folder and its rendering"),
    ("harness/cli", "the program"),
    ("targets/testing", "an example of a crate that tests its own saves"),
    ("targets/strategies", "the built-in strategies, workloads and canaries"),
    ("targets/stores", "embedded databases, in a binary of their own"),
];
const BEGIN: &str = "## Code map\n";
const END: &str = "\nTests beside the code";

#[test]
fn the_code_map_of_the_architecture_page_is_that_of_the_sources() {
    let page_path = root().join("ARCHITECTURE.md");
    let page = fs::read_to_string(&page_path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("ARCHITECTURE.md has a code map");
    let (written, after) = rest.split_once(END).expect("the code map ends where the tests are named");
    let right = code_map();
    if std::env::var("CRASHTEST_BLESS").is_ok_and(|bless| bless == "1") {
        fs::write(&page_path, format!("{before}{BEGIN}{right}{END}{after}")).unwrap();
        return;
    }
    let (written_rows, right_rows) = (rows(written), rows(&right));
    for (file, row) in &right_rows {
        assert_eq!(
            written_rows.get(file),
            Some(row),
            "{file}: its row is missing, or says something else than its //!"
        );
    }
    for file in written_rows.keys() {
        assert!(right_rows.contains_key(file), "{file}: a row without a file");
    }
    assert_eq!(written, right, "the code map has its rows in another order; CRASHTEST_BLESS=1 writes it anew");
}

/// The map as it should be.
fn code_map() -> String {
    let mut map = String::new();
    for (crate_dir, what) in CRATES {
        let _ = write!(map, "\n### `{crate_dir}`: {what}\n\n| file | what it holds |\n|---|---|\n");
        for (path, text) in sources_of(crate_dir) {
            let _ = writeln!(map, "| `{path}` | {} |", first_sentence(&text));
        }
    }
    map
}

/// What a file says first of itself, without its full stop.
fn first_sentence(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let paragraph = lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let sentence = paragraph.split(". ").next().unwrap_or_default();
    sentence.trim_end_matches('.').replace('|', "\\|").replace("[`", "`").replace("`]", "`")
}

/// The rows of a map by their files; a file is named with its crate.
fn rows(map: &str) -> BTreeMap<String, String> {
    let mut of = String::new();
    let mut rows = BTreeMap::new();
    for line in map.lines() {
        if let Some(heading) = line.strip_prefix("### `") {
            of = heading.split('`').next().unwrap_or_default().to_owned();
        } else if let Some(file) = line.strip_prefix("| `").and_then(|row| row.split('`').next()) {
            rows.insert(format!("{of}/src/{file}"), line.to_owned());
        }
    }
    rows
}
