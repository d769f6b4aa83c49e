//! What is derived from a recording is what happens: every crash point is reached by a real SIGKILL as well, kills at random moments
//! leave nothing else, recipes are the calls that are traced, and a replay comes to the same.

mod support;

use std::collections::BTreeMap;

use crashtest_kit::Registry as _;
use crashtest_model::{Fault, Loader, Shape, Start, StrategyInfo, Trace};
use crashtest_strategies::{Builtin, recipe_words};
use serde_json::Value;
use support::skip::{is_thorough, say};
use support::{Place, count};

/// Memory, where there is some: a thousand kills of a writer that syncs take a minute on a disk.
fn fast() -> &'static str {
    if std::path::Path::new("/dev/shm").is_dir() { "--dir /dev/shm" } else { "" }
}

/// Those that make the same calls in every run: one with a thread in the background does not.
fn strategies() -> impl Iterator<Item = StrategyInfo> {
    Builtin.strategies().into_iter().filter(|info| !info.planted && !info.recipe.starts_with("enqueue"))
}

fn rows(summary: &Value) -> impl Iterator<Item = &Value> {
    summary["results"].as_array().unwrap().iter().filter(|row| row["fault"] == "sweep")
}

/// Sweeps half of the strategies; each crash point derived, and reached by a real kill.
///
/// Without `CRASHTEST_SOAK=100` it is a sixth: a thousand kills of each take minutes.
fn derived_is_real(half: usize) {
    // What is about several writers has no life of its own to record.
    let alone = |info: &StrategyInfo| info.expectation(Loader::Strict, Fault::Sweep, Start::Again).is_some();
    let step = if is_thorough() { 2 } else { 6 };
    if step > 2 {
        say("every third strategy only: set CRASHTEST_SOAK=100 for all");
    }
    for info in strategies().filter(alone).skip(half).step_by(step) {
        let options = format!("--fault sweep --confirm all --state-size 16KiB {}", fast());
        let (_, summary) = Place::new().campaign(&info.name, &options);
        for row in rows(&summary) {
            let (name, swept) = (&info.name, &row["swept"]);
            assert_eq!(swept["differs"], false, "{name}: two runs of it make the same calls");
            assert_eq!(count(row, "inconclusive"), 0, "{name}: a real kill left other files than were derived: {row}");
            // At the end of a life nothing is left to be killed: each swept life has one such point.
            let ends = 1 + swept["nested"].as_u64().unwrap();
            assert_eq!(row["kills_landed"].as_u64().unwrap() + ends, row["trials"].as_u64().unwrap(), "{name}");
            assert_eq!(swept["random_kills"], 1000, "{name}: kills at random moments left none but derived states");
            assert!(swept["random_states"].as_u64().unwrap() >= 3, "{name}: they fell at different moments: {swept}");
        }
    }
}

#[test]
fn real_kills_leave_what_was_derived_for_one_half_of_the_strategies() {
    derived_is_real(0);
}

#[test]
fn real_kills_leave_what_was_derived_for_the_other_half_of_the_strategies() {
    derived_is_real(1);
}

/// The words of each save of a trace: successive writes are one.
fn words_by_save(trace: &Trace) -> BTreeMap<u64, Vec<&str>> {
    let mut saves: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for operation in &trace.operations {
        let promise = operation.before.promise;
        if promise.begun > promise.acked {
            let words = saves.entry(promise.begun.0).or_default();
            let word = operation.action.word();
            if word != "write" || words.last() != Some(&"write") {
                words.push(word);
            }
        }
    }
    saves
}

#[test]
fn the_recipe_of_each_strategy_is_what_its_saves_are_traced_to_do() {
    // One waits for itself as soon as a trade is closed.
    for info in strategies().filter(|info| info.name != "locked-store-relock") {
        // A log: few saves, before it is compacted. A system: before something else than a save comes along.
        let saves = if info.shape == Shape::Document { 5 } else { 3 };
        let ran =
            Place::new().crashtest(&format!("trace --strategy {} --saves {saves} --output-format json", info.name));
        assert_eq!(ran.exit, Some(0), "{}", ran.err);
        let trace: Trace = serde_json::from_str(&ran.out).unwrap();
        let by_save = words_by_save(&trace);
        assert_eq!(by_save.len(), saves, "{}: every save was seen", info.name);
        for (save, words) in by_save {
            // Once for each file that it touches.
            let recipe = recipe_words(&info.recipe);
            let times = if info.shape == Shape::System { words.len() / recipe.len() } else { 1 };
            assert_eq!(words, recipe.repeat(times.max(1)), "{}, save {save}: {}", info.name, info.recipe);
        }
    }
}

#[test]
fn a_target_whose_calls_differ_from_run_to_run_is_swept_from_one_of_them_and_no_point_is_dropped() {
    let place = Place::new();
    // One worker: each sweeps its share of the points of the life that it has recorded itself, and these differ.
    let options = format!("--fault sweep --state-size 16KiB --jobs 1 {}", fast());
    let (exit, summary) = place.campaign("planted-undecided", &options);
    let again = rows(&summary).find(|row| row["start"] == "again").unwrap();
    assert_eq!(again["swept"]["differs"], true);
    assert!(!again["swept"]["differences"].as_array().unwrap().is_empty(), "{again}");
    assert!(count(again, "torn") + count(again, "empty") > 0, "{again}");
    assert_eq!((exit, count(again, "inconclusive")), (Some(1), 0));
    let records = place.trials().into_iter().filter(|t| t["fault"] == "sweep" && t["start"] == "again");
    let mut first: Vec<u64> = records.map(|t| t["trial"].as_u64().unwrap()).filter(|n| *n < 1_000_000).collect();
    first.sort_unstable();
    assert_eq!(first, (0..first.len() as u64).collect::<Vec<_>>(), "no point is dropped");
    assert!(again["swept"]["nested"].as_u64().unwrap() > 0, "the lives after it are swept as well: {again}");
}

#[test]
fn a_replay_of_a_crash_point_or_a_failing_call_shows_the_same_every_time() {
    for (strategy, fault, signature) in [
        ("direct", "sweep", "sweep.torn"),
        ("forward-journal", "sweep", "sweep.torn.again"),
        ("planted-short-write", "io", "io.false-ack"),
    ] {
        let place = Place::new();
        place.campaign(strategy, &format!("--fault {fault} --state-size 16KiB {}", fast()));
        let names = place.names("results/latest/failures");
        let name =
            names.iter().find(|name| name.contains(signature)).unwrap_or_else(|| panic!("{signature}: {names:?}"));
        let ran = place.crashtest(&format!("replay results/latest/failures/{name} --tries 5"));
        assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains("reproduced 5 of 5"), "{}", ran.out);
        assert!(
            ran.out.contains("Restart on the stored crash state") && ran.out.contains("shows again"),
            "{}",
            ran.out
        );
    }
}
