//! Replaying: each kept failure shows again from its folder alone, wherever the reader stands.

mod support;

use std::env;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Place, Ran};

/// The findings of all rows.
fn findings(summary: &Value) -> Vec<&Value> {
    let rows = summary["results"].as_array().unwrap();
    rows.iter().flat_map(|row| row["findings"].as_array().unwrap()).collect()
}

#[test]
fn every_kept_crash_state_shows_its_verdict_again() {
    let place = Place::new();
    let (_, summary) = place.campaign("direct", "--iterations 200");
    let findings = findings(&summary);
    for finding in &findings {
        for folder in finding["evidence"].as_array().unwrap() {
            let folder = place.latest().join(folder.as_str().unwrap());
            let ran = place.crashtest(&format!("replay {} --tries 1", folder.display()));
            let shown = format!("crash state: {} shows again", finding["verdict"].as_str().unwrap());
            assert!(ran.out.contains(&shown), "{}{}", ran.out, ran.err);
            assert_eq!((ran.exit, ran.err.as_str()), (Some(1), ""), "{}", ran.out);
        }
    }
    assert!(findings.len() >= 3, "{findings:?}");
}

#[test]
fn the_replay_script_of_a_failure_works_from_anywhere() {
    let place = Place::new();
    place.campaign("direct", "--iterations 200");
    let kept = place.failures_in_gaps();
    let folder = kept.first().expect("a failure in a gap is kept");
    let program = Path::new(env!("CARGO_BIN_EXE_crashtest")).parent().unwrap();
    let path = format!("{}:{}", program.display(), env::var("PATH").unwrap());
    let output = Command::new(folder.join("replay.sh"))
        .args(["--tries", "2"])
        .current_dir("/")
        .env("PATH", path)
        .output()
        .unwrap();
    let ran = Ran::from(output);
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("shows again") && ran.out.contains(" reproduced 2 of 2"), "{}", ran.out);
}

#[test]
fn a_trial_or_failure_that_is_not_there_is_a_usage_error() {
    let place = Place::new();
    place.campaign("atomic", "--iterations 20");
    for (arguments, said) in [
        ("replay results/latest --trial 100000", "has no trial 100000"),
        ("replay results/latest", "name a folder under `failures/`"),
        ("replay results/latest --fault kill", "--trial <N>"),
        ("replay results --trial 1", "did you mean `results/"),
    ] {
        let ran = place.crashtest(arguments);
        assert_eq!(ran.exit, Some(2), "{arguments}: {}", ran.err);
        assert!(ran.err.contains(said), "{arguments}: {}", ran.err);
    }
}
