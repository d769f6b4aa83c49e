//! Interrupts at bad moments: from the very start, twice, and by SIGKILL.

mod support;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::marked::{MARK, alive};
use support::skip::soak;
use support::{Place, Ran, wait_until};

/// A run that goes on until something ends it, for longer than any test waits.
fn started(place: &Place) -> Child {
    start(place, "direct --duration 10m --jobs 2")
}

fn start(place: &Place, strategy: &str) -> Child {
    place
        .command(&format!("run --quiet --seed 1 --strategy {strategy}"))
        .env(MARK, place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

/// The supervisor, two workers and a victim.
fn wait_for_victims(place: &Place) {
    wait_until("a victim", || alive(place).len() >= 4);
}

/// A victim that never returns from its save, and a worker that waits for it and says nothing: neither notices a closed pipe.
fn stuck(place: &Place) -> Child {
    let child = start(place, "planted-stall --limit 10m --jobs 1");
    let mut before = (Instant::now(), Vec::new());
    wait_until("a victim that is stuck", || {
        let now = alive(place);
        if now != before.1 {
            before = (Instant::now(), now);
        }
        // The supervisor, a reaper, a worker and its victim.
        before.1.len() == 4 && before.0.elapsed() > Duration::from_millis(300)
    });
    child
}

fn hidden(names: &[String]) -> Vec<&String> {
    names.iter().filter(|name| name.starts_with('.')).collect()
}

#[test]
fn a_killed_supervisor_takes_every_descendant_with_it_whenever_it_dies() {
    for _ in 0..4 {
        let place = Place::new();
        let mut child = started(&place);
        wait_until("a trial", || fs::exists(place.path().join("results/latest")).unwrap());
        wait_for_victims(&place);
        send(&child, Signal::SIGKILL);
        child.wait().unwrap();
        wait_until("the death of every descendant", || alive(&place).is_empty());
        let report = place.crashtest("report");
        assert_eq!(report.exit, Some(0), "{}", report.err);
        assert!(report.out.contains("INCOMPLETE (the supervisor ended without a report)"), "{}", report.out);
    }
}

#[test]
fn a_silent_worker_and_its_stuck_victim_die_with_their_supervisor() {
    for (signal, exit) in [(Signal::SIGKILL, None), (Signal::SIGINT, Some(130))] {
        let place = Place::new();
        let mut child = stuck(&place);
        send(&child, signal);
        // Not by the end of its output, which a worker that lives on would hold open.
        let status = child.wait().unwrap();
        wait_until("the death of every descendant", || alive(&place).is_empty());
        assert_eq!(status.code(), exit);
    }
}

#[test]
fn an_interrupt_at_any_moment_leaves_no_process_and_no_temporary() {
    let moments: [(&str, Signal); 3] =
        [("results/latest", Signal::SIGINT), ("results/latest/failures", Signal::SIGTERM), ("", Signal::SIGHUP)];
    for (appears, signal) in moments {
        let place = Place::new();
        let child = started(&place);
        match appears {
            "" => wait_for_victims(&place),
            file => wait_until(file, || fs::exists(place.path().join(file)).unwrap()),
        }
        send(&child, signal);
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.exit, Some(130), "{signal}: {}{}", ran.out, ran.err);
        assert!(alive(&place).is_empty(), "{signal} at {appears}: somebody is left");
        assert!(hidden(&place.names("results")).is_empty(), "{signal} at {appears}: {:?}", place.names("results"));
        assert!(hidden(&place.names("results/latest")).is_empty(), "{:?}", place.names("results/latest"));
        let report = place.crashtest("report");
        assert_eq!(report.exit, Some(0), "{}", report.err);
        assert!(report.out.contains("INCOMPLETE (interrupted)"), "{}", report.out);
    }
}

#[test]
fn an_interrupt_leaves_nobody_whom_a_program_has_started() {
    for fault in ["kill", "sweep"] {
        let place = Place::new();
        let program = "setsid sleep 7.5 & echo 1 > {dir}/t; mv {dir}/t {dir}/f; sleep 0.2; : > {dir}/f";
        let child = place
            .command(&format!("run --quiet --seed 1 --fault {fault} --jobs 1 -- sh -c"))
            .arg(program)
            .env(MARK, place.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The supervisor, a worker, the program, and what that has started.
        wait_until("what the program starts", || alive(&place).len() >= 4);
        send(&child, Signal::SIGINT);
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.exit, Some(130), "{}{}", ran.out, ran.err);
        assert!(alive(&place).is_empty(), "{fault}: somebody is left");
    }
}

#[test]
fn an_interrupt_ends_the_recording_of_an_audit_which_says_what_that_shows() {
    let place = Place::new();
    let mut command = place.command("audit --limit 1000s -- sh -c");
    // Never ends: a bot that saves as it goes.
    command.arg("echo 1 > f; seq 3000 > f; : > ready; sleep 1000").env(MARK, place.path());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("two saves", || place.path().join("ready").exists());
    send(&child, Signal::SIGINT);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(130), "{}{}", ran.out, ran.err);
    assert!(alive(&place).is_empty(), "somebody is left");
    let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("a kill can leave") && said.contains("truncate-and-write"), "{said}");
    assert!(said.contains("What this rests on ended by Ctrl-C after"), "{said}");
}

