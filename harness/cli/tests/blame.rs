//! Who is blamed when a run cannot go on: a machine that lacks something (5), what was asked for (2), and never a bug of crashtest (70)
//! that is none. A run that never started leaves no folder, and `latest` as it was.

mod support;

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::marked::{MARK, alive};
use support::skip::{is_thorough, say, skip};
use support::{Place, Ran, descendants, wait_until};

const SMALL: &str = "run --strategy atomic --iterations 40 --seed 1 --quiet --jobs 1";

/// Runs the program as a shell does after `before`.
fn after(place: &Place, before: &str, arguments: &str) -> Ran {
    let program = env!("CARGO_BIN_EXE_crashtest");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{before} && exec \"$0\" \"$@\""), program]).args(arguments.split_whitespace());
    Ran::from(shell.current_dir(place.path()).output().unwrap())
}

/// The same, with mounts of its own.
fn with_mounts(place: &Place, before: &str, arguments: &str) -> Option<Ran> {
    let namespace = "--user --map-root-user --mount";
    let unshare = |what: &str| Command::new("unshare").args(namespace.split(' ')).args(["sh", "-c", what]).output();
    if !unshare("mount -t tmpfs none /mnt").is_ok_and(|tried| tried.status.success()) {
        skip("mounts of its own (unshare)");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_crashtest");
    let mut command = Command::new("unshare");
    command.args(namespace.split(' ')).args(["sh", "-c", &format!("{before} && exec \"$0\" \"$@\""), program]);
    Some(Ran::from(command.args(arguments.split_whitespace()).current_dir(place.path()).output().unwrap()))
}

/// It ended with this status, said `what` and what to do about it, spoke of no bug of ours, and left nothing.
fn assert_blames(place: &Place, ran: &Ran, exit: i32, what: &str, case: &str) {
    let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(ran.exit, Some(exit), "{case}: {}{said}", ran.out);
    assert!(said.contains(what), "{case}: {said}");
    assert!(said.contains("hint: ") && !said.contains("bug"), "{case}: {said}");
    let left = if place.path().join("results").exists() { place.names("results") } else { Vec::new() };
    assert_eq!(left, [""; 0], "{case} leaves no folder and no link");
}

#[test]
fn a_limit_that_is_too_low_for_any_run_is_named_before_anything_starts() {
    for (limit, exit, what) in [
        ("-n 8", 5, "at most 8 may be open here"),
        ("-s 64", 5, "the stack may grow to 64 KiB here"),
        ("-v 100000", 5, "at most 97 MiB may be mapped here"),
        ("-f 0", 2, "File too large"),
    ] {
        let commands = ["compare atomic --iterations 40 --quiet", "audit -- true", "trace -- true"];
        let writes = limit.starts_with("-f");
        for arguments in [SMALL].iter().chain(commands.iter().filter(|_| !writes)) {
            let place = Place::new();
            let ran = after(&place, &format!("ulimit {limit}"), arguments);
            assert_blames(&place, &ran, exit, what, &format!("{arguments} after ulimit {limit}"));
        }
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_a_message_of_ours_and_a_death_of_the_program() {
    let place = Place::new();
    // In units of 512 bytes: the results fit, the state does not.
    let ran = after(&place, "ulimit -f 40", "run --strategy atomic --state-size 1MiB --iterations 40 --quiet --jobs 1");
    assert_blames(&place, &ran, 2, "File too large", "a state above the limit");
    let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("ulimit -f"), "{said}");

    let place = Place::new();
    // Most of its time it saves: the kills leave different files wherever they fall.
    let big = "head -c 100000 /dev/zero > $2; c=$?; rm $2; test $c -gt 128 || exit 1\n\
               for n in 1 2 3 4 5 6 7 8 9; do echo $n > $1/t && mv $1/t $1/f; done";
    std::fs::write(place.path().join("big.sh"), big).unwrap();
    let here = place.path().display();
    let run = format!("run --fault kill --iterations 40 --quiet --jobs 1 -- sh {here}/big.sh {{dir}} {here}/big");
    let ran = after(&place, "ulimit -f 40", &run);
    assert_eq!(ran.exit, Some(0), "programs die of SIGXFSZ as they do without us: {}{}", ran.out, ran.err);
}

#[test]
fn a_machine_without_proc_or_the_null_device_is_named() {
    for (before, what) in [("mount -t tmpfs none /proc", "read /proc"), ("mount -t tmpfs none /dev", "open /dev/null")]
    {
        for arguments in [SMALL, "compare atomic --iterations 40 --quiet", "audit -- true", "doctor"] {
            let place = Place::new();
            let Some(ran) = with_mounts(&place, before, arguments) else { return };
            assert_blames(&place, &ran, 5, what, &format!("{arguments} after {before}"));
        }
    }
}

#[test]
fn a_run_that_never_started_leaves_the_latest_one_alone() {
    let place = Place::new();
    assert_eq!(place.crashtest(SMALL).exit, Some(0));
    let (before, latest) = (place.names("results"), place.latest());
    for arguments in [
        "run --strategy atomic --quiet --dir missing",
        "run --quiet -- no-such-program-anywhere {dir}",
        "compare atomic --quiet --dir missing",
    ] {
        let ran = place.crashtest(arguments);
        assert_eq!(ran.exit, Some(2), "{arguments}: {}", ran.err);
        assert_eq!((place.names("results"), place.latest()), (before.clone(), latest.clone()), "{arguments}");
    }
    // One that has a folder by then: the program takes its directory away in the first run.
    let mut command = place.command("run --quiet -- sh -c");
    let ran = Ran::from(command.arg("rm -r {dir}").output().unwrap());
    assert_eq!(ran.exit, Some(2), "{}", ran.err);
    assert_eq!((place.names("results"), place.latest()), (before, latest));
}

/// The worker of the only job: the child of the reaper.
fn worker(supervisor: u32) -> Option<Pid> {
    let of_ours = descendants(supervisor);
    let reaper = *of_ours.first()?;
    let worker = *descendants(reaper).first()?;
    let name = std::fs::read_to_string(format!("/proc/{reaper}/comm")).ok()?;
    (name.trim_end() == "reaper").then_some(Pid::from_raw(worker.cast_signed()))
}

/// Sends `signal` to so many workers, one after the other, or to all that there are until the run is over.
fn hit_workers(child: &mut Child, signal: Signal, times: usize) {
    let mut hit = None;
    for _ in 0..times {
        wait_until("a worker", || {
            let found = worker(child.id()).filter(|found| Some(*found) != hit);
            // It may have ended since.
            let sent = found.is_some_and(|found| kill(found, signal).is_ok());
            hit = if sent { found } else { hit };
            sent || child.try_wait().unwrap().is_some()
        });
    }
}

#[test]
fn a_comparison_whose_workers_are_killed_ends_with_the_reason_and_is_not_complete() {
    let place = Place::new();
    let mut command = place.command("compare atomic direct --iterations 3000 --seed 1 --jobs 1 --quiet");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("a trial", || place.path().join("results/latest").exists());
    hit_workers(&mut child, Signal::SIGKILL, 1000);
    let ran = Ran::from(child.wait_with_output().unwrap());
    let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(ran.exit, Some(5), "{}{said}", ran.out);
    assert!(said.contains("by another process, and so was the one before it") && !said.contains("bug"), "{said}");
    let summary = std::fs::read_to_string(place.latest().join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!((summary["complete"].as_bool(), summary["exit_code"].as_u64()), (Some(false), Some(5)), "{summary}");
    assert!(summary["stopped"].as_str().unwrap().contains("was killed by SIGKILL"), "{summary}");
}

#[test]
fn whoever_kills_or_stops_the_workers_is_not_called_a_bug() {
    for (signal, times, exit, what) in [
        (Signal::SIGKILL, 1, 0, ""),
        (Signal::SIGKILL, 100, 5, "was killed by SIGKILL, by another process, and so was the one before it"),
        (Signal::SIGSTOP, 1, 2, "has stopped a worker process of crashtest"),
    ] {
        let place = Place::new();
        let run = "run --strategy atomic --iterations 3000 --seed 1 --jobs 1 --quiet";
        let mut command = place.command(run);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.env(MARK, place.path()).spawn().unwrap();
        // A control that loses one of its few lives proves nothing.
        let trials = place.path().join("results/latest/trials.jsonl");
        wait_until("the first kills", || {
            std::fs::read_to_string(&trials).is_ok_and(|trials| trials.contains("\"fault\":\"kill\""))
        });
        hit_workers(&mut child, signal, times);
        let ran = Ran::from(child.wait_with_output().unwrap());
        let case = format!("{signal} × {times}");
        let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(ran.exit, Some(exit), "{case}: {}{said}", ran.out);
        assert!(said.contains(what) && !said.contains("bug"), "{case}: {said}");
        assert_eq!(alive(&place), [0; 0], "{case}");
        assert_eq!(place.crashtest("report").exit, Some(0), "{case}: what was judged before is kept");
    }
}

#[test]
fn a_program_that_kills_or_stops_its_parent_is_told_so() {
    for (deed, what) in [
        ("-KILL", "was killed by SIGKILL, by the program or another process"),
        ("-ABRT", "was killed by SIGABRT, by the program or another process"),
        ("-34", "was killed by signal 34, by the program or another process"),
        ("-STOP", "has stopped a worker process"),
    ] {
        for fault in ["kill --iterations 20", "sweep", "io"] {
            let place = Place::new();
            let mut command = place.command(&format!("run --quiet --jobs 1 --fault {fault} -- sh -c"));
            command
                .arg(format!("echo 1 > {{dir}}/t; kill {deed} $PPID; mv {{dir}}/t {{dir}}/f"))
                .env(MARK, place.path());
            let ran = Ran::from(command.output().unwrap());
            assert_blames(&place, &ran, 2, what, &format!("{deed} under {fault}"));
            assert_eq!(alive(&place), [0; 0]);
        }
        let place = Place::new();
        for command in ["audit", "trace"] {
            let mut command = place.command(&format!("{command} -- sh -c"));
            command.arg(format!("echo 1 > t; kill {deed} $PPID; mv t f")).env(MARK, place.path());
            let ran = Ran::from(command.output().unwrap());
            assert_blames(&place, &ran, 2, what, &format!("{deed} under {command:?}"));
            assert_eq!(alive(&place), [0; 0]);
        }
    }
}

#[test]
fn ready_after_a_save_is_an_error_of_its_own() {
    for fault in ["kill --iterations 20", "sweep"] {
        let place = Place::new();
        let mut command = place.command(&format!("run --quiet --jobs 1 --fault {fault} --check true -- sh -c"));
        command.arg("echo crashtest: begin 1; echo 1 > {dir}/f; echo crashtest: ack 1; echo crashtest: ready");
        let ran = Ran::from(command.output().unwrap());
        let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(ran.exit, Some(2), "{}{said}", ran.out);
        assert!(said.contains("“crashtest: ready” comes after “crashtest: ack 1”"), "{said}");
    }
}

#[test]
fn workers_that_are_killed_now_and_then_for_ever_are_not_called_a_bug() {
    let place = Place::new();
    let count = place.path().join("count");
    let mut command = place.command("run --quiet --jobs 1 --fault kill --iterations 3000 -- sh -c");
    // Every 25th run, where it gets so far, kills the worker: never two in a row.
    command.arg(format!(
        "echo x >> {count}; case $(wc -l < {count}) in *00|*25|*50|*75) kill -KILL $PPID;; esac; echo 1 > {{dir}}/t; mv {{dir}}/t {{dir}}/f",
        count = count.display()
    ));
    let ran = Ran::from(command.output().unwrap());
    let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(ran.exit, Some(2), "{}{said}", ran.out);
    assert!(said.contains("and so were 20 before it") && !said.contains("bug"), "{said}");
}

#[test]
fn nobody_waits_for_what_a_killed_worker_would_have_told_the_others() {
    for fault in ["sweep", "io"] {
        let place = Place::new();
        let mut command = place.command(&format!("run --quiet --jobs 2 --fault {fault} -- sh -c"));
        // The second one is killed once, before it has recorded anything.
        command.arg(format!(
            "case {{dir}} in */worker-1/*) test -e {killed} || {{ : > {killed}; kill -KILL $PPID; }};; esac; echo 1 > {{dir}}/f",
            killed = place.path().join("killed").display()
        ));
        let ran = Ran::from(command.output().unwrap());
        let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(ran.exit, Some(if fault == "sweep" { 1 } else { 3 }), "{said}{}", ran.err);
        assert!(
            said.contains("inconclusive") && ran.err.contains("a worker was killed by SIGKILL"),
            "{said}{}",
            ran.err
        );
    }
}

#[test]
fn a_program_that_stops_or_kills_what_stands_above_the_worker_leaves_nothing() {
    let grandparent = "G=$(awk '/PPid/{print $2}' /proc/$PPID/status)";
    for (deed, exit) in [
        (format!("{grandparent}; kill -STOP $G"), Some(2)),
        (format!("{grandparent}; kill -KILL $G"), Some(2)),
        ("kill -KILL 0".to_owned(), None),
        ("kill -TERM $PPID".to_owned(), Some(2)),
        ("kill -TERM 0".to_owned(), Some(130)),
    ] {
        for arguments in ["audit", "trace"] {
            let place = Place::new();
            let mut command = place.command(&format!("{arguments} -- sh -c"));
            command.arg(format!("setsid sleep 1000 & echo 1 > t; {deed}; sleep 1000")).env(MARK, place.path());
            // A group of its own, or this test would be killed as well.
            let ran = Ran::from(command.process_group(0).output().unwrap());
            assert_eq!(ran.exit, exit, "{arguments}: {deed}: {}{}", ran.out, ran.err);
            assert!(exit.is_none() || !ran.err.is_empty(), "{arguments}: {deed}: it says why");
            wait_until("the death of everybody", || alive(&place).is_empty());
        }
    }
}

#[test]
fn a_stopped_reaper_wakes_up_and_kills_everybody_when_crashtest_is_killed() {
    let place = Place::new();
    let mut command = place.command("audit -- sh -c");
    // First crashtest itself, which would otherwise kill a stopped reaper; then the reaper.
    let above = |pid: &str| format!("$(awk '/PPid/{{print $2}}' /proc/{pid}/status)");
    let script = format!(
        "R={}; C={}; kill -STOP $C; kill -STOP $R; setsid sleep 1000 & : > ready; sleep 1000",
        above("$PPID"),
        above("$R")
    );
    command.arg(script).env(MARK, place.path()).process_group(0);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the program", || place.path().join("ready").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the death of everybody", || alive(&place).is_empty());
}

#[test]
fn whoever_ignores_the_death_of_children_can_start_crashtest() {
    for arguments in [SMALL, "audit --", "trace --"] {
        let place = Place::new();
        let program = if arguments == SMALL { "" } else { "sh -c 'echo 1 > t; mv t f'" };
        // Shells pass on what they ignore.
        let script = format!("trap '' CHLD; exec {} {arguments} {program}", env!("CARGO_BIN_EXE_crashtest"));
        let ran = Ran::from(Command::new("bash").args(["-c", &script]).current_dir(place.path()).output().unwrap());
        assert_eq!(ran.exit, Some(0), "{arguments}: {}{}", ran.out, ran.err);
    }
}

/// Behind `CRASHTEST_SOAK`, as a worker may be silent for a minute.
#[test]
fn a_crashtest_that_was_stopped_for_long_does_not_take_its_workers_for_silent() {
    if !is_thorough() {
        say("SKIPPED: it takes more than a minute: set CRASHTEST_SOAK=100");
        return;
    }
    let place = Place::new();
    let mut command = place.command("run --strategy atomic --iterations 3000 --seed 1 --jobs 1 --quiet --limit 2s");
    // The kernel ends (SIGHUP) a group that has a stopped member and nobody to continue it: it is not to be that of the tests.
    let child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the first trial", || place.path().join("results/latest").exists());
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    // Longer than a worker may be silent: see SILENCE in engine/src/campaign.rs.
    std::thread::sleep(std::time::Duration::from_secs(80));
    kill(pid, Signal::SIGCONT).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(matches!(ran.exit, Some(0 | 3)), "{}{}", ran.out, ran.err);
    assert!(!ran.err.contains("said nothing"), "{}", ran.err);
}
