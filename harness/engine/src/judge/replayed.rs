//! What a restart on a stored crash state came to.

use crashtest_model::{Observed, RawFile, Verdict};

/// What a restart on a stored crash state gave.
#[derive(Clone, Debug)]
pub(crate) struct Replayed {
    /// The state file before the restart.
    pub(crate) raw: RawFile,
    /// What recovery gave.
    pub(crate) observed: Observed,
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// One sentence.
    pub(crate) why: String,
}
