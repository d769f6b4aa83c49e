//! What a killed crashtest leaves is found and removed by the next one on the machine; what is not proven to be its is left alone.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::marked::{MARK, alive};
use support::skip::{say, soak};
use support::{Place, wait_until};

fn kill_it(mut child: Child) {
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
}

/// The directories of crashtest below `place`, and those in memory whose marks name it.
fn ours(place: &Path) -> Vec<PathBuf> {
    let listed = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let hidden =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".crashtest-"));
    let is_of_place = |path: &PathBuf| {
        let mark = fs::read_to_string(path.join(".crashtest-mark")).unwrap_or_default();
        mark.contains(&*place.to_string_lossy())
    };
    let in_memory = listed("/dev/shm".into()).filter(hidden).filter(is_of_place);
    ["", "results", "elsewhere"]
        .iter()
        .flat_map(|below| listed(place.join(below)))
        .filter(hidden)
        .chain(in_memory)
        .collect()
}

/// One that leaves somebody who has left its group and its session, as a daemon does.
const PROGRAM: [&str; 4] =
    ["--", "sh", "-c", "setsid sleep 1000 & while :; do echo 1 > {dir}/t; mv {dir}/t {dir}/f; sleep 0.01; done"];

#[test]
fn a_killed_run_s_directories_are_gone_after_the_next_run_elsewhere() {
    let (place, other) = (Place::new(), Place::new());
    let whole = place.path().canonicalize().unwrap();
    let mut command = place.command("run --quiet --strategy direct --duration 10m --dir elsewhere");
    fs::create_dir(place.path().join("elsewhere")).unwrap();
    let child = command.env(MARK, place.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("a sandbox, a spool and a place in memory", || ours(&whole).len() >= 3 && alive(&place).len() > 2);
    assert_eq!(other.crashtest("run --quiet --strategy atomic --iterations 5 --seed 1").exit, Some(0));
    assert!(ours(&whole).len() >= 3, "those of a living run are left alone");
    kill_it(child);
    wait_until("the death of every descendant", || alive(&place).is_empty());
    assert_eq!(other.crashtest("run --quiet --strategy atomic --iterations 5 --seed 1").exit, Some(0));
    // Another run on this machine may be the one that removes them.
    wait_until("the removal of what was left", || ours(&whole).is_empty());
    assert_eq!(place.crashtest("report").exit, Some(0), "its results are kept");
}

#[test]
fn a_directory_that_only_looks_like_ours_is_left_alone() {
    let place = Place::new();
    let precious = place.path().join("results/.crashtest-sandbox-mine");
    fs::create_dir_all(&precious).unwrap();
    fs::write(precious.join("file"), "data").unwrap();
    assert_eq!(place.crashtest("run --quiet --strategy atomic --iterations 5 --seed 1").exit, Some(0));
    assert_eq!(fs::read(precious.join("file")).unwrap(), b"data");
}

#[test]
fn an_audit_that_is_killed_leaves_what_the_next_one_removes() {
    let place = Place::new();
    let whole = place.path().canonicalize().unwrap();
    fs::create_dir_all(place.path().join("elsewhere")).unwrap();
    let mut command = place.command("audit");
    command.args(PROGRAM).env(MARK, place.path()).env("TMPDIR", place.path().join("elsewhere"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("its directories", || ours(&whole).len() >= 2);
    kill_it(child);
    wait_until("the death of every descendant", || alive(&place).is_empty());
    let audit = Place::new();
    let mut next = audit.command("audit -- sh -c");
    next.arg("echo 1 > {dir}/t; mv {dir}/t {dir}/f");
    next.output().unwrap();
    // Another run on this machine may be the one that removes them.
    wait_until("the removal of what was left", || ours(&whole).is_empty());
}

/// Behind `CRASHTEST_SOAK`: many kills of the supervisor at drawn moments, each followed by another call.
#[test]
fn a_supervisor_killed_at_any_moment_leaves_nothing_after_the_next_call() {
    let kills = soak().unwrap_or_else(|| {
        say("few kills only: set CRASHTEST_SOAK=200 for more");
        8
    });
    let place = Place::new();
    let whole = place.path().canonicalize().unwrap();
    let faults = ["kill --iterations 50", "sweep", "io", "kill --iterations 50 --strategy direct"];
    // Each leaves one that has left its group and its session, as a daemon does.
    let stray = "setsid sleep 1000 &";
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for n in 0..kills {
        let fault = faults[n % faults.len()];
        let mut command = place.command(&format!("run --quiet --seed {n} --jobs 2 --fault {fault}"));
        if !fault.contains("--strategy") {
            command.args(["--setup", &format!("sh -c \"{stray} echo 0 > {{dir}}/f\"")]);
            command.args(["--check", &format!("sh -c \"{stray} test -s {{dir}}/f\""), "--", "sh", "-c"]);
            command
                .arg(format!("{stray} for n in 1 2 3 4; do echo $n > {{dir}}/t; mv {{dir}}/t {{dir}}/f; done; wait"));
        }
        command.env(MARK, place.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        // xorshift: a moment within the first second, the same on every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_micros(random % 1_000_000));
        kill_it(child);
        wait_until("the death of every descendant", || alive(&place).is_empty());
        let next = place.crashtest("run --quiet --strategy atomic --iterations 3 --seed 1");
        assert_eq!(next.exit.map(|exit| exit < 4), Some(true), "{}", next.err);
        wait_until("the removal of what was left", || ours(&whole).is_empty());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&*whole.to_string_lossy()), "{mounts}");
    }
}
