//! What the tests of the program share: running it in a directory of its own, and reading what it left.
#![expect(dead_code, reason = "each test file uses its part")]

pub(crate) mod marked;
pub(crate) mod programs;
pub(crate) mod skip;
pub(crate) mod tmpfs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The longest that a test waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// A directory of a test's own, in which the program runs.
pub(crate) struct Place {
    dir: TempDir,
}

/// A run that is over.
pub(crate) struct Ran {
    /// The exit status; `None` if a signal ended it.
    pub(crate) exit: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Place {
    /// A new one.
    pub(crate) fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The program with these arguments (separated by spaces), not yet started.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crashtest"));
        command.args(arguments.split_whitespace()).current_dir(self.path());
        // What a developer's terminal sets must not change a text, nor its width or colour.
        let foreign = ["RUST_BACKTRACE", "COLUMNS", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"];
        foreign.iter().for_each(|name| {
            command.env_remove(name);
        });
        command
    }

    /// Runs the program with these arguments.
    pub(crate) fn crashtest(&self, arguments: &str) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs a campaign of `strategy`; gives its exit status and its summary.
    pub(crate) fn campaign(&self, strategy: &str, more: &str) -> (Option<i32>, Value) {
        let ran = self.crashtest(&format!("run --strategy {strategy} --output-format json --quiet --seed 1 {more}"));
        let summary = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {} {}", ran.out, ran.err));
        (ran.exit, summary)
    }

    /// The folder of the newest run.
    pub(crate) fn latest(&self) -> PathBuf {
        self.path().join("results/latest").canonicalize().unwrap()
    }

    /// The records of the newest run.
    pub(crate) fn trials(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.latest().join("trials.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        // Notes are no trials.
        lines.filter(|line: &Value| line["note"].is_null()).collect()
    }

    /// Those in whose gap between two calls the victim waited for its kill: such a kill is made again however the clock and the
    /// machine go.
    pub(crate) fn failures_in_gaps(&self) -> Vec<PathBuf> {
        let in_a_gap = |folder: &PathBuf| {
            let failure = fs::read_to_string(folder.join("failure.json")).unwrap();
            let record = &serde_json::from_str::<Value>(&failure).unwrap()["record"];
            record["aim"]["gap"].is_number() && record["detail"]["carried_from"].is_null()
        };
        self.kept_failures().into_iter().filter(in_a_gap).collect()
    }

    /// The folders of the failures that the newest run has kept.
    pub(crate) fn kept_failures(&self) -> Vec<PathBuf> {
        let below = |path: PathBuf| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        let mut folders: Vec<PathBuf> = below(self.latest().join("failures")).flat_map(below).collect();
        folders.sort();
        folders
    }

    /// Makes the executable `name`. Another process writes it: it stays open for writing in nobody whom a test beside this one forks
    /// meanwhile, and is not busy (execve(2), ETXTBSY).
    pub(crate) fn executable(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        let source = path.with_extension("source");
        fs::write(&source, content).unwrap();
        let made = Command::new("install").args(["-m", "755"]).args([&source, &path]).status().unwrap();
        assert!(made.success(), "install {}", path.display());
        fs::remove_file(source).unwrap();
        path
    }

    /// The names in a directory below, in their order.
    pub(crate) fn names(&self, below: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path().join(below)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { exit: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// The row of kills before a start of `start` ("again", "first").
pub(crate) fn kills<'a>(summary: &'a Value, start: &str) -> &'a Value {
    let rows = summary["results"].as_array().unwrap();
    rows.iter().find(|row| row["fault"] == "kill" && row["start"] == start).unwrap_or(&Value::Null)
}

/// The first row of `fault`.
pub(crate) fn row<'a>(summary: &'a Value, fault: &str) -> &'a Value {
    let rows = summary["results"].as_array().unwrap();
    rows.iter().find(|row| row["fault"] == fault).unwrap_or(&Value::Null)
}

/// How many trials of a row came to `verdict`.
pub(crate) fn count(row: &Value, verdict: &str) -> u64 {
    row["verdicts"][verdict]["count"].as_u64().unwrap_or(0)
}

/// Every verdict of a run, over all its rows.
pub(crate) fn verdicts(summary: &Value) -> Vec<String> {
    let rows = summary["results"].as_array().unwrap();
    rows.iter().flat_map(|row| row["verdicts"].as_object().unwrap().keys().cloned()).collect()
}

/// Waits until `happened`; fails the test when it takes too long.
pub(crate) fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < PATIENCE, "{what} did not happen");
        // What is waited for needs the processors more than the waiting does.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The living descendants of a process; a zombie is dead.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<u32> = list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    children
        .iter()
        .flat_map(|child| [vec![*child], descendants(*child)].concat())
        .filter(|pid| is_alive(*pid))
        .collect()
}

/// Whether a process is there and no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}
