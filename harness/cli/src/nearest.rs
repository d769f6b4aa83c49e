//! The nearest valid word for a misspelt one.

use crate::problem::Problem;

/// The name among `valid` that was most likely meant by `word`; `None` when none is near.
pub(crate) fn nearest<'a>(word: &str, valid: &[&'a str]) -> Option<&'a str> {
    valid
        .iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3))
        .map(|(_, name)| name)
}

/// The problem that `word` is not one of `valid` names of a `kind` ("strategy"), with the nearest one as a hint.
pub(crate) fn unknown(kind: &str, word: &str, valid: &[&str]) -> Problem {
    Problem::usage(format!("unknown {kind} `{word}`"))
        .hint(nearest(word, valid).map(|name| format!("did you mean `{name}`?")))
        .hint(Some(format!("there are: {}", valid.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        let valid = ["direct", "atomic", "atomic-fsync"];
        assert!(unknown("strategy", "atomci", &valid).to_string().contains("did you mean `atomic`?"));
        assert!(unknown("strategy", "atomic-sync", &valid).to_string().contains("did you mean `atomic-fsync`?"));
        assert!(!unknown("strategy", "sqlite", &valid).to_string().contains("did you mean"));
    }
}
