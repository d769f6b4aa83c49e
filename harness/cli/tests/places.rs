//! Where a program saves, and which options go with it: what nobody would obey is refused before anything is started.

mod support;

use std::fs;

use support::{Place, Ran, verdicts};

fn run(place: &Place, options: &str, more: &[&str]) -> Ran {
    Ran::from(place.command(options).args(more).output().unwrap())
}

#[test]
fn a_program_that_is_not_told_where_to_save_is_not_started() {
    let place = Place::new();
    for more in [&["--check", "test -e {dir}/f"][..], &["--setup", "touch {dir}/f"], &[]] {
        let command = [more, &["--", "sh", "-c", "echo ran >> marker"]].concat();
        let ran = run(&place, "run --fault kill", &command);
        assert_eq!(ran.exit, Some(2), "{}{}", ran.out, ran.err);
        for said in ["{dir}", "--cwd", "--uses-env", "cd {dir} && echo ran >> marker"] {
            assert!(ran.err.contains(said), "{said}: {}", ran.err);
        }
        assert_eq!(place.names("."), [""; 0], "nothing was run, nothing was written");
    }
}

#[test]
fn a_program_that_is_started_inside_its_directory_is_judged_there() {
    let place = Place::new();
    fs::write(place.path().join("bad.sh"), "seq 3000 > f; seq 4000 > f").unwrap();
    fs::write(place.path().join("good.sh"), "seq 4000 > t; mv t f").unwrap();
    for (script, exit) in [("bad.sh", 1), ("good.sh", 0)] {
        let options = ["--setup", "sh -c 'seq 2000 > {dir}/f'", "--", "sh", script];
        let ran = run(&place, "run --quiet --seed 1 --cwd --fault sweep --output-format json", &options);
        assert_eq!(ran.exit, Some(exit), "{script}: {}{}", ran.out, ran.err);
        let summary = serde_json::from_str(&ran.out).unwrap();
        assert!(verdicts(&summary).iter().all(|verdict| ["intact", "torn", "empty"].contains(&&**verdict)));
        let mut left = place.names(".");
        left.sort();
        assert_eq!(left, ["bad.sh", "good.sh", "results"], "it worked elsewhere");
    }
}

#[test]
fn a_program_that_changes_a_file_of_ours_that_its_words_name_is_stopped_after_one_run() {
    let place = Place::new();
    fs::write(place.path().join("state.txt"), "0\n").unwrap();
    let script = "echo run >> \"$1\"; echo 1 > t; mv t f";
    let ran = run(&place, "run --quiet --seed 1 --cwd", &["--", "sh", "-c", script, "sh", "state.txt"]);
    assert_eq!(ran.exit, Some(2), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("state.txt") && ran.err.contains("{dir}/state.txt"), "{}", ran.err);
    assert_eq!(fs::read_to_string(place.path().join("state.txt")).unwrap(), "0\nrun\n", "one run");
}

#[test]
fn a_program_that_reads_its_directory_from_the_environment_says_so() {
    let place = Place::new();
    let script = "seq 4000 > $CRASHTEST_DIR/t; mv $CRASHTEST_DIR/t $CRASHTEST_DIR/f";
    let options = ["--setup", "touch {dir}/f", "--", "sh", "-c", script];
    let ran = run(&place, "run --quiet --seed 1 --uses-env", &options);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
}

#[test]
fn an_audit_of_a_copy_leaves_the_original_as_it_was() {
    let place = Place::new();
    fs::write(place.path().join("f"), "first\n").unwrap();
    fs::write(place.path().join("writer.sh"), "seq 3000 > f").unwrap();
    let ran = run(&place, "audit --copy", &["--", "sh", "writer.sh"]);
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("worked on a copy"), "{}", ran.out);
    assert_eq!(fs::read_to_string(place.path().join("f")).unwrap(), "first\n");
}

#[test]
fn a_copy_has_links_and_no_pipes_and_is_set_up_and_checked_in_place_of_the_original() {
    let place = Place::new();
    fs::create_dir(place.path().join("data")).unwrap();
    fs::write(place.path().join("data/f"), "0\n").unwrap();
    std::os::unix::fs::symlink("data/f", place.path().join("link")).unwrap();
    nix::unistd::mkfifo(&place.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let before = place.names(".");
    let script =
        "test ! -e pipe && test $(readlink link) = data/f && test $(cat link) = 1 && echo 2 > t && mv t data/f";
    let options = ["--setup", "sh -c 'echo 1 > data/f'", "--check", "test -s {dir}/data/f", "--", "sh", "-c", script];
    let ran = run(&place, "audit --copy", &options);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    assert_eq!(fs::read_to_string(place.path().join("data/f")).unwrap(), "0\n", "the original");
    assert_eq!(place.names(".").len(), before.len(), "nothing was added");
}

#[test]
fn a_failure_under_cwd_is_replayed_from_anywhere() {
    let place = Place::new();
    fs::write(place.path().join("bad.sh"), "seq 3000 > f; seq 4000 > f").unwrap();
    let options = ["--setup", "sh -c 'seq 2000 > {dir}/f'", "--", "sh", "bad.sh"];
    let ran = run(&place, "run --quiet --seed 1 --cwd --fault sweep", &options);
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    let failure = place.kept_failures().remove(0);
    let elsewhere = Place::new();
    let ran = run(&elsewhere, "replay", &[failure.to_str().unwrap()]);
    assert_eq!(ran.exit, Some(1), "it shows again: {}{}", ran.out, ran.err);
    assert_eq!(elsewhere.names("."), [""; 0], "nothing was written there");
}

#[test]
fn an_option_that_does_not_apply_is_refused_with_what_it_is_for() {
    let place = Place::new();
    let program = ["--", "sh", "-c", "echo 1 > {dir}/f"];
    for option in [
        "--check true",
        "--check-batch cat",
        "--setup true",
        "--continue",
        "--include x",
        "--exclude x",
        "--cwd",
        "--uses-env",
    ] {
        let ran = run(&place, &format!("run --strategy atomic {option}"), &[]);
        assert_eq!(ran.exit, Some(2), "{option}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(option.split(' ').next().unwrap()), "{option}: {}", ran.err);
    }
    for option in [
        "--workload fills",
        "--state-size 64KiB",
        "--fresh",
        "--loader strict",
        "--targets x",
        "--idle 0",
        "--writers 1",
        "--readers 0",
        "--threads",
        "--signal kill",
        "--kill-at any",
    ] {
        let ran = run(&place, &format!("run {option}"), &program);
        assert_eq!(ran.exit, Some(2), "{option}: {}{}", ran.out, ran.err);
        let name = option.split(' ').next().unwrap();
        assert!(ran.err.contains(name) && ran.err.contains("hint: "), "{option}: {}", ran.err);
    }
    assert_eq!(place.names("."), [""; 0]);
}
