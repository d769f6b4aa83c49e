//! `crashtest trace` of programs with several threads and processes: each call is listed once, under the process that made it, with
//! its file and its data; and nothing that was traced lives longer than the tracer.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::marked::{MARK, alive};
use support::skip::skip;
use support::{Place, Ran, wait_until};

/// Traces `program` with the state directory `state`; gives the trace and how it went.
fn traced(place: &Place, program: &[&str]) -> (Value, Ran) {
    fs::create_dir(place.path().join("state")).unwrap();
    let mut command = place.command("trace --dir state --output-format json --");
    let ran = Ran::from(command.args(program).env(MARK, place.path()).output().unwrap());
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    (serde_json::from_str(&ran.out).unwrap(), ran)
}

/// The successful writes to each file: which process, at which offset, what.
fn writes(trace: &Value) -> BTreeMap<String, Vec<(u64, u64, String)>> {
    let mut writes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for operation in trace["operations"].as_array().unwrap() {
        let action = &operation["action"];
        if action["does"] == "write" {
            assert!(operation["errno"].is_null(), "{operation}");
            let write = (
                operation["process"].as_u64().unwrap(),
                action["offset"].as_u64().unwrap(),
                action["data"].as_str().unwrap().to_owned(),
            );
            writes.entry(action["path"].as_str().unwrap().to_owned()).or_default().push(write);
        }
    }
    writes
}

/// What was written to a file, at its offsets, is what the file holds, every byte of it written once.
fn assert_same_as_written(place: &Place, file: &str, writes: &[(u64, u64, String)]) {
    let content = fs::read_to_string(place.path().join("state").join(file)).unwrap();
    let mut sorted: Vec<_> = writes.iter().collect();
    sorted.sort_by_key(|(_, offset, _)| *offset);
    let mut end = 0;
    for (_, offset, data) in sorted {
        assert_eq!(*offset, end, "{file}: {data:?} lies behind what was written before it");
        end += data.len() as u64;
        assert_eq!(content.get(*offset as usize..end as usize), Some(data.as_str()), "{file}");
    }
    assert_eq!(end, content.len() as u64, "{file}");
}

/// Whether a Python is there for victims with threads. A test without one says that it is skipped.
fn python() -> bool {
    let there = Command::new("python3").arg("-c").stdout(Stdio::null()).arg("").status().is_ok_and(|s| s.success());
    if !there {
        skip("python3");
    }
    there
}

