//! `crashtest audit` of real programs: what it says of their files, and what it exits with.

mod support;

use std::fs;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use serde_json::{Value, json};
use support::skip::skip;
use support::{Place, Ran};

/// Whether a program is there to be audited. A test without it says that it is skipped.
fn there(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = version.is_ok_and(|status| status.success());
    if !there {
        skip(program);
    }
    there
}

/// A place with the directory `state` to work in, beside which scripts can lie.
fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.path().join("state")).unwrap();
    place
}

/// Runs `crashtest audit` with these options on `program`, in the directory `state`.
fn audit(place: &Place, options: &str, program: &[&str]) -> Ran {
    let mut command = place.command(&format!("audit {options} --"));
    command.args(program).current_dir(place.path().join("state"));
    // What is configured on the machine must not change what git does.
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    Ran::from(command.output().unwrap())
}

/// What an audit of `program` prints as JSON, and its exit status.
fn audited(place: &Place, options: &str, program: &[&str]) -> (Value, Option<i32>) {
    let ran = audit(place, &format!("{options} --output-format json"), program);
    let value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
    (value, ran.exit)
}

/// What was found of one file.
fn file<'a>(audit: &'a Value, path: &str) -> &'a Value {
    let files = audit["files"].as_array().unwrap();
    files.iter().find(|file| file["path"] == path).unwrap_or_else(|| panic!("no {path}: {audit:#}"))
}

/// The ways in which a file was written: "truncate-and-write/nothing".
fn ways(file: &Value) -> Vec<String> {
    let way = |written: &Value| format!("{}/{}", written["way"].as_str().unwrap(), written["synced"].as_str().unwrap());
    file["written"].as_array().unwrap().iter().map(way).collect()
}

/// Runs a Python script of these lines in the directory `state`.
fn python<'a>(place: &Place, name: &'a str, script: &str) -> [&'a str; 2] {
    fs::write(place.path().join("state").join(name), script).unwrap();
    ["python3", name]
}

#[test]
fn json_dump_over_a_file_leaves_it_torn_or_empty() {
    if !there("python3") {
        return;
    }
    let place = place();
    fs::write(place.path().join("state/state.json"), "{}").unwrap();
    let script = "import json\njson.dump(list(range(20000)), open('state.json', 'w'))\n";
    let (audit, exit) = audited(&place, "", &python(&place, "direct.py", script));
    let file = file(&audit, "state.json");
    assert_eq!((exit, &file["under_kill"]), (Some(1), &json!("broken")));
    assert_eq!(ways(file), ["truncate-and-write/nothing"]);
    assert!(file["damage"]["torn"].as_u64() > Some(10) && file["damage"]["empty"] == 2, "{file:#}");
    assert_eq!((&file["example"]["damage"], &file["example"]["before"]), (&json!("torn"), &json!(2)));
    assert!(file["fix"].as_str().unwrap().contains("rename it over state.json"));
    assert_eq!(file["under_power"], "not tested");
    assert_eq!(audit["files"].as_array().unwrap().len(), 1);
}

#[test]
fn the_text_of_a_direct_writer() {
    if !there("python3") {
        return;
    }
    let place = place();
    fs::write(place.path().join("state/state.json"), "{}").unwrap();
    // One write, however much Python buffers.
    let script = "import json\njson.dump(list(range(100)), open('state.json', 'w'))\n";
    let ran = audit(&place, "", &python(&place, "bot.py", script));
    assert_eq!(ran.exit, Some(1), "{}", ran.err);
    assert_snapshot!("audit_direct", ran.out);
}

#[test]
fn a_file_that_the_run_saves_three_times_from_nothing_is_broken() {
    if !there("python3") {
        return;
    }
    let place = place();
    let script = "import json\nfor n in range(3):\n    json.dump(list(range(n, 20000)), open('state.json', 'w'))\n";
    let (audit, exit) = audited(&place, "", &python(&place, "direct.py", script));
    let file = file(&audit, "state.json");
    assert_eq!((exit, ways(file)), (Some(1), vec!["truncate-and-write/nothing".into(), "create/nothing".to_owned()]));
    assert!(file["damage"]["torn"].as_u64() > Some(30) && file["damage"]["empty"] == 6, "{file:#}");
}

