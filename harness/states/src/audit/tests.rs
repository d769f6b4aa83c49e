//! Tests of the audit, and what they share.

mod laws;
mod quiet;
mod run;
mod ways;
mod writers;

use crashtest_model::{AuditedFile, Damage, Synced, UnderKill, Way};

/// A page and a half: a kill can tear a write of it.
const LONG: usize = 6000;

/// The first way in which a file is written, and what a kill does to it.
fn first(file: &AuditedFile) -> (Way, Synced, u64, UnderKill) {
    let written = file.written.first().unwrap_or_else(|| panic!("{file:#?}"));
    (written.way, written.synced, written.count, file.under_kill)
}

fn damages(file: &AuditedFile) -> Vec<Damage> {
    file.damage.keys().copied().collect()
}
