//! Whole scenarios: the shipped smoke matrix agrees with the ground truth, and a bug in any strategy turns it red.

mod support;

use std::fs;
use std::path::Path;

use crashtest_kit::Registry;
use crashtest_model::{Expectation, Fault, Loader, Start, Verdict};
use crashtest_strategies::Builtin;
use support::{Place, Ran};

/// A scenario that runs `strategy` and expects of it what `expectation` says.
fn expecting(strategy: &str, expectation: &Expectation, iterations: u64) -> String {
    let names =
        |verdicts: &[Verdict]| verdicts.iter().map(|v| format!("\"{}\"", v.name())).collect::<Vec<_>>().join(", ");
    format!(
        "why = \"a bug\"\n[[campaign]]\nstrategies = [\"{strategy}\"]\nstate_size = \"16KiB\"\niterations = {iterations}\n\
         [[expect]]\nstrategy = \"{strategy}\"\nloader = \"strict\"\nmust = [{}]\none_of = [{}]\nmay = [{}]\n",
        names(&expectation.must),
        names(&expectation.one_of),
        names(&expectation.may),
    )
}

fn matrix(scenario: &str) -> Ran {
    let place = Place::new();
    fs::write(place.path().join("mine.toml"), scenario).unwrap();
    place.crashtest("matrix mine.toml --quiet")
}

#[test]
fn a_planted_bug_in_any_strategy_turns_the_matrix_red() {
    // Most document the same: that is run once for all of them.
    let mut seen: Vec<Expectation> = Vec::new();
    for info in Builtin.strategies().into_iter().filter(|info| !info.planted) {
        // Nothing is said of one writer where a strategy is about several.
        let Some(documented) = info.expectation(Loader::Strict, Fault::Kill, Start::Again) else { continue };
        // One that allows it acks first itself.
        if documented.allows(Verdict::LostAck) || seen.contains(documented) {
            continue;
        }
        seen.push(documented.clone());
        let ran = matrix(&expecting("planted-ack-first", documented, 40));
        assert_eq!(ran.exit, Some(1), "{} acks first: {}{}", info.name, ran.out, ran.err);
        assert!(ran.out.contains("lost-ack"), "{}: {}", info.name, ran.out);
    }
}

#[test]
fn a_strategy_that_stops_failing_as_it_should_turns_the_matrix_red() {
    let direct = Builtin.strategies().into_iter().find(|info| info.name == "direct").unwrap();
    let documented = direct.expectation(Loader::Strict, Fault::Kill, Start::Again).unwrap();
    assert_eq!(matrix(&expecting("direct", documented, 300)).exit, Some(0));
    let ran = matrix(&expecting("atomic", documented, 300));
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
}

#[test]
fn kept_regressions_are_run_first() {
    let place = Place::new();
    let cell = |strategy| format!("why = \"w\"\n[[campaign]]\nstrategies = [\"{strategy}\"]\niterations = 5\n");
    fs::create_dir(place.path().join("regressions")).unwrap();
    fs::write(place.path().join("regressions/b.toml"), cell("backup")).unwrap();
    fs::write(place.path().join("regressions/a.toml"), cell("in-place")).unwrap();
    fs::write(place.path().join("mine.toml"), cell("direct")).unwrap();
    let planned = place.crashtest("matrix mine.toml --plan").out;
    let at = |name: &str| planned.find(name).unwrap_or_else(|| panic!("{name} is not in {planned}"));
    assert!(at("in-place ×") < at("backup ×") && at("backup ×") < at("direct ×"), "{planned}");
    fs::write(place.path().join("regressions/a.toml"), "why = 1").unwrap();
    let ran = place.crashtest("matrix mine.toml");
    assert_eq!(ran.exit, Some(2), "{}", ran.out);
    assert!(ran.err.contains("regressions/a.toml:1:7"), "{}", ran.err);
}

#[test]
fn the_smoke_matrix_is_as_documented() {
    let smoke = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/smoke.toml");
    let ran = Place::new().crashtest(&format!("matrix {} --quiet", smoke.display()));
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
}

#[test]
fn a_log_comes_back_as_a_prefix_over_a_hundred_crashes_in_one_directory() {
    for strategy in ["append-log", "append-log-nosync"] {
        let place = Place::new();
        let (exit, _) = place.campaign(strategy, "--workload counter --iterations 100 --jobs 1");
        assert_eq!(exit, Some(0), "{strategy}");
        let trials: Vec<_> =
            place.trials().into_iter().filter(|t| t["fault"] == "kill" && t["start"] == "again").collect();
        assert_eq!(trials.len(), 100);
        let bases: Vec<u64> = trials.iter().map(|t| t["base"].as_u64().unwrap()).collect();
        assert!(bases.is_sorted(), "the directory never starts afresh, no number is given out twice: {bases:?}");
        assert!(bases[99] > 200, "{bases:?}");
    }
}
