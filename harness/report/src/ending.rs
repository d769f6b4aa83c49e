//! How a campaign ended: the only part of a summary that does not follow from `run.json` and the trials.

use crashtest_model::{GridSummary, Summary};

/// How a campaign ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ending {
    /// Whether it came to its planned end.
    pub complete: bool,
    /// Why it did not, or what went wrong, as in "interrupted".
    pub stopped: Option<String>,
    /// The exit status of the run; `None` while it is not known (the supervisor was killed).
    pub exit_code: Option<u8>,
    /// Wall-clock seconds of the kill trials; `None` where nobody measured them.
    pub elapsed_s: Option<f64>,
}

impl From<&Summary> for Ending {
    fn from(summary: &Summary) -> Ending {
        Ending {
            complete: summary.complete,
            stopped: summary.stopped.clone(),
            exit_code: summary.exit_code,
            elapsed_s: summary.elapsed_s,
        }
    }
}

impl From<&GridSummary> for Ending {
    fn from(summary: &GridSummary) -> Ending {
        Ending {
            complete: summary.complete,
            stopped: summary.stopped.clone(),
            exit_code: summary.exit_code,
            elapsed_s: summary.elapsed_s,
        }
    }
}
