//! The house rules that no compiler keeps: layers, module documentation, what the engine may not do.

mod map;
mod rooms;
mod subject;

mod sources;

use std::fs;
use std::path::Path;

use sources::{root, sources};

/// Each crate of ours with the crates of ours that it may use: arrows only point down.
const LAYERS: [(&str, &[&str]); 10] = [
    ("harness/model", &[]),
    ("harness/linux", &[]),
    ("harness/kit", &["crashtest-model"]),
    ("harness/states", &["crashtest-model"]),
    ("harness/report", &["crashtest-model", "crashtest-linux", "crashtest-states"]),
    ("harness/engine", &["crashtest-model", "crashtest-kit", "crashtest-linux", "crashtest-states"]),
    ("targets/strategies", &["crashtest-model", "crashtest-kit"]),
    // Its tests use the kit, as those of any crate would.
    ("targets/testing", &[]),
    ("targets/stores", &["crashtest-model", "crashtest-kit", "crashtest-engine"]),
    (
        "harness/cli",
        &[
            "crashtest-model",
            "crashtest-kit",
            "crashtest-linux",
            "crashtest-states",
            "crashtest-engine",
            "crashtest-report",
            "crashtest-strategies",
        ],
    ),
];

/// Longer than this, a file holds more than one noun.
const LONGEST_FILE: usize = 450;

#[test]
fn an_arrow_between_crates_only_points_down() {
    for (crate_dir, allowed) in LAYERS {
        let manifest = fs::read_to_string(root().join(crate_dir).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for line in dependencies.lines().filter(|line| line.starts_with("crashtest-")) {
            let name = line.split([' ', '=']).next().unwrap();
            assert!(allowed.contains(&name), "{crate_dir} may not use {name}");
        }
    }
}

#[test]
fn every_crate_is_a_known_layer() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    for member in members.lines().map(|line| line.trim().trim_matches([',', '"'])).filter(|m| !m.is_empty()) {
        assert!(LAYERS.iter().any(|(dir, _)| *dir == member), "{member} has no place in LAYERS");
    }
}

#[test]
fn unsafe_code_is_forbidden_everywhere_but_in_linux() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    for (crate_dir, _) in LAYERS.iter().filter(|(dir, _)| *dir != "harness/linux") {
        let manifest = fs::read_to_string(root().join(crate_dir).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{crate_dir} does not take the workspace's lints");
    }
}

#[test]
fn every_file_says_what_it_is() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not open with //!", path.display());
    }
}

#[test]
fn no_file_is_long() {
    for (path, text) in sources() {
        assert!(text.lines().count() <= LONGEST_FILE, "{} is too long to hold one noun", path.display());
    }
}

#[test]
fn every_unsafe_block_names_its_precondition() {
    let keyword = concat!("unsafe", " {");
    for (path, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (n, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(keyword)) {
            let above = lines[n.saturating_sub(3)..n].join("\n");
            assert!(above.contains("// SAFETY:"), "{}:{}: {line}", path.display(), n + 1);
        }
    }
}

#[test]
fn the_engine_never_prints_reads_the_environment_or_exits() {
    let forbidden = ["println!", "eprintln!", "print!(", "env::var", "env::args", "process::exit"];
    // The whole program of somebody's targets binary, and no part of the engine that a supervisor runs.
    let program = Path::new("harness/engine/src/binary/main.rs");
    let of_the_engine = |path: &Path| path.starts_with("harness/engine/src") && path != program;
    assert!(sources().contains_key(program));
    for (path, text) in sources().iter().filter(|(path, _)| of_the_engine(path)) {
        for word in forbidden {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn randomness_is_always_seeded() {
    for (path, text) in sources() {
        for word in [
            concat!("thread", "_rng"),
            concat!("rand::", "rng()"),
            concat!("from_", "entropy"),
            concat!("from_os", "_rng"),
        ] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    for (path, text) in sources() {
        assert!(
            !text.contains(concat!("#[", "allow(")) && !text.contains(concat!("#![", "allow(")),
            "{}",
            path.display()
        );
    }
}

#[test]
fn ci_calls_the_test_command_of_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let script = fs::read_to_string(root().join(".ci/run")).unwrap();
    // Without the stores, whose databases take minutes to compile.
    let command = "cargo test --workspace --exclude crashtest-stores";
    assert!(readme.lines().any(|line| line.trim() == command), "README.md names the command");
    assert!(script.lines().any(|line| line.trim() == command), ".ci/run calls it");
}
