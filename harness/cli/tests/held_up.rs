//! Checkers that the machine holds up: time in which they cannot go on is not held against them.

mod support;

use support::programs::{Interpreter, Language};
use support::{Place, Ran};

/// For three seconds one sleeps, and one waits in a call that no signal ends, as for a disk that does not answer: vfork(2), whose caller
/// waits for its child.
const WAITS: &str = r#"
import ctypes, os, sys, time

def sleeps():
    time.sleep(3)

def is_held_up():
    number = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
    child = ctypes.CDLL(None).syscall(number, 0x4000 | 17, 0, 0, 0, 0)
    if child == 0:
        time.sleep(3)
        os._exit(0)
    os.waitpid(child, 0)

def at(turns, file):
    """Waits the first time, and at another one."""
    with open(file, "a+") as counted:
        counted.seek(0)
        turn = len(counted.read()) + 1
        counted.write(".")
    if turn in turns:
        WAIT()
"#;

const WRITER: &str = r#"
import os, sys
directory = sys.argv[1]
n = int(open(f"{directory}/n").read())
for n in range(n + 1, n + 3):
    print(f"crashtest: begin {n}", flush=True)
    with open(f"{directory}/t", "w") as file:
        file.write(str(n))
    os.replace(f"{directory}/t", f"{directory}/n")
    print(f"crashtest: ack {n}", flush=True)
"#;

const CHECK: &str = r#"
def says(directory):
    n = open(f"{directory}/n").read()
    at({1, 8}, COUNT)
    print(f"crashtest: state {n}", flush=True)
"#;

/// Runs the writer with a checker that `wait`s for longer than the limit.
fn run(python: &Interpreter, wait: &str, option: &str) -> Ran {
    let place = Place::new();
    let count = place.path().join("count");
    let check = CHECK.replace("COUNT", &format!("'{}'", count.display()));
    let (asks, dir) = match option {
        "--check-batch" => ("for line in sys.stdin:\n    says(line.rstrip('\\n'))\n", ""),
        _ => ("says(sys.argv[1])\n", " {dir}"),
    };
    let waits = WAITS.replace("WAIT()", &format!("{wait}()"));
    std::fs::write(place.path().join("writer.py"), WRITER).unwrap();
    std::fs::write(place.path().join("check.py"), format!("{waits}{check}{asks}")).unwrap();
    let check = format!("{}{dir}", python.words(&["check.py"]).join(" "));
    let mut command = place.command("run --quiet --seed 1 --fault sweep --jobs 1 --limit 2s --max-states 6");
    command.args(["--setup", "sh -c 'printf 0 > {dir}/n'", option, &check, "--"]);
    command.args(python.words(&["writer.py", "{dir}"]));
    Ran::from(command.output().unwrap())
}

/// Only who is held up is waited for.
fn is_waited_for(option: &str) {
    let Some(python) = Interpreter::find(Language::Python) else { return };
    let ran = run(&python, "is_held_up", option);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    let ran = run(&python, "sleeps", option);
    assert_eq!(ran.exit, Some(4), "{}{}", ran.out, ran.err);
}

#[test]
fn a_checker_that_is_held_up_is_waited_for_and_one_that_sleeps_is_not() {
    is_waited_for("--check");
}

#[test]
fn a_checker_of_all_states_that_is_held_up_is_waited_for_and_one_that_sleeps_is_not() {
    is_waited_for("--check-batch");
}
