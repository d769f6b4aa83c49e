//! Named tests on the only thread of the process, one after the other: forking allows no second one, and libtest starts some.
//!
//! The arguments are those of libtest: a part of a name, `--list`, `--exact`, `--skip`. `--test-threads` is ignored.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// The tests of these names.
macro_rules! trials {
    ($($module:ident :: $test:ident),* $(,)?) => {
        vec![$((stringify!($test), $module::$test as fn())),*]
    };
    ($($test:ident),* $(,)?) => {
        vec![$((stringify!($test), $test as fn())),*]
    };
}
pub(crate) use trials;

/// Runs the tests that the command line asks for.
pub(crate) fn run(tests: Vec<(&'static str, fn())>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let trial = |(name, test): (&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect()).exit_code()
}
