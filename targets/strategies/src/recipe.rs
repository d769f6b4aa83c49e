//! The recipe of a strategy, word by word: what a trace of one of its saves holds.
//!
//! A recipe is written for people: `create(f.tmp) · write × n · close · read(f.tmp) · rename(f.tmp, f)`. It is about a save in the
//! steady state: the file is there, nothing is left over from a crash, a log is not compacted. `create` makes a file, `truncate`
//! empties one that is there, `open` does neither. `4 × (…)` is all of it for each of four files.
//! What follows `enqueue` is done in the background, after the ack.

/// The traced calls of a recipe, in order, in the words of a trace (`model::Action::word`): successive writes are one word, calls
/// that change nothing and make nothing durable are none. What is no call at all comes through as it stands.
#[must_use]
pub fn recipe_words(recipe: &str) -> Vec<&str> {
    let (times, once) = repeated(recipe).unwrap_or((1, recipe));
    let words: Vec<&str> = once.split(" · ").filter_map(word).collect();
    words.repeat(times)
}

/// `4 × (…)`: how often, and what.
fn repeated(recipe: &str) -> Option<(usize, &str)> {
    let (times, once) = recipe.strip_suffix(')')?.split_once(" × (")?;
    Some((times.parse().ok()?, once))
}

fn word(step: &str) -> Option<&str> {
    let (call, arguments) = match step.strip_suffix(')').and_then(|step| step.split_once('(')) {
        Some((call, arguments)) => (call, Some(arguments)),
        None => (step, None),
    };
    match (call, arguments) {
        ("read", Some(_)) | ("flock" | "enqueue", None) => None,
        ("write" | "write × n", None) => Some("write"),
        ("ftruncate", Some(_)) => Some("truncate"),
        ("fsync", Some("dir")) => Some("fsync-dir"),
        ("create" | "truncate" | "open" | "rename" | "unlink" | "mkdir", Some(_)) => Some(call),
        ("fsync" | "fdatasync" | "close", None) => Some(call),
        _ => Some(step),
    }
}

#[cfg(test)]
mod tests {
    use crashtest_kit::Registry;

    use super::*;
    use crate::Builtin;

    const TRACED: [&str; 11] = [
        "create",
        "truncate",
        "open",
        "write",
        "rename",
        "unlink",
        "mkdir",
        "fsync",
        "fdatasync",
        "fsync-dir",
        "close",
    ];

    #[test]
    fn the_words_of_a_recipe_are_its_traced_calls() {
        let full = "create(f.X.tmp, O_EXCL) · flock · write × n · fsync · rename(f.X.tmp, f) · close · fsync(dir)";
        assert_eq!(recipe_words(full), ["create", "write", "fsync", "rename", "close", "fsync-dir"]);
        let other =
            "mkdir(dir) · open(f, O_APPEND) · read(f) · write · fdatasync · ftruncate(f) · truncate(f) · unlink(f)";
        assert_eq!(recipe_words(other), ["mkdir", "open", "write", "fdatasync", "truncate", "truncate", "unlink"]);
    }

    #[test]
    fn what_is_done_to_several_files_is_written_once() {
        assert_eq!(
            recipe_words("2 × (create(f) · write × n · close)"),
            ["create", "write", "close", "create", "write", "close"]
        );
        assert_eq!(recipe_words("write × n · rename(f.tmp, f)"), ["write", "rename"]);
    }

    #[test]
    fn what_is_no_call_comes_through_as_it_stands() {
        for nonsense in ["planted bug", "write(f)", "fsync(f", "flush", ""] {
            assert_eq!(recipe_words(nonsense), [nonsense]);
            assert!(!TRACED.contains(&nonsense));
        }
    }

    #[test]
    fn every_strategy_has_a_recipe_of_traced_calls() {
        for info in Builtin.strategies().into_iter().filter(|info| !info.planted) {
            let words = recipe_words(&info.recipe);
            assert!(words.len() >= 3, "{}: {words:?}", info.name);
            for word in words {
                assert!(TRACED.contains(&word), "{}: `{word}`", info.name);
            }
        }
    }
}
