//! How a campaign or a grid ended: the only part of a summary that does not follow from the plan and the trials.

use serde::{Deserialize, Serialize};

/// The end of a campaign or a grid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// Whether it came to its planned end.
    pub complete: bool,
    /// Why it did not, or what went wrong, as in "interrupted".
    pub stopped: Option<String>,
    /// The exit status; `null` while it is not known (the supervisor was killed).
    pub exit_code: Option<u8>,
    /// Wall-clock seconds of the trials; `null` where nobody measured them.
    pub elapsed_s: Option<f64>,
}

impl Completion {
    /// The same with its seconds rounded to milliseconds, so that a summary that is read back equals the one that was written.
    #[must_use]
    pub fn rounded(&self) -> Completion {
        let elapsed_s = self.elapsed_s.map(|seconds| (seconds * 1000.0).round() / 1000.0);
        Completion { elapsed_s, ..self.clone() }
    }
}
