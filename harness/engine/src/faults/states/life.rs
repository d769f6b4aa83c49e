//! A life that is swept: how it begins, what it did, where crashes come and what they leave.

use std::collections::BTreeSet;
use std::path::Path;

use crashtest_model::{Action, Coverage, CrashPoint, Generation, HarnessBug, Observed, Plan, Promise, Seed, Trace};
use crashtest_states::{CrashState, Entry, Oracle, crash_points, crash_states, distinct};

use crate::faults::points::Source;
use crate::judge::run_oracle;
use crate::subject::life::Script;
use crate::subject::{Beginning, Subject};

/// Tears of one write, at most; more are sampled.
const TEARS_PER_WRITE: usize = 64;

/// A life that is swept: how it begins, what it did, where crashes come.
pub(super) struct Life {
    pub(super) from: Beginning,
    pub(super) trace: Trace,
    pub(super) points: Vec<CrashPoint>,
    /// Crash points beside these, which are not looked at, to stay within a bound.
    pub(super) left_out: u64,
    pub(super) states: Vec<CrashState>,
    /// What its files are to be at each point, where no restart says what they hold.
    oracle: Option<Oracle>,
}

impl Life {
    /// The crash states of a recorded life, one of so many `lives` that share the plan's bound.
    pub(super) fn derived(
        subject: &dyn Subject,
        plan: &Plan,
        from: Beginning,
        trace: Trace,
        lives: usize,
        seed: Seed,
    ) -> Life {
        let found = crash_points(&trace, plan.tears, TEARS_PER_WRITE, seed);
        let all = found.points.len();
        let points = plan.spread(found.points, lives);
        let left_out = found.left_out + (all - points.len()) as u64;
        let mut states = distinct(crash_states(&trace, &from.files, &points));
        if plan.planted == Some(HarnessBug::Misderives) {
            states.iter_mut().for_each(misderive);
        }
        let oracle = subject.oracle(&trace, &from.files);
        Life { from, trace, points, left_out, states, oracle }
    }

    /// A life of which nothing is looked at but `point`, where it was killed.
    pub(super) fn killed_at(point: CrashPoint, from: Beginning, trace: Trace) -> Life {
        Life { from, trace, points: vec![point], left_out: 0, states: Vec::new(), oracle: None }
    }

    /// The life after the crash state `n`, of which a restart makes `observed`: its recovery and a save. `None` where there is none.
    pub(super) fn again(&self, n: usize, observed: &Observed) -> Option<Beginning> {
        let state = &self.states[n];
        let Observed::State { generation: Some(found), .. } = observed else { return None };
        Some(Beginning {
            files: state.snapshot.clone(),
            names: self.from.names.derive("again", n as u64),
            before: state.strongest_promise(&self.trace),
            after: Promise { acked: *found, begun: *found, installed: true },
            script: match self.from.script {
                // Its recovery alone: a program whose very first start was killed starts for the first time again.
                Script::Install => Script::InstallThenStop,
                _ => Script::SaveThenStop(1),
            },
            ..self.from.clone()
        })
    }

    /// What its recording could not see, or has no model of.
    pub(super) fn beyond_the_model(&self) -> Coverage {
        let mapped = self.trace.operations.iter().filter_map(|operation| match &operation.action {
            Action::Map { path, .. } => Some(path.clone()),
            _ => None,
        });
        Coverage {
            unmodelled: self.trace.unmodelled.keys().cloned().collect(),
            mapped: mapped.collect::<BTreeSet<String>>().into_iter().collect(),
            outside: self.trace.outside.clone(),
            excluded: self
                .oracle
                .iter()
                .flat_map(Oracle::passes_over)
                .map(|path| path.to_string_lossy().into_owned())
                .collect(),
            ..Coverage::default()
        }
    }

    /// The number of a point among those of its life, which are in the order of the trace.
    pub(super) fn number(&self, point: CrashPoint) -> u64 {
        self.points.binary_search(&point).unwrap_or(0) as u64
    }

    /// The generation that the life starts from.
    pub(super) fn base(&self) -> Generation {
        self.from.after.acked
    }
}

impl Source for Life {
    fn promise(&self, point: CrashPoint) -> Promise {
        self.trace.progress(point).promise
    }

    fn observed(&self, point: CrashPoint, state: &CrashState) -> Option<Observed> {
        self.oracle.as_ref().map(|oracle| run_oracle::observed_at(oracle, &self.trace, point, &state.snapshot))
    }
}

/// The planted bug [`HarnessBug::Misderives`]: files that hold one byte more than a kill leaves in them.
fn misderive(state: &mut CrashState) {
    let longer = |(path, entry): (&Path, &Entry)| {
        let entry = match entry {
            Entry::File { mode, content } => Entry::File { mode: *mode, content: [&content[..], b" "].concat().into() },
            other => other.clone(),
        };
        (path.to_owned(), entry)
    };
    state.snapshot = state.snapshot.entries().map(longer).collect();
    state.digest = state.snapshot.digest();
}
