//! What differs between two recorded runs of one program: the shape of their calls, or only what is in them.
//!
//! Real programs write times, process numbers and random names: two runs of one differ in these, and are the same all the same.
//! The shape of a run is which calls it makes, on which files in the order in which they first appear, where and how much.

use std::collections::{BTreeMap, BTreeSet};

use crashtest_model::{Action, CrashPoint, FileId, PlainName, Trace};

/// So many differences are named.
const MOST_NAMED: usize = 6;

/// What differs between two runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Whether their calls do, and not only the bytes and names in them.
    pub in_shape: bool,
    /// What does, each as a phrase: "4 bytes in `state.db`", "the name of a file (`a.1`, `a.2`)".
    pub phrases: Vec<String>,
}

/// The files of a run by when they first appear.
#[derive(Default)]
struct Roles<'t> {
    names: BTreeMap<&'t str, usize>,
    files: BTreeMap<FileId, usize>,
}

impl<'t> Roles<'t> {
    fn name(&mut self, name: &'t str) -> usize {
        let next = self.names.len();
        *self.names.entry(name).or_insert(next)
    }

    fn file(&mut self, file: FileId) -> usize {
        let next = self.files.len();
        *self.files.entry(file).or_insert(next)
    }

    /// What is the same of `action` in two runs of one shape: the roles of its files, and its numbers.
    fn shape(&mut self, action: &'t Action) -> (&'static str, Vec<usize>, Vec<u64>) {
        let (mut roles, mut numbers) = (Vec::new(), Vec::new());
        match action {
            Action::Write { file, offset, data, .. } => {
                roles.push(self.file(*file));
                numbers.extend([*offset, data.length()]);
            }
            Action::Resize { file, length, .. } => {
                roles.push(self.file(*file));
                numbers.push(*length);
            }
            Action::Zero { file, offset, length, .. } => {
                roles.push(self.file(*file));
                numbers.extend([*offset, *length]);
            }
            Action::Open { path, file, mode, .. } => {
                roles.extend([self.name(path), self.file(*file)]);
                numbers.push((*mode).into());
            }
            Action::Close { file, .. } | Action::Map { file, .. } => roles.push(self.file(*file)),
            Action::Sync { file: Some(file), .. } => roles.push(self.file(*file)),
            Action::Link { file, to } => roles.extend([self.file(*file), self.name(to)]),
            Action::Arrive { path, file, data, .. } => {
                roles.extend([self.name(path), self.file(*file)]);
                numbers.push(data.length());
            }
            other => roles.extend(names_of(other).into_iter().map(|name| self.name(name)).collect::<Vec<_>>()),
        }
        (action.word(), roles, numbers)
    }
}

/// The names that an action is about.
pub(crate) fn names_of(action: &Action) -> Vec<&str> {
    match action {
        Action::Rename { from, to, .. } => vec![from, to],
        Action::Link { to, .. } => vec![to],
        Action::Symlink { path, .. }
        | Action::Open { path, .. }
        | Action::Write { path, .. }
        | Action::Resize { path, .. }
        | Action::Zero { path, .. }
        | Action::Arrive { path, .. }
        | Action::Unlink { path }
        | Action::Mkdir { path, .. }
        | Action::Rmdir { path }
        | Action::Mknod { path, .. }
        | Action::Chmod { path, .. }
        | Action::Attribute { path }
        | Action::Sync { path, .. }
        | Action::Close { path, .. }
        | Action::Read { path, .. }
        | Action::Map { path, .. } => vec![path],
    }
}

/// Compares two runs of one program: two that are `whole`, or else, where one was ended before its own end, as far as both go.
#[must_use]
pub fn compare(first: &Trace, second: &Trace, whole: bool) -> Difference {
    let mut difference = Difference::default();
    let mut phrases: Vec<String> = Vec::new();
    let mut told: BTreeSet<String> = BTreeSet::new();
    let mut say = |key: String, phrase: String| {
        if told.insert(key) && phrases.len() < MOST_NAMED {
            phrases.push(phrase);
        }
    };
    let (mut a, mut b) = (Roles::default(), Roles::default());
    for (n, (one, other)) in first.operations.iter().zip(&second.operations).enumerate() {
        let (shape, other_shape) = (a.shape(&one.action), b.shape(&other.action));
        if shape != other_shape || one.errno != other.errno {
            difference.in_shape = true;
            say("shape".into(), format!("call {}: “{}” and “{}”", n + 1, one.in_words(), other.in_words()));
            if shape.0 != other_shape.0 {
                break;
            }
        }
        for (name, another) in names_of(&one.action).into_iter().zip(names_of(&other.action)) {
            if name != another {
                say("name".into(), format!("the name of a file (`{}` and `{}`)", PlainName(name), PlainName(another)));
            }
        }
        if let (Action::Write { path, data, .. }, Action::Write { data: others, .. }) = (&one.action, &other.action)
            && data.length() == others.length()
            && let Some(what) = differing(data.bytes(), others.bytes())
        {
            say(format!("bytes {path}"), format!("{what} in `{}`", PlainName(path)));
        }
    }
    if whole && first.operations.len() != second.operations.len() {
        difference.in_shape = true;
        say("calls".into(), format!("{} and {} calls", first.operations.len(), second.operations.len()));
    }
    let both = first.operations.len().min(second.operations.len());
    let promises = |trace: &Trace| {
        let before = trace.operations.iter().take(both).map(|operation| operation.before.promise);
        before.chain(whole.then_some(trace.end.promise)).collect::<Vec<_>>()
    };
    if !difference.in_shape && promises(first) != promises(second) {
        difference.in_shape = true;
        say("promises".into(), "what it had printed of its saves at a call".into());
    }
    difference.phrases = phrases;
    difference
}

