//! Tests that need what not every machine has.

use std::io::Write as _;

/// Says that a test is skipped, as this machine lacks `what`: also where the output of tests that pass is not shown.
///
/// # Panics
/// Under CRASHTEST_NO_SKIPS, where a skip is a failure.
pub(crate) fn skip(what: &str) {
    assert!(std::env::var_os("CRASHTEST_NO_SKIPS").is_none(), "this test needs {what}");
    say(&format!("SKIPPED: this test needs {what}"));
}

/// Says that less is tested than could be.
pub(crate) fn say(words: &str) {
    // Not eprintln, which the harness of the tests takes in. Nobody need be listening.
    let _ = writeln!(std::io::stderr(), "{words}");
}

/// How many times tests repeat whose number is free: `CRASHTEST_SOAK=N`, as CI sets it.
pub(crate) fn soak() -> Option<usize> {
    let times = std::env::var("CRASHTEST_SOAK").ok()?;
    Some(times.parse().expect("CRASHTEST_SOAK is a number of times"))
}

/// Whether slow tests run at full length: `CRASHTEST_SOAK=100`, or more. CI has no time for that.
pub(crate) fn is_thorough() -> bool {
    soak().is_some_and(|times| times >= 100)
}

/// Options that bound a test; none where slow tests run at full length.
pub(crate) fn unless_thorough<'b>(bound: &'b [&'b str]) -> &'b [&'b str] {
    if is_thorough() { &[] } else { bound }
}
