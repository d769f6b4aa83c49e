//! Somebody's own program, in any language: run, crashed, checked.

mod support;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::skip::skip;
use support::{Place, Ran, count, verdicts};

/// The example programs.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../targets/external");

/// A language that the examples are written in: its directory, its interpreter, the ending of its files.
type Language = (&'static str, &'static str, &'static str);
const PYTHON: Language = ("python", "python3", "py");
const NODE: Language = ("node", "node", "mjs");
const SHELL: Language = ("shell", "sh", "sh");

/// Whether the language's interpreter is here; says so where it is not.
fn is_here((name, interpreter, _): Language) -> bool {
    let here = Command::new(interpreter).arg("-c").arg("").stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !here {
        skip(&format!("{interpreter}, for the {name} examples"));
    }
    here
}

/// `crashtest run` of a writer among the examples, with its checker.
fn run_example(
    place: &Place,
    language: Language,
    writer: &str,
    checked_as: &str,
    more: &[&str],
) -> (Option<i32>, Value) {
    let (directory, interpreter, ending) = language;
    let program = format!("{EXAMPLES}/{directory}/{writer}.{ending}");
    let setup = format!("{interpreter} '{program}' {{dir}} init");
    // A Python for each crash state takes long.
    let (option, check) = match language {
        PYTHON => ("--check-batch", format!("python3 '{EXAMPLES}/python/check_batch.py' {checked_as}")),
        _ => ("--check", format!("{interpreter} '{EXAMPLES}/{directory}/check.{ending}' {{dir}}")),
    };
    let mut command = place.command("run --quiet --output-format json --seed 1");
    command.args(["--setup", &setup, option, &check]).args(more).args(["--", interpreter, &program, "{dir}"]);
    let ran = Ran::of(command.output().unwrap());
    let summary = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {} {}", ran.out, ran.err));
    (ran.exit, summary)
}

/// The verdicts that are violations, by name.
fn broken(summary: &Value) -> Vec<String> {
    let mut broken: Vec<String> = verdicts(summary).into_iter().filter(|verdict| verdict != "intact").collect();
    broken.sort();
    broken.dedup();
    broken
}

fn row<'a>(summary: &'a Value, fault: &str) -> &'a Value {
    let rows = summary["results"].as_array().unwrap();
    rows.iter().find(|row| row["fault"] == fault).unwrap_or(&Value::Null)
}

/// `crashtest run … -- CMD` with these words after `run`.
fn run(place: &Place, words: &[&str]) -> Ran {
    Ran::of(place.command("run --quiet --seed 1").args(words).output().unwrap())
}

#[test]
fn in_every_language_the_direct_writer_is_torn_and_empty_and_the_atomic_one_whole() {
    for language in [PYTHON, NODE, SHELL].into_iter().filter(|language| is_here(*language)) {
        let place = Place::new();
        // One checker for each state, as these two have, takes long.
        let few: &[&str] = if language == PYTHON { &[] } else { &["--max-states", "150"] };
        let (exit, summary) = run_example(&place, language, "direct", "", few);
        assert_eq!(
            (exit, broken(&summary)),
            (Some(1), vec!["empty".to_owned(), "torn".to_owned()]),
            "{language:?} {summary}"
        );
        let (exit, summary) = run_example(&place, language, "atomic", "", few);
        assert_eq!((exit, broken(&summary)), (Some(0), vec![]), "{language:?} {summary}");
        let swept = row(&summary, "sweep");
        assert!(count(swept, "intact") > 50 && swept["distinct_states"].as_u64() > Some(20), "{language:?} {summary}");
        assert!(swept["swept"]["nested"].as_u64() > Some(2), "the life after a crash is swept too: {summary}");
    }
}

