//! `crashtest audit --out`: what is kept of an audit, and what `report` and `replay` make of it.

mod support;

use std::fs;

use serde_json::Value;
use support::{Place, Ran};

/// A place with the directory `state` to work in, beside which results can lie.
fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.path().join("state")).unwrap();
    place
}

/// Runs `crashtest audit` with these options on `program`, in the directory `state`.
fn audit(place: &Place, options: &str, program: &[&str]) -> Ran {
    let mut command = place.command(&format!("audit {options} --"));
    Ran::from(command.args(program).current_dir(place.path().join("state")).output().unwrap())
}

/// Where the results of an audit were written, below the place.
fn results(place: &Place) -> std::path::PathBuf {
    place.path().join("results/latest")
}

#[test]
fn an_audit_is_kept_where_somebody_says_and_nowhere_else() {
    let place = place();
    let direct = ["sh", "-c", "for i in 1 2 3; do seq $i 2000 > f; done"];
    assert_eq!(audit(&place, "", &direct).exit, Some(1));
    assert_eq!(place.names("."), ["state"]);
    fs::write(place.path().join("state/secret"), "secret").unwrap();
    let ran = audit(&place, "--out ../results", &direct);
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    let names = place.names("results/latest");
    assert_eq!(names, ["audit.json", "failures", "junit.xml", "summary.md"]);
    assert_eq!(place.names("results/latest/failures/f.torn/crash-state"), ["f"], "the file that breaks, and no other");
    let failures = place.names("results/latest/failures");
    assert_eq!(failures, ["f.torn"]);
    assert_eq!(
        place.names("results/latest/failures/f.torn"),
        ["crash-state", "failure.json", "replay.sh", "trace.txt"]
    );
    let stored = fs::read(results(&place).join("failures/f.torn/crash-state/f")).unwrap();
    let kept: Value = serde_json::from_slice(&fs::read(results(&place).join("audit.json")).unwrap()).unwrap();
    assert_eq!(kept["files"][0]["example"]["found"], stored.len(), "the files of the crash point that is told");
    assert!(kept["environment"]["version"].is_string() && kept["started"].is_string(), "{kept:#}");
    let calls = fs::read_to_string(results(&place).join("failures/f.torn/trace.txt")).unwrap();
    assert!(calls.contains("▶") && calls.contains("← killed"), "{calls}");
    let report = place.crashtest("report");
    assert_eq!(report.exit, Some(0), "{}", report.err);
    let without = |text: &str| text.lines().take_while(|line| !line.starts_with("Kept")).collect::<Vec<_>>().join("\n");
    assert_eq!(without(&report.out), without(&ran.out));
    assert!(
        report.out.contains("crashtest replay results/") && report.out.contains("failures/f.torn"),
        "{}",
        report.out
    );
    assert!(place.crashtest("report --format junit").out.contains("<failure"), "for CI");
}

#[test]
fn a_kept_crash_state_of_an_audit_is_looked_at_again_and_the_program_is_not_started() {
    let place = place();
    let count = place.path().join("count");
    fs::write(place.path().join("state/f"), "old\n").unwrap();
    let script = format!("echo x >> {}; seq 2000 > f", count.display());
    assert_eq!(audit(&place, "--out ../results", &["sh", "-c", &script]).exit, Some(1));
    let failure = results(&place).join("failures/f.torn");
    let replay = || Ran::from(place.command("replay").arg(&failure).output().unwrap());
    let ran = replay();
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("f is torn again") && ran.out.contains("killed"), "{}", ran.out);
    // Whoever makes it whole has a state in which nothing is wrong.
    fs::copy(place.path().join("state/f"), failure.join("crash-state/f")).unwrap();
    let ran = replay();
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    assert_eq!(fs::read_to_string(count).unwrap(), "x\n", "the program ran once");
    // Neither a link nor what is gone is a verdict.
    fs::remove_file(failure.join("crash-state/f")).unwrap();
    let gone = replay();
    assert!(gone.exit == Some(2) && gone.err.contains("hint"), "{}{}", gone.out, gone.err);
    std::os::unix::fs::symlink(place.path().join("state/f"), failure.join("crash-state/f")).unwrap();
    assert_eq!(replay().exit, Some(2));
    fs::remove_dir_all(failure.join("crash-state")).unwrap();
    assert_eq!(replay().exit, Some(2));
    let trial = Ran::from(place.command("replay results/latest --trial 1").output().unwrap());
    assert!(trial.exit == Some(2) && trial.err.contains("audit"), "{}", trial.err);
}

