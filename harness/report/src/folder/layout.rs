//! The names in a results folder: the writer and the readers agree on them here.

use std::collections::BTreeSet;

use crashtest_model::{AuditFailure, AuditRecord, Plan, RunRecord, Signal};

/// The record of the run, written first.
pub(crate) const RUN: &str = "run.json";
/// The record of a grid, written first.
pub(crate) const GRID: &str = "grid.json";
/// The record of an audit, written last.
pub(crate) const AUDIT: &str = "audit.json";
/// The cells of a grid, each a results folder.
pub(crate) const CELLS: &str = "cells";
/// One trial a line.
pub(crate) const TRIALS: &str = "trials.jsonl";
/// The machine contract.
pub(crate) const SUMMARY: &str = "summary.json";
/// The kept evidence, by signature.
pub(crate) const FAILURES: &str = "failures";
/// The directory, beside the runs, where the engine leaves evidence until it is kept or deleted.
pub(crate) const SPOOL: &str = "spool";
/// Locked while the run goes on.
pub(crate) const LOCK: &str = ".lock";
/// The link beside the runs to the newest of them.
pub(crate) const LATEST: &str = "latest";
/// The record that replays a failure, in its folder.
pub(crate) const FAILURE: &str = "failure.json";
/// The victim's last calls, in a failure's folder.
pub(crate) const TRACE: &str = "trace.txt";
/// The shell script that replays a failure, in its folder.
pub(crate) const REPLAY: &str = "replay.sh";
/// The files after the crash, before recovery, in a failure's folder.
pub(crate) const CRASH_STATE: &str = "crash-state";
/// The prefix of one failure's folder; its trial number follows.
pub(crate) const TRIAL_PREFIX: &str = "trial-";

/// The name of a signature's folder under `failures/`, and of the finding: `direct-fills-strict.kill.empty.save-after-create`.
pub(crate) fn finding_signature(run: &RunRecord, signature: &str) -> String {
    let target = &run.plan.target;
    let lives = lives(&run.plan);
    file_name(&format!("{}-{}-{}{lives}.{signature}", target.strategy, target.workload, target.loader))
}

/// The suffix of names for lives other than those of one writer that SIGKILL ends: `-2-writers`, `-SIGTERM`.
pub(crate) fn lives(plan: &Plan) -> String {
    let participants = plan.participants().into_iter().map(|words| format!("-{}", words.replace(' ', "-")));
    let signal = (plan.signal != Signal::Kill).then(|| format!("-{}", plan.signal.system_name()));
    participants.chain(signal).collect()
}

/// The folders of the cells of `plans`, relative to the grid's: `cells/direct-fills-strict`; no two are the same.
#[must_use]
pub fn cell_folders<'p>(plans: impl IntoIterator<Item = &'p Plan>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let folder = |plan: &Plan| {
        let target = &plan.target;
        let lives = lives(plan);
        let name = file_name(&format!("{}-{}-{}{lives}", target.strategy, target.workload, target.loader));
        format!("{}/{}", CELLS, unused(&mut taken, &name))
    };
    plans.into_iter().map(folder).collect()
}

/// The failures of `audit`, each with the name of its folder under `failures/`; no two are the same.
pub(crate) fn failures_of(audit: &AuditRecord) -> Vec<(AuditFailure, String)> {
    let mut taken = BTreeSet::new();
    let named = |failure: AuditFailure| {
        let name = unused(&mut taken, &file_name(&failure.signature()));
        (failure, name)
    };
    audit.failures().map(named).collect()
}

/// `name`, or the first of `name-2`, `name-3`, … that is not among `taken`, to which it is added.
fn unused(taken: &mut BTreeSet<String>, name: &str) -> String {
    let numbered = (2u64..).map(|n| format!("{name}-{n}"));
    let unused = std::iter::once(name.to_owned()).chain(numbered).find(|name| taken.insert(name.clone()));
    unused.unwrap_or_else(|| name.to_owned())
}

/// `name` as one file name: what a shell or a file system could mistake becomes `_`.
pub(crate) fn file_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    let name: String = name.chars().map(|c| if plain(c) { c } else { '_' }).take(200).collect();
    if name.starts_with(['.', '-']) || name.is_empty() { format!("_{name}") } else { name }
}

/// The trial number in the name of a failure's folder.
pub(crate) fn trial_of(name: &str) -> Option<u64> {
    name.strip_prefix(TRIAL_PREFIX)?.parse().ok()
}
