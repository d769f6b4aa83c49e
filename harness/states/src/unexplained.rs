//! The files that a run has left other than its calls come to: then calls were missed.

use std::path::Path;

use crashtest_model::{PlainName, Trace};

use crate::{Entry, Snapshot, Tree};

/// Each file, of those that were `before` a run and those that it has `left`, that is not as the calls of `trace` make it, and how it
/// differs: "`x` holds 12 bytes, and its calls come to 10".
#[must_use]
pub fn unexplained(trace: &Trace, before: &Snapshot, left: &Snapshot) -> Vec<String> {
    let mut tree = Tree::new(before, &trace.files);
    trace.operations.iter().for_each(|operation| tree.apply(operation));
    let derived = tree.snapshot();
    if derived == *left {
        return Vec::new();
    }
    let mut paths: Vec<&Path> = derived.entries().chain(left.entries()).map(|(path, _)| path).collect();
    paths.sort_unstable();
    paths.dedup();
    let name = |path: &Path| PlainName(&path.to_string_lossy()).to_string();
    paths.into_iter().filter_map(|path| Some(format!("`{}` {}", name(path), differs(path, &derived, left)?))).collect()
}

/// How what has this path differs; `None` where it does not.
fn differs(path: &Path, derived: &Snapshot, left: &Snapshot) -> Option<String> {
    let (wanted, found) = (derived.entry(path), left.entry(path));
    if wanted != found {
        return Some(match (wanted, found) {
            (Some(Entry::File { content: wanted, .. }), Some(Entry::File { content: found, .. }))
                if wanted != found =>
            {
                let same = wanted.first_difference(found);
                match wanted.length() == found.length() {
                    true => format!("holds something else from byte {same} on than its calls come to"),
                    false => format!("holds {} bytes, and its calls come to {}", found.length(), wanted.length()),
                }
            }
            (Some(_), Some(_)) => "has another mode, or is of another kind, than its calls come to".to_owned(),
            (None, _) => "is there, and no call made it".to_owned(),
            (_, None) => "is not there, and no call removed it".to_owned(),
        });
    }
    if derived.twin(path) != left.twin(path) {
        return Some("is the same file as others, or not, other than its calls come to".to_owned());
    }
    let besides = |state: &Snapshot| state.attributes(path).map(|all| (all.owner, all.extended.clone()));
    (besides(derived) != besides(left))
        .then(|| "has another owner, or other attributes, than its calls come to".to_owned())
}

#[cfg(test)]
mod tests {
    use crashtest_model::{Action, FileId, Operation, Progress};

    use super::*;

    #[test]
    fn what_no_call_did_is_named_with_how_it_differs() {
        let file = |content: &[u8]| Entry::File { mode: 0o644, content: content.to_vec().into() };
        let before = Snapshot::from_iter([("a".into(), file(b"1")), ("b".into(), file(b"1"))]);
        let left = Snapshot::from_iter([("a".into(), file(b"12")), ("c".into(), file(b"")), ("d".into(), file(b"x"))]);
        let operation = Operation {
            process: 0,
            call: "unlink".into(),
            action: Action::Unlink { path: "b".into() },
            errno: None,
            before: Progress::default(),
            after: Progress::default(),
            left: None,
        };
        let files = vec![("a".to_owned(), FileId(0)), ("b".to_owned(), FileId(1))];
        let trace = Trace { files, operations: vec![operation], ..Trace::default() };
        let found = unexplained(&trace, &before, &left);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "`a` holds 2 bytes, and its calls come to 1");
        assert_eq!(found[1], "`c` is there, and no call made it");
        assert!(unexplained(&trace, &before, &Snapshot::from_iter([("a".into(), file(b"1"))])).is_empty());
    }
}
