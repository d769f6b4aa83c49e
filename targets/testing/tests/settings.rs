//! The tests that a crate writes for itself. Plain `cargo test` and nextest run them alike.

use crashtest_testing::{load, save_atomically, save_directly};

#[test]
fn settings_that_are_saved_atomically_survive_every_crash() {
    crashtest_kit::survives!(save_atomically, load);
}

#[test]
#[should_panic(expected = "replay: crashtest replay")]
fn settings_that_are_saved_directly_do_not() {
    crashtest_kit::survives!(save_directly, load);
}
