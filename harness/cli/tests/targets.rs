//! `--targets`: targets of somebody else's binary are tested as the built-in ones are, by their own binary, and a replay finds it again.
//!
//! The binary is the example `notes`, which cargo builds with the tests.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crashtest_model::Digest;
use serde_json::Value;
use support::{Place, Ran, count, kills};

/// The example's binary.
fn notes() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_crashtest")).with_file_name("examples").join("notes");
    assert!(
        path.exists(),
        "cargo test builds the examples, with --test it does not: cargo build -p crashtest --examples"
    );
    path
}

/// Runs crashtest with `arguments`, in which `NOTES` stands for the example's binary.
fn run(place: &Place, arguments: &str) -> Ran {
    place.crashtest(&arguments.replace("NOTES", &notes().display().to_string()))
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

#[test]
fn targets_of_another_binary_are_listed_and_compared_with_built_in_ones() {
    let place = Place::new();
    let listed = run(&place, "list --targets NOTES");
    assert_eq!((listed.exit, listed.err.as_str()), (Some(0), ""));
    for words in ["notes-direct", "a notebook of the last few hundred lines", "direct", "fills"] {
        assert!(listed.out.contains(words), "{words}: {}", listed.out);
    }
    let compared = run(
        &place,
        "compare notes-direct notes-atomic atomic --targets NOTES --fault kill,sweep --iterations 150 --state-size 32KiB \
         --seed 1 --jobs 2 --quiet --output-format json",
    );
    let summary = json(&compared);
    assert_eq!(compared.exit, Some(0), "{}{}", compared.out, compared.err);
    let standings: Vec<&str> =
        summary["cells"].as_array().unwrap().iter().map(|cell| cell["standing"].as_str().unwrap()).collect();
    assert_eq!(standings, ["as-documented"; 3]);
    let rows = summary["results"].as_array().unwrap();
    let row = |strategy: &str, fault: &str| {
        let found = rows.iter().find(|r| r["target"] == strategy && r["fault"] == fault && r["start"] == "again");
        found.unwrap_or_else(|| panic!("no row of {strategy} under {fault}"))
    };
    for fault in ["kill", "sweep"] {
        assert!(count(row("notes-direct", fault), "torn") > 0 && count(row("notes-direct", fault), "empty") > 0);
        assert_eq!(row("notes-atomic", fault)["verdicts"].as_object().unwrap().len(), 1, "intact alone");
    }
}

#[test]
fn a_run_records_the_binary_and_its_failures_are_replayed_by_it() {
    let place = Place::new();
    let ran = run(
        &place,
        "run --targets NOTES --strategy notes-direct --iterations 60 --seed 1 --jobs 1 --quiet --output-format json",
    );
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(kills(&json(&ran), "again")["kills_landed"].as_u64().unwrap() > 50);
    let record: Value = serde_json::from_str(&fs::read_to_string(place.latest().join("run.json")).unwrap()).unwrap();
    let environment = &record["environment"];
    assert_eq!(environment["targets"], notes().display().to_string());
    assert_eq!(environment["binary"], Digest::of_bytes(&fs::read(notes()).unwrap()).to_string());
    assert_eq!(record["plan"]["target"]["workload"], "notes", "the only one that it persists");

    let in_gaps = place.failures_in_gaps();
    for failure in place.kept_failures() {
        let replayed = place.crashtest(&format!("replay {} --tries 1", failure.display()));
        assert_eq!((replayed.exit, replayed.err.as_str()), (Some(1), ""), "{}", replayed.out);
        assert!(replayed.out.contains(" shows again\n"), "{}", replayed.out);
        // Elsewhere the kill comes by the clock.
        if in_gaps.contains(&failure) {
            assert!(replayed.out.contains(" reproduced 1 of 1"), "{}", replayed.out);
        }
    }
}

#[test]
fn a_failing_crash_point_of_a_sweep_is_replayed_to_the_very_call() {
    let place = Place::new();
    let run_it =
        "run --targets NOTES --strategy notes-direct --fault sweep --state-size 8KiB --max-states 12 --seed 1 --quiet";
    assert_eq!(run(&place, run_it).exit, Some(1));
    let replayed = place.crashtest(&format!("replay {} --tries 3", place.kept_failures()[0].display()));
    assert_eq!(replayed.exit, Some(1), "{}{}", replayed.out, replayed.err);
    assert!(replayed.out.contains("reproduced 3 of 3"), "{}", replayed.out);
}

#[test]
fn a_replay_says_when_the_binary_is_gone_or_another_build() {
    let place = Place::new();
    let binary = fs::read(notes()).unwrap();
    let own = place.executable("mine", &binary);
    let ran = place.crashtest("run --targets mine --strategy notes-direct --iterations 30 --seed 1 --jobs 1 --quiet");
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    let failure = place.kept_failures().swap_remove(0);
    let replay = || place.crashtest(&format!("replay {} --tries 1", failure.display()));

    place.executable("mine", &[&binary[..], b"changed"].concat());
    let replayed = replay();
    assert_eq!(replayed.exit, Some(1), "{}{}", replayed.out, replayed.err);
    assert!(replayed.err.contains("note: `") && replayed.err.contains("is another build"), "{}", replayed.err);

    fs::remove_file(&own).unwrap();
    let replayed = replay();
    assert_eq!((replayed.exit, replayed.out.as_str()), (Some(2), ""));
    for words in [&*own.display().to_string(), "there is no such file", "hint: the run was made with the targets"] {
        assert!(replayed.err.contains(words), "{words}: {}", replayed.err);
    }
}

#[test]
fn a_binary_that_cannot_be_used_is_a_usage_error_with_its_reason() {
    let place = Place::new();
    fs::write(place.path().join("plain"), "#!/bin/sh\n").unwrap();
    place.executable("mute", b"#!/bin/sh\nexit 3\n");
    place.executable("later", b"#!/bin/sh\necho '{\"protocol\": 1000, \"version\": \"9.9.9\"}'\n");
    for (targets, why) in [
        ("nowhere", "nowhere`: there is no such file"),
        ("plain", "plain`: it is not an executable file"),
        (".", "`: it is not an executable file"),
        ("mute", "mute`: it does not describe itself: it exited with status 3, without a word"),
        ("later", "later`: it speaks protocol 1000 (crashtest 9.9.9), and this crashtest protocol 2"),
    ] {
        for command in ["list", "run --strategy notes-atomic", "compare notes-atomic", "matrix none.toml"] {
            let ran = place.crashtest(&format!("{command} --targets {targets}"));
            assert_eq!((ran.exit, ran.out.as_str()), (Some(2), ""), "{command} {targets}: {}", ran.err);
            assert!(ran.err.contains(why) && ran.err.contains("\n  hint: "), "{command} {targets}: {}", ran.err);
        }
    }
    assert!(!place.path().join("results").exists(), "nothing was written");
}

#[test]
fn a_name_that_is_taken_and_a_workload_that_the_binary_does_not_have_are_usage_errors() {
    let place = Place::new();
    for (arguments, why) in [
        ("list --targets NOTES --targets NOTES", "have a strategy `notes-direct`: that name is taken already"),
        ("run --targets NOTES --strategy notes-atomic --workload fills", "notes-atomic goes with notes"),
        ("run --targets NOTES --strategy notes-atomci", "did you mean `notes-atomic`?"),
        ("run --targets NOTES --strategy atomic --workload notes", "atomic goes with fills, "),
        ("run --strategy notes-atomic", "unknown strategy `notes-atomic`"),
    ] {
        let ran = run(&place, arguments);
        assert_eq!(ran.exit, Some(2), "{arguments}: {}", ran.err);
        assert!(ran.err.contains(why), "{arguments}: {}", ran.err);
    }
}

#[test]
fn a_scenario_names_the_targets_of_a_binary() {
    let place = Place::new();
    // It idles: some kills find a whole file, and not only one.
    let text = "why = \"to see\"\n[[campaign]]\nstrategies = [\"notes-direct\", \"atomic\"]\niterations = 60\nstate_size = \"32KiB\"\nidle = \"2ms\"\n";
    fs::write(place.path().join("mine.toml"), text).unwrap();
    let planned = run(&place, "matrix mine.toml --targets NOTES --plan");
    assert!(planned.out.contains("notes-direct × notes") && planned.out.contains("atomic × fills"), "{}", planned.out);
    let ran = run(&place, "matrix mine.toml --targets NOTES --quiet --jobs 1");
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    let without = place.crashtest("matrix mine.toml");
    assert_eq!(without.exit, Some(2));
    assert!(without.err.contains("notes-direct"), "{}", without.err);
}

#[test]
fn people_who_start_the_binary_are_told_what_it_is_for() {
    for (arguments, exit) in [(&[][..], 2), (&["--help"], 0), (&["run", "worker"], 2)] {
        let ran = Ran::from(Command::new(notes()).args(arguments).output().unwrap());
        let said = if exit == 0 { ran.out } else { ran.err };
        assert_eq!(ran.exit, Some(exit), "{arguments:?}");
        assert!(said.contains("crashtest run --targets ") && said.contains("notes-direct, notes-atomic"), "{said}");
    }
}
