//! From a dimensionless aim to a moment: calibrated durations, and waiting until the moment has come.
//!
//! Delays are drawn as positions ("2.37 saves after recovery"), so the plan is the same on every machine; how long that is *here*
//! is measured on the lives themselves, and follows the machine as it gets slower or faster.

use crashtest_kit::{Board, Hold, OpenedAs};
use crashtest_linux::clock::{now_ns, sleep_until};
use crashtest_model::{Aim, MOST_SAVES};

/// How many of the last measurements a duration is the median of.
const REMEMBERED: usize = 31;
/// A sleep may end this much after its deadline, in ns; the rest of a delay is waited for with open eyes.
const OVERSHOOT_NS: u64 = 100_000;
/// Before an awaited mark is due, the board is watched without sleeping for at most this long, in ns.
const WATCH_NS: u64 = 400_000;
/// Where a writer idles, it is watched from this share of a period before a save is due.
const EARLY: f64 = 0.1;
/// Pause between two looks at the board when nothing is due yet, in ns.
const LOOK_NS: u64 = 20_000;

/// A duration in ns that follows the machine: the median of the last measurements, 0 before the first.
///
/// The median, not the mean: where more processes want to run than there are processors, one save in twenty also waits for its
/// turn, and takes thirty times as long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usual {
    last: [u64; REMEMBERED],
    measurements: usize,
    median: u64,
}

impl Usual {
    pub(crate) fn measure(&mut self, ns: u64) {
        self.last[self.measurements % REMEMBERED] = ns;
        self.measurements += 1;
        let mut sorted = self.last;
        let known = &mut sorted[..self.measurements.min(REMEMBERED)];
        known.sort_unstable();
        self.median = known[known.len() / 2];
    }

    pub(crate) fn ns(self) -> f64 {
        self.median as f64
    }
}

/// What the lives of one worker take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gauge {
    /// From the fork to the victim's first instruction.
    pub(crate) start: Usual,
    /// `init`.
    pub(crate) init: Usual,
    /// Recovery of an undamaged file.
    pub(crate) recovery: Usual,
    /// Recovery that ends in an error.
    pub(crate) refusal: Usual,
    /// One save.
    pub(crate) save: Usual,
    /// From the begin of a save to the begin of the next.
    pub(crate) period: Usual,
    /// The most file-changing calls that a save was seen to make.
    pub(crate) changes: u64,
    /// The most calls that a recovery was seen to make.
    pub(crate) calls_of_recovery: u64,
}

impl Gauge {
    /// Learns from a life that began at `begun_ns` and is over.
    pub(crate) fn learn(&mut self, board: Board, begun_ns: u64) {
        let Some(started) = board.started_ns() else { return };
        self.start.measure(started.saturating_sub(begun_ns));
        if let Some(installed) = board.installed_ns() {
            self.init.measure(installed.saturating_sub(started));
        }
        let Some(opened) = board.recovery() else { return };
        let recovery = match opened.as_what {
            OpenedAs::Refused { .. } => &mut self.refusal,
            OpenedAs::Fresh | OpenedAs::State { .. } => &mut self.recovery,
        };
        recovery.measure(opened.at_ns.saturating_sub(started));
        self.changes = self.changes.max(board.changes_of_a_save());
        self.calls_of_recovery = self.calls_of_recovery.max(board.calls_of_recovery());
        let saves = board.saves();
        if let Some(ns) = board.saving_ns().checked_div(saves) {
            self.save.measure(ns);
        }
        // The last begin marks the end of `saves` periods if its save is in flight, of one less if it was acked.
        let periods = if in_flight(board) { saves } else { saves.saturating_sub(1) };
        if let Some(ns) = board.begun_ns().saturating_sub(opened.at_ns).checked_div(periods) {
            self.period.measure(ns);
        }
    }
}

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
pub(crate) fn hold(aim: Aim, gauge: &Gauge) -> Hold {
    let nth = |share: f64, calls: u64| (share.fract() * calls as f64) as u64 + 1;
    match aim {
        Aim::RecoveryGap(at) => Hold::Recovery { calls: nth(at, gauge.calls_of_recovery) },
        Aim::Gap(at) => Hold::Save { after: at as u64, calls: nth(at, gauge.changes) },
        _ => Hold::Save { after: MOST_SAVES, calls: u64::MAX },
    }
}

