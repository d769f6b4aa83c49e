//! What a checker has said, by what it has opened: states that it cannot tell from each other get one answer.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use crashtest_model::Digest;
use crashtest_states::Snapshot;

use crate::subject::program::answer::Answer;

/// The most sets of opened files that are told apart.
const MOST_SETS: usize = 8;
/// The most answers that are kept of each.
const MOST_ANSWERS: usize = 20_000;

/// Answers of a checker that begins anew with each state.
///
/// Who opens the same files with the same content, among the same names, kinds, modes and lengths, does the same with them.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<Opening>);

/// The answers about states in which these files were opened, by what there was to be seen.
#[derive(Debug)]
struct Opening {
    opened: BTreeSet<PathBuf>,
    answers: HashMap<Digest, Answer>,
}

impl Seen {
    /// What was said of a state that looks like `state`.
    pub(super) fn answer(&self, state: &Snapshot) -> Option<Answer> {
        self.0.iter().find_map(|opening| opening.answers.get(&state.digest_for(&opening.opened)).cloned())
    }

    /// Keeps what was said of `state` by one that has opened these files. What was a matter of time is asked again.
    pub(super) fn keep(&mut self, state: &Snapshot, opened: &BTreeSet<PathBuf>, answer: &Answer) {
        if matches!(answer, Answer::Hung(_)) {
            return;
        }
        let digest = state.digest_for(opened);
        let has_room = self.0.len() < MOST_SETS;
        match self.0.iter_mut().find(|opening| opening.opened == *opened) {
            Some(opening) if opening.answers.len() < MOST_ANSWERS => {
                opening.answers.insert(digest, answer.clone());
            }
            None if has_room => {
                let answers = HashMap::from([(digest, answer.clone())]);
                self.0.push(Opening { opened: opened.clone(), answers });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crashtest_states::{Content, Entry};

    use super::*;

    fn state(files: &[(&str, &str)]) -> Snapshot {
        let file = |(name, text): &(&str, &str)| {
            (PathBuf::from(name), Entry::File { mode: 0o644, content: Content::from(text.as_bytes().to_vec()) })
        };
        files.iter().map(file).collect()
    }

    fn names(opened: &[&str]) -> BTreeSet<PathBuf> {
        opened.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn an_answer_counts_where_all_is_alike_that_was_looked_at() {
        let mut seen = Seen::default();
        seen.keep(&state(&[("a", "1"), ("b", "x")]), &names(&["a"]), &Answer::Opened);
        assert_eq!(seen.answer(&state(&[("a", "1"), ("b", "y")])), Some(Answer::Opened), "nobody has looked into b");
        for (other, why) in [
            (state(&[("a", "2"), ("b", "x")]), "it was looked into"),
            (state(&[("a", "1"), ("b", "xy")]), "a length is seen without opening"),
            (state(&[("a", "1")]), "so is a name"),
        ] {
            assert_eq!(seen.answer(&other), None, "{why}");
        }
    }

    #[test]
    fn each_set_of_opened_files_has_answers_of_its_own() {
        let mut seen = Seen::default();
        for n in 0..2 * MOST_SETS {
            let (name, one) = (n.to_string(), state(&[(&n.to_string(), "1"), ("b", "x")]));
            seen.keep(&one, &names(&[&name]), &Answer::Refused(name.clone()));
            let other = state(&[(&name, "1"), ("b", "y")]);
            // Of more sets than are told apart nothing is known.
            assert_eq!(seen.answer(&other).is_some(), n < MOST_SETS, "{n}");
        }
        seen.keep(&state(&[("a", "1")]), &names(&["0"]), &Answer::Hung(5));
        assert_eq!(seen.answer(&state(&[("a", "1")])), None, "it may be in time when it is asked again");
    }
}
