//! What is written on a board is read back from it, also after a kill at any moment.

use std::sync::atomic::AtomicU64;

use proptest::prelude::*;

use crashtest_model::{Call, Generation, Phase};

use super::{BOARD_WORDS, Board, Hold};
use crate::Refused;
use crate::calls::RING_ENTRIES;
use crate::opened::{self, Opened, OpenedAs};

fn board() -> Board {
    let words: Vec<AtomicU64> = (0..BOARD_WORDS).map(|_| AtomicU64::new(0)).collect();
    let board = Board::over(words.leak());
    board.reset(Generation::ZERO, Generation::ZERO);
    board
}

#[test]
fn a_life_is_held_after_the_call_that_was_named_and_goes_on_when_it_is_asked_to_stop() {
    let board = board();
    board.hold_at(Hold::Save { after: 1, calls: 2 });
    let victim = std::thread::spawn(move || {
        for generation in 1..=2 {
            board.begin(Generation(generation), 1);
            for call in [Call::Create, Call::Write, Call::Rename] {
                board.call_begins(call, "f", 0, 0);
                board.call_returned(0);
            }
            board.ack(Generation(generation), 2);
        }
    });
    while !board.is_held() && !victim.is_finished() {
        std::thread::yield_now();
    }
    assert_eq!((board.is_held(), board.saves(), board.changes()), (true, 1, 2));
    assert_eq!(board.phase().and_then(Phase::gap).as_deref(), Some("after write 1"));
    board.ask_to_stop();
    victim.join().unwrap();
    assert_eq!(board.saves(), 2);
}

proptest! {
    #[test]
    fn the_last_calls_are_kept_in_order(names in proptest::collection::vec("[a-zé./ ]{0,100}", 1..150)) {
        let board = board();
        board.begin(Generation(1), 5);
        for (n, name) in names.iter().enumerate() {
            board.call_begins(Call::Write, name, n as u64, 10);
            board.call_returned(9);
        }
        let calls = board.calls().marks();
        prop_assert_eq!(calls.len(), names.len().min(RING_ENTRIES));
        for (mark, (n, name)) in calls.iter().rev().zip(names.iter().enumerate().rev()) {
            prop_assert!(mark.returned && mark.offset == n as u64 && mark.length == 9);
            prop_assert!(name.starts_with(&mark.on));
        }
    }

    #[test]
    fn a_refusal_is_read_back_up_to_its_room(why in "\\PC{0,600}", nth in 0u64..4) {
        let (board, damage) = (board(), opened::damage_of(nth));
        board.opened(&Err(Refused { why: why.clone(), damage }), 3);
        let Some(Opened { as_what: OpenedAs::Refused { why: read, damage: read_damage }, at_ns: 3 }) = board.recovery() else {
            return Err(TestCaseError::fail("no refusal"));
        };
        prop_assert!(why.starts_with(&read) && (read.len() > 880 || read == why));
        prop_assert_eq!(read_damage, damage);
    }
}

#[test]
fn a_kill_inside_a_call_leaves_it_marked_as_not_returned() {
    let board = board();
    board.begin(Generation(1), 5);
    board.call_begins(Call::Create, "a.json", 0, 0);
    board.call_returned(0);
    board.call_begins(Call::Write, "a.json", 0, 8192);
    let calls = board.calls().marks();
    assert_eq!(calls.iter().map(|c| c.returned).collect::<Vec<_>>(), [true, false]);
    assert_eq!(board.phase().unwrap().to_string(), "save:in-write");
    assert_eq!((board.begun(), board.acked()), (Ok(Generation(1)), Ok(Generation(0))));
}