#[test]
fn a_replaced_file_is_whole_and_the_missing_fsync_is_named() {
    if !there("python3") {
        return;
    }
    let place = place();
    fs::write(place.path().join("state/state.json"), "{}").unwrap();
    let script = "import json, os\nwith open('state.json.tmp', 'w') as f:\n    json.dump(list(range(100)), f)\n\
                  os.replace('state.json.tmp', 'state.json')\n";
    let program = python(&place, "bot.py", script);
    let ran = audit(&place, "", &program);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    assert_snapshot!("audit_replace", ran.out);
    let (audit, exit) = audited(&place, "", &program);
    let file = file(&audit, "state.json");
    assert_eq!((exit, &file["under_kill"], ways(file)), (Some(0), &json!("whole"), vec!["rename/nothing".to_owned()]));
    assert!(file["missing_for_power"].as_str().unwrap().contains("fsync of the new file"));
    assert_eq!((&audit["temporaries"], &audit["next"]), (&json!(["state.json.tmp"]), &Value::Null));
}

#[test]
fn a_repository_is_one_row_with_a_checker_to_paste() {
    if !there("git") {
        return;
    }
    let place = place();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(place.path().join("state"));
        assert!(command.env("GIT_CONFIG_GLOBAL", "/dev/null").status().unwrap().success());
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["config", "user.name", "A"]);
    git(&["config", "user.email", "a@localhost"]);
    for round in ["first", "second"] {
        fs::write(place.path().join("state/file"), round).unwrap();
        git(&["add", "file"]);
        let (audit, exit) = audited(&place, "", &["git", "commit", "-q", "-m", round]);
        // One row, whatever files it has: what belongs together there only git knows.
        let repository = file(&audit, ".git");
        assert_eq!((exit, &repository["under_kill"]), (Some(3), &json!("needs-check")), "{audit:#}");
        assert_eq!((&repository["database"]["kind"], audit["files"].as_array().unwrap().len()), (&json!("git"), 1));
        assert!(audit["next"].as_str().unwrap().contains("git -C {dir} fsck --strict"), "{audit:#}");
    }
}

#[test]
fn a_database_needs_a_checker_and_a_new_one_as_well() {
    if !there("sqlite3") {
        return;
    }
    let place = place();
    let made =
        Command::new("sqlite3").args(["a.db", "create table t(n)"]).current_dir(place.path().join("state")).status();
    assert!(made.unwrap().success());
    for (name, statement) in
        [("a.db", "insert into t values(1)"), ("new.db", "create table t(n); insert into t values(1)")]
    {
        let (audit, exit) = audited(&place, "", &["sqlite3", name, statement]);
        let file = file(&audit, name);
        assert_eq!((exit, &file["under_kill"]), (Some(3), &json!("needs-check")), "{audit:#}");
        assert_eq!((&file["database"]["kind"], &audit["temporaries"]), (&json!("sqlite"), &json!([])));
        // It works where it is started: no directory of ours could be named to it.
        let next = audit["next"].as_str().unwrap();
        assert!(next.starts_with("crashtest audit --check ") && next.contains("pragma integrity_check"), "{next}");
        assert!(next.ends_with(&format!(" -- sqlite3 {name} '{statement}'")), "{next}");
    }
    let ran = audit(&place, "--accept-unchecked", &["sqlite3", "a.db", "insert into t values(1)"]);
    assert_eq!(ran.exit, Some(0), "{}", ran.out);
    assert!(ran.out.contains("needs --check") && !ran.out.contains("a.db-journal"), "{}", ran.out);
}

/// What a checker of a database makes of it: the lines of a shell.
const INTEGRITY: &str =
    "sh -c 'test $(sqlite3 a.db \"pragma integrity_check\") = ok && sqlite3 a.db \"select n from t\"'";

#[test]
fn a_checker_has_the_last_word_of_a_database_and_works_on_copies() {
    if !there("sqlite3") {
        return;
    }
    let place = place();
    let state = place.path().join("state");
    assert!(
        Command::new("sqlite3").args(["a.db", "create table t(n)"]).current_dir(&state).status().unwrap().success()
    );
    let insert = ["sqlite3", "a.db", "insert into t values(1)"];
    let mut command = place.command("audit --output-format json --check");
    let ran = Ran::from(command.arg(INTEGRITY).arg("--").args(insert).current_dir(&state).output().unwrap());
    let audit: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
    assert_eq!((ran.exit, &audit["next"]), (Some(0), &Value::Null), "{audit:#}");
    let checked = &audit["checked"];
    assert_eq!(
        (&checked["tried"], &checked["left_out"]),
        (&json!({ "planted": true, "unnoticed": [] }), &json!(0)),
        "{audit:#}"
    );
    assert!(
        checked["states"].as_u64() > Some(5) && checked["verdicts"]["intact"] == audit["crash_points"],
        "{audit:#}"
    );
    // Without its journal it is lost, which the checker sees.
    let unsafely = "pragma journal_mode = memory; create table u(n); insert into u values(1); insert into t values(2)";
    let mut command = place.command("audit --check");
    let ran = Ran::from(
        command.arg(INTEGRITY).args(["--", "sqlite3", "a.db", unsafely]).current_dir(&state).output().unwrap(),
    );
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("the program does not get over a kill: wont-open at"), "{}", ran.out);
    // Its own directory was the program's alone.
    let names = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(names, ["a.db"]);
}

