//! Checkers of somebody's own program: what they are believed, what is believed without one, and how their answers are kept.

mod support;

use serde_json::{Value, json};
use support::programs::{EXAMPLES, Interpreter, Language, assert_shows_again, run};
use support::{Place, count, row};

#[test]
fn a_checker_that_serves_all_states_says_what_one_for_each_says() {
    let Some(python) = Interpreter::find(Language::Python) else { return };
    let place = Place::new();
    let program = format!("{EXAMPLES}/python/direct.py");
    let setup = python.example("direct", "{dir} init");
    let checked = |option: &str, check: String| {
        let options =
            ["--jobs", "1", "--max-states", "40", "--output-format", "json", "--setup", &setup, option, &check];
        let ran = run(&place, &[&options[..], &["--"], &python.words(&[&program, "{dir}"])].concat());
        let summary: Value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}", ran.err));
        (ran.exit, row(&summary, "sweep")["verdicts"].clone())
    };
    let each = checked("--check", python.example("check", "{dir}"));
    assert_eq!(checked("--check-batch", python.example("check_batch", "")), each);
    assert_eq!(each.0, Some(1));
}

#[test]
fn what_only_a_checker_can_judge_is_inconclusive_without_one() {
    let place = Place::new();
    // Appended beside another file, in pieces that a kill can part.
    let appends = "for i in 1 2 3; do seq 3000 >> {dir}/f; echo $i > {dir}/g; mv {dir}/g {dir}/n; done";
    let setup = ["--setup", "sh -c 'echo old > {dir}/f; echo 0 > {dir}/n'"];
    let ran = run(&place, &[&setup[..], &["--", "sh", "-c", appends]].concat());
    let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(ran.exit == Some(3) && said.contains("cannot be judged: f is between two versions"), "{said}");
    // A log by its name is nobody's state, unless somebody says so.
    let logs = appends.replace("{dir}/f", "{dir}/f.log");
    let setup = ["--setup", "sh -c 'echo old > {dir}/f.log; echo 0 > {dir}/n'"];
    let with = |options: &[&str]| run(&place, &[options, &setup[..], &["--", "sh", "-c", &logs]].concat());
    assert_eq!(with(&[]).exit, Some(0));
    assert_eq!(with(&["--include", "*.log"]).exit, Some(3));
    // What two runs do not leave alike, and is not empty either, nobody can tell from what is torn.
    let clocks = "for i in 1 2; do { date +%N; seq 3000; } > {dir}/g; mv {dir}/g {dir}/f; done";
    let ran = run(&place, &["--setup", "sh -c 'echo old > {dir}/f'", "--", "sh", "-c", clocks]);
    assert_eq!(ran.exit, Some(0), "what is renamed is whole, whatever is in it: {}{}", ran.out, ran.err);
    let ran = run(&place, &["--setup", "sh -c 'echo old > {dir}/f'", "--", "sh", "-c", "date +%N > {dir}/f"]);
    assert!(ran.exit == Some(1) && ran.out.contains("empty"), "{}{}", ran.out, ran.err);
}

#[test]
fn a_checker_that_opens_one_of_two_files_is_not_believed_of_the_other() {
    let place = Place::new();
    let script = "for i in 1 2; do seq 3000 > {dir}/positions; echo $i > {dir}/t; mv {dir}/t {dir}/meta; done";
    let setup = ["--setup", "sh -c 'echo 0 > {dir}/meta; echo 0 > {dir}/positions'"];
    let with = |check: &str| run(&place, &[&setup[..], &["--check", check, "--", "sh", "-c", script]].concat());
    let half = with("grep -q [0-9] {dir}/meta");
    let said = half.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(half.exit == Some(3) && said.contains("the checker accepts a state in which positions is"), "{said}");
    assert!(said.contains("the checker opens other files than positions"), "{said}");
    let both = with("sh -c 'grep -q [0-9] {dir}/meta && grep -q . {dir}/positions'");
    assert_eq!(both.exit, Some(1), "{}{}", both.out, both.err);
}

#[test]
fn what_a_checker_refuses_after_a_kill_is_named_after_the_file() {
    let place = Place::new();
    let check = "sh -c 'tail -n 1 {dir}/f | grep -qx 9999 || echo crashtest: refused it is cut'";
    let options = ["--setup", "sh -c 'seq 9999 > {dir}/f'", "--fault", "kill", "--iterations", "40", "--check", check];
    let script = "for i in 1 2 3; do { seq 5000; sleep 0.02; seq 5001 9999; } > {dir}/f; sleep 0.01; done";
    let ran = run(&place, &[&options[..], &["--output-format", "json", "--", "sh", "-c", script]].concat());
    let summary: Value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}", ran.err));
    let killed = row(&summary, "kill");
    assert!(count(killed, "torn") + count(killed, "empty") > 5, "{summary}");
    assert_eq!(count(killed, "missing") + count(killed, "wont-open"), 0, "{summary}");
    assert_eq!(row(&summary, "none")["raw"], json!({ "whole": 3 }), "{summary}");
}

#[test]
fn a_checker_that_notices_nothing_proves_nothing() {
    let place = Place::new();
    let saves = ["--setup", "sh -c 'echo position 16 > {dir}/f'", "--check"];
    let with = |check: &str| {
        run(
            &place,
            &[&saves[..], &[check, "--", "sh", "-c", "echo position 17 > {dir}/g; mv {dir}/g {dir}/f"]].concat(),
        )
    };
    let blind = with("true");
    let said = blind.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        blind.exit == Some(3) && said.contains("the checker accepts files that are torn, empty or missing"),
        "{said}"
    );
    let half_blind = with("test -e {dir}/f");
    let said = half_blind.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(half_blind.exit == Some(0) && said.contains("are torn or empty: such damage it does not see"), "{said}");
    let sees = with("grep -q 'position 1[67]' {dir}/f");
    assert!(sees.exit == Some(0) && !sees.out.contains("does not see"), "{}{}", sees.out, sees.err);
}