/// What differs in two contents of one length, in words; `None` where nothing does.
fn differing(one: &[u8], other: &[u8]) -> Option<String> {
    let at = |from: usize| one[from..].iter().zip(&other[from..]).position(|(a, b)| a != b).map(|at| from + at);
    let first = at(0)?;
    let last = one.iter().zip(other).rposition(|(a, b)| a != b)?;
    let (one, other) = (&one[first..=last], &other[first..=last]);
    let is_of_a_number = |byte: &u8| byte.is_ascii_digit() || b".:-+TZ ".contains(byte);
    Some(match one.len() {
        length if one.iter().chain(other).all(is_of_a_number) && length <= 32 => {
            "digits (a time, or a number)".to_owned()
        }
        1 => "1 byte".to_owned(),
        length => format!("{length} bytes"),
    })
}

/// Returns whether a crash at `point` comes at the same call in both runs: those before it have the same shape, and it is of the same
/// kind.
#[must_use]
pub fn same_place(first: &Trace, second: &Trace, point: CrashPoint) -> bool {
    let at = point.call.0 as usize;
    let (mut a, mut b) = (Roles::default(), Roles::default());
    let before = first.operations.iter().zip(&second.operations).take(at);
    let alike = before.fold(true, |alike, (one, other)| alike && a.shape(&one.action) == b.shape(&other.action));
    let word = |trace: &Trace| trace.operations.get(at).map(|operation| operation.action.word());
    // One that was killed before the call does not have it.
    let is_same_call = word(first) == word(second) || first.operations.len().min(second.operations.len()) == at;
    alike && first.operations.len().min(second.operations.len()) >= at && is_same_call
}

#[cfg(test)]
mod tests {
    use crashtest_model::{At, CallIndex, Data, Generation, Operation, Progress};

    use super::*;

    fn trace(actions: Vec<Action>) -> Trace {
        let operation = |action: Action| Operation {
            process: 0,
            call: "call".into(),
            action,
            errno: None,
            before: Progress::default(),
            after: Progress::default(),
            left: None,
        };
        Trace { operations: actions.into_iter().map(operation).collect(), ..Trace::default() }
    }

    /// A save through a temporary of this name.
    fn save(temporary: &str, content: &[u8]) -> Trace {
        let (path, file) = (temporary.to_owned(), FileId(7));
        let open =
            Action::Open { path: path.clone(), file, created: true, truncated: false, synchronous: false, mode: 0o600 };
        let data = Data::Kept(content.to_vec());
        let write = Action::Write { path, file, offset: 0, requested: data.length(), data };
        let rename = Action::Rename { from: temporary.into(), to: "state".into(), exchange: false };
        trace(vec![open, write, rename])
    }

    #[test]
    fn what_differs_by_nature_is_named_and_is_no_difference_in_shape() {
        let same = compare(&save("t", b"x"), &save("t", b"x"), true);
        assert_eq!(same, Difference::default());
        let found = compare(&save("tmp.a8", b"at 12:00:01, id 9"), &save("tmp.zz", b"at 12:07:59, id 9"), true);
        assert!(!found.in_shape);
        let expected = ["the name of a file (`tmp.a8` and `tmp.zz`)", "digits (a time, or a number) in `tmp.a8`"];
        assert_eq!(found.phrases, expected);
        let random = compare(&save("t", b"\x01a\xff____"), &save("t", b"\x07b\x02____"), true);
        assert_eq!((random.in_shape, random.phrases), (false, vec!["3 bytes in `t`".to_owned()]));
    }

    #[test]
    fn another_length_another_call_and_another_number_of_calls_are_another_shape() {
        let one = save("t", b"12");
        for other in [save("t", b"123"), trace(vec![Action::Unlink { path: "t".into() }]), trace(Vec::new())] {
            let found = compare(&one, &other, true);
            assert!(found.in_shape && !found.phrases.is_empty(), "{found:?}");
        }
        let through_another = {
            let mut other = save("t", b"12");
            if let Action::Rename { from, .. } = &mut other.operations[2].action {
                *from = "u".into();
            }
            other
        };
        assert!(compare(&one, &through_another, true).in_shape, "not the file that was made");
        let mut longer = one.clone();
        longer.operations.extend(save("t", b"13").operations);
        longer.end.promise.acked = Generation(2);
        assert!(compare(&one, &longer, true).in_shape);
        assert_eq!(compare(&one, &longer, false), Difference::default(), "as far as both go");
        longer.operations[1].before.promise.begun = Generation(2);
        assert!(compare(&one, &longer, false).in_shape, "it had begun another save there");
    }

    #[test]
    fn a_place_is_the_same_where_the_calls_before_it_have_the_same_shape() {
        let point = |call| CrashPoint { call: CallIndex(call), at: At::After };
        let (one, other) = (save("t", b"12"), save("u", b"34"));
        assert!(same_place(&one, &other, point(2)));
        let shorter = trace(other.operations[..2].iter().map(|operation| operation.action.clone()).collect());
        assert!(same_place(&one, &shorter, point(1)) && !same_place(&one, &shorter, point(3)));
        assert!(!same_place(&one, &save("u", b"1"), point(2)), "another length is another shape");
        assert!(same_place(&one, &save("u", b"1"), point(1)), "inside that write it is a part of it");
    }
}
