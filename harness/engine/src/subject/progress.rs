//! What the board of a life says: which promises are in force, and whether the life makes progress.

use crashtest_kit::Board;
use crashtest_linux::clock::now_ns;
use crashtest_linux::deadline::Deadline;
use crashtest_linux::held_up::is_held_up;
use crashtest_model::{Gaps, Generation, Promise};

/// What the board says of the promises, for a life that started with `adopted` in force; `None` if that cannot be: the board was
/// overwritten, or the target took up a state that no save made, and counts on from a number of its own.
pub(crate) fn promise(board: Board, adopted: Promise) -> Option<Promise> {
    let (begun, acked) = (board.begun().ok()?, board.acked().ok()?);
    let saved_in_this_life = board.begun_ns() > 0;
    let promise = Promise {
        acked: if board.saves() > 0 { acked } else { adopted.acked },
        begun: if saved_in_this_life { begun } else { adopted.begun },
        installed: adopted.installed || board.installed_ns().is_some(),
        gaps: Gaps::NONE,
    };
    let reachable = adopted.begun.0 + board.saves() + 1;
    let plausible = adopted.acked <= promise.acked && promise.acked <= promise.begun && promise.begun.0 <= reachable;
    plausible.then_some(promise)
}

/// Whether the life on `board`, of process `pid`, makes no progress once `limit` has passed: also where the moment that it is to be killed
/// at lies further off than that, a life that saves all the time is not stuck, nor is one that waits for a disk.
pub(crate) fn is_stuck(board: Board, pid: i32, limit: Deadline) -> bool {
    is_stuck_unless(board, limit, || is_held_up(pid))
}

fn is_stuck_unless(board: Board, limit: Deadline, is_held_up: impl FnOnce() -> bool) -> bool {
    let rests_now = || rests(board, now_ns(), limit.length_ns());
    // Twice: it may have gone on while it was looked at.
    now_ns() >= limit.at_ns() && rests_now() && !is_held_up() && rests_now()
}

/// Whether the life on `board` has neither come back from its recovery nor begun a save for `limit_ns` before `now_ns`.
fn rests(board: Board, now_ns: u64, limit_ns: u64) -> bool {
    let opened_ns = board.recovery().map_or(0, |opened| opened.at_ns);
    now_ns >= opened_ns.max(board.begun_ns()).saturating_add(limit_ns)
}

/// What generation 0 promises once `init` has returned.
pub(crate) fn just_installed() -> Promise {
    Promise { acked: Generation::ZERO, begun: Generation::ZERO, installed: true, gaps: Gaps::NONE }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use crashtest_kit::BOARD_WORDS;

    use super::*;

    #[test]
    fn a_life_rests_when_its_last_save_began_long_ago_however_long_it_has_lived() {
        let words: Vec<AtomicU64> = (0..BOARD_WORDS).map(|_| AtomicU64::new(0)).collect();
        let board = Board::over(words.leak());
        let limit_ns = 100;
        board.opened(&Ok(crashtest_kit::Recovered::Fresh), 1_000);
        assert!(!rests(board, 1_099, limit_ns) && rests(board, 1_100, limit_ns));
        for n in 1..=50 {
            board.begin(Generation(n), 1_000 + n * 90);
            board.ack(Generation(n), 1_080 + n * 90);
            assert!(!rests(board, 1_089 + n * 90, limit_ns), "it saves all the time");
        }
        assert!(rests(board, 1_000 + 50 * 90 + limit_ns, limit_ns));
    }

    #[test]
    fn who_saves_all_the_time_is_not_stuck_when_the_limit_has_passed_and_who_rests_is() {
        let words: Vec<AtomicU64> = (0..BOARD_WORDS).map(|_| AtomicU64::new(0)).collect();
        let board = Board::over(words.leak());
        let (over, hour) = (Deadline::in_ns(0), Deadline::in_ns(3_600_000_000_000));
        board.opened(&Ok(crashtest_kit::Recovered::Fresh), 1);
        assert!(is_stuck_unless(board, over, || false), "its recovery ended long ago");
        assert!(!is_stuck_unless(board, over, || true), "the disk does not answer");
        assert!(!is_stuck_unless(board, hour, || false), "its time is not over");
        let goes_on = || {
            board.begin(Generation(1), now_ns() + 3_600_000_000_000);
            false
        };
        assert!(!is_stuck_unless(board, over, goes_on), "it goes on while it is looked at");
        assert!(!is_stuck_unless(board, over, || false), "its last save has just begun");
    }
}