#[test]
fn a_checker_to_which_a_missing_file_is_a_new_start_proves_nothing_where_it_is_missing() {
    let place = Place::new();
    let script = "echo log > {dir}/f.log; for i in 1 2; do seq 100 > {dir}/t; rm {dir}/f; mv {dir}/t {dir}/f; done";
    let check =
        "sh -c 'test ! -e {dir}/f || test \"$(tail -n 1 {dir}/f)\" = 100 || echo crashtest: refused no whole list'";
    let options = ["--jobs", "1", "--output-format", "json", "--setup", "sh -c 'seq 100 > {dir}/f'", "--check", check];
    let ran = run(&place, &[&options[..], &["--", "sh", "-c", script]].concat());
    assert_eq!(ran.exit, Some(3), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("accepts a state in which f is missing"), "{}", ran.out);
    let summary: Value = serde_json::from_str(&ran.out).unwrap();
    let tried = summary["results"].as_array().unwrap().iter().map(|row| &row["tried"]).find(|tried| !tried.is_null());
    let tried = tried.unwrap();
    assert_eq!((&tried["unnoticed"], &tried["unopened"]), (&json!(["missing"]), &Value::Null), "a log is not judged");
    // Only one of the workers runs the control.
    let options = [
        "--fault",
        "kill",
        "--iterations",
        "60",
        "--setup",
        "sh -c 'seq 100 > {dir}/f'",
        "--check",
        check,
        "--jobs",
        "2",
    ];
    let ran = run(&place, &[&options[..], &["--", "sh", "-c", script]].concat());
    let trials = place.trials();
    let missing: Vec<_> = trials.iter().filter(|trial| trial["raw"]["state"] == "missing").collect();
    assert!(missing.len() > 3, "{}{}", ran.out, ran.err);
    missing.iter().for_each(|trial| assert_eq!(trial["outcome"]["judged"], "inconclusive", "{trial}"));
}

#[test]
fn what_a_checker_refuses_is_called_the_same_when_it_is_replayed() {
    let place = Place::new();
    // A save that fails leaves half of it, and the program ends as if all were well.
    let script = "for i in 1 2; do seq 3000 > {dir}/f; done 2> {dir}/log; exit 0";
    let check =
        "sh -c 'test ! -e {dir}/f || test \"$(tail -n 1 {dir}/f)\" = 3000 || echo crashtest: refused no whole list'";
    // A shell and its child close files in another order from run to run, and each worker records runs of its own.
    let ran = run(&place, &["--jobs", "3", "--fault", "sweep,io", "--check", check, "--", "sh", "-c", script]);
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    for failure in [".sweep.torn.after-write", ".sweep.empty.after-truncate", ".io.torn."] {
        assert_shows_again(&place, failure);
    }
}

#[test]
fn without_a_set_up_nothing_is_lost_before_the_first_ack() {
    let place = Place::new();
    // Makes an empty file first, and is ready then.
    let script = "n=$(cat {dir}/f 2> /dev/null); test -e {dir}/f || : > {dir}/f; echo crashtest: ready; n=${n:-0}
                  for i in $((n + 1)) $((n + 2)); do
                    echo crashtest: begin $i; echo $i > {dir}/t; mv {dir}/t {dir}/f; echo crashtest: ack $i
                  done";
    let check = "sh -c 'if test -s {dir}/f; then echo crashtest: state $(cat {dir}/f); else echo crashtest: fresh; fi'";
    let ran = run(&place, &["--check", check, "--", "sh", "-c", script]);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    // What was acknowledged is: the control shows it.
    let forgets = check.replace("state $(cat {dir}/f)", "fresh");
    let ran = run(&place, &["--check", &forgets, "--fault", "sweep", "--", "sh", "-c", script]);
    assert!(ran.exit == Some(4) && ran.out.contains("silent-reset"), "{}{}", ran.out, ran.err);
}

#[test]
fn a_terminal_shows_of_how_many_crash_states_a_checker_was_asked() {
    let Some(python) = Interpreter::find(Language::Python) else { return };
    let place = Place::new();
    // Its output is a terminal.
    let on_a_terminal = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
    let words = python.words(&["-c", on_a_terminal]);
    let crashtest = place.command("audit");
    let mut command = std::process::Command::new(words[0]);
    command.args(&words[1..]).arg(crashtest.get_program()).args(crashtest.get_args()).current_dir(place.path());
    command.args(["--check", "sh -c 'sleep 0.03; test -e {dir}/f || test ! -e {dir}/g'"]);
    let script = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo $i > t; mv t f; done";
    let output = command.args(["--", "sh", "-c", script]).stdin(std::process::Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("left, crash states"), "{said}");
}

#[test]
fn a_checker_that_is_started_each_time_is_asked_about_500_states_and_the_others_are_counted() {
    let place = Place::new();
    std::fs::write(place.path().join("f"), "0\n").unwrap();
    // The states come one after the other, and no two are alike.
    let script = "i=0; while [ $i -lt 600 ]; do i=$((i+1)); echo $i >> f; done";
    let check = ["--check", "sh -c 'head -n 1 {dir}/f | grep -qx 0'", "--output-format", "json"];
    let mut command = place.command("audit");
    command.args(check).args(["--", "sh", "-c", script]);
    let ran = support::Ran::from(command.output().unwrap());
    let audit: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
    let checked = &audit["checked"];
    assert_eq!((&checked["states"], &checked["left_out"]), (&500.into(), &101.into()), "{audit:#}");
}
