//! A run whose calls overlap, in each order in which they can have taken effect: what an audit makes of all of them together.

use std::collections::BTreeMap;

use crashtest_model::{Audit, AuditFailure, Trace};
use crashtest_states::{Snapshot, unexplained};

/// What is said of a run with more orders than are looked at.
pub(super) const TOO_MANY: &str = "calls that overlap, in more orders than are looked at";

/// Cuts `others` where `trace` was cut, which came to the files `quiet` there; those that did not are gone.
pub(super) fn cut(others: &mut Vec<Trace>, trace: &Trace, before: &Snapshot, quiet: &Snapshot) {
    let calls = trace.operations.len();
    others.iter_mut().for_each(|other| other.cut_to(calls));
    others.retain(|other| unexplained(other, before, quiet).is_empty());
}

/// The first of the audits of one run in several orders, with each file as the worst of them shows it. Also which one shows each failure
/// that the first does not.
pub(super) fn together(mut each: impl Iterator<Item = Audit>) -> (Audit, BTreeMap<String, usize>) {
    let mut audit = each.next().unwrap_or_default();
    let mut shown_in = BTreeMap::new();
    for (order, other) in (1..).zip(each) {
        audit.distinct_states = audit.distinct_states.max(other.distinct_states);
        for file in other.files {
            let Some(known) = audit.files.iter_mut().find(|known| known.path == file.path) else { continue };
            if file.under_kill < known.under_kill {
                if let Some(example) = file.example.clone() {
                    shown_in.insert(AuditFailure::File { path: file.path.clone(), example }.signature(), order);
                }
                *known = file;
            }
        }
    }
    (audit, shown_in)
}

#[cfg(test)]
mod tests {
    use crashtest_model::{AuditedFile, UnderKill};

    use super::*;

    fn audit(under_kill: [UnderKill; 2]) -> Audit {
        let file = |(path, under_kill): (&str, UnderKill)| AuditedFile {
            path: path.to_owned(),
            written: Vec::new(),
            under_kill,
            damage: BTreeMap::new(),
            beside: Vec::new(),
            example: None,
            database: None,
            as_if_there: false,
        };
        let files = ["a", "b"].into_iter().zip(under_kill).map(file).collect();
        Audit { files, distinct_states: 3, ..Audit::default() }
    }

    #[test]
    fn each_file_is_as_bad_as_in_the_worst_order() {
        let (whole, broken, unknown) = (UnderKill::Whole, UnderKill::Broken, UnderKill::Unknown);
        let (found, _) = together([audit([whole, unknown]), audit([broken, whole])].into_iter());
        assert_eq!(found, audit([broken, unknown]));
    }
}
