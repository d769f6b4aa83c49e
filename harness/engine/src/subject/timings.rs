//! How long the lives of one worker take, here and now.
//!
//! Delays are drawn as positions ("2.37 saves after recovery"); how long that is follows from these measurements, and they follow the
//! machine as it gets slower or faster.

use crashtest_kit::{Board, OpenedAs};

/// How many of the last measurements a duration is the median of.
const REMEMBERED: usize = 31;
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
pub(crate) struct Timings {
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

impl Timings {
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

/// Whether a save is under way.
pub(crate) fn in_flight(board: Board) -> bool {
    board.begun_ns() > 0 && board.begun() != board.acked()
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
