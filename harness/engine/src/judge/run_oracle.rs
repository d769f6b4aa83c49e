//! What the files of a crash state show by themselves, held against the recorded run that they are from.

use std::path::Path;

use crashtest_model::{CrashPoint, Observed, Trace};
use crashtest_states::{Oracle, Severity, Snapshot};

/// Why nothing is said of a run that changes no file which is judged.
pub(crate) const NOTHING_JUDGED: &str =
    "the run changes no file that is judged: all are temporary, or excluded (--include brings one back)";

/// What a restart on `state`, which a crash at `point` of `trace` leaves, comes to, as far as the files show it.
pub(crate) fn observed_at(oracle: &Oracle, trace: &Trace, point: CrashPoint, state: &Snapshot) -> Observed {
    if !oracle.judges_something() {
        return Observed::Unclear { why: NOTHING_JUDGED.into() };
    }
    let found = oracle.judge(trace, point, state);
    let broken = found.iter().find(|(.., severity)| *severity == Severity::Broken);
    match broken.or(found.first()) {
        None => Observed::Opened,
        Some((path, damage, Severity::Broken)) => {
            let why =
                format!("{} is {damage}: neither as the last save left it nor as the next one does", path.display());
            Observed::Damaged { damage: *damage, why }
        }
        Some((path, _, Severity::Unclear)) => Observed::Unclear { why: in_parts(path) },
        Some((path, damage, Severity::Made)) => Observed::Unclear {
            why: format!(
                "{} is {damage} while the run makes it: only --check can say whether that hurts; what --setup makes is not judged",
                path.display()
            ),
        },
    }
}

/// What is said of a file that is written in parts and lies between two versions.
pub(crate) fn in_parts(path: &Path) -> String {
    let name = path.display();
    format!(
        "{name} is between two versions, and is written in parts: only --check can say whether that can be told and undone"
    )
}
