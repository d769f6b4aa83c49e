//! Embedded databases, and crates that replace files, as targets of crashtest: `crashtest run --targets PATH --strategy redb`.
//!
//! A binary of its own, and no default member of the workspace, as what it puts under test takes minutes to compile. README.md
//! beside it says what each store claims and what was measured.

mod kept;
mod ledger;
mod registry;
mod stores;

use std::process::ExitCode;

fn main() -> ExitCode {
    crashtest_engine::main(&registry::Stores)
}
