//! Somebody's own program, in any language: run, crashed, and judged by the files that it leaves.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;
use support::programs::{EXAMPLES, Interpreter, Language, assert_shows_again, run, run_example};
use support::skip::{skip, unless_thorough};
use support::{Place, Ran, count, row, verdicts};

/// The verdicts that are violations, by name.
fn violations(summary: &Value) -> Vec<String> {
    let mut violations: Vec<String> = verdicts(summary).into_iter().filter(|verdict| verdict != "intact").collect();
    violations.sort();
    violations.dedup();
    violations
}

#[test]
fn in_every_language_the_direct_writer_is_torn_and_empty_and_the_atomic_one_whole() {
    for language in [Language::Python, Language::Node, Language::Shell] {
        let Some(interpreter) = Interpreter::find(language) else { continue };
        let place = Place::new();
        // One checker for each state, as these two have, takes long.
        let few = match language {
            Language::Python => unless_thorough(&["--max-states", "120"]),
            _ => &["--max-states", "60"],
        };
        let (exit, summary) = run_example(&place, &interpreter, "direct", "", few);
        assert_eq!(
            (exit, violations(&summary)),
            (Some(1), vec!["empty".to_owned(), "torn".to_owned()]),
            "{language:?} {summary}"
        );
        let (exit, summary) = run_example(&place, &interpreter, "atomic", "", few);
        assert_eq!((exit, violations(&summary)), (Some(0), vec![]), "{language:?} {summary}");
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
        Ran::from(command.output().unwrap())
    };
    if Interpreter::find(Language::Python).is_none() || pytest(&["--version"]).exit != Some(0) {
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
    let Some(python) = Interpreter::find(Language::Python) else { return };
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
        let ran = run_example(&place, &python, writer, checked_as, &[]);
        let wrong: Vec<String> = wrong.into_iter().map(str::to_owned).collect();
        assert_eq!((ran.0, violations(&ran.1)), (Some(exit), wrong), "{writer}: {}", ran.1);
    }
}