#[test]
fn a_checker_is_asked_on_all_processors_and_comes_to_the_same_on_one() {
    let script = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $n > f; echo $n >> g; done";
    let run = |one: bool| {
        let place = place();
        fs::write(place.path().join("state/f"), "0\n").unwrap();
        let asked = place.path().join("asked");
        let check = format!(
            "sh -c 'echo $PPID >> {}; test -s {{dir}}/f && test -f {{dir}}/g || test $(cat {{dir}}/f) = 0'",
            asked.display()
        );
        let crashtest = place.command("audit --output-format json --check");
        let mut command = Command::new("taskset");
        command.args(["-c", if one { "0" } else { "0-1023" }]).arg(crashtest.get_program()).args(crashtest.get_args());
        command.arg(&check).args(["--", "sh", "-c", script]).current_dir(place.path().join("state"));
        let ran = Ran::from(command.output().unwrap());
        let audit: Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
        let askers = fs::read_to_string(asked).unwrap();
        let askers: std::collections::BTreeSet<&str> = askers.lines().collect();
        (ran.exit, audit["checked"].clone(), askers.len())
    };
    let ((exit, all, askers), (_, one, _)) = (run(false), run(true));
    assert_eq!(exit, Some(1), "{all:#}");
    let result = |checked: &Value| {
        let example = &checked["example"];
        [&checked["states"], &checked["left_out"], &checked["verdicts"], &example["place"], &example["why"]]
            .map(Value::clone)
    };
    assert_eq!(result(&all), result(&one));
    let processors = std::thread::available_parallelism().unwrap().get();
    assert!(askers > processors.min(4) || processors == 1, "{askers} processes asked on {processors} processors");
}

#[test]
fn a_checker_that_notices_nothing_is_no_excuse_for_what_a_kill_leaves() {
    let place = place();
    let f = place.path().join("state/f");
    let direct = ["sh", "-c", "seq 3000 > f"];
    place.executable("look", b"#!/bin/sh\ngrep -q 3000 f\n");
    for (checker, program, exit, words) in [
        // Named from where it was typed, started in a copy.
        ("../look", &direct, 1, "the program does not get over a kill"),
        ("sh ../look", &direct, 2, "name what lies elsewhere by its whole path"),
        ("grep -q 3000 f", &direct, 1, "the program does not get over a kill"),
        // It would get over an empty file; nobody knows of a torn one.
        ("test -e f", &direct, 1, "a kill can leave the one state file torn or empty"),
        ("true", &direct, 1, "a kill can leave the one state file torn or empty"),
        ("true", &["sh", "-c", "seq 3000 > g; mv g f"], 3, "what it accepts proves nothing"),
        ("grep -q . f", &["sh", "-c", "seq 3000 > g; mv g f"], 0, "the checker accepts all"),
        ("false", &direct, 2, "does not accept what the run itself has left, without any crash"),
        ("echo crashtest: all is well", &direct, 2, "which is none of"),
        ("no-such-checker-9", &direct, 2, "`no-such-checker-9` is not there"),
    ] {
        fs::write(&f, "old\n").unwrap();
        let mut command = place.command("audit --check");
        command.arg(checker).arg("--").args(program).current_dir(place.path().join("state"));
        let ran = Ran::from(command.output().unwrap());
        let said = format!("{}{}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(ran.exit == Some(exit) && said.contains(words), "{checker}: {:?} {said}", ran.exit);
    }
}

#[test]
fn a_checker_that_opens_one_of_two_files_excuses_nothing_of_the_other() {
    let place = place();
    let script = "for i in 1 2; do seq 3000 > positions; echo $i > t; mv t meta; done";
    for (checker, exit) in [("grep -q [0-9] meta", 1), ("sh -c 'grep -q [0-9] meta && grep -c . positions'", 1)] {
        for name in ["positions", "meta"] {
            fs::write(place.path().join("state").join(name), "0\n").unwrap();
        }
        let mut command = place.command("audit --output-format json --check");
        command.arg(checker).args(["--", "sh", "-c", script]).current_dir(place.path().join("state"));
        let ran = Ran::from(command.output().unwrap());
        let audit: Value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}{}", ran.out, ran.err));
        assert_eq!(ran.exit, Some(exit), "{audit:#}");
        let unopened = &audit["checked"]["tried"]["unopened"];
        assert_eq!(*unopened, if checker.starts_with("grep") { json!(["positions"]) } else { Value::Null });
    }
}

