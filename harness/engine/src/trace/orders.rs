//! What is done to a life while it is recorded.

use crashtest_model::{CrashPoint, Injection};

/// What is done besides recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orders {
    /// Nothing.
    Record,
    /// Everything is killed there.
    Kill(CrashPoint),
    /// A call fails.
    Fail(Injection),
}