#[test]
fn a_program_is_killed_by_the_clock_and_its_calls_fail_just_as_well() {
    let Some(python) = Interpreter::find(Language::Python) else { return };
    let place = Place::new();
    // Each failing call is a run of its own.
    let few = unless_thorough(&["--max-states", "60"]);
    let more = [&["--fault", "kill,io", "--iterations", "60"][..], few].concat();
    let (exit, summary) = run_example(&place, &python, "direct", "", &more);
    assert_eq!(exit, Some(1), "{summary}");
    let killed = row(&summary, "kill");
    assert_eq!((killed["trials"].as_u64(), killed["kills_landed"].as_u64() > Some(20)), (Some(60), true), "{summary}");
    assert!(count(killed, "torn") + count(killed, "empty") > 5, "{summary}");
    assert!(count(row(&summary, "io"), "empty") > 0 && count(row(&summary, "io"), "torn") > 0, "{summary}");
    let more = [&["--fault", "kill,io", "--iterations", "40", "--continue"][..], few].concat();
    let (exit, summary) = run_example(&place, &python, "atomic", "", &more);
    assert_eq!((exit, violations(&summary)), (Some(0), vec![]), "{summary}");
    // Life after life: what was saved before is still there.
    let recovered = |trial: &Value| (trial["fault"] == "kill").then(|| trial["observed"]["generation"].as_u64())?;
    assert!(place.trials().iter().filter_map(recovered).max() > Some(8), "more than one life saves");
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
    assert!(said.contains("while the run makes it"), "{said}");
    // The next run empties what this one has made.
    assert!(exit == Some(1) && said.contains("again:"), "{said}");
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
    let Some(python) = Interpreter::find(Language::Python) else { return };
    let place = Place::new();
    let writer = place.path().join("clock.py");
    let script = "import os, sys, time, json\np = os.path.join(sys.argv[1], 's.json')\nfor n in range(8):\n    \
                  with open(p + '.tmp', 'w') as f:\n        json.dump({'n': n, 't': int(time.time()), 'pad': 'x' * 9000}, f)\n    \
                  os.replace(p + '.tmp', p)\n    time.sleep(0.005)\n";
    fs::write(&writer, script).unwrap();
    let program = [&["--"], &python.words(&[writer.to_str().unwrap(), "{dir}"])[..]].concat();
    let killed = run(&place, &[&["--fault", "kill", "--iterations", "60"], &program[..]].concat());
    assert!(matches!(killed.exit, Some(0 | 3)) && !killed.out.contains("torn"), "{}{}", killed.out, killed.err);
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
fn what_is_wrong_with_a_command_is_said_clearly() {
    let place = Place::new();
    let saves = ["--", "sh", "-c", "echo 1 > {dir}/f; echo 2 > {dir}/f"];
    let with = |options: &[&str]| run(&place, &[options, &saves[..]].concat());
    let says = |script: &str| run(&place, &["--", "sh", "-c", script]);
    // These wait for their limit, all at once.
    let limit = ["--limit", "5s"];
    let waiting = [
        [&["--check", "sleep 100"], &limit[..], &saves].concat(),
        [&["--check-batch", "sleep 100"], &limit[..], &saves].concat(),
        [&["--cwd", "--for", "1s"], &limit[..], &["--", "sleep", "100"]].concat(),
    ];
    let waited = std::thread::scope(|scope| {
        let threads = waiting.map(|words| scope.spawn(move || run(&Place::new(), &words)));
        threads.map(|thread| thread.join().unwrap())
    });
    let [one_check, batch_check, endless] = waited;
    for (ran, exit, words) in [
        (one_check, 4, "the checker `sleep 100` did not answer within 5 s"),
        (batch_check, 4, "the checker `sleep 100` did not answer within 5 s"),
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
        (with(&["--exclude", "["]), 2, "--exclude does not take `[`"),
        (run(&place, &["--", "no-such-interpreter-9", "{dir}"]), 2, "`no-such-interpreter-9` is not there"),
        (run(&place, &["--cwd", "--", "sh", "-c", "echo no config >&2; exit 3"]), 4, "exited with status 3: no config"),
        (endless, 4, "did not end within 6 s, and changed no file until then"),
        (run(&place, &["--cwd", "--", "true"]), 3, "changed no file in the state directory"),
    ] {
        let said = format!("{}{}", ran.out, ran.err);
        let on_one_line = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(ran.exit == Some(exit) && on_one_line.contains(words), "{words}: {:?} {said}", ran.exit);
    }
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
fn what_only_one_worker_has_recorded_is_asked_for_as_well() {
    // Each worker has a directory of its own; what the program does differs with it. Both are broken at two points one after the other.
    let script = "cd \"$1\"; case $1 in
        */worker-0/*) : > log; rm a; : > a; echo one > a ;;
        *) mv b c; : > b; echo one > b ;;
    esac";
    let check = "sh -c 'for f in a b; do test -s {dir}/$f || echo crashtest: refused no $f; done'";
    let setup = "sh -c 'echo none > {dir}/a; echo none > {dir}/b'";
    let options = ["--output-format", "json", "--jobs", "2", "--fault", "sweep,io", "--setup", setup, "--check", check];
    let place = Place::new();
    let ran = run(&place, &[&options[..], &["--", "sh", "-c", script, "sh", "{dir}"]].concat());
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    let (trials, summary) = (place.trials(), serde_json::from_str(&ran.out).unwrap());
    for (fault, wanted) in [
        ("sweep", &["after-unlink-before-create", "after-rename-before-create", "after-create-before-close"][..]),
        ("io", &["in-unlink", "in-rename", "in-create", "in-write"]),
    ] {
        let of_fault = || trials.iter().filter(|trial| trial["fault"] == fault);
        let phases: BTreeSet<&str> = of_fault().map(|trial| trial["phase"].as_str().unwrap()).collect();
        for phase in wanted {
            assert!(phases.contains(phase), "{fault} {phase}: {phases:?}");
        }
        let swept = &row(&summary, fault)["swept"];
        let planned = swept["points"].as_u64().unwrap() + swept["points_again"].as_u64().unwrap();
        assert_eq!(of_fault().count() as u64, planned, "{fault}: each once");
        let numbers: BTreeSet<u64> = of_fault().map(|trial| trial["trial"].as_u64().unwrap()).collect();
        assert_eq!(numbers.len() as u64, planned, "{fault}: each has a number of its own");
    }
}

#[test]
fn workers_that_record_other_calls_stay_within_the_bound_together() {
    let script = "cd \"$1\"; case $1 in */worker-0/*) f=a ;; *) f=b ;; esac; for n in one two three four five six; do echo $n > $f-$n; done";
    let place = Place::new();
    let options = ["--jobs", "2", "--fault", "sweep,io", "--max-states", "10", "--check", "true"];
    let ran = run(&place, &[&options[..], &["--", "sh", "-c", script, "sh", "{dir}"]].concat());
    assert_eq!(ran.exit, Some(3), "such a checker sees nothing: {}{}", ran.out, ran.err);
    let trials = place.trials();
    let of_first_life = |trial: &&serde_json::Value| trial["trial"].as_u64().unwrap() < 1_000_000;
    for fault in ["sweep", "io"] {
        let asked = trials.iter().filter(|trial| trial["fault"] == fault).filter(of_first_life).count();
        assert!((6..=10).contains(&asked), "{fault}: {asked}");
    }
}

#[test]
fn points_that_workers_record_in_another_order_are_all_asked_for() {
    // Two files, whose names differ in a number, are written over: by the first worker's program in the other order. Nothing is written again
    // in the lives after that.
    let save = |n: u32| format!("echo new > s-{n}");
    let each = format!("*/worker-0/*) {}; {} ;; *) {}; {} ;;", save(2), save(1), save(1), save(2));
    let script = format!("cd \"$1\"; test -e ran && exit; : > ran; mkdir a b; case $1 in {each} esac");
    for (jobs, file) in [("2", "s-1"), ("2", "s-2"), ("3", "s-1"), ("3", "s-2")] {
        let check = format!("sh -c 'test -s {{dir}}/{file} || echo crashtest: refused nothing is in it'");
        let setup = "sh -c 'echo none > {dir}/s-1; echo none > {dir}/s-2'";
        let options = ["--jobs", jobs, "--setup", setup, "--check", &check, "--", "sh", "-c", &script, "sh", "{dir}"];
        let place = Place::new();
        let ran = run(&place, &options);
        assert_eq!(ran.exit, Some(1), "{jobs} {file}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn a_failure_of_a_program_is_replayed_at_the_same_call() {
    let place = Place::new();
    let ran = run(&place, &["--", "sh", "-c", "for i in 1 2 3; do seq 3000 > {dir}/f; done"]);
    assert_eq!(ran.exit, Some(1), "{}", ran.out);
    assert_shows_again(&place, ".sweep.torn.");
}

#[test]
fn what_a_program_has_left_running_is_of_its_run() {
    let place = Place::new();
    let setup = "sh -c 'seq 3000 > {dir}/f; echo 0 > {dir}/n'";
    let script = "(sleep 0.2; for i in 1 2 3; do { sleep 0.02; seq 3000; } > {dir}/f; done) & echo 1 > {dir}/t; mv {dir}/t {dir}/n";
    for fault in [&["--fault", "sweep"][..], &["--fault", "kill", "--iterations", "60"]] {
        let ran = run(&place, &[fault, &["--setup", setup, "--", "sh", "-c", script]].concat());
        let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(ran.exit == Some(1) && said.contains("f is empty"), "{fault:?} {}{}", ran.out, ran.err);
    }
}

#[test]
fn what_there_is_no_model_of_proves_nothing() {
    let place = Place::new();
    let scripts = [
        "n=$(printf '\\377'); for i in 1 2 3; do seq 3000 > {dir}/$n; done; ",
        "mkdir {dir}.d; mv {dir}.d {dir}/d; rmdir {dir}/d; ",
    ];
    let setup =
        "sh -c 'seq 3000 > {dir}/f; seq 3000 > {dir}/$(printf \"\\377\"); echo 0 > {dir}/n; echo new > {dir}.new'";
    let renames = "echo 1 > {dir}/t; mv {dir}/t {dir}/n; echo 2 > {dir}/t; mv {dir}/t {dir}/n; seq 3 > {dir}.new";
    let check =
        ["--check", "sh -c 'test -s {dir}/n && test -s {dir}/f && echo crashtest: ok || echo crashtest: refused none'"];
    for (script, words) in
        scripts.into_iter().zip(["names that are not UTF-8", "rename of a directory into the state directory"])
    {
        let script = format!("{script}{renames}");
        for (fault, check) in [("sweep", &[][..]), ("io", &[]), ("kill", &[]), ("sweep", &check), ("io", &check)] {
            let bound = if fault == "kill" { "--iterations" } else { "--max-states" };
            let options = ["--fault", fault, bound, "20", "--jobs", "1", "--setup", setup];
            let ran = run(&place, &[&options[..], check, &["--", "sh", "-c", &script]].concat());
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