#[test]
fn under_pytest_an_atomic_writer_passes_and_a_direct_one_fails_with_the_reason() {
    let python = std::env::var_os("CRASHTEST_PYTHON").unwrap_or_else(|| "python3".into());
    let pytest = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-m", "pytest", "-p", "no:cacheprovider"]).args(arguments);
        command.env("CRASHTEST_BIN", env!("CARGO_BIN_EXE_crashtest")).env("PYTHONDONTWRITEBYTECODE", "1");
        Ran::of(command.output().unwrap())
    };
    if !is_here(PYTHON) || pytest(&["--version"]).exit != Some(0) {
        skip("pytest, which .ci/run installs where it can");
        return;
    }
    // The examples themselves: one passes, and one says what the other would have failed with.
    let examples = pytest(&["-q", &format!("{EXAMPLES}/python/test_example.py")]);
    assert!(examples.exit == Some(0) && examples.out.contains("2 passed"), "{}{}", examples.out, examples.err);
    // What a person sees who has not thought of it.
    let place = Place::new();
    let (test, module) = (place.path().join("test_bot.py"), format!("{EXAMPLES}/python"));
    let script = "import sys; sys.path.insert(0, MODULE); from crashtest_pytest import crashtest\n\
                  def test_bot(crashtest):\n    crashtest(setup=['sh', '-c', 'echo old > {dir}/f'], \
                  writer=['sh', '-c', 'seq 3000 > {dir}/f'], check=['grep', '-q', 'old\\\\|3000', '{dir}/f'])\n";
    fs::write(&test, script.replace("MODULE", &format!("{module:?}"))).unwrap();
    let failed = pytest(&["-q", &test.to_string_lossy()]);
    assert_eq!(failed.exit, Some(1), "{}{}", failed.out, failed.err);
    for words in ["a crash broke a claim", "wont-open", "fix: ", "replay: crashtest replay "] {
        assert!(failed.out.contains(words), "{words}: {}", failed.out);
    }
}

#[test]
fn the_patterns_of_the_accounts_are_what_they_are_in_their_own_language() {
    if !is_here(PYTHON) {
        return;
    }
    let place = Place::new();
    for (writer, checked_as, exit, wrong) in [
        ("atomic_fsync", "", 0, vec![]),
        ("path_storage", "path_storage", 0, vec![]),
        ("signal_pipeline", "", 0, vec![]),
        ("trade_store", "", 0, vec![]),
        // Its queue acknowledges what it has not written.
        ("persistent_map", "", 1, vec!["lost-ack"]),
        // A second crash, in the first save after a recovery.
        ("forward_journal", "forward_journal", 1, vec!["empty", "missing", "torn"]),
    ] {
        let ran = run_example(&place, PYTHON, writer, checked_as, &[]);
        let wrong: Vec<String> = wrong.into_iter().map(str::to_owned).collect();
        assert_eq!((ran.0, broken(&ran.1)), (Some(exit), wrong), "{writer}: {}", ran.1);
    }
}

#[test]
fn a_program_is_killed_by_the_clock_and_its_calls_fail_just_as_well() {
    if !is_here(PYTHON) {
        return;
    }
    let place = Place::new();
    let (exit, summary) = run_example(&place, PYTHON, "direct", "", &["--fault", "kill,io", "--iterations", "60"]);
    assert_eq!(exit, Some(1), "{summary}");
    let killed = row(&summary, "kill");
    assert_eq!((killed["trials"].as_u64(), killed["kills_landed"].as_u64() > Some(20)), (Some(60), true), "{summary}");
    assert!(count(killed, "torn") + count(killed, "empty") > 5, "{summary}");
    assert!(count(row(&summary, "io"), "empty") > 0 && count(row(&summary, "io"), "torn") > 0, "{summary}");
    let more = ["--fault", "kill,io", "--iterations", "40", "--continue"];
    let (exit, summary) = run_example(&place, PYTHON, "atomic", "", &more);
    assert_eq!((exit, broken(&summary)), (Some(0), vec![]), "{summary}");
    // Life after life: what was saved before is still there.
    let recovered = |trial: &Value| (trial["fault"] == "kill").then(|| trial["observed"]["generation"].as_u64())?;
    assert!(place.trials().iter().filter_map(recovered).max() > Some(8), "more than one life saves");
}

