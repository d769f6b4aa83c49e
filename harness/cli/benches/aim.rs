//! Where kills land: whether every gap between two file-changing calls gets its share, and whether a writer that idles most of
//! the time is still hit inside its saves.
//!
//! Budgets: for `direct` and `atomic` every gap gets ≥ 30 of 10,000 kills; median ≥ 2 acks a life; for a writer that idles 10 ms
//! between saves ≥ 50 % of the kills land inside a save.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod support;

use std::process::ExitCode;

use support::{Campaign, verdict};

const KILLS: u64 = 10_000;
const IDLE_KILLS: u64 = 1_000;

fn main() -> ExitCode {
    let mut met = true;
    for strategy in ["direct", "atomic"] {
        let row = Campaign::new(strategy, KILLS, 1, 2).run().row;
        let gaps = row["gaps"].as_object().expect("gaps");
        println!("{strategy}: kills in each gap between two file-changing calls, of {}", row["kills_landed"]);
        for (gap, kills) in gaps {
            println!("  {gap:<26} {kills:>6}");
            met &= kills.as_u64() >= Some(30);
        }
        let median = &row["acks_per_life"]["median"];
        met &= median.as_u64() >= Some(2);
        println!("  median acks a life         {median:>6}\n");
    }
    let row = Campaign::new("atomic", IDLE_KILLS, 1, 2).with(&["--idle", "10ms"]).run().row;
    let share = row["kills_in_save"].as_f64().expect("a count") / row["kills_landed"].as_f64().expect("a count");
    met &= share >= 0.5;
    println!("atomic, 10 ms idle between saves: {:.0} % of {IDLE_KILLS} kills inside a save", share * 100.0);
    println!("\nbudgets: >= 30 in every gap, median >= 2 acks, >= 50 % inside a save");
    verdict(met)
}
