//! Laws that hold of an audit whatever was saved.

use std::path::Path;

use crashtest_model::{FileId, UnderKill};
use proptest::prelude::*;

use super::super::chosen::{bounded, grouped};
use super::super::state_files;
use super::run::Run;

/// One save of one of two files, in a way that keeps it whole or in one that does not.
#[derive(Clone, Debug)]
enum Save {
    Rename(bool, Vec<u8>),
    Direct(bool, Vec<u8>),
}

/// What saves nothing but emptiness is one save with the one that follows (`touch`), so laws about single saves are about others.
fn save() -> impl Strategy<Value = Save> {
    let data = || prop::collection::vec(any::<u8>(), 1..300).prop_map(|data| data.repeat(40));
    prop_oneof![
        (any::<bool>(), data()).prop_map(|(which, data)| Save::Rename(which, data)),
        (any::<bool>(), data()).prop_map(|(which, data)| Save::Direct(which, data)),
    ]
}

/// A run of these saves, every file there from the start.
fn run_of(saves: &[Save]) -> Run {
    let mut run = Run::finding(&[("a", b"first"), ("b", b"first")]);
    let mut numbers = [0, 1];
    for save in saves {
        let (Save::Rename(which, data) | Save::Direct(which, data)) = save;
        let (name, number) = if *which { ("a", &mut numbers[0]) } else { ("b", &mut numbers[1]) };
        match save {
            Save::Rename(..) => {
                *number = run.next;
                run.save_by_rename(name, data);
            }
            // A write in pieces, as a buffer is flushed.
            Save::Direct(..) => {
                let file = FileId(*number);
                run.open(*number, true);
                for (n, piece) in data.chunks(5000).enumerate() {
                    run.write(file, n as u64 * 5000, piece);
                }
                run.close(file);
            }
        }
    }
    run
}

proptest! {
    #[test]
    fn a_file_is_broken_exactly_if_it_was_ever_emptied_to_be_written(saves in prop::collection::vec(save(), 0..8)) {
        let audit = run_of(&saves).audited();
        for (which, name) in [(true, "a"), (false, "b")] {
            let of = |save: &&Save| matches!(save, Save::Rename(w, _) | Save::Direct(w, _) if *w == which);
            let Some(file) = audit.files.iter().find(|file| file.path == name) else {
                prop_assert!(!saves.iter().any(|save| of(&save)));
                continue;
            };
            let breaks = saves.iter().filter(of).any(|save| matches!(save, Save::Direct(..)));
            prop_assert_eq!(file.under_kill == UnderKill::Broken, breaks, "{:#?}", file);
            prop_assert_eq!(file.under_kill == UnderKill::Whole, !breaks, "{:#?}", file);
        }
    }

    #[test]
    fn no_state_that_a_finished_save_left_is_damage(saves in prop::collection::vec(save(), 0..8)) {
        let run = run_of(&saves);
        let whole: u64 = run.audited().files.iter().flat_map(|file| file.damage.values()).sum();
        // Each direct save is damaged at most between its open and its last write, at and inside each piece.
        let most: usize = saves.iter().map(|save| match save {
            Save::Rename(..) => 0,
            Save::Direct(_, data) => 2 * data.len().div_ceil(5000) + data.len() / 4096,
        }).sum();
        prop_assert!(whole <= most as u64, "{whole} of {most}");
    }

    #[test]
    fn every_crash_point_counts_once(saves in prop::collection::vec(save(), 0..8)) {
        let run = run_of(&saves);
        let trace = run.trace();
        let points = crate::crash_points(&trace, crashtest_model::Tears::Kernel, usize::MAX, crashtest_model::Seed(0)).points;
        let all = grouped(&trace, &points);
        prop_assert_eq!(all.iter().map(std::ops::Range::len).sum::<usize>(), points.len());
        let states = crate::distinct(crate::crash_states(&trace, &run.before(), &points));
        prop_assert_eq!(states, crate::audited_states(&trace, &run.before(), &|| false), "no state, and no point, is passed over");
    }

    #[test]
    fn each_save_leaves_one_version(saves in prop::collection::vec(save(), 1..6)) {
        let run = run_of(&saves);
        let known = state_files(&run.trace(), &run.before(), true, &|_| true);
        for (name, which) in [("a", true), ("b", false)] {
            let written = saves.iter().filter_map(|(Save::Rename(w, data) | Save::Direct(w, data))| (*w == which).then_some(&data[..]));
            let versions = known.get(Path::new(name)).map_or(&[][..], |file| &file.versions);
            prop_assert_eq!(versions.iter().map(|content| content.bytes().unwrap()).collect::<Vec<_>>(), written.collect::<Vec<_>>());
        }
    }

    #[test]
    fn of_a_run_that_was_killed_the_save_under_way_is_no_version(saves in prop::collection::vec(save(), 1..6), at in any::<prop::sample::Index>()) {
        let run = run_of(&saves);
        let mut trace = run.trace();
        let whole = state_files(&trace, &run.before(), true, &|_| true);
        trace.operations.truncate(at.index(trace.operations.len()) + 1);
        for (path, file) in state_files(&trace, &run.before(), false, &|_| true) {
            // A temporary that is left is a file like others as far as anybody can tell then.
            let Some(all) = whole.get(&path) else { continue };
            prop_assert!(file.versions.iter().all(|version| all.versions.contains(version)), "{path:?}");
        }
    }
}

#[test]
fn of_a_run_that_writes_to_very_long_files_points_are_left_out_evenly_and_it_is_said_how_many() {
    let mut run = Run::finding(&[("f", b"")]);
    run.open(0, false);
    for n in 0..100 {
        run.write(FileId(0), n, b"x");
    }
    let trace = run.trace();
    let points = crate::crash_points(&trace, crashtest_model::Tears::Kernel, 9, crashtest_model::Seed(0)).points;
    let all = grouped(&trace, &points);
    let bounded = |most| bounded(&trace, &run.before(), &points, all.clone(), most);
    // 1 + 2 + … + 100 bytes.
    assert_eq!(bounded(5050), (all.clone(), 0));
    let (some, left_out) = bounded(550);
    assert_eq!((some.first(), some.last(), some.len()), (all.first(), all.last(), 11));
    assert_eq!(some.iter().map(|group| group.len() as u64).sum::<u64>() + left_out, points.len() as u64);
}
