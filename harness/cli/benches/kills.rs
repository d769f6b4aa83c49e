//! How much of a bare kill loop's speed is left when every kill is aimed, recorded, restarted and judged.
//!
//! The peer is a loop in this very process: fork a child that opens and saves with the same strategy, sleep the same drawn
//! delays, SIGKILL, wait, and nothing else. Both are run in turn, several times; only ratios are printed, as absolute times drift.
//!
//! Budgets: one worker ≥ 0.75 of the bare loop; two workers ≥ 1.6 × one (on two processors). Two writers that share a journal may be
//! held up by the disk: what two bare loops make of it stands beside.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod support;

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;

use crashtest_kit::fs::Fs;
use crashtest_kit::{BOARD_WORDS, Board, Place, Recovered, Registry};
use crashtest_linux::clock::{now_ns, precise_timers, sleep_until};
use crashtest_linux::{process, shared};
use crashtest_model::{Bytes, Generation, Loader, Seed, TargetSpec};
use crashtest_strategies::Builtin;
use support::{Campaign, median};

const TRIALS: u64 = 1500;
const ROUNDS: usize = 3;

fn main() {
    println!("kills per second, as ratios; medians of {ROUNDS} rounds of {TRIALS} kills\n");
    println!("{:<14} {:>16} {:>22} {:>16}", "strategy", "1 worker / bare", "2 workers / 1 worker", "2 bare / 1 bare");
    let mut met = true;
    for strategy in ["direct", "atomic", "atomic-fsync"] {
        let mut per_worker = Vec::new();
        let mut scaling = Vec::new();
        let mut bare_scaling = Vec::new();
        for round in 0..ROUNDS {
            let seed = round as u64 + 1;
            let one = Campaign::new(strategy, TRIALS, seed, 1).with(&["--kill-at", "save"]).run();
            let bare = bare_loop(strategy, &one.delays_ns);
            let two = Campaign::new(strategy, TRIALS, seed, 2).with(&["--kill-at", "save"]).run();
            per_worker.push(one.kills_per_second / bare);
            scaling.push(two.kills_per_second / one.kills_per_second);
            bare_scaling.push(bare_pair(strategy, &one.delays_ns) / bare);
        }
        let (per_worker, scaling, bound) = (median(&per_worker), median(&scaling), median(&bare_scaling));
        met &= per_worker >= 0.75 && scaling >= 1.6;
        println!("{strategy:<14} {per_worker:>16.2} {scaling:>22.2} {bound:>16.2}");
    }
    println!("\nbudget         {:>16} {:>22}", ">= 0.75", ">= 1.60");
    println!("{}", if met { "met" } else { "NOT MET" });
}

/// Kills per second of two bare loops at once, each in a process and a directory of its own.
fn bare_pair(strategy: &str, delays_ns: &[u64]) -> f64 {
    let rates = shared::map(NonZeroUsize::new(2).expect("not zero")).expect("memory");
    let fork = |n: usize| {
        process::fork_child(|| {
            rates[n].store(bare_loop(strategy, delays_ns).to_bits(), Ordering::Release);
            0
        })
        .expect("fork")
    };
    for mut child in [fork(0), fork(1)] {
        while child.try_wait().expect("wait").is_none() {
            sleep_until(now_ns() + 1_000_000);
        }
    }
    rates.iter().map(|rate| f64::from_bits(rate.load(Ordering::Acquire))).sum()
}

/// Kills per second of a loop that does nothing but fork, sleep, kill and wait.
fn bare_loop(strategy: &str, delays_ns: &[u64]) -> f64 {
    precise_timers();
    let sandbox = tempfile::Builder::new().prefix(".bench-").tempdir_in(".").expect("a writable directory");
    let spec = TargetSpec {
        strategy: strategy.to_owned(),
        workload: "fills".to_owned(),
        loader: Loader::Lenient,
        state_size: Bytes::kib(64),
        idle_us: 0,
    };
    let board = Board::over(shared::map(NonZeroUsize::new(BOARD_WORDS).expect("not zero")).expect("memory"));
    let live = |life: u64, saves: u64| {
        let place =
            Place { dir: sandbox.path().to_owned(), fs: Fs::new(board, sandbox.path().to_owned()), names: Seed(life) };
        let mut target = Builtin.target(&spec, Seed(1), place).expect("a built-in target");
        if target.init().is_err() {
            return 1;
        }
        let opened = target.open();
        board.opened(&opened, now_ns());
        let mut generation = match opened {
            Ok(Recovered::State { sequence, .. }) => sequence,
            _ => Generation::ZERO,
        };
        for _ in 0..saves {
            generation = generation.next();
            if target.save(generation).is_err() {
                return 1;
            }
        }
        0
    };
    // How long it takes from the fork to the end of recovery, so that the delays start where crashtest's do.
    let mut opening = Vec::new();
    for life in 0..30 {
        board.reset(Generation::ZERO, Generation::ZERO);
        let forked = now_ns();
        let mut child = process::fork_child(|| live(life, 1)).expect("fork");
        while child.try_wait().expect("wait").is_none() {
            sleep_until(now_ns() + 50_000);
        }
        opening.push((board.recovery().map_or(forked, |opened| opened.at_ns) - forked) as f64);
    }
    let opening = median(&opening) as u64;
    let began = now_ns();
    for (life, delay_ns) in delays_ns.iter().enumerate() {
        let forked = now_ns();
        let child = process::fork_child(|| live(life as u64, u64::MAX)).expect("fork");
        sleep_until(forked + opening + delay_ns);
        assert!(child.kill().expect("kill").by_sigkill(), "the child of the bare loop ended by itself");
    }
    delays_ns.len() as f64 / ((now_ns() - began) as f64 / 1e9)
}