#[test]
fn a_first_start_in_a_directory_with_other_files_is_one() {
    let place = place();
    let check = "sh -c 'if test -e f; then grep -q . f && echo crashtest: ok; else echo crashtest: fresh; fi'";
    fs::write(place.path().join("state/readme"), "not a state\n").unwrap();
    let mut command = place.command("audit --check");
    command.args([check, "--", "sh", "-c", "seq 9 > t; mv t f"]).current_dir(place.path().join("state"));
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
}

#[test]
fn nobody_whom_a_checker_has_left_running_is_left_and_a_program_that_failed_proves_nothing() {
    let place = place();
    let pids = place.path().join("pids");
    fs::write(place.path().join("state/f"), "0\n").unwrap();
    let check = format!(
        "sh -c 'setsid sh -c \"echo \\$\\$ >> {}; exec sleep 1000\" & sleep 0.05; grep -q . f'",
        pids.display()
    );
    let mut command = place.command("audit --check");
    command.args([&check, "--", "sh", "-c", "echo 1 > t; mv t f"]).current_dir(place.path().join("state"));
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    let pids = fs::read_to_string(&pids).unwrap();
    assert!(pids.lines().count() > 3, "{pids}");
    for pid in pids.lines() {
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!command.contains("1000"), "{pid} is still there: {command}");
    }
    let failed = audit(&place, "", &["sh", "-c", "echo 2 > t; mv t f; exit 3"]);
    assert!(failed.exit == Some(3) && failed.out.contains("the program ended with exit status 3"), "{}", failed.out);
}

#[test]
fn a_checker_of_acknowledged_saves_sees_one_that_is_lost() {
    let place = place();
    let acks_early = "echo crashtest: begin 1; echo crashtest: ack 1; echo 1 > {dir}/g; mv {dir}/g {dir}/f";
    let check = "sh -c 'echo crashtest: state $(cat {dir}/f)'";
    let mut command = place.command("audit --output-format json --setup");
    command.args(["sh -c 'echo 0 > {dir}/f'", "--check", check, "--", "sh", "-c", acks_early]);
    let ran = Ran::from(command.output().unwrap());
    let audit: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
    assert_eq!((ran.exit, &audit["files"][0]["under_kill"]), (Some(1), &json!("whole")), "{audit:#}");
    assert!(audit["checked"]["verdicts"]["lost-ack"].as_u64() > Some(1), "{audit:#}");
    assert_eq!(audit["checked"]["example"]["verdict"], "lost-ack");
}

#[test]
fn a_shell_that_redirects_into_a_file_truncates_it_and_one_that_moves_replaces_it() {
    let place = place();
    fs::write(place.path().join("state/f"), "old\n").unwrap();
    let (audit, exit) = audited(&place, "", &["sh", "-c", "echo new > f"]);
    assert_eq!((exit, ways(file(&audit, "f"))), (Some(1), vec!["truncate-and-write/nothing".to_owned()]), "{audit:#}");
    // The program that writes is another one than that which opens, and does not close what it got.
    let (audit, exit) = audited(&place, "", &["sh", "-c", "ls -l / > f"]);
    assert!(exit == Some(1) && file(&audit, "f")["damage"]["empty"].as_u64() >= Some(2), "{audit:#}");
    let (audit, exit) = audited(&place, "", &["sh", "-c", "for n in 1 2; do echo $n > t; mv t f; done"]);
    assert_eq!((exit, ways(file(&audit, "f"))), (Some(0), vec!["rename/nothing".to_owned()]), "{audit:#}");
    let (audit, exit) = audited(&place, "", &["sh", "-c", "for n in 1 2; do echo $n >> f; done"]);
    assert_eq!((exit, &file(&audit, "f")["under_kill"]), (Some(0), &json!("whole")), "{audit:#}");
    let (audit, exit) = audited(&place, "", &["sh", "-c", "rm f; echo new > t; mv t f"]);
    assert_eq!((exit, ways(file(&audit, "f"))), (Some(1), vec!["delete-then-rename/nothing".to_owned()]), "{audit:#}");
    assert!(file(&audit, "f")["damage"]["missing"].as_u64() >= Some(6), "{audit:#}");
}

