//! Programs whose calls overlap: one thread waits inside the kernel while others go on.

mod support;

use std::fs;

use support::programs::{Interpreter, Language};
use support::{Place, Ran};

/// Commits each save by a line that a thread takes from a pipe: it waits there, in the kernel, until the data is in place.
const BOUND: &str = r"
import os, sys, threading, time
os.chdir(sys.argv[1])
n = int(open('data').read())
print('crashtest: ready', flush=True)
reads, writes = os.pipe()
log = os.open('commit', os.O_WRONLY)
os.lseek(log, 0, os.SEEK_END)
for n in range(n + 1, n + 3):
    print('crashtest: begin', n, flush=True)
    thread = threading.Thread(target=lambda: os.splice(reads, log, 100))
    thread.start()
    time.sleep(0.02)
    with open('tmp', 'w') as file:
        file.write(str(n))
    os.rename('tmp', 'data')
    os.write(writes, b'%d\n' % n)
    thread.join()
    print('crashtest: ack', n, flush=True)
";
const BOUND_SET_UP: &str = "sh -c 'echo 0 > {dir}/data; echo 0 > {dir}/commit'";
/// No line without its data.
const BOUND_CHECK: &str = r"
import sys
data, commit = int(open(sys.argv[1] + '/data').read()), int(open(sys.argv[1] + '/commit').read().split()[-1])
print(f'crashtest: refused line {commit} without its data' if commit > data else f'crashtest: state {commit}')
";

/// Writes over its first file from a pipe that another process fills, and replaces the second one meanwhile.
const FREE: &str = r"
import os, subprocess, sys, threading, time
os.chdir(sys.argv[1])
n = int(open('second').read())
print('crashtest: ready', flush=True)
for n in range(n + 1, n + 3):
    print('crashtest: begin', n, flush=True)
    fed = subprocess.Popen(['sh', '-c', 'sleep 0.3; printf %04d ' + str(n)], stdout=subprocess.PIPE)
    first = os.open('first', os.O_WRONLY)
    thread = threading.Thread(target=lambda: os.splice(fed.stdout.fileno(), first, 4))
    thread.start()
    time.sleep(0.02)
    with open('tmp', 'w') as file:
        file.write(str(n))
    os.rename('tmp', 'second')
    thread.join()
    fed.wait()
    os.close(first)
    print('crashtest: ack', n, flush=True)
";
const FREE_SET_UP: &str = "sh -c 'printf 0 > {dir}/second; printf 0000 > {dir}/first'";
/// The second file is never newer than the first.
const FREE_CHECK: &str = r"
import sys
first, second = (int(open(sys.argv[1] + name).read()) for name in ['/first', '/second'])
print(f'crashtest: refused {second} is newer than {first}' if second > first else f'crashtest: state {second}')
";

/// Runs `command` on a program with such a set-up and checker; `None` where Python is not here.
fn ran(place: &Place, command: &str, [script, set_up, check]: [&str; 3]) -> Option<Ran> {
    Interpreter::find(Language::Python)?;
    for (name, text) in [("program.py", script), ("check.py", check)] {
        fs::write(place.path().join(name), text).unwrap();
    }
    let check = format!("python3 {}/check.py {{dir}}", place.path().display());
    let mut command = place.command(command);
    command.args(["--setup", set_up, "--check", &check, "--"]);
    command.args(["python3", "program.py", "{dir}"]);
    Some(Ran::from(command.output().unwrap()))
}

const BOUND_PROGRAM: [&str; 3] = [BOUND, BOUND_SET_UP, BOUND_CHECK];
const FREE_PROGRAM: [&str; 3] = [FREE, FREE_SET_UP, FREE_CHECK];

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_call_that_was_seen_to_wait_for_others_did_not_come_before_them() {
    for command in ["run --quiet --seed 1 --fault sweep --max-states 60", "audit"] {
        let Some(ran) = ran(&Place::new(), command, BOUND_PROGRAM) else { return };
        assert_eq!(ran.exit, Some(0), "{command}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn every_order_of_calls_that_overlap_is_derived() {
    let place = Place::new();
    let Some(swept) = ran(&place, "run --quiet --seed 1 --fault sweep --max-states 60", FREE_PROGRAM) else { return };
    assert_eq!(swept.exit, Some(1), "{}{}", swept.out, swept.err);
    let said = words(&swept.out);
    assert!(said.contains("orders in which they can have taken effect are derived"), "{}", swept.out);
    assert!(said.contains("is newer than"), "{}", swept.out);
    let shown = place.trials().iter().any(|trial| trial["trial"].as_u64() >= Some(1_000_000_000_000));
    assert!(shown, "the trials of other orders have numbers of their own");

    let failure =
        place.kept_failures().into_iter().find(|folder| !folder.to_string_lossy().contains("again-")).unwrap();
    let replayed = Ran::from(place.command("replay").arg(failure).output().unwrap());
    assert_eq!(replayed.exit, Some(1), "{}{}", replayed.out, replayed.err);
    assert!(replayed.out.contains("shows again"), "{}", replayed.out);

    let audited = ran(&Place::new(), "audit --out r", FREE_PROGRAM).unwrap();
    assert_eq!(audited.exit, Some(1), "{}{}", audited.out, audited.err);
    assert!(
        words(&audited.out).contains("each order in which they can have taken effect is judged"),
        "{}",
        audited.out
    );
}
