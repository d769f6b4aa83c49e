//! Whatever is done to a file in an editor: it is read, or its mistake is shown at a place in it.

use std::path::Path;

use crashtest_report::render::Color;
use proptest::prelude::*;

use super::read;

/// A file that uses everything.
const WHOLE: &str = "#:schema ./schema.json
why = \"to see — for ever\"
limits = [\"only kills\", \"one disk\"]
seed = 0x2a

[[campaign]]
strategies = [\"direct\", \"atomic\"]
workloads = [\"fills\"]
loaders = [\"strict\", \"lenient\"]
faults = [\"none\", \"kill\"]
state_size = \"64KiB\"
idle = \"0ms\"
kill_at = \"any\"
iterations = 2_000
duration = \"5m\"
limit = \"10s\"
fresh = false
max_failures = 10

[[campaign]]
group = \"logs\"
workloads = \"all\"

[[expect]]
strategy = \"direct\"
loader = \"lenient\"
fault = \"kill\"
must = [\"silent-reset\"]
may = []
";

/// What can happen to a file in an editor.
#[derive(Clone, Debug)]
enum Edit {
    Insert(char),
    Remove(usize),
    Double(usize),
    Cut,
}

fn edit() -> impl Strategy<Value = (prop::sample::Index, Edit)> {
    let edit = prop_oneof![
        prop_oneof![
            prop::sample::select("[]{}=\"'.,#-\n\r\t0x:_é\u{feff}\0".chars().collect::<Vec<_>>()),
            any::<char>()
        ]
        .prop_map(Edit::Insert),
        (1usize..30).prop_map(Edit::Remove),
        (1usize..60).prop_map(Edit::Double),
        Just(Edit::Cut),
    ];
    (any::<prop::sample::Index>(), edit)
}

fn apply(text: &mut Vec<char>, at: usize, edit: &Edit) {
    let end = |length: usize| (at + length).min(text.len());
    match edit {
        Edit::Insert(c) => text.insert(at, *c),
        Edit::Remove(length) => drop(text.drain(at..end(*length))),
        Edit::Double(length) => {
            let part = text[at..end(*length)].to_vec();
            text.splice(at..at, part);
        }
        Edit::Cut => text.truncate(at),
    }
}

/// Reading `text` ends well, or with a mistake that can be shown and lies in it.
fn reads_or_shows(text: &str) {
    if let Err(mistake) = read(text) {
        for place in mistake.places() {
            assert!(text.get(place.clone()).is_some(), "{place:?} of {} in {text:?}", text.len());
        }
        let shown = mistake.render(Path::new("mine.toml"), text, 80, Color::Never);
        assert!(shown.contains("mine.toml:"), "{shown}");
    }
}

#[test]
fn the_whole_file_is_right() {
    read(WHOLE).unwrap();
}

proptest! {
    #[test]
    fn a_file_edited_at_random_is_read_or_shown(edits in prop::collection::vec(edit(), 1..6)) {
        let mut text: Vec<char> = WHOLE.chars().collect();
        for (at, edit) in &edits {
            let at = if text.is_empty() { 0 } else { at.index(text.len()) };
            apply(&mut text, at, edit);
        }
        reads_or_shows(&text.into_iter().collect::<String>());
    }

    #[test]
    fn any_text_is_read_or_shown(text: String) {
        reads_or_shows(&text);
    }
}