/// How long after recovery a life is expected to be held where `aim` says, in ns.
pub(crate) fn expected_ns(aim: Aim, gauge: &Gauge) -> u64 {
    match aim {
        Aim::Gap(at) => (at.floor() * gauge.period.ns() + at.fract() * gauge.save.ns()) as u64,
        _ => 0,
    }
}

/// Waits until the moment that `aim` names has come in the life on `board`, at most until `limit_ns` on the clock.
///
/// A life that dies meanwhile is noticed by whoever kills it.
///
/// `damaged`: the state file is not whole, so a kill inside recovery has to come before its error.
pub(crate) fn wait(aim: Aim, gauge: &Gauge, board: Board, idle_ns: u64, damaged: bool, limit_ns: u64) -> Moment {
    let reference = |ns: Option<u64>| ns.unwrap_or_else(now_ns);
    match aim {
        Aim::Init(at) => after(reference(board.started_ns()), at, gauge.init, limit_ns),
        Aim::Recovery(at) => {
            let recovery = if damaged && gauge.refusal.ns() > 0.0 { gauge.refusal } else { gauge.recovery };
            after(reference(board.started_ns()), at, recovery, limit_ns)
        }
        Aim::Save(at) if idle_ns == 0 => after(reference(opened_ns(board)), at, gauge.period, limit_ns),
        // The life is held there already.
        Aim::RecoveryGap(_)
        | Aim::Gap(_)
        | Aim::Call(_)
        | Aim::Twice { .. }
        | Aim::Together { .. }
        | Aim::Run(_)
        | Aim::Failing(_) => {
            let now = now_ns();
            let delay_ns = now.saturating_sub(reference(opened_ns(board).or(board.started_ns())).min(now));
            Moment { delay_ns, calibrated_ns: gauge.period.ns() as u64 }
        }
        Aim::Save(at) => {
            let begun = watch(at, 0.0, gauge, board, limit_ns, |board, nth| {
                (board.saves() + u64::from(in_flight(board)) > nth).then(|| board.begun_ns())
            });
            within(begun, at, gauge.save.ns(), board)
        }
        Aim::Idle(at) => {
            let acked =
                watch(at, gauge.save.ns(), gauge, board, limit_ns, |board, nth| (board.saves() > nth).then(now_ns));
            within(acked, at, idle_ns as f64, board)
        }
    }
}

/// Whether a save is under way.
fn in_flight(board: Board) -> bool {
    board.begun_ns() > 0 && board.begun() != board.acked()
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
    gauge: &Gauge,
    board: Board,
    limit_ns: u64,
    seen: impl Fn(Board, u64) -> Option<u64>,
) -> u64 {
    let nth = at.floor();
    let due = opened_ns(board).unwrap_or_else(now_ns) + (nth * gauge.period.ns() + into_ns) as u64;
    let early = (WATCH_NS / 2).max((EARLY * gauge.period.ns()) as u64);
    sleep_until(due.saturating_sub(early).min(limit_ns));
    // The save before it was acked by now, if the writer idles: its begin is the nearer point to count from.
    let due = match board.begun_ns() {
        begun_ns if nth >= 1.0 && board.saves() as f64 == nth && !in_flight(board) => {
            begun_ns + (gauge.period.ns() + into_ns) as u64
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_duration_follows_a_change_and_shrugs_off_hiccups() {
        let mut usual = Usual::default();
        assert_eq!(usual.ns(), 0.0);
        for n in 0..20 {
            usual.measure(if n % 3 == 0 { 1_000_000 } else { 100 });
        }
        assert_eq!(usual.ns(), 100.0);
        for _ in 0..REMEMBERED {
            usual.measure(200);
        }
        assert_eq!(usual.ns(), 200.0);
    }
}
