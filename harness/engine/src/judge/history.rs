//! One document, several writers: whether what was loaded from it can have been there.
//!
//! The document is a register. Its history is *linearizable* if every save and every load can be given one moment between its begin
//! and its end, so that each load gives what the save before it left. As no two saves leave the same content, that can be decided
//! from each save and its loads alone (Gibbons and Korach, "Testing shared memories", 1997).

use crashtest_model::{Digest, Generation};

/// A save, or what was there before the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Save {
    /// Whose; `None` for what was there before.
    pub(crate) writer: Option<usize>,
    pub(crate) generation: Generation,
    pub(crate) digest: Digest,
    /// The ticket taken before it began.
    pub(crate) from: u64,
    /// The ticket taken when it was acked; `None`: it was not, and may have taken effect or not.
    pub(crate) to: Option<u64>,
    /// The ticket taken when its writer was dead, if it was killed: what has not taken effect by then never does.
    pub(crate) dead: Option<u64>,
}

/// A load, with the tickets taken before and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) digest: Digest,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// Why a history is not linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The load of this number gave what no save made.
    NoSave(usize),
    /// The load of this number gave what a save left that had not begun.
    NotYet(usize),
    /// What the save of the first number left was there before and after that of the second.
    Between(usize, usize),
}

/// The time in which the content of one save must have been there: from the first of its operations that ended to the last that began.
#[derive(Clone, Copy, Debug)]
struct Zone {
    save: usize,
    ended: u64,
    began: u64,
}

impl Zone {
    /// Whether its content was certainly there at two different times, and so all the while between.
    fn is_forward(self) -> bool {
        self.ended < self.began
    }
}