#[test]
fn every_process_of_a_shell_is_listed_with_its_own_calls() {
    let place = Place::new();
    // Each process: numbered records to a file of its own, and to one that all of them append to.
    let script = r#"
        writer() { i=0; while [ $i -lt 100 ]; do echo "$1 $i"; echo "$1 $i" >&3; i=$((i+1)); done > "$CRASHTEST_DIR/$1"; }
        exec 3>> "$CRASHTEST_DIR/all"
        writer a & writer b & writer c; wait"#;
    let (trace, _) = traced(&place, &["sh", "-c", script]);
    let writes = writes(&trace);
    let mut processes = Vec::new();
    for name in ["a", "b", "c"] {
        let own = &writes[name];
        let wanted: Vec<String> = (0..100).map(|n| format!("{name} {n}\n")).collect();
        assert_eq!(own.iter().map(|(.., data)| data).collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
        assert_same_as_written(&place, name, own);
        let process = own[0].0;
        assert!(own.iter().all(|(of, ..)| *of == process), "{name} is one process");
        let among_all = writes["all"].iter().filter(|(of, ..)| *of == process).map(|(.., data)| data);
        assert_eq!(among_all.collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
        processes.push(process);
    }
    processes.sort_unstable();
    processes.dedup();
    assert_eq!((processes.len(), trace["processes"].as_u64(), &trace["concurrent"]), (3, Some(3), &Value::Bool(false)));
    assert_same_as_written(&place, "all", &writes["all"]);
}

#[test]
fn threads_that_share_a_descriptor_are_listed_with_the_places_that_their_writes_really_have() {
    if !python() {
        return;
    }
    let place = Place::new();
    let script = r"
import os, threading
os.chdir(os.environ['CRASHTEST_DIR'])
shared = os.open('shared', os.O_WRONLY | os.O_CREAT)
def work(name):
    own = os.open(name, os.O_WRONLY | os.O_CREAT)
    for n in range(150):
        os.write(own, b'%s %d\n' % (name.encode(), n))
        os.write(shared, b'%s %d\n' % (name.encode(), n))
threads = [threading.Thread(target=work, args=(name,)) for name in ['one', 'two']]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
";
    let (trace, _) = traced(&place, &["python3", "-c", script]);
    let writes = writes(&trace);
    for name in ["one", "two"] {
        let wanted: Vec<String> = (0..150).map(|n| format!("{name} {n}\n")).collect();
        assert_eq!(writes[name].iter().map(|(.., data)| data).collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
        let among_shared = writes["shared"].iter().map(|(.., data)| data).filter(|data| data.starts_with(name));
        assert_eq!(among_shared.collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
        assert_same_as_written(&place, name, &writes[name]);
    }
    assert_same_as_written(&place, "shared", &writes["shared"]);
    // Each is let into the kernel when the other is out of it.
    assert_eq!((trace["processes"].as_u64(), &trace["concurrent"]), (Some(1), &Value::Bool(false)));
}

#[test]
fn a_call_without_a_model_that_fails_is_listed_and_nothing_more() {
    if !python() {
        return;
    }
    let place = Place::new();
    // EXT4_IOC_MOVE_EXT with a donor that is no open file.
    let script = r"
import fcntl, os, struct
with open(os.environ['CRASHTEST_DIR'] + '/f', 'w') as file:
    file.write('x' * 8192)
    try:
        fcntl.ioctl(file, 0xC028660F, struct.pack('IIQQQQ', 0, 999, 0, 0, 1, 0))
    except OSError:
        pass
";
    let (trace, _) = traced(&place, &["python3", "-c", script]);
    let calls = trace["operations"].as_array().unwrap();
    assert!(calls.iter().any(|call| call["call"] == "ioctl" && call["errno"].is_number()), "{trace:#}");
    assert!(trace["unmodelled"].as_object().is_none_or(|names| names.is_empty()), "{trace:#}");
}

#[test]
fn of_two_threads_that_close_a_descriptor_one_has_closed_it() {
    if !python() {
        return;
    }
    let place = Place::new();
    let script = r"
import os, threading
os.chdir(os.environ['CRASHTEST_DIR'])
together = threading.Barrier(2)
def work(opens):
    global shared
    for n in range(300):
        if opens:
            shared = os.open('f', os.O_WRONLY | os.O_CREAT)
        together.wait()
        try: os.close(shared)
        except OSError: pass
        together.wait()
threads = [threading.Thread(target=work, args=(opens,)) for opens in [True, False]]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
";
    let (trace, _) = traced(&place, &["python3", "-c", script]);
    let done = |what: &str| {
        let operations = trace["operations"].as_array().unwrap().iter();
        operations
            .filter(|of| of["action"]["does"] == what && of["action"]["path"] == "f" && of["errno"].is_null())
            .count()
    };
    assert_eq!((done("open"), done("close")), (300, 300));
}

#[test]
fn files_are_listed_by_their_names_however_long_and_whichever_way_they_are_named() {
    if !python() {
        return;
    }
    let place = Place::new();
    let script = r"
import os
os.chdir(os.environ['CRASHTEST_DIR'])
deep = '/'.join(letter * 150 for letter in 'def')
os.makedirs(deep)
for name in [deep + '/file', '/proc/self/cwd/one', '//proc/./self/cwd/two', deep + '/../../../three']:
    with open(name, 'w') as file:
        file.write(name)
";
    let (trace, _) = traced(&place, &["python3", "-c", script]);
    let writes = writes(&trace);
    let deep = ["d", "e", "f"].map(|letter| letter.repeat(150)).join("/") + "/file";
    assert_eq!(writes.keys().collect::<Vec<_>>(), [&deep, "one", "three", "two"]);
    for (name, written) in &writes {
        assert_same_as_written(&place, name, written);
    }
    let opens = trace["operations"].as_array().unwrap().iter().filter(|of| of["action"]["does"] == "open");
    let opened: Vec<&str> = opens.map(|of| of["action"]["path"].as_str().unwrap()).collect();
    assert_eq!(opened, [&deep, "one", "two", "three"]);
}

#[test]
fn lines_of_a_program_that_writes_more_than_there_is_memory_are_shown() {
    let place = Place::new();
    // As much address space as the program and we need, and less than it writes.
    let limited = "ulimit -v 150000; exec \"$CRASHTEST\" trace -- dd if=/dev/zero of=f bs=1M count=200";
    let mut command = Command::new("sh");
    command.args(["-c", limited]).env("CRASHTEST", env!("CARGO_BIN_EXE_crashtest")).current_dir(place.path());
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.exit, Some(0), "{}", ran.err);
    assert!(ran.out.contains("1048576 bytes at 208666624") && ran.out.contains("exit status 0"), "{}", ran.out);
}

#[test]
fn a_program_under_signals_that_starts_programs_is_listed_without_a_gap() {
    if !python() {
        return;
    }
    let place = Place::new();
    // The alarms interrupt writes to a full pipe too; a thread empties it. With and without SA_RESTART.
    let script = r"
import fcntl, os, signal, subprocess, sys, threading
os.chdir(os.environ['CRASHTEST_DIR'])
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, sys.argv[1] == 'interrupts')
os.mkfifo('pipe')
pipe = os.open('pipe', os.O_RDWR)
fcntl.fcntl(pipe, 1031, 4096) # F_SETPIPE_SZ
def put(data):
    while data:
        data = data[os.write(pipe, data):]
def drain():
    got = b''
    while not got.endswith(b'end\n'):
        got += os.read(pipe, 512)
    os.write(os.open('drained', os.O_WRONLY | os.O_CREAT), got)
drainer = threading.Thread(target=drain)
drainer.start()
log = os.open('log', os.O_WRONLY | os.O_CREAT)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for n in range(40):
    os.write(log, b'%d\n' % n)
    put(b'%04d' % n * 4000)
    subprocess.run(['sh', '-c', 'echo %d > program-%d' % (n, n)], check=True)
signal.setitimer(signal.ITIMER_REAL, 0, 0)
put(b'end\n')
drainer.join()
";
    for mode in ["interrupts", "restarts"] {
        let place = if mode == "interrupts" { &place } else { &Place::new() };
        let (trace, _) = traced(place, &["python3", "-c", script, mode]);
        let mut failed = 0;
        let mut done = trace.clone();
        done["operations"].as_array_mut().unwrap().retain(|operation| {
            failed += u64::from(operation["errno"] == 4);
            operation["errno"].is_null()
        });
        assert!(mode == "interrupts" || failed == 0, "what is restarted has not failed");
        let writes = writes(&done);
        assert_same_as_written(place, "log", &writes["log"]);
        assert_eq!(writes["log"].len(), 40);
        let piped: String = writes["pipe"].iter().map(|(.., data)| data.as_str()).collect();
        assert!(fs::read_to_string(place.path().join("state/drained")).unwrap() == piped);
        for n in 0..40 {
            let of_program = &writes[&format!("program-{n}")];
            assert_eq!(of_program, &[(of_program[0].0, 0, format!("{n}\n"))]);
        }
        assert_eq!(trace["processes"].as_u64(), Some(41));
    }
}

#[test]
fn what_a_program_leaves_in_the_background_is_gone_when_the_trace_is_there() {
    let place = Place::new();
    // Both write their first line before the program ends. They hold no pipe open that the test reads to its end.
    let script = r#"exec > /dev/null 2>&1; cd "$CRASHTEST_DIR"
        (while [ -d "$CRASHTEST_DIR" ]; do echo 1 > child; done) &
        setsid sh -c 'echo 1 > session; while [ -d "$CRASHTEST_DIR" ]; do :; done' &
        until [ -s child ] && [ -s session ]; do :; done"#;
    let (trace, _) = traced(&place, &["sh", "-c", script]);
    assert_eq!(alive(&place), [0; 0]);
    assert!(writes(&trace).keys().eq(["child", "session"]));
}

#[test]
fn a_killed_tracer_takes_everything_that_it_traces_along() {
    let place = Place::new();
    fs::create_dir(place.path().join("state")).unwrap();
    let script = r#"cd "$CRASHTEST_DIR"
        for n in 1 2 3; do (while [ -d "$CRASHTEST_DIR" ]; do echo $n > file-$n; done) & done
        setsid sh -c '(trap "" HUP INT TERM; while [ -d "$CRASHTEST_DIR" ]; do :; done) & while [ -d "$CRASHTEST_DIR" ]; do echo 4 > file-4; done' &
        while [ -d "$CRASHTEST_DIR" ]; do sh -c 'echo 5 > file-5'; done"#;
    let mut command = place.command("trace --dir state --");
    command.args(["sh", "-c", script]).env(MARK, place.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut tracer = command.spawn().unwrap();
    wait_until("everybody's first write", || {
        (1..=5).all(|n| fs::read(place.path().join(format!("state/file-{n}"))).is_ok_and(|text| !text.is_empty()))
    });
    assert!(alive(&place).len() >= 7, "the tracer, the shell, three loops and two in a session of their own");
    tracer.kill().unwrap();
    tracer.wait().unwrap();
    wait_until("the death of every victim", || alive(&place).is_empty());
}

#[test]
fn a_killed_supervisor_of_a_sweep_takes_its_workers_and_their_victims_along() {
    let place = Place::new();
    for fault in ["sweep", "io"] {
        let mut command =
            place.command(&format!("run --strategy direct --fault {fault} --jobs 2 --quiet --out {fault}"));
        command.env(MARK, place.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut supervisor = command.spawn().unwrap();
        let trials = place.path().join(fault).join("latest/trials.jsonl");
        let begun = format!("\"fault\":\"{fault}\"");
        wait_until("a traced victim", || fs::read_to_string(&trials).is_ok_and(|text| text.contains(&begun)));
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
        wait_until("the death of every worker and victim", || alive(&place).is_empty());
    }
}

#[test]
fn a_program_that_cannot_be_started_says_why_and_one_that_ends_badly_is_shown() {
    let place = Place::new();
    fs::write(place.path().join("no-program"), "x").unwrap();
    for (program, why) in [("./nowhere", "No such file"), ("./no-program", "Permission denied")] {
        let ran = place.crashtest(&format!("trace -- {program}"));
        assert_eq!((ran.exit, ran.out.as_str()), (Some(2), ""), "{}", ran.err);
        assert!(ran.err.contains(&format!("failed to start `{program}`: {why}")), "{}", ran.err);
    }
    let ran = Ran::from(place.command("trace -- sh -c").arg("echo a > f; exit 127").output().unwrap());
    assert_eq!(ran.exit, Some(0), "{}", ran.err);
    assert!(ran.out.contains("write     f  2 bytes") && ran.out.contains("exit status 127"), "{}", ran.out);
}

#[test]
fn an_interrupted_trace_shows_what_there_is_and_leaves_no_process() {
    let place = Place::new();
    let mut command = place.command("trace -- sh -c");
    // It does not care for interrupts itself.
    command.arg("trap '' INT; echo a > f; echo > ready; while :; do sleep 0.1; done").env(MARK, place.path());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the program's writes", || place.path().join("ready").exists());
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(130), "{}", ran.err);
    assert!(ran.out.contains("write     f  2 bytes") && ran.out.contains("ended by Ctrl-C after "), "{}", ran.out);
    wait_until("their end", || alive(&place).is_empty());
}

#[test]
fn an_interrupted_trace_of_a_strategy_that_hangs_ends_as_well() {
    let place = Place::new();
    // It never comes back from its fourth save, and would be waited for for minutes.
    let mut command = place.command("trace --strategy planted-stall --saves 4");
    let mut child = command.env(MARK, place.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Beside it that which was started, its reaper, and that which traces.
    wait_until("the strategy's process", || alive(&place).len() >= 4);
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    wait_until("its end", || child.try_wait().unwrap().is_some());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(130), "{}", ran.err);
    assert!(ran.out.contains("interrupted"), "{}", ran.out);
    wait_until("their end", || alive(&place).is_empty());
}
