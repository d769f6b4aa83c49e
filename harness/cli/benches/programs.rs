//! About how many crash states a second a checker of somebody's own is asked: started for each, copied, and serving one after the other.
//!
//! The checker is a small one in Python. It is copied unless it has a thread when it looks at the state directory: with one it is started
//! for each state. Each is asked about few and about many states of one recorded run, in turn; the difference leaves out what a run costs once.
//! The peer is a loop on each processor that starts an interpreter which does nothing.
//!
//! Budget: copies ≥ 20 × plain starts.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use support::{median, verdict};

const ROUNDS: usize = 3;
const BUDGET: f64 = 20.0;
/// Interpreters that each processor starts.
const STARTS: u32 = 60;

/// Leaves a number and an end of line after each save: an empty file is the only other state.
const WRITER: &str = "for n in $(seq 3000); do echo $n > \"$0/f\"; done";

/// Answers for one directory.
const FOUND: &str = r#"
import json, os, sys
def found(directory):
    path = os.path.join(directory, "f")
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        return "ok"
    try:
        with open(path) as file:
            json.load(file)
    except ValueError as error:
        return f"garbage {error}"
    return "ok"
"#;

/// A way in which a checker is asked, and about how many states: few, and many.
struct Way {
    name: &'static str,
    option: &'static str,
    script: String,
    few: u32,
    many: u32,
}

fn main() -> ExitCode {
    let Some(python) = interpreter() else {
        println!("skipped: python3 is not installed");
        return ExitCode::SUCCESS;
    };
    let place = tempfile::Builder::new().prefix(".bench-").tempdir_in(".").expect("a writable directory");
    let each = "print('crashtest:', found(sys.argv[1]))\n";
    let thread = "import _thread, time\n_thread.start_new_thread(time.sleep, (1000,))\n";
    let serve = "for line in sys.stdin: print('crashtest:', found(line.rstrip('\\n')), flush=True)\n";
    let ways = [
        Way {
            name: "started for each",
            option: "--check",
            script: format!("{thread}{FOUND}{each}"),
            few: 40,
            many: 240,
        },
        Way { name: "copied", option: "--check", script: format!("{FOUND}{each}"), few: 200, many: 2200 },
        Way { name: "serving", option: "--check-batch", script: format!("{FOUND}{serve}"), few: 200, many: 2200 },
    ];
    let mut rates = ways.each_ref().map(|_| Vec::new());
    let mut starts = Vec::new();
    for _ in 0..ROUNDS {
        starts.push(starts_per_second(&python));
        for (way, rates) in ways.iter().zip(&mut rates) {
            rates.push(way.states_per_second(&python, place.path()));
        }
    }
    let [plain, copied, serving] = rates.map(|rates| median(&rates));
    let starts = median(&starts);
    println!("crash states a second, all processors; medians of {ROUNDS} rounds\n");
    println!("{:<28} {:>8} {:>18}", "", "states/s", "/ plain starts");
    for (name, rate) in
        [("python3 -c pass, in a loop", starts), (ways[0].name, plain), (ways[1].name, copied), (ways[2].name, serving)]
    {
        println!("{name:<28} {rate:>8.0} {:>18.1}", rate / plain);
    }
    println!("\nbudget: copied >= {BUDGET} of plain starts");
    verdict(copied >= BUDGET * plain)
}

impl Way {
    /// The states a second by which many take longer than few.
    fn states_per_second(&self, python: &str, place: &Path) -> f64 {
        let script = place.join("check.py");
        fs::write(&script, &self.script).expect("a writable directory");
        let asked = |most: u32| {
            let began = Instant::now();
            let dir = if self.option == "--check" { " {dir}" } else { "" };
            let check = format!("'{python}' '{}'{dir}", script.display());
            let output = Command::new(env!("CARGO_BIN_EXE_crashtest"))
                .args(["audit", "--output-format", "json", "--max-states", &most.to_string(), self.option, &check])
                .args(["--setup", "true", "--", "sh", "-c", WRITER, "{dir}"])
                .stderr(Stdio::null())
                .output()
                .expect("the program starts");
            let took = began.elapsed().as_secs_f64();
            let audit: Value = serde_json::from_slice(&output.stdout).expect("an audit on standard output");
            assert_eq!(audit["checked"]["states"].as_u64(), Some(most.into()), "{}: {audit}", self.name);
            took
        };
        let (few, many) = (asked(self.few), asked(self.many));
        f64::from(self.many - self.few) / (many - few)
    }
}

/// Interpreters a second that all processors start together.
fn starts_per_second(python: &str) -> f64 {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                for _ in 0..STARTS {
                    let ended = Command::new(python).args(["-c", "pass"]).status().expect("it starts");
                    assert!(ended.success());
                }
            });
        }
    });
    f64::from(STARTS) * processors as f64 / began.elapsed().as_secs_f64()
}

/// The interpreter itself, past a version manager's script in front of it.
fn interpreter() -> Option<String> {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
