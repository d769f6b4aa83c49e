//! The nearest valid word for a misspelt one.

use crate::problem::Problem;

/// The problem that `word` is not one of `valid` names of a `kind` ("strategy"), with the nearest one as a hint.
pub(crate) fn unknown(kind: &str, word: &str, valid: &[&str]) -> Problem {
    let nearest = valid
        .iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3))
        .map(|(_, name)| format!("did you mean `{name}`?"));
    Problem::usage(format!("unknown {kind} `{word}`"))
        .hint(nearest)
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