#[test]
fn the_checker_of_an_audit_is_asked_about_a_kept_crash_state_again() {
    let place = place();
    fs::write(place.path().join("state/f"), "old\n").unwrap();
    let direct = ["sh", "-c", "for i in 1 2 3; do seq $i 2000 > f; done"];
    // Started in the copy, as the state directory is where the program works.
    let mut command = place.command("audit --out ../results --check");
    command.arg("grep -q . f").arg("--").args(direct).current_dir(place.path().join("state"));
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    let kept = place.names("results/latest/failures");
    let checker = kept.iter().find(|name| name.starts_with("checker.")).unwrap_or_else(|| panic!("{kept:?}"));
    let failure = results(&place).join("failures").join(checker);
    let replay = || Ran::from(place.command("replay").arg(&failure).output().unwrap());
    let ran = replay();
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("Asks the checker `grep -q . f`") && ran.out.contains("shows again"), "{}", ran.out);
    fs::copy(place.path().join("state/f"), failure.join("crash-state/f")).unwrap();
    let ran = replay();
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
}

#[test]
fn results_in_the_state_directory_are_no_part_of_it() {
    let place = place();
    let direct = ["sh", "-c", "for i in 1 2 3; do seq $i 2000 > f; done; ls > listed; rm listed"];
    for n in 1..4 {
        let mut command = place.command("audit --out kept --check");
        command.arg("grep -q . f").arg("--").args(direct).current_dir(place.path().join("state"));
        let ran = Ran::from(command.output().unwrap());
        assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
        // A folder a run, and the link.
        assert_eq!(place.names("state/kept").len(), n + 1);
        let failures = place.names("state/kept/latest/failures");
        let checker =
            failures.iter().find(|name| name.starts_with("checker.")).unwrap_or_else(|| panic!("{failures:?}"));
        let state = place.names(&format!("state/kept/latest/failures/{checker}/crash-state"));
        assert!(!state.contains(&"latest".to_owned()) && state.len() <= 3, "{state:?}");
        let kept = format!("state/kept/latest/failures/{checker}/crash-state/kept");
        assert!(!place.path().join(&kept).exists() || place.names(&kept).is_empty(), "{kept}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_refused_before_the_program_runs() {
    let place = place();
    fs::write(place.path().join("file"), "").unwrap();
    for out in ["../file", "../file/below"] {
        let ran = audit(&place, &format!("--out {out}"), &["sh", "-c", "echo 1 > f"]);
        assert!(ran.exit == Some(2) && ran.err.contains("hint"), "{out}: {}{}", ran.out, ran.err);
    }
    assert_eq!(place.names("state"), [""; 0], "it did not run");
    // What cannot be kept was still found.
    let ran = audit(&place, "--out ../later", &["sh", "-c", "seq 2000 > f; seq 3000 > f; ln -s /tmp ../later"]);
    assert_eq!(ran.exit, Some(2), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("a kill can leave") && !ran.err.is_empty(), "{}{}", ran.out, ran.err);
}

#[test]
fn the_checker_of_a_copy_is_not_asked_elsewhere() {
    let place = place();
    fs::create_dir(place.path().join("state/data")).unwrap();
    fs::write(place.path().join("state/data/f"), "old\n").unwrap();
    let mut command = place.command("audit --copy --dir data --out ../results --check");
    command.arg("grep -q . {dir}/f").args(["--", "sh", "-c", "for i in 1 2 3; do seq $i 2000 > data/f; done"]);
    let ran = Ran::from(command.current_dir(place.path().join("state")).output().unwrap());
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    let failures = place.names("results/latest/failures");
    let checker = failures.iter().find(|name| name.starts_with("checker.")).unwrap_or_else(|| panic!("{failures:?}"));
    let replay =
        Ran::from(place.command("replay").arg(results(&place).join("failures").join(checker)).output().unwrap());
    assert_eq!(replay.exit, Some(2), "{}{}", replay.out, replay.err);
    assert!(replay.err.contains("that was a copy of it") && replay.err.contains("without --copy"), "{}", replay.err);
}
