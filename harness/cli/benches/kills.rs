//! How much of a bare kill loop's speed is left when every kill is aimed, recorded, restarted and judged.
//!
//! The peer is a loop in this very process: fork a child that opens and saves with the same strategy, sleep the same drawn
//! delays, SIGKILL, wait, and nothing else. Both are run in turn, several times; only ratios are printed, as absolute times drift.
//!
//! Budgets: one worker ≥ 0.75 of the bare loop; two workers ≥ 1.6 × one (on two processors), with the sandbox in memory and on the
//! disk alike. A disk whose journal is one serves two writers that sync less than twice as fast as one: what two writers that only
//! save, without crashtest and without kills, make of it stands beside, and excuses nothing.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod support;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use crashtest_kit::fs::Fs;
use crashtest_kit::{BOARD_WORDS, Board, Place, Recovered, Registry};
use crashtest_linux::clock::{now_ns, precise_timers, sleep_until};
use crashtest_linux::{process, shared};
use crashtest_model::{Bytes, Generation, Loader, Seed, TargetSpec};
use crashtest_strategies::Builtin;
use support::{Campaign, MEMORY, median, verdict};

/// Forty series: as many for one worker as for each of two.
const TRIALS: u64 = 4000;
const ROUNDS: usize = 3;
/// How long writers only save, to find what the disk lets two of them do.
const WRITING: Duration = Duration::from_secs(1);
const SCALING: f64 = 1.6;

fn main() -> ExitCode {
    println!("kills per second, as ratios; medians of {ROUNDS} rounds of {TRIALS} kills\n");
    println!(
        "{:<14} {:>14} {:>20} {:>20} {:>20}",
        "", "1 worker", "2 workers / 1", "2 workers / 1", "2 plain writers / 1"
    );
    println!(
        "{:<14} {:>14} {:>20} {:>20} {:>20}",
        "strategy", "/ bare loop", "in memory", "on the disk", "on the disk"
    );
    let mut met = true;
    for strategy in ["direct", "atomic", "atomic-fsync"] {
        let (mut per_worker, mut memory, mut disk, mut plain) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for seed in 1..=ROUNDS as u64 {
            let run = |jobs, dir| {
                Campaign::new(strategy, TRIALS, seed, jobs).with(&["--kill-at", "save", "--dir", dir]).run()
            };
            let one = run(1, ".");
            per_worker.push(one.kills_per_second / bare_loop(strategy, &one.delays_ns));
            disk.push(run(2, ".").kills_per_second / one.kills_per_second);
            memory.push(run(2, MEMORY).kills_per_second / run(1, MEMORY).kills_per_second);
            plain.push(plain_writers(strategy, 2) / plain_writers(strategy, 1));
        }
        let (per_worker, memory, disk, plain) = (median(&per_worker), median(&memory), median(&disk), median(&plain));
        met &= per_worker >= 0.75 && memory >= SCALING && disk >= SCALING;
        println!("{strategy:<14} {per_worker:>14.2} {memory:>20.2} {disk:>20.2} {plain:>20.2}");
    }
    println!("\nbudget         {:>14} {:>20} {:>20}", ">= 0.75", ">= 1.60", ">= 1.60");
    verdict(met)
}

/// Saves per second of `writers` processes together that do nothing but save, each in a directory of its own.
fn plain_writers(strategy: &str, writers: usize) -> f64 {
    let until = now_ns() + WRITING.as_nanos() as u64;
    let lives: Vec<_> = (0..writers).map(|_| Life::new(strategy)).collect();
    let children: Vec<_> =
        lives.iter().map(|life| process::fork_child(|| life.live(0, || now_ns() < until)).expect("fork")).collect();
    for mut child in children {
        while child.try_wait().expect("wait").is_none() {
            sleep_until(now_ns() + 1_000_000);
        }
    }
    lives.iter().map(|life| life.board.acked().expect("no stray write").0 as f64).sum::<f64>() / WRITING.as_secs_f64()
}

/// What a child of a benchmark's own loops does: opens and saves with a strategy, in a directory of its own.
struct Life {
    spec: TargetSpec,
    sandbox: tempfile::TempDir,
    board: Board,
}

impl Life {
    fn new(strategy: &str) -> Life {
        let spec = TargetSpec {
            strategy: strategy.to_owned(),
            workload: "fills".to_owned(),
            loader: Loader::Lenient,
            state_size: Bytes::kib(64),
            idle_us: 0,
            writers: 1,
            threads: false,
            readers: 0,
        };
        let sandbox = tempfile::Builder::new().prefix(".bench-").tempdir_in(".").expect("a writable directory");
        let words = shared::map(NonZeroUsize::new(BOARD_WORDS).expect("not zero")).expect("memory");
        Life { spec, sandbox, board: Board::over(words) }
    }

    /// Saves while `more` says so; the exit code.
    fn live(&self, number: u64, more: impl Fn() -> bool) -> i32 {
        let dir = self.sandbox.path().to_owned();
        let place = Place { fs: Fs::new(self.board, dir.clone()), dir, names: Seed(number), writer: 0 };
        let mut target = Builtin.target(&self.spec, Seed(1), place).expect("a built-in target");
        if target.init().is_err() {
            return 1;
        }
        let opened = target.open();
        self.board.opened(&opened, now_ns());
        let mut generation = match opened {
            Ok(Recovered::State { sequence, .. }) => sequence,
            _ => Generation::ZERO,
        };
        while more() {
            generation = generation.next();
            if target.save(generation).is_err() {
                return 1;
            }
            self.board.ack(generation, now_ns());
        }
        0
    }
}

/// Kills per second of a loop that does nothing but fork, sleep, kill and wait.
fn bare_loop(strategy: &str, delays_ns: &[u64]) -> f64 {
    precise_timers();
    let life = Life::new(strategy);
    // How long it takes from the fork to the end of recovery, so that the delays start where crashtest's do.
    let mut opening = Vec::new();
    for number in 0..30 {
        life.board.reset(Generation::ZERO, Generation::ZERO);
        let forked = now_ns();
        let mut child =
            process::fork_child(|| life.live(number, || life.board.acked() == Ok(Generation::ZERO))).expect("fork");
        while child.try_wait().expect("wait").is_none() {
            sleep_until(now_ns() + 50_000);
        }
        opening.push((life.board.recovery().map_or(forked, |opened| opened.at_ns) - forked) as f64);
    }
    let opening = median(&opening) as u64;
    let began = now_ns();
    for (number, delay_ns) in delays_ns.iter().enumerate() {
        let forked = now_ns();
        let child = process::fork_child(|| life.live(number as u64, || true)).expect("fork");
        sleep_until(forked + opening + delay_ns);
        assert!(child.kill().expect("kill").by_sigkill(), "the child of the bare loop ended by itself");
    }
    delays_ns.len() as f64 / ((now_ns() - began) as f64 / 1e9)
}