#[test]
fn an_interrupt_ends_an_audit_at_once_whatever_it_waits_for() {
    let sleeps = "sh -c 'touch {dir}/../waits; sleep 1000'";
    for (waits, more) in [("the set-up", "--setup"), ("the checker", "--check"), ("a batch checker", "--check-batch")] {
        let place = Place::new();
        // Below a directory of ours: so the test knows when it waits.
        let said = place.path().join("waits");
        let sleeps = sleeps.replace("{dir}/../waits", &said.to_string_lossy());
        let mut command = place.command("audit --limit 1000s");
        command.args([more, &sleeps, "--", "sh", "-c", "echo 1 > t; mv t f"]).env(MARK, place.path());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until(waits, || said.exists());
        send(&child, Signal::SIGINT);
        let asked = Instant::now();
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.exit, Some(130), "{waits}: {}{}", ran.out, ran.err);
        assert!(asked.elapsed() < Duration::from_secs(60), "{waits}: it would take 1000 seconds");
        assert!(alive(&place).is_empty(), "{waits}: somebody is left");
        let is_told = ran.out.contains("interrupted: the checker was asked about 0 of");
        assert_eq!(is_told, more != "--setup", "{waits}: {}", ran.out);
    }
}

/// A program that saves for ever, with all that can be asked about it.
fn of_a_program(place: &Place) -> Command {
    let save = "n=$((n+1)); echo \"crashtest: begin $n\"; seq $n $((n+900)) > \"$1/t\" && mv \"$1/t\" \"$1/s\" || exit 1; echo \"crashtest: ack $n\"";
    let check = "sh -c 'set -- $(cat \"$1/s\"); if [ $# = 901 ]; then echo \"crashtest: state $1\"; else echo \"crashtest: refused\"; fi' sh {dir}";
    let mut command =
        place.command("run --quiet --seed 1 --fault sweep,kill,io -n 6 --saves 3 --max-states 12 --setup");
    command.args(["sh -c 'seq 0 900 > {dir}/s'", "--check", check, "--", "sh", "-c"]);
    command.args([
        &format!("n=$(head -n 1 \"$1/s\") && [ \"$n\" ] || exit 1; while :; do {save}; done"),
        "sh",
        "{dir}",
    ]);
    command.env(MARK, place.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn an_interrupt_at_any_moment_of_a_program_s_run_leaves_a_true_partial_report_and_nobody() {
    let whole = Place::new();
    let began = Instant::now();
    let ran = Ran::from(of_a_program(&whole).output().unwrap());
    let takes = began.elapsed();
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    let moments = soak().map_or(2, |times| times.div_ceil(2)).min(50);
    let mut interrupted = 0;
    for n in 0..moments {
        let place = Place::new();
        let began = Instant::now();
        let child = of_a_program(&place).spawn().unwrap();
        // As evenly over the whole run as any number of moments can be.
        let moment = takes.mul_f64((0.5 + n as f64 * 0.618_034).fract());
        wait_until("the moment", || began.elapsed() >= moment);
        send(&child, Signal::SIGINT);
        let ran = Ran::from(child.wait_with_output().unwrap());
        let said = format!("{moment:?} of {takes:?}: {}{}", ran.out, ran.err);
        assert!(matches!(ran.exit, Some(0 | 130)), "{said}");
        assert!(alive(&place).is_empty(), "somebody is left: {said}");
        let names = if place.path().join("results").exists() { place.names("results") } else { Vec::new() };
        assert!(hidden(&names).is_empty(), "{names:?}: {said}");
        interrupted += usize::from(ran.exit == Some(130));
        if names.iter().any(|name| name == "latest") {
            assert!(hidden(&place.names("results/latest")).is_empty(), "{said}");
            let report = place.crashtest("report");
            assert_eq!((report.exit, &report.out), (Some(0), &ran.out), "{}", report.err);
            assert_eq!(ran.out.contains("INCOMPLETE (interrupted)"), ran.exit == Some(130), "{said}");
            let summary: serde_json::Value =
                serde_json::from_str(&place.crashtest("report --format json").out).unwrap();
            let rows = summary["results"].as_array().unwrap().iter();
            let counted: u64 = rows.map(|row| row["trials"].as_u64().unwrap()).sum();
            assert_eq!(counted, place.trials().len() as u64, "{said}");
        }
    }
    assert!(interrupted > 0, "none of {moments} moments was within its run");
}

#[test]
fn an_interrupted_replay_leaves_nobody_whom_a_program_has_started() {
    let place = Place::new();
    let program = "setsid sleep 0.8 & : > {dir}/f; sleep 0.6; seq 100 > {dir}/f";
    let options = "run --quiet --seed 1 --fault kill --iterations 8 --setup".split(' ');
    let mut run = place.command("");
    // With a checker no run is traced: what is traced dies with its tracer.
    run.args(options).args(["sh -c 'seq 9 > {dir}/f'", "--check", "test -s {dir}/f", "--", "sh", "-c", program]);
    let ran = Ran::from(run.output().unwrap());
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    let mut replay = place.command("replay");
    replay.arg(&place.kept_failures()[0]).env(MARK, place.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = replay.spawn().unwrap();
    wait_until("what the program starts", || alive(&place).len() >= 4);
    send(&child, Signal::SIGINT);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(alive(&place).is_empty(), "somebody is left: {}{}", ran.out, ran.err);
}

#[test]
fn whom_somebody_else_has_started_is_left_alone() {
    let place = Place::new();
    // The shell's child is that of the program which it executes.
    let script = "sleep 1000 > /dev/null 2>&1 & exec \"$0\" \"$@\"";
    for more in ["run --quiet --seed 1 --fault kill --iterations 3 -- sh -c", "audit --check true -- sh -c"] {
        let crashtest = place.command(more);
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(crashtest.get_program()).args(crashtest.get_args());
        command.arg("echo 1 > {dir}/t; mv {dir}/t {dir}/f; : > {dir}/f; sleep 0.05");
        command.current_dir(place.path()).env(MARK, place.path());
        let ran = Ran::from(command.output().unwrap());
        let left = alive(&place);
        left.iter().for_each(|pid| kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap());
        assert_eq!(left.len(), 1, "{more}: {}{}", ran.out, ran.err);
        wait_until("its end", || alive(&place).is_empty());
    }
}

#[test]
fn a_second_interrupt_leaves_nothing_behind_either() {
    for second in [Signal::SIGINT, Signal::SIGTERM] {
        let place = Place::new();
        let child = started(&place);
        wait_for_victims(&place);
        send(&child, Signal::SIGINT);
        send(&child, second);
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.exit, Some(130), "{}{}", ran.out, ran.err);
        assert!(alive(&place).is_empty(), "somebody is left");
        assert!(hidden(&place.names("results")).is_empty(), "{:?}", place.names("results"));
        assert!(hidden(&place.names("results/latest")).is_empty(), "{:?}", place.names("results/latest"));
        let report = place.crashtest("report");
        assert_eq!(report.exit, Some(0), "{}", report.err);
        assert!(report.out.contains("INCOMPLETE (interrupted)"), "{}", report.out);
    }
}

/// A comparison that has come to its second cell, with two workers and victims.
fn in_second_cell(place: &Place) -> Child {
    let child = place
        .command("compare direct atomic-fsync --quiet --seed 1 --iterations 400 --jobs 2")
        .env(MARK, place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let second = place.path().join("results/latest/cells/atomic-fsync-fills-strict/trials.jsonl");
    wait_until("the second cell", || fs::exists(&second).unwrap());
    wait_for_victims(place);
    child
}

#[test]
fn an_interrupt_in_the_second_cell_of_a_comparison_leaves_a_partial_report_and_nothing_else() {
    let place = Place::new();
    let child = in_second_cell(&place);
    send(&child, Signal::SIGINT);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(130), "{}{}", ran.out, ran.err);
    assert!(alive(&place).is_empty(), "somebody is left");
    for folder in ["results", "results/latest", "results/latest/cells/atomic-fsync-fills-strict"] {
        assert!(hidden(&place.names(folder)).is_empty(), "{folder}: {:?}", place.names(folder));
    }
    let said = ran.out.replace('\n', " ");
    assert!(said.contains("INCOMPLETE (interrupted): 1 of 2 cells came to their end"), "{}", ran.out);
    let report = place.crashtest("report");
    assert_eq!((report.exit, report.out), (Some(0), ran.out), "{}", report.err);
}

#[test]
fn a_comparison_whose_supervisor_is_killed_shows_what_there_is() {
    let place = Place::new();
    let mut child = in_second_cell(&place);
    send(&child, Signal::SIGKILL);
    child.wait().unwrap();
    wait_until("the death of every descendant", || alive(&place).is_empty());
    let report = place.crashtest("report");
    assert_eq!(report.exit, Some(0), "{}", report.err);
    let wanted = "INCOMPLETE (the supervisor ended without a report): 1 of 2 cells came to their end";
    assert!(report.out.replace('\n', " ").contains(wanted), "{}", report.out);
}