/// Whether `loads` can be explained by `saves`, the first of which is what was there before.
pub(crate) fn check(saves: &[Save], loads: &[Load]) -> Result<(), Broken> {
    let mut zones: Vec<Zone> = saves
        .iter()
        .enumerate()
        .map(|(save, made)| Zone { save, ended: made.to.unwrap_or(u64::MAX), began: made.from })
        .collect();
    for (n, load) in loads.iter().enumerate() {
        let save = saves.iter().position(|save| save.digest == load.digest).ok_or(Broken::NoSave(n))?;
        if load.to < saves[save].from {
            return Err(Broken::NotYet(n));
        }
        let zone = &mut zones[save];
        // It has taken effect, so before its writer was dead.
        zone.ended = zone.ended.min(load.to).min(saves[save].dead.unwrap_or(u64::MAX));
        zone.began = zone.began.max(load.from);
    }
    for forward in zones.iter().filter(|zone| zone.is_forward()) {
        let spoilt = zones.iter().filter(|other| other.save != forward.save).find(|other| match other.is_forward() {
            true => other.ended < forward.began && forward.ended < other.began,
            false => forward.ended < other.began && other.ended < forward.began,
        });
        if let Some(other) = spoilt {
            return Err(Broken::Between(forward.save, other.save));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn save(n: u64, from: u64, to: Option<u64>) -> Save {
        Save { writer: Some(0), generation: Generation(n), digest: Digest(n), from, to, dead: None }
    }

    fn before() -> Save {
        Save { writer: None, ..save(0, 0, Some(0)) }
    }

    fn load(n: u64, from: u64, to: u64) -> Load {
        Load { digest: Digest(n), from, to }
    }

    #[test]
    fn what_a_later_save_has_overwritten_cannot_come_back() {
        let saves = [before(), save(1, 1, Some(2)), save(2, 3, Some(4))];
        assert_eq!(check(&saves, &[load(2, 5, 6)]), Ok(()));
        assert_eq!(check(&saves, &[load(1, 5, 6)]), Err(Broken::Between(1, 2)));
        assert_eq!(check(&saves, &[load(0, 5, 6)]), Err(Broken::Between(0, 1)));
        assert_eq!(check(&saves, &[load(9, 5, 6)]), Err(Broken::NoSave(0)));
    }

    #[test]
    fn of_saves_that_overlap_and_of_one_in_flight_either_may_be_there() {
        let saves = [before(), save(1, 1, Some(4)), save(2, 2, Some(3)), save(3, 5, None)];
        for (n, allowed) in [(0, false), (1, true), (2, true), (3, true)] {
            assert_eq!(check(&saves, &[load(n, 6, 7)]).is_ok(), allowed, "{n}");
        }
    }

    #[test]
    fn what_a_dead_writer_had_in_flight_does_not_come_back_over_a_later_save() {
        let in_flight = Save { dead: Some(3), ..save(1, 1, None) };
        let saves = [before(), in_flight.clone(), save(2, 4, Some(5))];
        assert_eq!(check(&saves, &[load(1, 6, 7)]), Err(Broken::Between(1, 2)));
        assert_eq!(check(&saves, &[load(2, 6, 7)]), Ok(()));
        assert_eq!(check(&[before(), in_flight, save(2, 2, Some(5))], &[load(1, 6, 7)]), Ok(()), "they overlapped");
    }

    #[test]
    fn a_reader_never_sees_the_old_after_the_new() {
        let saves = [before(), save(1, 1, Some(10))];
        assert_eq!(check(&saves, &[load(0, 2, 3), load(1, 4, 5)]), Ok(()));
        assert!(check(&saves, &[load(1, 2, 3), load(0, 4, 5)]).is_err());
        assert_eq!(check(&[before(), save(1, 5, None)], &[load(1, 1, 2)]), Err(Broken::NotYet(0)));
    }

    /// Whether some order of all operations explains the loads: by trying each.
    fn can_be_ordered(saves: &[Save], loads: &[Load]) -> bool {
        #[derive(Clone, Copy)]
        enum Operation {
            Save(usize),
            Load(usize),
        }
        fn span(operation: Operation, saves: &[Save], loads: &[Load]) -> (u64, u64) {
            match operation {
                Operation::Save(n) => {
                    let Save { from, to, dead, digest, .. } = &saves[n];
                    let seen = loads.iter().any(|load| load.digest == *digest);
                    (*from, to.or(dead.filter(|_| seen)).unwrap_or(u64::MAX))
                }
                Operation::Load(n) => (loads[n].from, loads[n].to),
            }
        }
        fn go(left: &[Operation], holds: Digest, saves: &[Save], loads: &[Load]) -> bool {
            left.is_empty()
                || (0..left.len()).any(|n| {
                    let (from, _) = span(left[n], saves, loads);
                    // First only what began before everything else ended.
                    if left.iter().any(|other| span(*other, saves, loads).1 < from) {
                        return false;
                    }
                    let rest = [&left[..n], &left[n + 1..]].concat();
                    match left[n] {
                        Operation::Save(save) => go(&rest, saves[save].digest, saves, loads),
                        Operation::Load(load) => loads[load].digest == holds && go(&rest, holds, saves, loads),
                    }
                })
        }
        let all: Vec<Operation> =
            (0..saves.len()).map(Operation::Save).chain((0..loads.len()).map(Operation::Load)).collect();
        // A save that was not acked need not have taken effect: it may come last of all.
        go(&all, Digest(u64::MAX), saves, loads)
    }

    proptest! {
        #[test]
        fn it_says_what_trying_every_order_says(
            spans in proptest::collection::vec((1u64..12, 0u64..6, 0u8..3), 0..4),
            reads in proptest::collection::vec((0u64..5, 1u64..14, 0u64..5), 0..4),
        ) {
            // Tickets are all different: each operation's begin and end get a fraction of their own.
            let mut saves = vec![before()];
            for (n, (from, length, ending)) in spans.iter().enumerate() {
                let n = n as u64 + 1;
                let end = (from + length) * 32 + 8 + n;
                // Acked, killed, or still in flight.
                let made = save(n, from * 32 + n, (*ending == 0).then_some(end));
                saves.push(Save { dead: (*ending == 1).then_some(end), ..made });
            }
            let loads: Vec<Load> = reads
                .iter()
                .enumerate()
                .map(|(n, (which, from, length))| {
                    let n = n as u64;
                    load(*which, from * 32 + 16 + n, (from + length) * 32 + 24 + n)
                })
                .collect();
            prop_assert_eq!(check(&saves, &loads).is_ok(), can_be_ordered(&saves, &loads));
        }
    }
}
