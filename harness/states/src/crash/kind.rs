//! Of which kind a crash point is: points of one kind show the same failure, if any.

use crashtest_model::{CrashPoint, Trace};

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
    Kind { place: trace.place(point), file: file(trace, point) }
}

fn file(trace: &Trace, point: CrashPoint) -> String {
    let Some(operation) = trace.operations.get(point.call.0 as usize) else { return String::new() };
    let Some(path) = names_of(&operation.action).pop() else { return String::new() };
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
