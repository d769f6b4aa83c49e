//! `crashtest compare`: what it exits with, what it leaves, and what CI gets to see of it.

mod support;

use std::fs;

use serde_json::Value;
use support::{Place, Ran, count, kills};

/// Runs a comparison; what came of it and its summary.
fn compare(place: &Place, arguments: &str) -> (Ran, Value) {
    let ran = place.crashtest(&format!("compare --quiet --seed 1 --jobs 2 --output-format json {arguments}"));
    let summary = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {} {}", ran.out, ran.err));
    (ran, summary)
}

fn standings(summary: &Value) -> Vec<&str> {
    summary["cells"].as_array().unwrap().iter().map(|cell| cell["standing"].as_str().unwrap()).collect()
}

#[test]
fn direct_and_atomic_are_as_documented_though_direct_fails() {
    let place = Place::new();
    let ran = place.crashtest("compare direct atomic direct --iterations 500 --jobs 2 --quiet --seed 1");
    assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    let last = ran.out.lines().rev().take(3).collect::<Vec<_>>().join(" ");
    assert!(last.contains("AS DOCUMENTED: a guarantee was broken by direct in "), "{}", ran.out);
    assert_eq!(place.crashtest("report").out, ran.out, "rendered again, from the folder alone");

    let latest = place.latest();
    let stored = |name: &str| fs::read_to_string(latest.join(name)).unwrap();
    assert_eq!(place.crashtest("report --format markdown").out, stored("summary.md"));
    assert_eq!(place.crashtest("report --format junit").out, stored("junit.xml"));
    assert_eq!(place.crashtest("report --format json").out, stored("summary.json"));
    let summary: Value = serde_json::from_str(&stored("summary.json")).unwrap();
    assert_eq!(standings(&summary), ["as-documented", "as-documented"]);
    assert_eq!((summary["complete"].as_bool(), summary["exit_code"].as_u64()), (Some(true), Some(0)));
    for (folder, strategy) in [("direct-fills-strict", "direct"), ("atomic-fills-strict", "atomic")] {
        let report = place.crashtest(&format!("report results/latest/cells/{folder}"));
        assert!(report.out.starts_with(&format!("{strategy} × fills, strict loader")), "{}", report.out);
    }
}

#[test]
fn every_cell_gets_the_same_plan() {
    let place = Place::new();
    compare(&place, "direct atomic --iterations 60");
    let plan = |cell: &str| -> Vec<(u64, Value)> {
        let text = fs::read_to_string(place.latest().join("cells").join(cell).join("trials.jsonl")).unwrap();
        let trials = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let trials = trials.filter(|t| t["fault"] == "kill" && t["start"] == "again");
        let mut plan: Vec<_> = trials.map(|t| (t["trial"].as_u64().unwrap(), t["aim"].clone())).collect();
        plan.sort_by_key(|(trial, _)| *trial);
        plan
    };
    assert_eq!(plan("direct-fills-strict").len(), 60);
    assert_eq!(plan("direct-fills-strict"), plan("atomic-fills-strict"));
}

#[test]
fn both_loaders_are_rows_of_their_own() {
    // Of 100 kills of a starved writer of `direct`, three leave a file intact: too few to see its saves go on.
    let (ran, summary) = compare(&Place::new(), "direct --loader both --iterations 500");
    assert_eq!(ran.exit, Some(0), "{} {}", ran.err, summary["cells"]);
    let rows = summary["results"].as_array().unwrap();
    let resets = |loader: &str| {
        let row = rows.iter().find(|row| row["loader"] == loader && row["fault"] == "kill" && row["start"] == "again");
        count(row.unwrap(), "silent-reset")
    };
    assert!(resets("strict") == 0 && resets("lenient") > 100);
}

#[test]
fn a_verdict_that_is_not_documented_exits_1() {
    let place = Place::new();
    let (ran, summary) = compare(&place, "atomic planted-rename-first --loader lenient --iterations 100");
    assert_eq!((ran.exit, summary["exit_code"].as_u64()), (Some(1), Some(1)));
    assert_eq!(standings(&summary), ["as-documented", "differs"]);
    assert_eq!(summary["cells"][1]["agreement"][1]["unexpected"][0], "silent-reset");
    let report = place.crashtest("report").out.replace('\n', " ");
    let wanted = "NOT AS DOCUMENTED: 1 of 2 cells: planted-rename-first, under kill: silent-reset showed";
    assert!(report.contains(wanted), "{report}");
}

#[test]
fn a_failed_control_exits_4_and_the_other_cells_are_run() {
    let (ran, summary) = compare(&Place::new(), "planted-fail atomic --iterations 50 --limit 5s");
    assert_eq!(ran.exit, Some(4));
    assert_eq!(standings(&summary), ["control-failed", "as-documented"]);
    assert!(kills(&summary, "again")["trials"].as_u64() == Some(0), "the first such row is that of the failed control");
}

#[test]
fn without_a_trial_a_comparison_is_inconclusive() {
    let (ran, summary) = compare(&Place::new(), "atomic --duration 1ms");
    assert_eq!(ran.exit, Some(3));
    assert_eq!(standings(&summary), ["inconclusive"]);
}

#[test]
fn a_sandbox_that_cannot_be_used_ends_the_comparison_with_its_reason() {
    let place = Place::new();
    let ran = place.crashtest("compare direct atomic --quiet --dir nowhere");
    assert_eq!((ran.exit, ran.out.as_str()), (Some(2), ""));
    assert!(ran.err.contains("nowhere") && ran.err.contains("hint: "), "{}", ran.err);
    assert_eq!(place.names("."), ["results"]);
    assert!(place.names("results").is_empty(), "what never started leaves no folder");
}

#[test]
fn github_gets_an_error_for_each_cell_that_is_not_as_documented_and_the_summary() {
    let place = Place::new();
    let summary = place.path().join("step-summary.md");
    fs::write(&summary, "before\n").unwrap();
    let in_actions = |arguments: &str| {
        let mut command = place.command(arguments);
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
        Ran::from(command.output().unwrap())
    };
    let ran = in_actions("compare atomic planted-rename-first --loader lenient --iterations 60 --quiet --seed 1");
    assert_eq!(ran.exit, Some(1));
    let errors: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("::error ")).collect();
    assert_eq!(errors.len(), 1, "{}", ran.err);
    let wanted = "::error title=planted-rename-first is not as documented::under kill: silent-reset showed";
    assert!(errors[0].starts_with(wanted), "{}", errors[0]);
    let written = fs::read_to_string(&summary).unwrap();
    assert!(written.starts_with("before\n## ❌ crashtest compare: "), "{written}");

    let ran = in_actions("run --strategy direct --iterations 40 --quiet --seed 1");
    assert_eq!((ran.exit, ran.err.as_str()), (Some(1), ""), "what is documented is no error");
    let ran = in_actions("run --strategy planted-rename-first --loader lenient --iterations 60 --quiet --seed 1");
    assert!(ran.err.contains("::error title=planted-rename-first × fills%3A silent-reset under kill::"), "{}", ran.err);
    assert_eq!(fs::read_to_string(&summary).unwrap().matches("crashtest: ").count(), 2);
}
