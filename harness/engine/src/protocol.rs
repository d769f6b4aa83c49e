//! What supervisor and workers say to each other: one JSON line a message.

use std::ops::Range;
use std::path::PathBuf;

use crate::error::Blame;
use crashtest_model::{Fault, Note, Plan, TrialRecord};
use serde::{Deserialize, Serialize};

/// The version of what a targets binary and a supervisor say to each other: the description, and the messages of workers. Raised
/// with every change after which one of them misunderstands the other.
pub const PROTOCOL: u32 = 2;

/// The first line to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) plan: Plan,
    /// The supervisor's process id: the worker dies with it.
    pub(crate) supervisor: u32,
    /// The worker's own directory.
    pub(crate) sandbox: PathBuf,
    /// Its directory in memory, if there is one: derived crash states are restarted on there.
    pub(crate) memory: Option<PathBuf>,
    /// Where evidence is left for the supervisor.
    pub(crate) spool: PathBuf,
}

/// Every further line to a worker: trials to run, all of one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Control lives.
    Control(Range<u64>),
    /// First-start trials.
    FirstStart(Range<u64>),
    /// Trials with a state installed.
    Series(Range<u64>),
    /// A share of all that there is to try under a fault that goes by recorded lives: of its crash points, of the calls that fail.
    Share(Fault, Part),
    /// A failure once more.
    Replay(Replay),
}

/// What is done to show a failure again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Replay {
    /// A restart on the crash state that was kept of a trial.
    Restart {
        /// The trial.
        record: Box<TrialRecord>,
        /// Where the crash state is.
        crash_state: PathBuf,
    },
    /// The trial itself.
    Trial(Box<TrialRecord>),
}

impl Replay {
    /// The trial that it is about.
    pub(crate) fn record(&self) -> &TrialRecord {
        match self {
            Replay::Restart { record, .. } | Replay::Trial(record) => record,
        }
    }
}

/// One of some equal shares of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Which, from 0.
    pub(crate) number: u64,
    /// Of how many.
    pub(crate) of: u64,
}

impl Order {
    /// The trials that are known beforehand: none of a share or a replay.
    pub(crate) fn trials(&self) -> Range<u64> {
        match self {
            Order::Control(trials) | Order::FirstStart(trials) | Order::Series(trials) => trials.clone(),
            Order::Share(..) | Order::Replay(_) => 0..0,
        }
    }

    /// The same kind of order for other trials.
    pub(crate) fn with(&self, trials: Range<u64>) -> Order {
        match self {
            Order::Control(_) => Order::Control(trials),
            Order::FirstStart(_) => Order::FirstStart(trials),
            Order::Series(_) => Order::Series(trials),
            Order::Share(fault, part) => Order::Share(*fault, *part),
            Order::Replay(replay) => Order::Replay(replay.clone()),
        }
    }
}

/// A line from a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Report {
    /// A trial has its outcome.
    Trial(Box<TrialRecord>, Option<PathBuf>),
    /// Something is known of a fault as a whole.
    Note(Note),
    /// The order is done: what next?
    Done,
    /// The worker cannot go on.
    Failed {
        /// Why, fitting "failed to …".
        why: String,
        /// What a person can do about it.
        hint: Option<String>,
        /// Whose affair it is.
        blame: Blame,
    },
}
