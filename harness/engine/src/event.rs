//! What a campaign tells while it runs.

use std::path::PathBuf;

use crashtest_model::{Note, Rows, TrialRecord};

/// One thing that happened. Every output (progress, records, summary) is a fold over these.
#[derive(Debug)]
pub enum Event<'a> {
    /// The control has passed (or shown only what is documented); the trials begin.
    TrialsBegin,
    /// A trial has its outcome. Control lives are trials of fault `none`.
    Trial {
        /// The record.
        record: &'a TrialRecord,
        /// A directory with its crash state, which now belongs to the receiver; `None` where none was kept.
        evidence: Option<PathBuf>,
        /// All counts, this trial included.
        rows: &'a Rows,
    },
    /// Something is known of a fault as a whole.
    Note(&'a Note),
    /// A worker process has died; its trial is inconclusive and another worker goes on.
    WorkerDied {
        /// How.
        how: String,
    },
    /// Some time has passed; nothing else has.
    Tick,
}
