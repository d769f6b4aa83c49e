//! What a person or a machine does to a run: Ctrl-C, kill -9, bad input, no room. No panic, nothing left over, the report intact.

mod support;

use std::fs;
use std::io::Write;
use std::process::{Child, Stdio};

use nix::mount::MsFlags;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::tmpfs::Tmpfs;
use support::{Place, Ran, descendants, is_alive, wait_until};

/// A run that goes on until something ends it, with its workers and a victim at work.
fn started(place: &Place, more: &str) -> (Child, Vec<u32>) {
    let child = place
        .command(&format!("run --strategy direct --duration 10m --quiet {more}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the first failure", || fs::exists(place.path().join("results/latest/failures")).unwrap());
    let mut alive = Vec::new();
    wait_until("two workers and a victim", || {
        alive = descendants(child.id());
        alive.len() >= 3
    });
    (child, alive)
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

#[test]
fn an_interrupted_run_reports_what_it_has_and_leaves_nothing_behind() {
    for signals in [&[Signal::SIGINT][..], &[Signal::SIGTERM][..]] {
        let place = Place::new();
        let (child, workers) = started(&place, "--jobs 2");
        signals.iter().for_each(|signal| send(&child, *signal));
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.exit, Some(130), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains("INCOMPLETE (interrupted)"), "{}", ran.out);
        assert!(workers.iter().all(|pid| !is_alive(*pid)), "no worker and no victim is left");
        let left = place.names("results");
        assert!(!left.iter().any(|name| name.starts_with('.')), "no sandbox is left: {left:?}");
        let left = place.names("results/latest");
        assert!(!left.iter().any(|name| name.starts_with('.')), "no lock and no spool is left: {left:?}");
        let report = place.crashtest("report");
        assert_eq!(report.exit, Some(0));
        assert!(report.out.contains("INCOMPLETE (interrupted)"), "{}", report.out);
    }
}

#[test]
fn a_killed_supervisor_leaves_no_victim_alive_and_a_readable_folder() {
    let place = Place::new();
    let (mut child, workers) = started(&place, "--jobs 2");
    send(&child, Signal::SIGKILL);
    child.wait().unwrap();
    wait_until("the death of every worker and victim", || workers.iter().all(|pid| !is_alive(*pid)));
    let report = place.crashtest("report");
    assert_eq!(report.exit, Some(0), "{}", report.err);
    assert!(report.out.contains("INCOMPLETE") && report.out.contains("kill"), "{}", report.out);
}

#[test]
fn a_folder_cut_off_in_the_middle_of_a_line_is_read_as_far_as_it_goes() {
    let place = Place::new();
    place.campaign("direct", "--iterations 20");
    fs::remove_file(place.latest().join("summary.json")).unwrap();
    let trials = place.latest().join("trials.jsonl");
    let text = fs::read(&trials).unwrap();
    fs::write(&trials, &text[..text.len() - 30]).unwrap();
    let report = place.crashtest("report");
    assert_eq!(report.exit, Some(0), "{}", report.err);
    assert!(report.out.contains("INCOMPLETE"), "{}", report.out);
    fs::write(&trials, [b"{\"nonsense\n", text.as_slice()].concat()).unwrap();
    let report = place.crashtest("report");
    assert_eq!(report.exit, Some(2));
    assert!(report.err.contains("trials.jsonl") && report.err.contains("line 1"), "{}", report.err);
}

#[test]
fn a_folder_of_another_major_version_is_refused_by_name() {
    let place = Place::new();
    place.campaign("atomic", "--iterations 10");
    let run = place.latest().join("run.json");
    let text = fs::read_to_string(&run).unwrap().replace("crashtest-results/2", "crashtest-results/1");
    fs::write(&run, text).unwrap();
    let report = place.crashtest("report");
    assert_eq!(report.exit, Some(2));
    assert!(report.err.contains("crashtest-results/2") && report.err.contains("crashtest-results/1"), "{}", report.err);
}

#[test]
fn bad_input_is_refused_with_the_nearest_valid_word_and_writes_nothing() {
    let place = Place::new();
    for (arguments, said) in [
        ("run --strategy atomci", "did you mean `atomic`?"),
        ("run --strategy direct --workload fils", "did you mean `fills`?"),
        ("run --strategy direct --iterations 0", "at least 1"),
        ("run --strategy direct --state-size 12", "from 1 KiB to 64 MiB"),
        ("run --strategy direct --seed x", "expected a number"),
        ("run --strategy direct --jobs 0", "at least 1"),
        ("run --strategy direct --limit 0", "must not be 0"),
        ("run --strategy direct --fault power", "possible values: none, kill"),
        ("run --strategy direct --loader lenint", "lenient"),
        ("report nowhere", "nowhere"),
        ("replay nowhere", "nowhere"),
    ] {
        let ran = place.crashtest(arguments);
        assert_eq!(ran.exit, Some(2), "{arguments}: {}", ran.err);
        assert!(ran.err.contains(said), "{arguments}: {}", ran.err);
    }
    assert!(place.names(".").is_empty());
}

#[test]
fn a_sandbox_that_cannot_be_is_a_clear_error_and_leaves_no_folder() {
    let place = Place::new();
    fs::write(place.path().join("file"), "precious").unwrap();
    for (dir, said) in [("file", "--dir takes a directory"), ("nowhere", "make the directory first")] {
        let ran = place.crashtest(&format!("run --strategy atomic --iterations 10 --dir {dir}"));
        assert_eq!(ran.exit, Some(2), "{}", ran.err);
        assert!(ran.err.contains(dir) && ran.err.contains(said), "{}", ran.err);
        assert!(!fs::exists(place.path().join("results")).unwrap());
    }
    assert_eq!(fs::read_to_string(place.path().join("file")).unwrap(), "precious");
    let ran = place.crashtest("run --strategy atomic --iterations 10 --out file");
    assert_eq!(ran.exit, Some(2), "{}", ran.err);
    assert!(ran.err.contains("file"), "{}", ran.err);
}

#[test]
fn a_read_only_directory_is_a_clear_error_and_leaves_no_folder() {
    let place = Place::new();
    let Some(_tmpfs) = Tmpfs::mount(&place.path().join("ro"), MsFlags::MS_RDONLY, "size=1m") else { return };
    let ran = place.crashtest("run --strategy atomic --iterations 10 --dir ro");
    assert_eq!(ran.exit, Some(2), "{}", ran.err);
    assert!(ran.err.contains("read-only") && ran.err.contains("hint: "), "{}", ran.err);
    assert!(!fs::exists(place.path().join("results")).unwrap());
}

#[test]
fn a_directory_with_too_little_room_is_refused_before_the_first_trial() {
    let place = Place::new();
    let Some(_tmpfs) = Tmpfs::mount(&place.path().join("small"), MsFlags::empty(), "size=256k") else { return };
    let ran = place.crashtest("run --strategy atomic --iterations 10 --dir small");
    assert_eq!(ran.exit, Some(2), "{}", ran.err);
    assert!(ran.err.contains("bytes are free") && ran.err.contains("--state-size"), "{}", ran.err);
    assert!(place.names("small").is_empty());
}

#[test]
fn a_disk_that_fills_up_ends_the_run_with_what_was_found_so_far() {
    let place = Place::new();
    let Some(_tmpfs) = Tmpfs::mount(&place.path().join("disk"), MsFlags::empty(), "size=4m") else { return };
    let (mut child, _) = started(&place, "--jobs 2 --dir disk");
    // As much as fits, and what a save frees before it writes anew as well: the error is what is wanted.
    let mut big = fs::File::create(place.path().join("disk/big")).unwrap();
    while child.try_wait().unwrap().is_none() {
        let _ = big.write_all(&[1; 4096]);
    }
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(2), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("No space left on device") || ran.err.contains("no space"), "{}", ran.err);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    assert_eq!(place.names("disk"), ["big"], "the sandbox is gone");
    let report = place.crashtest("report");
    assert_eq!(report.exit, Some(0), "{}", report.err);
    assert!(report.out.contains("INCOMPLETE") && report.out.contains("intact"), "{}", report.out);
}
