//! Every text that a person reads before a run, as it is: a change of words is a change of a snapshot.

mod support;

use insta::assert_snapshot;
use support::Place;

fn said(arguments: &str) -> String {
    let place = Place::new();
    let ran = place.crashtest(arguments);
    format!("exit {}\n--- out\n{}--- err\n{}", ran.exit.unwrap_or(-1), ran.out, ran.err)
}

#[test]
fn the_help_of_every_command_teaches() {
    assert_snapshot!("help", said("--help"));
    assert_snapshot!("help_run", said("run --help"));
    assert_snapshot!("help_compare", said("compare --help"));
    assert_snapshot!("help_audit", said("audit --help"));
    assert_snapshot!("help_init", said("init --help"));
    assert_snapshot!("help_replay", said("replay --help"));
    assert_snapshot!("help_report", said("report --help"));
    assert_snapshot!("help_list", said("list --help"));
    assert_snapshot!("help_doctor", said("doctor --help"));
}

#[test]
fn what_there_is_is_listed() {
    assert_snapshot!("list", said("list"));
    assert_snapshot!("list_planted", said("list strategies --planted"));
}

#[test]
fn errors_name_the_mistake_and_the_way_out() {
    assert_snapshot!("unknown_strategy", said("run --strategy atomci"));
    assert_snapshot!("unknown_compared", said("compare direct atomci"));
    assert_snapshot!("nothing_compared", said("compare"));
    assert_snapshot!("unknown_workload", said("run --strategy atomic --workload fill"));
    assert_snapshot!("impossible_size", said("run --strategy atomic --state-size 1GiB"));
    assert_snapshot!("unknown_fault", said("run --strategy atomic --fault kill,swep"));
    assert_snapshot!("unknown_tears", said("compare direct --fault sweep --tears pages"));
    assert_snapshot!("signal_without_a_kill", said("run --strategy atomic --fault sweep,io --signal term"));
    assert_snapshot!("no_results", said("report"));
}

#[test]
fn output_that_goes_nowhere_is_no_success() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Place::new().command("list").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("failed to write to standard output"));
}
