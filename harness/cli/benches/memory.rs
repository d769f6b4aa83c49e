//! Whether memory stays flat: the peak of the largest process of a run of 10,000 and of one of 100,000 trials.
//!
//! Records are streamed; what grows is bounded (the sets that count distinct states stop at 131,072 entries).
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod support;

use std::process::ExitCode;

use support::{Campaign, verdict};

const LIMIT_KIB: u64 = 100 * 1024;

fn main() -> ExitCode {
    let peak = |trials| {
        let campaign = Campaign::new("atomic", trials, 1, 2).with(&["--state-size", "4KiB"]);
        let measured = campaign.run();
        println!(
            "{trials:>7} trials: peak {:>6} KiB in the supervisor, {:>6} KiB in a worker",
            measured.peak_memory_kib, measured.worker_memory_kib
        );
        measured.peak_memory_kib.max(measured.worker_memory_kib)
    };
    let (few, many) = (peak(10_000), peak(100_000));
    println!("ratio {:.2}; budget: under {} MiB", many as f64 / few as f64, LIMIT_KIB / 1024);
    verdict(many < LIMIT_KIB)
}
