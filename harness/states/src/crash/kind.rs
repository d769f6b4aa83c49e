//! Of which kind a crash point is: points of one kind show the same failure, if any. And by what it is found in another recording.

use std::collections::BTreeMap;

use crashtest_model::{Action, CrashPoint, Trace};

use crate::shape::names_of;

/// The kind of a crash point: its place among the calls (see [`Trace::place`]), and the file that the call there is about, but for what
/// differs in its name from save to save.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// The place.
    pub place: String,
    /// The name of the file, with one sign for each number and drawn word in it; empty where the call is about none.
    pub file: String,
}

/// The kind of `point` of a run.
#[must_use]
pub fn kind_of(trace: &Trace, point: CrashPoint) -> Kind {
    Kind { place: trace.place(point), file: undrawn(file(trace, point)) }
}

/// The crash points of a run, as they are found in another run of the same program.
#[derive(Debug)]
pub struct Places<'t> {
    trace: &'t Trace,
    /// Of each call: the name that its file has in the end, where it is renamed later.
    becomes: Vec<Option<&'t str>>,
}

impl<'t> Places<'t> {
    /// Those of `trace`.
    #[must_use]
    pub fn of(trace: &'t Trace) -> Places<'t> {
        let mut becomes = vec![None; trace.operations.len()];
        // From the end on: what each name becomes from there.
        let mut later: BTreeMap<&str, &str> = BTreeMap::new();
        for (n, operation) in trace.operations.iter().enumerate().rev() {
            becomes[n] = names_of(&operation.action).pop().and_then(|name| later.get(name).copied());
            match &operation.action {
                _ if operation.errno.is_some() => {}
                Action::Rename { from, to, exchange: false } => {
                    let last = later.remove(to.as_str()).unwrap_or(to);
                    later.insert(from, last);
                }
                Action::Open { path, created: true, .. } => drop(later.remove(path.as_str())),
                _ => {}
            }
        }
        Places { trace, becomes }
    }

    /// The place of `point`, and the whole name of its file.
    #[must_use]
    pub fn exactly(&self, point: CrashPoint) -> (String, &'t str) {
        (self.trace.place(point), file(self.trace, point))
    }

    /// The kind of `point`, and the name that its file has in the end, where it is renamed: of `s-17.tmp`, that is `s-#.tmp` like all others, that
    /// says whose temporary file it is.
    #[must_use]
    pub fn loosely(&self, point: CrashPoint) -> (Kind, Option<&'t str>) {
        (kind_of(self.trace, point), self.becomes.get(point.call.0 as usize).copied().flatten())
    }
}

/// The name of the file that the call at `point` is about; empty where it is about none.
fn file(trace: &Trace, point: CrashPoint) -> &str {
    let operation = trace.operations.get(point.call.0 as usize);
    operation.and_then(|operation| names_of(&operation.action).pop()).unwrap_or_default()
}

/// A name with one sign for each number and drawn word in it.
fn undrawn(path: &str) -> String {
    let is_drawn = |word: &str| word.contains(|c: char| c.is_ascii_digit());
    let words = path.split_inclusive(|c: char| !c.is_alphanumeric()).map(|word| {
        let (word, end) = match word.char_indices().last() {
            Some((at, c)) if !c.is_alphanumeric() => word.split_at(at),
            _ => (word, ""),
        };
        format!("{}{end}", if is_drawn(word) { "#" } else { word })
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use crashtest_model::{At, CallIndex, FileId, Operation, Progress};

    use super::*;

    fn done(action: Action) -> Operation {
        let [before, after] = [Progress::default(); 2];
        Operation { process: 0, call: action.word().into(), action, errno: None, before, after, left: None }
    }

    /// Makes a file, and renames it.
    fn replaces(made: &str, name: &str) -> [Operation; 2] {
        let (path, to) = (made.to_owned(), name.to_owned());
        let (file, mode) = (FileId(0), 0o600);
        let open = Action::Open { path, file, created: true, truncated: false, synchronous: false, mode };
        [open, Action::Rename { from: made.to_owned(), to, exchange: false }].map(done)
    }

    #[test]
    fn of_files_with_drawn_names_what_they_become_says_which_is_which() {
        let operations = [replaces("t.1", "one"), replaces("t.2", "two"), replaces("t.1", "other")].concat();
        let trace = Trace { operations, ..Trace::default() };
        let places = Places::of(&trace);
        let at = |call| CrashPoint { call: CallIndex(call), at: At::Before };
        assert_eq!([0, 2, 4].map(|call| places.loosely(at(call)).1), [Some("one"), Some("two"), Some("other")]);
        assert_eq!(places.loosely(at(0)).0.file, places.loosely(at(2)).0.file);
        assert_eq!([0, 1, 2].map(|call| places.exactly(at(call)).1), ["t.1", "one", "t.2"]);
        assert_eq!(places.exactly(at(6)).1, "", "behind the last call");
    }
}
