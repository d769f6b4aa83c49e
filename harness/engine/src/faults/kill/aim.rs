//! From a dimensionless aim to a moment: calibrated durations, and waiting until the moment has come.
//!
//! Delays are drawn as positions ("2.37 saves after recovery"), so the plan is the same on every machine; how long that is *here*
//! is measured on the lives themselves, and follows the machine as it gets slower or faster.

use crashtest_kit::{Board, Hold};
use crashtest_linux::clock::{now_ns, sleep_until};
use crashtest_model::{Aim, MOST_SAVES};

use crate::subject::timings::{Timings, Usual, in_flight};

/// A sleep may end this much after its deadline, in ns; the rest of a delay is waited for with open eyes.
const OVERSHOOT_NS: u64 = 100_000;
/// Before an awaited mark is due, the board is watched without sleeping for at most this long, in ns.
const WATCH_NS: u64 = 400_000;
/// Where a writer idles, it is watched from this share of a period before a save is due.
const EARLY: f64 = 0.1;
/// Pause between two looks at the board when nothing is due yet, in ns.
const LOOK_NS: u64 = 20_000;

/// A moment that an aim came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    /// From the reference point (the end of recovery; the start of recovery or init for kills inside these) to the kill, in ns.
    pub(crate) delay_ns: u64,
    /// The calibrated duration that the aim was multiplied with, in ns.
    pub(crate) calibrated_ns: u64,
}

/// Where a life that is aimed at by `aim` waits for the kill: in the gap that it is aimed at; else, should the kill by the clock come
/// very late, past every save that a kill is ever aimed at. A victim that outruns a busy machine's kills would fill the disk.
pub(crate) fn hold(aim: Aim, timings: &Timings) -> Hold {
    let nth = |share: f64, calls: u64| (share.fract() * calls as f64) as u64 + 1;
    match aim {
        Aim::RecoveryGap(at) => Hold::Recovery { calls: nth(at, timings.calls_of_recovery) },
        Aim::Gap(at) => Hold::Save { after: at as u64, calls: nth(at, timings.changes) },
        _ => Hold::Save { after: MOST_SAVES, calls: u64::MAX },
    }
}

/// How long after recovery a life is expected to be held where `aim` says, in ns.
pub(crate) fn expected_ns(aim: Aim, timings: &Timings) -> u64 {
    match aim {
        Aim::Gap(at) => (at.floor() * timings.period.ns() + at.fract() * timings.save.ns()) as u64,
        _ => 0,
    }
}

/// Waits until the moment that `aim` names has come in the life on `board`, at most until `limit_ns` on the clock.
///
/// A life that dies meanwhile is noticed by whoever kills it.
///
/// `damaged`: the state file is not whole, so a kill inside recovery has to come before its error.
pub(crate) fn wait(aim: Aim, timings: &Timings, board: Board, idle_ns: u64, damaged: bool, limit_ns: u64) -> Moment {
    let reference = |ns: Option<u64>| ns.unwrap_or_else(now_ns);
    match aim {
        Aim::Init(at) => after(reference(board.started_ns()), at, timings.init, limit_ns),
        Aim::Recovery(at) => {
            let recovery = if damaged && timings.refusal.ns() > 0.0 { timings.refusal } else { timings.recovery };
            after(reference(board.started_ns()), at, recovery, limit_ns)
        }
        Aim::Save(at) if idle_ns == 0 => after(reference(opened_ns(board)), at, timings.period, limit_ns),
        // The life is held there already.
        Aim::RecoveryGap(_)
        | Aim::Gap(_)
        | Aim::Call(_)
        | Aim::Twice { .. }
        | Aim::Started(_)
        | Aim::Together { .. }
        | Aim::Run(_)
        | Aim::Failing(_) => {
            let now = now_ns();
            let delay_ns = now.saturating_sub(reference(opened_ns(board).or(board.started_ns())).min(now));
            Moment { delay_ns, calibrated_ns: timings.period.ns() as u64 }
        }
        Aim::Save(at) => {
            let begun = watch(at, 0.0, timings, board, limit_ns, |board, nth| {
                (board.saves() + u64::from(in_flight(board)) > nth).then(|| board.begun_ns())
            });
            within(begun, at, timings.save.ns(), board)
        }
        Aim::Idle(at) => {
            let acked =
                watch(at, timings.save.ns(), timings, board, limit_ns, |board, nth| (board.saves() > nth).then(now_ns));
            within(acked, at, idle_ns as f64, board)
        }
    }
}

fn opened_ns(board: Board) -> Option<u64> {
    board.recovery().map(|opened| opened.at_ns)
}

/// Sleeps until `at` × the calibrated duration after `reference`.
fn after(reference: u64, at: f64, calibrated: Usual, limit_ns: u64) -> Moment {
    let delay_ns = (at * calibrated.ns()) as u64;
    let deadline = (reference + delay_ns).min(limit_ns);
    // A sleep overshoots by more than a whole recovery may take.
    if deadline > now_ns() + OVERSHOOT_NS {
        sleep_until(deadline - OVERSHOOT_NS);
    }
    while now_ns() < deadline {
        std::hint::spin_loop();
    }
    Moment { delay_ns, calibrated_ns: calibrated.ns() as u64 }
}

/// Watches the board for a mark of the save that `at` names, which is due `into_ns` after that save begins: sleeps until it is
/// nearly due, then looks without pause.
fn watch(
    at: f64,
    into_ns: f64,
    timings: &Timings,
    board: Board,
    limit_ns: u64,
    seen: impl Fn(Board, u64) -> Option<u64>,
) -> u64 {
    let nth = at.floor();
    let due = opened_ns(board).unwrap_or_else(now_ns) + (nth * timings.period.ns() + into_ns) as u64;
    let early = (WATCH_NS / 2).max((EARLY * timings.period.ns()) as u64);
    sleep_until(due.saturating_sub(early).min(limit_ns));
    // The save before it was acked by now, if the writer idles: its begin is the nearer point to count from.
    let due = match board.begun_ns() {
        begun_ns if nth >= 1.0 && board.saves() as f64 == nth && !in_flight(board) => {
            begun_ns + (timings.period.ns() + into_ns) as u64
        }
        _ => due,
    };
    sleep_until(due.saturating_sub(WATCH_NS / 2).min(limit_ns));
    loop {
        if let Some(ns) = seen(board, nth as u64) {
            return ns;
        }
        let now = now_ns();
        if now >= limit_ns {
            return now;
        }
        if now > due + WATCH_NS { sleep_until(now + LOOK_NS) } else { std::hint::spin_loop() }
    }
}

/// Waits for the fractional part of `at` × `duration_ns` after `mark_ns`.
fn within(mark_ns: u64, at: f64, duration_ns: f64, board: Board) -> Moment {
    let deadline = mark_ns + (at.fract() * duration_ns) as u64;
    if deadline > now_ns() + OVERSHOOT_NS {
        sleep_until(deadline - OVERSHOOT_NS);
    }
    while now_ns() < deadline {
        std::hint::spin_loop();
    }
    let reference = opened_ns(board).unwrap_or(mark_ns);
    Moment { delay_ns: deadline.saturating_sub(reference), calibrated_ns: duration_ns as u64 }
}
