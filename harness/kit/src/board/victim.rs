//! What a victim writes on its board.

use std::sync::atomic::AtomicU64;

use crashtest_model::{Activity, Call, Generation, Moment, Phase};

use super::Board;
use super::layout::{
    ACKED, ACKS, AT_LATCH, BEGUN, BEGUN_NS, BOARD_WORDS, CALLS, CALLS_AT_BEGIN, CALLS_OF_RECOVERY, CHANGES,
    CHANGES_OF_A_SAVE, DIGEST, FAILED, HELD_NS, HOLD_CALLS, HOLD_SAVE, INSTALLED, OPENED, OPENED_NS, PHASE, SAVES,
    SAVING_NS, STARTED_NS,
};
use super::promise::sealed;
use crate::{Recovered, Refused, acks, opened};

impl Board {
    /// Starts an activity.
    pub fn enter(self, activity: Activity) {
        self.set(PHASE, Phase::start_of(activity).pack());
    }

    /// Goes on with an activity that belongs together with the one before: saves and the time between them.
    fn go_on(self, activity: Activity) {
        let before = self.phase().unwrap_or(Phase::start_of(activity));
        self.set(PHASE, before.then(activity).pack());
    }

    /// The victim's body has started, at `now_ns`.
    pub fn started(self, now_ns: u64) {
        self.set(STARTED_NS, now_ns);
    }

    /// `init` has returned, at `now_ns`.
    pub fn installed(self, now_ns: u64) {
        self.set(INSTALLED, now_ns.max(1));
    }

    /// Recovery has completed, at `now_ns`.
    pub fn opened(self, result: &Result<Recovered, Refused>, now_ns: u64) {
        self.hold_if(Activity::Recovery, |_| true);
        self.set(CALLS_OF_RECOVERY, self.get(CALLS));
        self.set(OPENED_NS, now_ns);
        match result {
            Ok(Recovered::Fresh) => self.set(OPENED, 1),
            Ok(Recovered::State { sequence, digest, missing, parts }) => {
                self.set(DIGEST, digest.0);
                self.write_text(&opened::lists(missing, parts));
                self.set(OPENED, 2 | sequence.0 << 8);
            }
            Err(refused) => {
                self.write_text(&refused.why);
                self.set(OPENED, 3 | opened::number_of(refused.damage) << 8);
            }
        }
    }

    /// The save of `generation` begins, at `now_ns`.
    pub fn begin(self, generation: Generation, now_ns: u64) {
        self.set(BEGUN_NS, now_ns);
        self.set(HELD_NS, 0);
        self.set(CHANGES, 0);
        self.set(CALLS_AT_BEGIN, self.get(CALLS));
        self.go_on(Activity::Save);
        self.set(BEGUN, sealed(generation));
        self.hold_if(Activity::Save, |board| board.is_at_hold(false));
    }

    /// The save of `generation` has returned, at `now_ns`. An ack is a promise.
    pub fn ack(self, generation: Generation, now_ns: u64) {
        self.set(ACKED, sealed(generation));
        self.go_on(Activity::Idle);
        self.set(CHANGES_OF_A_SAVE, self.get(CHANGES));
        // Where it waited for a signal that let it go on, that was not the save's doing.
        let took_ns = now_ns.saturating_sub(self.get(BEGUN_NS) + self.get(HELD_NS));
        self.set(SAVING_NS, self.get(SAVING_NS) + took_ns);
        acks::note(&self.words[ACKS..BOARD_WORDS], self.get(SAVES), now_ns, took_ns);
        self.set(SAVES, self.get(SAVES) + 1);
        self.hold_if(Activity::Save, |board| board.saves() > board.get(HOLD_SAVE));
    }

    /// Init or a save has failed with system error `errno` (0 for another kind of error), or the victim has panicked: `why`.
    pub fn failed(self, why: &str, errno: i32) {
        self.write_text(why);
        self.set(FAILED, 1 | u64::from(errno.unsigned_abs()) << 8);
    }

    /// Before a call on `name`; offset and length in bytes where it has them.
    pub fn call_begins(self, call: Call, name: &str, offset: u64, length: u64) {
        let phase = self.phase().unwrap_or(Phase::start_of(Activity::Starting)).inside(call);
        if call.changes_files() {
            self.set(CHANGES, self.get(CHANGES) + 1);
        }
        self.mark(phase, name, offset, length);
        self.set(PHASE, phase.pack());
    }

    /// After the call that began last has returned; a read or write of `length` bytes.
    pub fn call_returned(self, length: u64) {
        let Some(mut phase) = self.phase() else { return };
        if let Moment::In(call) = phase.moment {
            phase.moment = Moment::After(call);
            self.set(PHASE, phase.pack());
            let at = self.entry(self.get(CALLS).wrapping_sub(1));
            self.set(at, phase.pack());
            self.set(at + 2, length);
            self.hold_if(phase.activity, |board| match phase.activity {
                Activity::Recovery => board.get(CALLS) >= board.get(HOLD_CALLS),
                _ => board.is_at_hold(call.changes_files()),
            });
        }
    }

    /// The word that a victim makes non-zero when it has dropped its target and is about to wait at the latch.
    #[must_use]
    pub fn at_latch(self) -> &'static AtomicU64 {
        &self.words[AT_LATCH]
    }
}
