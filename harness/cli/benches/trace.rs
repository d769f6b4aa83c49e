//! How much `crashtest trace` slows a program down, beside strace(1).
//!
//! The program is this very one, started again as a victim: one thread, saves of 4 KiB in memory (open, write, close, rename) and, as
//! in real programs, more calls that change no file than calls that do. A slow-down is the time of the traced run, from the start of
//! the command to its end and with everything that it prints, over that of the plain run; what is compared is run in turn, several times.
//! strace writes its lines to a file; `crashtest trace` prints to /dev/null.
//!
//! Budgets: ≤ 0.25 of strace as people run it, with the processors that there are; ≤ 1.1 of strace on one processor, as we run on
//! one: with a filter for the very calls that we stop at, which is the harder peer. The same without that filter stands beside.
//!
//! Needs strace (6.1 was used); without it there is nothing to compare with, and the benchmark says so.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod support;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crashtest_linux::trace::traced_calls;
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;
use support::{MEMORY, has_strace, median, verdict};

const ROUNDS: usize = 5;
/// Of what takes a tenth of the time.
const ROUNDS_PINNED: usize = 15;
/// Four file-changing calls each: start-up does not count beside them.
const SAVES: usize = 10_000;
/// Calls between two saves that change no file: as many each of pread(2) and getpid(2), half as many of statx(2).
const OTHERS: usize = 4;
/// How this program is told to be the victim.
const VICTIM: &str = "be-the-victim";

const BUDGET_AS_RUN: f64 = 0.25;
const BUDGET_PINNED: f64 = 1.1;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some(VICTIM) {
        victim(&PathBuf::from(words.next().expect("a directory")));
        return ExitCode::SUCCESS;
    }
    if !has_strace() {
        return ExitCode::SUCCESS;
    }
    let place = tempfile::Builder::new().prefix(".bench-").tempdir_in(MEMORY).expect("a file system in memory");
    let dir = place.path().join("state");
    fs::create_dir(&dir).expect("a directory");
    let lines = place.path().join("strace.txt");
    let filter = same_calls();
    let strace = |more: &[&str]| {
        let mut command = Command::new("strace");
        command.arg("-f").args(more).arg("-o").arg(&lines).args(victim_command(&dir));
        command
    };
    let plain = || {
        let [program, arguments @ ..] = &victim_command(&dir)[..] else { unreachable!("a program is named") };
        seconds(Command::new(program).args(arguments))
    };
    let ours = || {
        let mut crashtest = Command::new(env!("CARGO_BIN_EXE_crashtest"));
        crashtest.arg("trace").arg("--dir").arg(&dir).arg("--").args(victim_command(&dir));
        seconds(&mut crashtest)
    };
    // What is compared runs side by side: this machine is another one a minute later.
    let as_run: Vec<[f64; 3]> = (0..ROUNDS).map(|_| [plain(), ours(), seconds(&mut strace(&[]))]).collect();
    let _one = OneProcessor::pin();
    let one: Vec<[f64; 4]> = (0..ROUNDS_PINNED)
        .map(|_| {
            let filtered = seconds(&mut strace(&["--seccomp-bpf", "-e", &filter]));
            [plain(), ours(), filtered, seconds(&mut strace(&[]))]
        })
        .collect();
    println!(
        "slow-down of a program that makes {} file-changing calls and {} others; medians of {ROUNDS} and {ROUNDS_PINNED} rounds\n",
        4 * SAVES,
        (2 * OTHERS + OTHERS / 2) * SAVES
    );
    let to_as_run = compare("strace -f -o FILE", &as_run, 2);
    compare("strace -f -o FILE, one processor", &one, 3);
    let to_pinned = compare("strace --seccomp-bpf, one processor, the same calls only", &one, 2);
    println!(
        "\nbudgets: <= {BUDGET_AS_RUN} of strace -f -o FILE, <= {BUDGET_PINNED} of the same calls on one processor"
    );
    verdict(to_as_run <= BUDGET_AS_RUN && to_pinned <= BUDGET_PINNED)
}

/// Prints how much slower the plain run gets by us and by the peer, and returns our share of the peer. Of each round: the time of the
/// plain run, of ours, and at `peer` the peer's.
fn compare<const N: usize>(name: &str, rounds: &[[f64; N]], peer: usize) -> f64 {
    let column = |n: usize| median(&rounds.iter().map(|round| round[n]).collect::<Vec<_>>());
    let (plain, ours, its) = (column(0), column(1), column(peer));
    println!("{name:<56} {:>7.1}   crashtest {:.1}: {:.2}", its / plain, ours / plain, ours / its);
    ours / its
}

/// Saves, and does other things in between.
fn victim(dir: &Path) {
    let (temporary, path, config) = (dir.join("state.tmp"), dir.join("state"), dir.join("config"));
    fs::write(&config, "interval = 5").expect("a writable directory");
    let open_config = File::open(&config).expect("a file");
    let state = [b'x'; 4096];
    let mut piece = [0; 16];
    for _ in 0..SAVES {
        for n in 0..OTHERS {
            open_config.read_at(&mut piece, 0).expect("a file");
            std::hint::black_box(std::process::id());
            if n % 2 == 0 {
                fs::metadata(&config).expect("a file");
            }
        }
        File::create(&temporary).and_then(|mut file| file.write_all(&state)).expect("a writable directory");
        fs::rename(&temporary, &path).expect("a writable directory");
    }
}

fn victim_command(dir: &Path) -> [PathBuf; 3] {
    [std::env::current_exe().expect("/proc"), VICTIM.into(), dir.to_owned()]
}

/// How long a command takes.
fn seconds(command: &mut Command) -> f64 {
    let began = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the command starts");
    assert!(status.success(), "{command:?}: {status}");
    began.elapsed().as_secs_f64()
}

/// The calls that we stop at, as strace is told them: a name that it does not know yet is no error.
fn same_calls() -> String {
    let names: Vec<String> = traced_calls().into_iter().map(|name| format!("?{name}")).collect();
    format!("trace={}", names.join(","))
}

/// This process, and what it starts, on one processor until it is dropped.
struct OneProcessor {
    free: CpuSet,
}

impl OneProcessor {
    fn pin() -> OneProcessor {
        let this = Pid::from_raw(0);
        let free = sched_getaffinity(this).expect("a processor");
        let mut one = CpuSet::new();
        one.set(sched_getcpu().expect("a processor")).expect("a processor");
        sched_setaffinity(this, &one).expect("one that we may use");
        OneProcessor { free }
    }
}

impl Drop for OneProcessor {
    fn drop(&mut self) {
        let _ = sched_setaffinity(Pid::from_raw(0), &self.free);
    }
}
