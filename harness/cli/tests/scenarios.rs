//! Scenario files, as the program takes them: what would be run, and what it says to a file that it cannot take.

mod support;

use std::fs;

use insta::assert_snapshot;
use support::{Place, Ran};

const SCENARIO: &str = "why = \"to see the plan\"
limits = [\"it runs nothing\"]

[[campaign]]
strategies = [\"direct\", \"atomic-fsync\"]
loaders = [\"strict\", \"lenient\"]
iterations = 2_000

[[campaign]]
strategies = [\"direct\"]
workloads = [\"signals\"]
faults = [\"none\", \"kill\"]
duration = \"5m\"

[[expect]]
strategy = \"direct\"
loader = \"lenient\"
one_of = [\"silent-reset\"]
may = [\"lost-ack\"]
";

/// The plan of a file with this content.
fn plan(content: impl AsRef<[u8]>) -> Ran {
    let place = Place::new();
    fs::write(place.path().join("mine.toml"), content).unwrap();
    place.crashtest("matrix mine.toml --plan")
}

#[test]
fn the_plan_has_a_line_for_every_cell() {
    let ran = plan(SCENARIO);
    assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""));
    assert_snapshot!("scenario_plan", ran.out);
}

#[test]
fn a_mistake_is_a_usage_error_with_its_place_and_without_colour() {
    let ran = plan(SCENARIO.replace("iterations", "itertions"));
    assert_eq!((ran.exit, ran.out.as_str()), (Some(2), ""));
    assert!(ran.err.starts_with("error: unknown key `itertions`"), "{}", ran.err);
    assert!(ran.err.contains("[mine.toml:7:1]") && ran.err.contains("did you mean `iterations`?"), "{}", ran.err);
    assert!(!ran.err.contains('\u{1b}') && ran.err.lines().all(|line| line.chars().count() <= 80), "{}", ran.err);
}

#[test]
fn what_is_no_readable_file_is_refused_with_a_way_out() {
    let place = Place::new();
    fs::create_dir(place.path().join("mine")).unwrap();
    fs::write(place.path().join("mine/nightly.toml"), SCENARIO).unwrap();
    let said = |arguments: &str| {
        let ran = place.crashtest(arguments);
        format!("exit {}\n{}", ran.exit.unwrap_or(-1), ran.err)
    };
    let missing = said("matrix mine/nigthly.toml --plan");
    let far = said("matrix mine/something-else.toml --plan");
    let nowhere = said("matrix nowhere/nightly.toml --plan");
    let directory = said("matrix mine --plan");
    assert_snapshot!("scenario_not_there", [missing, far, nowhere, directory].join("\n"));
}

#[test]
fn what_is_no_text_is_refused_with_a_way_out() {
    let mut latin = SCENARIO.as_bytes().to_vec();
    latin[35] = 0xe9;
    let large = vec![b'#'; 1024 * 1024 + 1];
    let said = [plan(latin), plan(large)].map(|ran| format!("exit {}\n{}", ran.exit.unwrap_or(-1), ran.err));
    assert_snapshot!("scenario_no_text", said.join("\n"));
}
