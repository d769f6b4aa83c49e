//! What the files of a state are like before recovery touches them: the second line of every report.

use crashtest_kit::Generations;
use crashtest_model::{Promise, RawFile, RawState};
use crashtest_states::Snapshot;

/// Classifies the state file of a crash state against the generations that it may hold; of a state in several files, the most damaged
/// of them.
pub(crate) fn of_crash_state(state: &Snapshot, generations: &mut dyn Generations, promise: Promise) -> RawFile {
    let files = generations.files();
    let each = files.iter().enumerate().map(|(n, name)| match state.file(name) {
        Some(content) => generations.classify_file(n, content, promise),
        None => without_content(state, name),
    });
    // The first of those that are equally damaged.
    if let Some(worst) = each.reduce(|a, b| if damage(b.state) > damage(a.state) { b } else { a }) {
        return worst;
    }
    let name = generations.state_file();
    match state.file(&name) {
        Some(content) => generations.classify(content, promise),
        None => without_content(state, &name),
    }
}

fn without_content(files: &Snapshot, name: &str) -> RawFile {
    let state = if files.has(name) { RawState::Other } else { RawState::Missing };
    RawFile { state, length: None, tear_offset: None, whole_length: None }
}

/// Which damage a refusal is named after. A file that is not there may be one that a first start had not come to yet, and that the
/// next one makes: a damaged one counts for more.
fn damage(state: RawState) -> u8 {
    match state {
        RawState::Whole => 0,
        RawState::Missing => 1,
        RawState::Other => 2,
        RawState::Partial => 3,
        RawState::ZeroFilled => 4,
        RawState::Empty => 5,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crashtest_kit::{Found, classify};
    use crashtest_model::{Consequences, Digest, Generation};
    use crashtest_states::Entry;

    use super::*;

    const WHOLE: &[u8] = b"whole";

    /// A state in so many files, `0`, `1` and on; each holds [`WHOLE`].
    struct InFiles(usize);

    impl Generations for InFiles {
        fn state_file(&self) -> String {
            "0".into()
        }

        fn files(&self) -> Vec<String> {
            (0..self.0).map(|n| n.to_string()).collect()
        }

        fn digest(&mut self, _generation: Generation) -> Digest {
            Digest(0)
        }

        fn digest_without(&mut self, _generation: Generation, _missing: &[Generation]) -> Option<Digest> {
            None
        }

        fn classify(&mut self, content: &[u8], _promise: Promise) -> RawFile {
            classify(content, &[WHOLE])
        }

        fn completes(&mut self, _generation: Generation, _end: u64) -> bool {
            false
        }

        fn prepare(&mut self, _promise: Promise) {}

        fn consequences(&mut self, _: Generation, _: Found<Generation>, _: &[Generation]) -> Consequences {
            Consequences::default()
        }
    }

    /// The class of a state in files with these contents; those without any are missing.
    fn class(contents: &[Option<&[u8]>], mut generations: InFiles) -> RawState {
        let file = |content: &[u8]| Entry::File { mode: 0o644, content: content.to_vec().into() };
        let there = contents.iter().enumerate();
        let there = there.filter_map(|(n, content)| Some((PathBuf::from(n.to_string()), file((*content)?))));
        of_crash_state(&there.collect(), &mut generations, Promise::default()).state
    }

    const DAMAGES: [(Option<&[u8]>, RawState); 5] = [
        (None, RawState::Missing),
        (Some(b"other"), RawState::Other),
        (Some(b"who"), RawState::Partial),
        (Some(&[0; 5]), RawState::ZeroFilled),
        (Some(b""), RawState::Empty),
    ];

    #[test]
    fn a_state_in_several_files_is_as_the_most_damaged_of_them() {
        let whole = Some(WHOLE);
        assert_eq!(class(&[whole, whole, whole], InFiles(3)), RawState::Whole);
        for (n, (content, expected)) in DAMAGES.into_iter().enumerate() {
            for at in 0..3 {
                let mut contents = [whole; 3];
                contents[at] = content;
                assert_eq!(class(&contents, InFiles(3)), expected, "file {at}");
            }
            let (less, _) = DAMAGES[n.saturating_sub(1)];
            assert_eq!(class(&[less, whole, content], InFiles(3)), expected);
            assert_eq!(class(&[content, whole, less], InFiles(3)), expected);
        }
    }

    #[test]
    fn of_a_state_in_one_file_nothing_else_counts() {
        for (content, expected) in DAMAGES {
            assert_eq!(class(&[content, Some(b"")], InFiles(0)), expected);
            assert_eq!(class(&[Some(WHOLE), content], InFiles(0)), RawState::Whole);
        }
    }
}
