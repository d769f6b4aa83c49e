//! What every procedure of a worker is handed: the plan, where evidence goes, and who hears what came of it.

mod evidence;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod trial;

use crashtest_linux::directory::Directory;
use crashtest_model::{About, Fault, Note, Plan, Start, TrialRecord};
use crashtest_states::Snapshot;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::EngineError;
use crate::lists::{self, Topic};
use crate::protocol::{Part, Report};
use crate::state_dir::StateDir;
use evidence::Spool;

/// Takes a worker's messages.
pub(crate) type Outlet<'a> = &'a mut dyn FnMut(Report) -> Result<(), EngineError>;

/// What the procedures of one worker share, whatever is under test.
pub(crate) struct Context<'a> {
    pub(crate) plan: &'a Plan,
    evidence: Spool,
    pub(crate) outlet: Outlet<'a>,
}

impl<'a> Context<'a> {
    /// Evidence goes to new directories below `spool`.
    pub(crate) fn new(plan: &'a Plan, spool: Directory, outlet: Outlet<'a>) -> Context<'a> {
        Context { plan, evidence: Spool::below(spool), outlet }
    }

    /// Reports what is known of all trials of `fault` that begin with `start`.
    pub(crate) fn note(&mut self, fault: Fault, start: Start, about: About) -> Result<(), EngineError> {
        (self.outlet)(Report::Note(Note { fault, start, about }))
    }

    /// Tells the other workers what this one has of `topic`, and learns what they have; see [`lists::exchange`].
    pub(crate) fn exchange<T: Serialize + DeserializeOwned>(
        &mut self,
        topic: Topic,
        part: Part,
        ours: &[T],
    ) -> Result<Vec<Vec<T>>, EngineError> {
        let Context { evidence, outlet, .. } = self;
        let nothing_new = || Note { fault: topic.fault(), start: Start::Again, about: About::Coverage(Box::default()) };
        lists::exchange(evidence.dir(), topic, part, ours, &mut || outlet(Report::Note(nothing_new())))
    }

    /// Reports a trial, with its crash state if it failed and one more of its kind is wanted.
    pub(crate) fn report(
        &mut self,
        record: TrialRecord,
        crash: &Snapshot,
        after: Option<&StateDir>,
    ) -> Result<(), EngineError> {
        let after = match after.filter(|_| record.signature().is_some()) {
            Some(dir) => Some(dir.take()?),
            None => None,
        };
        self.report_with(record, crash, after.as_ref(), None)
    }

    /// [`report`](Context::report), with the text of a trace.
    pub(crate) fn report_with(
        &mut self,
        mut record: TrialRecord,
        crash: &Snapshot,
        after: Option<&Snapshot>,
        trace: Option<String>,
    ) -> Result<(), EngineError> {
        let evidence = match record.signature() {
            Some(signature) => self.evidence.keep(&signature, record.trial, crash, after, trace.as_deref())?,
            None => None,
        };
        if let (None, Some(detail)) = (&evidence, &mut record.detail) {
            detail.calls.clear();
            detail.around.clear();
        }
        (self.outlet)(Report::Trial(Box::new(record), evidence))
    }
}