#[test]
fn a_checker_that_serves_all_states_says_what_one_for_each_says() {
    if !is_here(PYTHON) {
        return;
    }
    let place = Place::new();
    let program = format!("{EXAMPLES}/python/direct.py");
    let setup = format!("python3 '{program}' {{dir}} init");
    let checked = |option: &str, check: String| {
        let options =
            ["--jobs", "1", "--max-states", "40", "--output-format", "json", "--setup", &setup, option, &check];
        let ran = run(&place, &[&options[..], &["--", "python3", &program, "{dir}"]].concat());
        let summary: Value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}", ran.err));
        (ran.exit, row(&summary, "sweep")["verdicts"].clone())
    };
    let each = checked("--check", format!("python3 '{EXAMPLES}/python/check.py' {{dir}}"));
    assert_eq!(checked("--check-batch", format!("python3 '{EXAMPLES}/python/check_batch.py'")), each);
    assert_eq!(each.0, Some(1));
}

#[test]
fn without_a_checker_every_file_must_be_as_some_run_has_left_it() {
    let place = Place::new();
    let setup = "sh -c 'echo old > {dir}/f'";
    let direct = "sleep 0; i=0; while [ $i -lt 3 ]; do seq 2000 > {dir}/f; i=$((i+1)); done";
    let ran = run(&place, &["--setup", setup, "--", "sh", "-c", direct]);
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("f is torn: neither as the last save left it nor as the next one does"), "{said}");
    let deleted = run(
        &place,
        &["--setup", setup, "--", "sh", "-c", "rm {dir}/f; mv {dir}/g {dir}/f 2> /dev/null || echo new > {dir}/f"],
    );
    assert!(deleted.exit == Some(1) && deleted.out.contains("missing"), "{}", deleted.out);
    let atomic = run(
        &place,
        &["--setup", setup, "--", "sh", "-c", "for i in 1 2; do seq 2000 > {dir}/g; mv {dir}/g {dir}/f; done"],
    );
    assert_eq!(atomic.exit, Some(0), "{}{}", atomic.out, atomic.err);
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
fn a_crash_point_is_held_against_the_saves_before_and_after_it() {
    let place = Place::new();
    let swept = |options: &[&str], script: &str| {
        let ran = run(&place, &[options, &["--", "sh", "-c", script]].concat());
        (ran.exit, ran.out.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    // It was there after the first save, and was not at the start.
    let remade = "for i in 1 2 3; do seq $i 9 > {dir}/g; rm -f {dir}/f; mv {dir}/g {dir}/f; done";
    let (exit, said) = swept(&[], remade);
    assert!(exit == Some(1) && said.contains("missing"), "{said}");
    // By the clock nobody knows whether a save was over.
    assert_eq!(swept(&["--fault", "kill", "--iterations", "30"], remade).0, Some(3));
    // Empty is what it was, and never again.
    let (exit, said) = swept(&["--setup", "touch {dir}/f"], "for i in 1 2 3; do echo $i > {dir}/f; done");
    assert!(exit == Some(1) && said.contains("empty"), "{said}");
    // What is made in the run and written over nothing may hurt or not.
    let (exit, said) = swept(&[], "for i in 1 2; do seq 3000 > {dir}/save-$i; done");
    assert!(exit == Some(3) && said.contains("while the run makes it"), "{said}");
    // What is not judged is no pass, and is named.
    for options in [&["--exclude", "*"][..], &[]] {
        let (exit, said) = swept(options, "for i in 1 2; do seq 3000 > {dir}/state.lock; done");
        assert!(exit == Some(3) && said.contains("changes no file that is judged"), "{said}");
        assert!(said.contains("files that are excluded, and not judged (--include GLOB brings one back): state.lock"));
    }
    // One file that a checker has to judge does not hide behind many saves of another one.
    let hides = "for i in $(seq 60); do echo $i > {dir}/g; mv {dir}/g {dir}/f; done; seq 3000 >> {dir}/orders";
    let (exit, said) = swept(&["--setup", "sh -c 'echo 0 > {dir}/f; echo 0 > {dir}/orders'"], hides);
    assert!(exit == Some(3) && said.contains("orders is between two versions"), "{said}");
}

#[test]
fn what_a_second_hand_changes_is_not_taken_for_torn() {
    if !is_here(PYTHON) {
        return;
    }
    let place = Place::new();
    let writer = place.path().join("clock.py");
    let script = "import os, sys, time, json\np = os.path.join(sys.argv[1], 's.json')\nfor n in range(8):\n    \
                  with open(p + '.tmp', 'w') as f:\n        json.dump({'n': n, 't': int(time.time()), 'pad': 'x' * 9000}, f)\n    \
                  os.replace(p + '.tmp', p)\n    time.sleep(0.005)\n";
    fs::write(&writer, script).unwrap();
    let program = ["--", "python3", writer.to_str().unwrap(), "{dir}"];
    let killed = run(&place, &[&["--fault", "kill", "--iterations", "60"], &program[..]].concat());
    assert!(matches!(killed.exit, Some(0 | 3)) && !killed.out.contains("torn"), "{}{}", killed.out, killed.err);
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
    assert_eq!(row(&summary, "none")["raw"], serde_json::json!({ "whole": 3 }), "{summary}");
}

#[test]
fn by_the_clock_as_well_every_save_of_a_run_is_a_version() {
    let place = Place::new();
    let kills = |script: &str| {
        let options = ["--setup", "sh -c 'seq 3000 > {dir}/f'", "--fault", "kill", "--iterations", "40"];
        run(&place, &[&options[..], &["--", "sh", "-c", script]].concat())
    };
    let atomic = kills("for i in 1 2 3 4 5 6; do seq $i 4000 > {dir}/g; sleep 0.01; mv {dir}/g {dir}/f; done");
    assert_eq!(atomic.exit, Some(0), "{}{}", atomic.out, atomic.err);
    let direct = kills(
        "for i in 1 2 3 4 5 6; do { seq $i 4000; sleep 0.01; } > {dir}/f; rm {dir}/f; sleep 0.01; seq 9 > {dir}/f; done",
    );
    assert_eq!(direct.exit, Some(1), "{}{}", direct.out, direct.err);
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
fn what_is_wrong_with_a_command_is_said_clearly() {
    let place = Place::new();
    let saves = ["--", "sh", "-c", "echo 1 > {dir}/f; echo 2 > {dir}/f"];
    let with = |options: &[&str]| run(&place, &[options, &saves[..]].concat());
    let says = |script: &str| run(&place, &["--", "sh", "-c", script]);
    for (ran, exit, words) in [
        (with(&["--check", "sleep 100", "--limit", "5s"]), 4, "the checker `sleep 100` did not answer within 5 s"),
        (
            with(&["--check-batch", "sleep 100", "--limit", "5s"]),
            4,
            "the checker `sleep 100` did not answer within 5 s",
        ),
        (with(&["--check", "echo crashtest: all is well"]), 2, "said “crashtest: all is well”, which is none of"),
        (with(&["--check", "sh -c 'exit 127'"]), 2, "the checker `sh -c 'exit 127'` ended with status 127"),
        (with(&["--check", "no-such-checker-9 {dir}"]), 2, "`no-such-checker-9` is not there"),
        (with(&["--check", "python3 'x"]), 2, "--check `python3 'x`: missing closing quote"),
        (with(&["--setup", "echo hi > {dir}/f"]), 2, "`>` means something to shells alone"),
        (with(&["--check", "echo crashtest: state 4"]), 2, "the checker found state 4, and the program had printed no"),
        (says("echo crashtest: ack four; echo 1 > {dir}/f"), 2, "“crashtest: ack four” is none of"),
        (says("echo 1 > {dir}/f; echo crashtest: ack 1"), 2, "comes without “crashtest: begin 1” before it"),
        (says("echo 1 > {dir}/f; echo crashtest: begin 1; echo crashtest: ack 1"), 2, "let it flush each line"),
        (with(&["--setup", "false"]), 2, "the set-up `false` ended with status 1"),
        (with(&["--writers", "2"]), 2, "is for strategies"),
        (with(&["--iterations", "9"]), 2, "--iterations counts kills, and none is planned"),
        (with(&["--check", "true", "--exclude", "f"]), 2, "choose what is judged without a checker"),
        (with(&["--exclude", "["]), 2, "--exclude does not take `[`"),
        (run(&place, &["--", "no-such-interpreter-9", "{dir}"]), 2, "`no-such-interpreter-9` is not there"),
        (run(&place, &["--cwd", "--", "sh", "-c", "echo no config >&2; exit 3"]), 4, "exited with status 3: no config"),
        (run(&place, &["--cwd", "--limit", "5s", "--", "sleep", "100"]), 4, "did not end within 5 s"),
        (run(&place, &["--cwd", "--", "true"]), 3, "changed no file in the state directory"),
    ] {
        let said = format!("{}{}", ran.out, ran.err);
        let on_one_line = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(ran.exit == Some(exit) && on_one_line.contains(words), "{words}: {:?} {said}", ran.exit);
    }
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
fn what_differs_from_run_to_run_is_no_damage_whatever_was_injected_before() {
    let place = Place::new();
    // Saves one list as far as its process's number says.
    let script =
        "for i in 1 2 3; do seq 3000 | head -c $((100 + $$ % 7000)) > {dir}/t && mv {dir}/t {dir}/f || exit 1; done";
    let ran = run(
        &place,
        &["--fault", "io,kill", "--iterations", "40", "--max-states", "4", "--jobs", "1", "--", "sh", "-c", script],
    );
    let kills: Vec<String> = place
        .trials()
        .iter()
        .filter(|trial| trial["fault"] == "kill")
        .map(|trial| trial["outcome"]["judged"].to_string())
        .collect();
    assert!(kills.len() == 40 && !kills.iter().any(|verdict| verdict.contains("torn")), "{kills:?}\n{}", ran.out);
}

#[test]
fn a_failure_of_a_program_is_replayed_at_the_same_call() {
    let place = Place::new();
    let ran = run(&place, &["--", "sh", "-c", "for i in 1 2 3; do seq 3000 > {dir}/f; done"]);
    assert_eq!(ran.exit, Some(1), "{}", ran.out);
    shows_again(&place, ".sweep.torn.");
}

#[test]
fn what_a_checker_refuses_is_called_the_same_when_it_is_replayed() {
    let place = Place::new();
    // A save that fails leaves half of it, and the program ends as if all were well.
    let script = "for i in 1 2; do seq 3000 > {dir}/f; done 2> {dir}/log; exit 0";
    let check =
        "sh -c 'test ! -e {dir}/f || test \"$(tail -n 1 {dir}/f)\" = 3000 || echo crashtest: refused no whole list'";
    let ran = run(&place, &["--fault", "sweep,io", "--check", check, "--", "sh", "-c", script]);
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    for failure in [".sweep.torn.after-write", ".sweep.empty.after-truncate", ".io.torn."] {
        shows_again(&place, failure);
    }
}

/// Replays the failure whose folder is called so, in `place`.
fn shows_again(place: &Place, called: &str) {
    let folders = place.kept_failures();
    let failure = folders.iter().find(|folder| folder.to_string_lossy().contains(called));
    let failure = failure.unwrap_or_else(|| panic!("{called} in {folders:?}"));
    let verdict = if called.contains("torn") { "torn" } else { "empty" };
    let replayed = Ran::of(place.command("replay").arg(failure).output().unwrap());
    assert_eq!(replayed.exit, Some(1), "{}{}", replayed.out, replayed.err);
    let again = format!("{verdict} reproduced 20 of 20");
    assert!(
        replayed.out.contains(&format!("{verdict} shows again")) && replayed.out.contains(&again),
        "{}",
        replayed.out
    );
}

#[test]
fn what_a_program_has_left_running_is_of_its_run() {
    let place = Place::new();
    let setup = "sh -c 'seq 3000 > {dir}/f; echo 0 > {dir}/n'";
    let script =
        "(sleep 0.2; for i in 1 2 3; do seq 3000 > {dir}/f; sleep 0.02; done) & echo 1 > {dir}/t; mv {dir}/t {dir}/n";
    for fault in [&["--fault", "sweep"][..], &["--fault", "kill", "--iterations", "60"]] {
        let ran = run(&place, &[fault, &["--setup", setup, "--", "sh", "-c", script]].concat());
        assert!(ran.exit == Some(1) && ran.out.contains("f is empty"), "{fault:?} {}{}", ran.out, ran.err);
    }
}

#[test]
fn what_there_is_no_model_of_proves_nothing() {
    let place = Place::new();
    // In the second, beside a file whose names are text.
    let scripts = ["n=$(printf '\\377'); for i in 1 2 3; do seq 3000 > {dir}/$n; done; ", "mv {dir}.new {dir}/f; "];
    let setup =
        "sh -c 'seq 3000 > {dir}/f; seq 3000 > {dir}/$(printf \"\\377\"); echo 0 > {dir}/n; echo new > {dir}.new'";
    let renames = "echo 1 > {dir}/t; mv {dir}/t {dir}/n; echo 2 > {dir}/t; mv {dir}/t {dir}/n; seq 3 > {dir}.new";
    let check =
        ["--check", "sh -c 'test -s {dir}/n && test -s {dir}/f && echo crashtest: ok || echo crashtest: refused none'"];
    for (script, words) in scripts.into_iter().zip(["names that are not UTF-8", "rename into the state directory"]) {
        let script = format!("{script}{renames}");
        for (fault, check) in [("sweep", &[][..]), ("io", &[]), ("kill", &[]), ("sweep", &check), ("io", &check)] {
            let options = ["--fault", fault, "--iterations", "20", "--jobs", "1", "--setup", setup];
            let of_kills = if fault == "kill" { &options[..] } else { &[&options[..2], &options[4..]].concat() };
            let ran = run(&place, &[of_kills, check, &["--", "sh", "-c", &script]].concat());
            let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                said.contains(&format!("crashtest has no model of {words}")),
                "{fault} {check:?}: {said}{}",
                ran.err
            );
            assert_ne!(ran.exit, Some(0), "{fault} {check:?}: {said}");
            assert!(!said.contains("no kill landed inside a save"), "of a program that says nothing of saves: {said}");
        }
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
fn nobody_whom_a_program_has_left_running_is_left() {
    let place = Place::new();
    for (seconds, exit) in [("0.4321", 1), ("1000.4321", 4)] {
        let daemon = place.path().join("daemon.pid");
        let leaves = format!(
            "setsid sh -c 'echo $$ >> {0}; exec sleep {seconds}' > /dev/null 2>&1 < /dev/null & sleep 0.05; echo 1 > {{dir}}/f; echo 2 > {{dir}}/f",
            daemon.display()
        );
        let options = ["--fault", "kill,sweep", "--iterations", "4", "--limit", "10s"];
        let ran = run(&place, &[&options[..], &["--", "sh", "-c", &leaves]].concat());
        assert_eq!(ran.exit, Some(exit), "{}{}", ran.out, ran.err);
        let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(said.contains("did not end within 10 s, with all that it has started"), exit == 4, "{said}");
        let pids = fs::read_to_string(&daemon).unwrap();
        assert!(pids.lines().count() > 1, "runs have left one each: {pids}");
        for pid in pids.lines() {
            // Somebody else may have its number by now.
            let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            assert!(!command.contains(".4321"), "{pid} is still there: {command}");
        }
    }
    assert!(
        !fs::read_dir(place.path().join("results")).unwrap().any(|entry| entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("sandbox"))
    );
}
