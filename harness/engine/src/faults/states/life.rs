//! A life that is swept: how it begins, what it did, where crashes come and what they leave.

use std::collections::BTreeSet;

use crashtest_model::{
    Action, Coverage, CrashPoint, Gaps, Generation, HarnessBug, Observed, Plan, Promise, Seed, Trace,
};
use crashtest_states::{CrashState, Entry, Oracle, crash_points, crash_states, distinct};

use super::confirm::{drawn, spread};
use crate::faults::points::Source;
use crate::judge::run_oracle;
use crate::subject::life::Script;
use crate::subject::{Beginning, Confirms, Subject};

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
    /// Crash points that are confirmed by a real kill though they show nothing.
    pub(super) spread: BTreeSet<CrashPoint>,
    /// Files that are judged and written through a shared mapping.
    stored: Vec<String>,
    /// What its files are to be at each point, where no restart says what they hold.
    oracle: Option<Oracle>,
}

impl Life {
    /// The crash states of a recorded life, one of so many `lives` that share the plan's bound: of a first one, or of one after a crash,
    /// `is_nested`.
    pub(super) fn derived(
        subject: &dyn Subject,
        plan: &Plan,
        from: Beginning,
        trace: Trace,
        (lives, is_nested): (usize, bool),
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
        let spread = match subject.pace().confirms {
            Confirms::Each { nested, .. } if is_nested => drawn(&points, nested, from.names),
            Confirms::Each { intact, .. } => spread(&trace, &points, intact),
            Confirms::OneIn { .. } => BTreeSet::new(),
        };
        let stored = mapped(&trace).into_iter().filter(|path| subject.counts(path)).collect();
        Life { from, trace, points, left_out, states, spread, stored, oracle }
    }

    /// A life of which nothing is looked at but `point`, where it was killed.
    pub(super) fn killed_at(point: CrashPoint, from: Beginning, trace: Trace) -> Life {
        let (points, states, spread) = (vec![point], Vec::new(), BTreeSet::new());
        Life { from, trace, points, left_out: 0, states, spread, stored: Vec::new(), oracle: None }
    }

    /// The life after the crash state `n`, of which a restart makes `observed`: its recovery and a save. `None` where there is none.
    ///
    /// Where `each_for_itself`, what was found is not all that there is up to a save, and what was promised is what is promised.
    pub(super) fn again(&self, n: usize, observed: &Observed, each_for_itself: bool) -> Option<Beginning> {
        let state = &self.states[n];
        let promised = state.strongest_promise(&self.trace);
        let after = match observed {
            Observed::State { generation: Some(found), .. } if each_for_itself => {
                Promise { begun: promised.begun.max(*found), ..promised }
            }
            Observed::State { generation: Some(found), .. } => {
                Promise { acked: *found, begun: *found, installed: true, gaps: Gaps::NONE }
            }
            // Nobody says with which save: what was promised still is.
            Observed::Opened => promised,
            Observed::Fresh => Promise::default(),
            _ => return None,
        };
        Some(Beginning {
            files: state.snapshot.clone(),
            names: self.from.names.derive("again", n as u64),
            before: promised,
            after,
            script: match self.from.script {
                // Its recovery alone: a program whose very first start was killed starts for the first time again.
                Script::Install => Script::InstallThenStop,
                _ => Script::SaveThenStop(1),
            },
            ..self.from.clone()
        })
    }

    /// The life on the damaged crash state `n`.
    pub(super) fn on_damage(&self, n: usize) -> Beginning {
        let state = &self.states[n];
        let promised = state.strongest_promise(&self.trace);
        let names = self.from.names.derive("on damage", n as u64);
        let script = Script::SaveThenStop(1);
        Beginning {
            files: state.snapshot.clone(),
            names,
            before: promised,
            after: promised,
            script,
            ..self.from.clone()
        }
    }

    /// What its recording could not see, or has no model of.
    pub(super) fn beyond_the_model(&self) -> Coverage {
        Coverage {
            unmodelled: self.trace.unmodelled.keys().cloned().collect(),
            mapped: mapped(&self.trace).into_iter().collect(),
            stored: self.stored.clone(),
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

    /// Whether no restart says what its files hold.
    pub(super) fn is_judged_by_files(&self) -> bool {
        self.oracle.is_some()
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

/// The files that a run maps to write them.
fn mapped(trace: &Trace) -> BTreeSet<String> {
    let paths = trace.operations.iter().filter_map(|operation| match &operation.action {
        Action::Map { path, .. } => Some(path.clone()),
        _ => None,
    });
    paths.collect()
}

/// The planted bug [`HarnessBug::Misderives`]: files that hold one byte more than a kill leaves in them.
fn misderive(state: &mut CrashState) {
    state.snapshot = state.snapshot.changed(|_, entry| {
        Some(match entry {
            Entry::File { mode, content } => {
                let mut content = content.clone();
                content.write(content.length(), b" ");
                Entry::File { mode: *mode, content }
            }
            other => other.clone(),
        })
    });
    state.digest = state.snapshot.digest();
}