#[test]
fn a_run_that_writes_no_state_file_proves_nothing() {
    let place = place();
    let ran = audit(&place, "", &["true"]);
    let dir = place.path().canonicalize().unwrap().join("state");
    let said = format!("the run wrote nothing below {}: nothing was tested", dir.display());
    // A long path may be on a line of its own.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(ran.exit == Some(3) && words(&ran.out).contains(&said), "{}{}", ran.out, ran.err);
    let script = "echo x > bot.log; echo y > t; rm t";
    let (audit, exit) = audited(&place, "", &["sh", "-c", script]);
    assert_eq!((exit, &audit["files"], &audit["temporaries"]), (Some(3), &json!([]), &json!(["t"])));
    assert_eq!(audit["excluded"], json!([{ "path": "bot.log", "pattern": "*.log" }]));
    assert!(audit["conclusion"].as_str().unwrap().contains("only excluded and temporary files"));
    let (audit, exit) = audited(&place, "--include *.log", &["sh", "-c", script]);
    assert_eq!((exit, ways(file(&audit, "bot.log"))), (Some(1), vec!["truncate-and-write/nothing".to_owned()]));
    assert_eq!(audited(&place, "--include *.log --exclude bot.*", &["sh", "-c", script]).1, Some(1), "included");
    let (_, exit) = audited(&place, "--exclude f", &["sh", "-c", "echo > f"]);
    assert_eq!(exit, Some(3));
}

#[test]
fn a_file_that_is_moved_in_from_outside_is_there_whole_or_not_at_all() {
    let place = place();
    let (audit, exit) = audited(&place, "", &["sh", "-c", "echo x > ../t; mv ../t f"]);
    assert_eq!((exit, &file(&audit, "f")["under_kill"]), (Some(0), &json!("whole")), "{audit:#}");
    assert_eq!(ways(file(&audit, "f"))[0].split('/').next(), Some("move"));
}

#[test]
fn what_a_program_leaves_running_is_said_and_proves_nothing() {
    let place = place();
    let (audit, exit) = audited(&place, "--limit 5s --saves 9", &["sh", "-c", "sleep 1000 & echo 1 > t; mv t f"]);
    assert_eq!((exit, &audit["status"]), (Some(3), &"what it had left running was stopped after 5 s".into()));
}

#[test]
fn what_cannot_be_run_is_a_usage_error_with_its_reason() {
    let place = place();
    for (options, program, reason) in [
        ("", "not-a-program-of-this-machine", "is not there"),
        ("--dir nowhere", "true", "nowhere"),
        ("--include [", "true", "--include does not take `[`"),
        ("--setup false", "true", "the set-up `false` ended"),
    ] {
        let ran = audit(&place, options, &[program]);
        assert_eq!((ran.exit, ran.out.as_str()), (Some(2), ""), "{options}: {}", ran.err);
        assert!(ran.err.contains(reason), "{options}: {}", ran.err);
    }
    assert_eq!(Ran::from(place.command("audit").output().unwrap()).exit, Some(2));
}

#[test]
fn the_state_directory_is_the_one_that_is_named_or_one_of_our_own_that_is_gone_afterwards() {
    let place = place();
    let temporary = place.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let script =
        "test \"$1\" = \"$CRASHTEST_DIR\" && cat {dir}/was > /dev/null && echo new > \"$1/was\" && echo x > elsewhere";
    let mut command = place.command("audit --output-format json --setup");
    command.args(["sh -c 'echo old > {dir}/was'", "--", "sh", "-c", script, "sh", "{dir}"]).env("TMPDIR", &temporary);
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    let audit: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ways(file(&audit, "was"))[0].as_str(), &audit["dir"]), ("truncate-and-write/nothing", &Value::Null));
    let elsewhere = place.path().canonicalize().unwrap().join("elsewhere");
    assert_eq!(audit["outside"], json!([elsewhere]));
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "nothing is left");

    let named = place
        .command("audit --dir state --output-format json -- sh")
        .args(["-c", "echo x > {dir}/t; mv {dir}/t {dir}/f"])
        .output();
    let ran = Ran::from(named.unwrap());
    assert_eq!((ran.exit, place.path().join("state/f").exists()), (Some(0), true), "{}{}", ran.out, ran.err);
}
