//! Which crash states are looked at first: one of each kind, so that the first answers are about all that a run does. Of saves that are
//! alike one is looked at.

use std::collections::BTreeMap;

use crashtest_model::Trace;

use super::kind::{Kind, kind_of};
use super::states::CrashState;

/// Which of several saves that are alike is looked at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alike {
    /// The last one: the files are then what they are in daily use.
    Newest,
    /// The second one: the first may make the files, and a run has to be killed there again, which takes as long as it takes to come there.
    Early,
}

/// The order in which `states` are looked at, by their numbers: first those of a first look, then the others. How many the first look has.
#[must_use]
pub fn first_look(trace: &Trace, states: &[CrashState], alike: Alike) -> (Vec<usize>, usize) {
    let mut kinds: BTreeMap<Kind, Vec<usize>> = BTreeMap::new();
    for (number, state) in states.iter().enumerate() {
        for point in &state.points {
            let of_this_kind = kinds.entry(kind_of(trace, *point)).or_default();
            if of_this_kind.last() != Some(&number) {
                of_this_kind.push(number);
            }
        }
    }
    let chosen = kinds.values().filter_map(|of_this_kind| match alike {
        Alike::Newest => of_this_kind.last(),
        Alike::Early => of_this_kind.get(1).or(of_this_kind.first()),
    });
    let mut is_chosen = vec![false; states.len()];
    chosen.for_each(|number| is_chosen[*number] = true);
    let (mut order, rest): (Vec<usize>, Vec<usize>) = (0..states.len()).partition(|number| is_chosen[*number]);
    let first = order.len();
    order.extend(rest);
    (order, first)
}

#[cfg(test)]
mod tests {
    use crashtest_model::{Action, Data, FileId, Operation, Progress, Tears};

    use super::*;
    use crate::{Snapshot, crash_points, crash_states, distinct};

    /// Saves of these contents, each by a temporary of its own and a rename, and a line in a log after every second one.
    fn saves(contents: &[&str]) -> Trace {
        let mut actions = Vec::new();
        for (n, content) in contents.iter().enumerate() {
            let (path, file) = (format!("state.{n}a.tmp"), FileId(n as u32));
            let open = |path: &str, file| Action::Open {
                path: path.into(),
                file,
                created: true,
                truncated: false,
                synchronous: false,
                mode: 0o600,
            };
            let write = |path: &str, file, content: &str| Action::Write {
                path: path.into(),
                file,
                offset: 0,
                requested: content.len() as u64,
                data: Data::Kept(content.as_bytes().to_vec()),
            };
            actions.extend([open(&path, file), write(&path, file, content)]);
            actions.push(Action::Rename { from: path, to: "state".into(), exchange: false });
            if n % 2 == 1 {
                actions.extend([open("log", FileId(99)), write("log", FileId(99), content)]);
            }
        }
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

    fn states_of(trace: &Trace) -> Vec<CrashState> {
        let points = crash_points(trace, Tears::default(), 4, crashtest_model::Seed(1)).points;
        distinct(crash_states(trace, &Snapshot::default(), &points))
    }

    #[test]
    fn of_saves_that_are_alike_one_is_looked_at_first() {
        let trace = saves(&["aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff"]);
        let states = states_of(&trace);
        for alike in [Alike::Newest, Alike::Early] {
            let (mut order, first) = first_look(&trace, &states, alike);
            let looked_at: Vec<usize> = order[..first].to_vec();
            assert!(first < states.len() / 2, "{alike:?}: {first} of {}", states.len());
            let calls = |number: &usize| states[*number].points[0].call.0;
            match alike {
                Alike::Newest => assert!(looked_at.iter().any(|number| calls(number) > 20), "{looked_at:?}"),
                Alike::Early => {
                    // The second line in the log is that of the fourth save; behind the last call there is but one.
                    let early = |number: &usize| calls(number) < 16 || number + 1 == states.len();
                    assert!(looked_at.iter().all(early), "{looked_at:?}");
                }
            }
            // Each file and each kind of call is there.
            let looked_at: Vec<_> = looked_at.iter().flat_map(|number| &states[*number].points).collect();
            let kinds: Vec<Kind> = looked_at.into_iter().map(|point| kind_of(&trace, *point)).collect();
            for (word, name) in
                [("create", "state.#.tmp"), ("write", "state.#.tmp"), ("rename", "state"), ("write", "log")]
            {
                let is_there = kinds.iter().any(|kind| kind.place.contains(word) && kind.file == name);
                assert!(is_there, "{alike:?}: {word} {name}");
            }
            order.sort_unstable();
            assert_eq!(order, (0..states.len()).collect::<Vec<_>>(), "each once");
        }
    }

    #[test]
    fn a_run_without_calls_has_one_state() {
        let trace = Trace::default();
        assert_eq!(first_look(&trace, &states_of(&trace), Alike::Newest), (vec![0], 1));
    }
}
