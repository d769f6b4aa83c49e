//! What the benchmarks share: running a campaign of the real program and reading its results.
#![expect(dead_code, reason = "each benchmark uses its part")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use serde_json::Value;

/// Where files live in memory.
pub(crate) const MEMORY: &str = "/dev/shm";

/// A campaign to run.
pub(crate) struct Campaign {
    fault: &'static str,
    arguments: Vec<String>,
    out: tempfile::TempDir,
}

/// What a campaign measured.
pub(crate) struct Measured {
    /// Kills of restarts per second of wall clock; first starts take time of it and are not counted.
    pub(crate) kills_per_second: f64,
    /// The delays after recovery of the kills that were aimed past it, in ns.
    pub(crate) delays_ns: Vec<u64>,
    /// Wall clock of the trials, without the control.
    pub(crate) elapsed_s: f64,
    /// The row of restarts in summary.json.
    pub(crate) row: Value,
    /// That of first starts as well.
    rows: Vec<Value>,
    /// Peak memory of the supervisor, in KiB.
    pub(crate) peak_memory_kib: u64,
    /// Peak memory of the largest worker, in KiB.
    pub(crate) worker_memory_kib: u64,
}

impl Campaign {
    /// `trials` kills of `strategy` by `jobs` workers.
    pub(crate) fn new(strategy: &str, trials: u64, seed: u64, jobs: usize) -> Campaign {
        Campaign::under("kill", &format!("--strategy {strategy} --iterations {trials} --seed {seed} --jobs {jobs}"))
    }

    /// A sweep of `strategy` by `jobs` workers, in memory.
    pub(crate) fn sweep(strategy: &str, seed: u64, jobs: usize) -> Campaign {
        let dir = format!("--dir {MEMORY}");
        Campaign::under("sweep", &format!("--strategy {strategy} --fault sweep --seed {seed} --jobs {jobs} {dir}"))
    }

    /// One under `fault` with these options.
    fn under(fault: &'static str, options: &str) -> Campaign {
        let out = tempfile::Builder::new().prefix(".bench-").tempdir_in(".").expect("a writable directory");
        let arguments = format!("run {options} --quiet --output-format json");
        Campaign { fault, arguments: arguments.split(' ').map(str::to_owned).collect(), out }
    }

    /// The same with more arguments.
    pub(crate) fn with(mut self, more: &[&str]) -> Campaign {
        self.arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Runs it.
    pub(crate) fn run(self) -> Measured {
        let mut child = Command::new(env!("CARGO_BIN_EXE_crashtest"))
            .args(&self.arguments)
            .arg("--out")
            .arg(self.out.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (mut peak_memory_kib, mut worker_memory_kib) = (0, 0);
        let mut output = child.stdout.take().expect("a pipe");
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut output, &mut text).map(|_| text)
        });
        while child.try_wait().expect("wait").is_none() {
            peak_memory_kib = peak_memory(child.id()).max(peak_memory_kib);
            worker_memory_kib = children(child.id()).map(peak_memory).max().unwrap_or(0).max(worker_memory_kib);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let text = reader.join().expect("no panic").expect("UTF-8");
        while crashtest_linux::process::threads().expect("/proc") > 1 {
            std::hint::spin_loop();
        }
        let summary: Value = serde_json::from_str(&text).expect("a summary on standard output");
        let rows = summary["results"].as_array().expect("rows").iter().filter(|row| row["fault"] == self.fault);
        let rows: Vec<Value> = rows.cloned().collect();
        let row = rows.iter().find(|row| row["start"] == "again").expect("the row").clone();
        let elapsed_s = summary["elapsed_s"].as_f64().expect("a time");
        Measured {
            kills_per_second: row["kills_landed"].as_u64().expect("a count") as f64 / elapsed_s,
            elapsed_s,
            delays_ns: self.delays(),
            row,
            rows,
            peak_memory_kib,
            worker_memory_kib,
        }
    }

    fn delays(&self) -> Vec<u64> {
        let run: PathBuf = self.out.path().join("latest").join("trials.jsonl");
        let text = fs::read_to_string(run).expect("the trials");
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record"));
        records
            .filter(|r| r["fault"] == "kill" && r["start"] == "again" && r["aim"].get("recovery").is_none())
            .filter_map(|r| r["delay_ns"].as_u64())
            .collect()
    }
}

impl Measured {
    /// How many `what` there were each second, first starts and restarts together.
    pub(crate) fn per_second(&self, what: &str) -> f64 {
        self.rows.iter().filter_map(|row| row[what].as_f64()).sum::<f64>() / self.elapsed_s
    }
}

/// Says whether the budgets are met, and ends with 1 where they are not.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
pub(crate) fn verdict(met: bool) -> ExitCode {
    println!("{}", if met { "met" } else { "NOT MET" });
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether strace is there; says so if not.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
pub(crate) fn has_strace() -> bool {
    let found = Command::new("strace").arg("--version").stdout(std::process::Stdio::null()).status().is_ok();
    if !found {
        println!("skipped: strace, the peer of this benchmark, is not installed");
    }
    found
}

fn peak_memory(pid: u32) -> u64 {
    crashtest_linux::machine::peak_memory_kib(pid).unwrap_or(0)
}

/// The child processes of `pid`'s first thread.
fn children(pid: u32) -> impl Iterator<Item = u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>().into_iter()
}

/// The middle of `values`.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
