//! Where in a trace crashes come: before and after each call, and inside each write.

use std::collections::BTreeSet;
use std::iter::StepBy;
use std::ops::Range;

use crashtest_model::{Action, At, CallIndex, CrashPoint, Operation, Seed, Tears, Trace};

/// The size of a page of the page cache in bytes.
const PAGE: usize = 4096;

/// The crash points of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashPoints {
    /// In the order of the trace.
    pub points: Vec<CrashPoint>,
    /// How many tears of long writes are not among them.
    pub left_out: u64,
}

/// Returns where crashes of a run may come: before each call, inside it if it is a write, after it; and at the end.
///
/// Calls that failed or changed no file have a before and an after as well, as a promise may lie between. Of each write there are
/// at most `per_write` tears: all where they fit. Else the first, the last and the middle one, in this order, and others by the
/// seed and the number of the call. Of these [`Tears::Posix`] draws every other one at a page boundary, since that is where kernels
/// stop.
#[must_use]
pub fn crash_points(trace: &Trace, tears: Tears, per_write: usize, seed: Seed) -> CrashPoints {
    let mut found = CrashPoints { points: Vec::new(), left_out: 0 };
    let mut call = CallIndex(0);
    for operation in &trace.operations {
        let (inside, left_out) = torn(operation, tears, per_write, seed.derive("tears", call.0.into()));
        let inside = inside.into_iter().map(|bytes| At::Inside(bytes as u64));
        let ats = [At::Before].into_iter().chain(inside).chain([At::After]);
        found.points.extend(ats.map(|at| CrashPoint { call, at }));
        found.left_out += left_out as u64;
        call.0 += 1;
    }
    found.points.push(CrashPoint { call, at: At::Before });
    found
}

/// After how many bytes a write is torn, ascending; and how many such places are left out.
fn torn(operation: &Operation, tears: Tears, most: usize, seed: Seed) -> (BTreeSet<usize>, usize) {
    let (None, Action::Write { offset, data, .. }) = (operation.errno, &operation.action) else {
        return (BTreeSet::new(), 0);
    };
    let in_page = usize::try_from(offset % PAGE as u64).unwrap_or(0);
    let pages = (PAGE - in_page..data.bytes().len()).step_by(PAGE);
    let all = match tears {
        Tears::Kernel => pages.clone(),
        Tears::Posix => (1..data.bytes().len()).step_by(1),
    };
    let chosen = if all.len() <= most { all.clone().collect() } else { sample(&all, &pages, most, seed) };
    let left_out = all.len() - chosen.len();
    (chosen, left_out)
}

/// As many as `most` of `all`, of which there are more.
fn sample(all: &StepBy<Range<usize>>, pages: &StepBy<Range<usize>>, most: usize, seed: Seed) -> BTreeSet<usize> {
    let always = [0, all.len() - 1, all.len() / 2];
    let mut chosen: BTreeSet<usize> = always.into_iter().take(most).filter_map(|n| all.clone().nth(n)).collect();
    for n in 0.. {
        if chosen.len() == most {
            break;
        }
        let from = if n % 2 == 0 && pages.len() > 0 { pages } else { all };
        let drawn = seed.derive("cut", n).0 % from.len() as u64;
        chosen.extend(from.clone().nth(drawn as usize));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use crashtest_model::{Data, FileId, Progress};
    use proptest::prelude::*;

    use super::*;

    fn write(offset: u64, length: usize) -> Operation {
        let action = Action::Write {
            path: "f".into(),
            file: FileId(0),
            offset,
            data: Data::Kept(vec![0; length]),
            requested: length as u64,
        };
        let [before, after] = [Progress::default(); 2];
        Operation { process: 0, call: "write".into(), action, errno: None, before, after, left: None }
    }

    fn trace(operations: Vec<Operation>) -> Trace {
        Trace { operations, ..Trace::default() }
    }

    /// After how many bytes the one write of `points` is torn.
    fn tears(points: &CrashPoints) -> Vec<u64> {
        let inside = |point: &CrashPoint| if let At::Inside(bytes) = point.at { Some(bytes) } else { None };
        points.points.iter().filter_map(inside).collect()
    }

    proptest! {
        #[test]
        fn kernels_tear_at_page_multiples_of_the_file_offset(offset in 0u64..100_000, length in 0usize..50_000) {
            let points = crash_points(&trace(vec![write(offset, length)]), Tears::Kernel, usize::MAX, Seed(0));
            let multiples = (1..length as u64).filter(|bytes| (offset + bytes) % 4096 == 0);
            prop_assert_eq!(tears(&points), multiples.collect::<Vec<_>>());
            prop_assert_eq!(points.left_out, 0);
        }

        #[test]
        fn posix_tears_at_every_byte_that_fits(offset in 0u64..100_000, length in 0usize..500) {
            let points = crash_points(&trace(vec![write(offset, length)]), Tears::Posix, 499, Seed(0));
            prop_assert_eq!(tears(&points), (1..length as u64).collect::<Vec<_>>());
        }

        #[test]
        fn a_sample_is_bounded_keeps_both_ends_and_says_what_it_leaves_out(
            offset in 0u64..100_000, length in 0usize..200_000, most in 0usize..40, seed: u64, posix: bool,
        ) {
            let kind = if posix { Tears::Posix } else { Tears::Kernel };
            let of = |most, seed| crash_points(&trace(vec![write(offset, length)]), kind, most, Seed(seed));
            let (sampled, all) = (of(most, seed), of(usize::MAX, seed));
            let (some, every) = (tears(&sampled), tears(&all));
            prop_assert_eq!(some.len(), most.min(every.len()));
            prop_assert_eq!(sampled.left_out, (every.len() - some.len()) as u64);
            prop_assert!(some.is_sorted() && some.iter().all(|bytes| every.binary_search(bytes).is_ok()));
            if most > 1 {
                prop_assert_eq!((some.first(), some.last()), (every.first(), every.last()));
            }
            prop_assert_eq!(&sampled, &of(most, seed), "an equal seed draws equal tears");
        }
    }

    #[test]
    fn another_seed_and_another_call_draw_other_tears() {
        let of = |seed| crash_points(&trace(vec![write(0, 1 << 16), write(0, 1 << 16)]), Tears::Posix, 20, Seed(seed));
        let (one, other) = (tears(&of(1)), tears(&of(2)));
        assert_ne!(one, other);
        assert_ne!(one[..20], one[20..]);
    }

    #[test]
    fn a_posix_sample_does_not_forget_where_kernels_stop() {
        let points = crash_points(&trace(vec![write(0, 1 << 20)]), Tears::Posix, 20, Seed(1));
        let at_pages = tears(&points).iter().filter(|bytes| **bytes % 4096 == 0).count();
        assert!((5..=15).contains(&at_pages), "{at_pages} of 20");
    }

    #[test]
    fn every_call_has_a_before_and_an_after_and_the_end_is_a_point() {
        let sync = Operation { action: Action::Attribute { path: "f".into() }, ..write(0, 0) };
        let failed = Operation { errno: Some(28), ..write(0, 9) };
        let found = crash_points(&trace(vec![sync, failed, write(0, 2)]), Tears::Posix, 9, Seed(0)).points;
        let expected = [
            (0, At::Before),
            (0, At::After),
            (1, At::Before),
            (1, At::After),
            (2, At::Before),
            (2, At::Inside(1)),
            (2, At::After),
            (3, At::Before),
        ];
        assert_eq!(found, expected.map(|(call, at)| CrashPoint { call: CallIndex(call), at }));
        assert!(found.is_sorted());
    }
}
