//! scenarios/schema.json, which editors read, says what the parser says.

use std::path::{Path, PathBuf};

use crashtest_kit::Registry;
use crashtest_model::{Fault, KillAt, Loader, Tears};
use crashtest_strategies::Builtin;
use serde_json::Value;

use crate::scenario::keys::{FILE, IN_CAMPAIGN, IN_EXPECT, Kind};
use crate::scenario::{expect, parse, targets};

/// Where the scenarios are.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

/// Every scenario of the project, kept failures included.
pub(super) fn shipped() -> Vec<PathBuf> {
    let folders = [folder(), folder().join("regressions")];
    let entries = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "toml")).collect()
}

fn schema() -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join("schema.json")).unwrap()).unwrap()
}

/// What an editor sees wrong with `text`.
fn complaints(text: &str) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let document: toml::Value = toml::from_str(text).unwrap();
    let document = serde_json::to_value(document).unwrap();
    validator.iter_errors(&document).map(|error| format!("{} at {}", error, error.instance_path())).collect()
}

/// The words that the schema allows at `pointer`.
fn words(pointer: &str) -> Vec<String> {
    let schema = schema();
    let found = schema.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    found.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_schema_is_a_schema() {
    assert!(jsonschema::draft202012::meta::is_valid(&schema()));
}

#[test]
fn every_shipped_scenario_pleases_the_schema_and_names_it() {
    for path in shipped() {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(complaints(&text), [""; 0], "{}", path.display());
        assert!(text.starts_with("#:schema ") && text.lines().next().unwrap().ends_with("schema.json"));
    }
}

#[test]
fn the_schema_knows_the_keys_of_the_parser() {
    let tables: [(&str, &Kind); 3] = [("", &FILE), ("/$defs/campaign", &IN_CAMPAIGN), ("/$defs/expect", &IN_EXPECT)];
    for (pointer, kind) in tables {
        let schema = schema();
        let table = schema.pointer(pointer).unwrap();
        let mut known: Vec<&str> = table["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut parsed = kind.names();
        known.sort_unstable();
        parsed.sort_unstable();
        assert_eq!(known, parsed, "{}", kind.name);
        assert_eq!(table["additionalProperties"], false, "{}", kind.name);
        for (key, property) in table["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "`{key}` of {} is not described", kind.name);
        }
    }
}

#[test]
fn the_schema_names_what_the_registry_lists() {
    let listed: Vec<String> = Builtin.strategies().into_iter().filter(|s| !s.planted).map(|s| s.name).collect();
    let workloads: Vec<String> = Builtin.workloads().into_iter().map(|w| w.name).collect();
    assert_eq!(words("/$defs/strategy/enum"), listed);
    assert_eq!(words("/$defs/workload/enum"), workloads);
    assert_eq!(words("/$defs/loader/enum"), Loader::ALL.map(Loader::name));
    assert_eq!(words("/$defs/fault/enum"), Fault::ALL.map(Fault::name));
    assert_eq!(
        words("/$defs/verdict/enum"),
        expect::violations().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    assert_eq!(words("/$defs/campaign/properties/group/enum"), targets::GROUPS.map(|(name, _)| name));
    assert_eq!(words("/$defs/campaign/properties/kill_at/enum"), KillAt::ALL.map(KillAt::name));
    assert_eq!(words("/$defs/campaign/properties/tears/enum"), Tears::ALL.map(Tears::name));
}

#[test]
fn the_schema_takes_and_refuses_what_the_parser_does() {
    let agree = |text: &str, right: bool| {
        let parsed = parse("mine", text, &Builtin, 1);
        assert_eq!(parsed.is_ok(), right, "the parser: {parsed:?}\n{text}");
        assert_eq!(complaints(text).is_empty(), right, "the schema: {:?}\n{text}", complaints(text));
    };
    let campaign = |lines: &str| format!("why = \"to see\"\n[[campaign]]\n{lines}\n");
    for lines in [
        "group = \"all\"",
        "group = \"all\"\nworkloads = \"all\"",
        "strategies = [\"direct\"]\nstate_size = \"4k\"\nidle = \"0\"\nlimit = \"1h 30m\"\niterations = 1",
        "strategies = [\"direct\"]\nstate_size = 4096\nidle = \"10ms\"\nfresh = true\nkill_at = \"save\"",
        "strategies = [\"direct\"]\nfaults = [\"none\", \"kill\", \"sweep\", \"io\"]\ntears = \"posix\"\nmax_states = 5_000",
        "strategies = [\"direct\"]\n[[expect]]\nstrategy = \"direct\"\nmay = [\"torn\"]",
    ] {
        agree(&campaign(lines), true);
    }
    for lines in [
        "",
        "strategies = []",
        "strategies = \"direct\"",
        "strategies = [\"direct\", \"direct\"]",
        "strategies = [\"atomci\"]",
        "strategies = [\"direct\"]\ngroup = \"all\"",
        "group = \"some\"",
        "group = \"all\"\nworkloads = \"al\"",
        "group = \"all\"\nworkloads = []",
        "group = \"all\"\nitertions = 5",
        "group = \"all\"\niterations = 0",
        "group = \"all\"\niterations = \"5\"",
        "group = \"all\"\nmax_failures = -1",
        "group = \"all\"\nduration = \"-5m\"",
        "group = \"all\"\nduration = 5",
        "group = \"all\"\nduration = \"soon\"",
        "group = \"all\"\nstate_size = 100",
        "group = \"all\"\nstate_size = \"large\"",
        "group = \"all\"\nfresh = 1",
        "group = \"all\"\nfresh = true\nkill_at = \"recovery\"",
        "group = \"all\"\nloaders = [\"loose\"]",
        "group = \"all\"\nfaults = [\"flood\"]",
        "group = \"all\"\ntears = \"kernal\"",
        "group = \"all\"\nmax_states = 0",
        "group = \"all\"\nseed = 1",
        "group = \"all\"\n[[expect]]\nmust = [\"torn\"]",
        "group = \"all\"\n[[expect]]\nstrategy = \"direct\"\nmust = [\"intact\"]",
    ] {
        agree(&campaign(lines), false);
    }
    for text in ["", "why = \"to see\"", "[[campaign]]\ngroup = \"all\"", "why = \"\"\n[[campaign]]\ngroup = \"all\""] {
        agree(text, false);
    }
}
