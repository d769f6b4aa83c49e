//! A life that is recorded: how it begins, and what is known of it when it is over.

use crashtest_linux::process::Exit;
use crashtest_linux::trace::Ending;
use crashtest_model::{CallIndex, Generation, Promise, Seed, Trace};
use crashtest_states::Snapshot;

use super::life::Script;
use crate::trace::recorder::Cut;

/// How a recorded life begins.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    /// The files.
    pub(crate) files: Snapshot,
    /// The operations that it persists.
    pub(crate) stream: Seed,
    /// Its temporary names.
    pub(crate) names: Seed,
    /// What is promised until its recovery has come to an end.
    pub(crate) before: Promise,
    /// What is promised from then on.
    pub(crate) after: Promise,
    /// What it does.
    pub(crate) script: Script,
}

/// A traced life that is over.
#[derive(Debug)]
pub(crate) struct Recording {
    /// What it did.
    pub(crate) trace: Trace,
    /// Whether it was killed, or made to fail, where the orders said so.
    pub(crate) obeyed: bool,
    /// How it ended.
    pub(crate) ending: Ending,
    /// Why a save or its recovery failed, in its own words.
    pub(crate) complaint: Option<String>,
    /// The first save that it has begun though it had found a later one done.
    pub(crate) reused: Option<Generation>,
    /// The least number of a save that it has begun.
    pub(crate) least_begun: Option<Generation>,
    /// The call that was made to fail, or the first of them.
    pub(crate) failed: Option<CallIndex>,
    /// How far it was when we ended it, as it does not end by itself.
    pub(crate) cut: Option<Cut>,
}

impl Recording {
    /// Whether it came to its end without an error.
    pub(crate) fn is_clean(&self) -> bool {
        self.ending == Ending::Exited(Exit::Status(0))
    }

    /// Whether it did so, or goes on for ever and did without an error what it was to do.
    pub(crate) fn went_well(&self) -> bool {
        self.is_clean() || self.cut.is_some()
    }
}
