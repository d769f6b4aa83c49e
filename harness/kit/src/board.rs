//! The board: how a victim tells the harness how far it is, without a system call, so that nothing is lost when it is killed.
//!
//! A safe view over a page of shared atomic words, which the harness maps and the victim inherits over fork(2). Everything that
//! the oracle relies on outlives the victim. Promises are single words that carry their own checksum: a victim that scribbles
//! over the board makes the trial inconclusive, never green.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crashtest_model::{Activity, Call, Digest, Generation, Moment, Phase};

use crate::acks::{self, Acks};
use crate::calls::{CallLog, ENTRY_WORDS, RING_ENTRIES, text_of, write_bytes};
use crate::opened::{self, Opened, OpenedAs};
use crate::{Recovered, Refused};

/// The words that a board takes: under 4 KiB.
pub const BOARD_WORDS: usize = ACKS + acks::WORDS;

const PHASE: usize = 0;
const BEGUN: usize = 1;
const ACKED: usize = 2;
const OPENED: usize = 3;
const DIGEST: usize = 4;
const STARTED_NS: usize = 5;
const OPENED_NS: usize = 6;
const BEGUN_NS: usize = 7;
const SAVING_NS: usize = 8;
const SAVES: usize = 9;
const INSTALLED: usize = 10;
const FAILED: usize = 11;
const CALLS: usize = 12;
const TEXT_LENGTH: usize = 13;
const STOP: usize = 14;
const GATE: usize = 15;
const STANDING_BY: usize = 16;
const CHANGES: usize = 17;
const CHANGES_OF_A_SAVE: usize = 18;
const CALLS_OF_RECOVERY: usize = 19;
const HOLD: usize = 20;
const HOLD_SAVE: usize = 21;
const HOLD_CALLS: usize = 22;
const HELD: usize = 23;
const CALLS_AT_BEGIN: usize = 24;
const HOLD_EVERY_CALL: usize = 25;
const HELD_NS: usize = 26;

const TEXT: usize = 27;
const TEXT_WORDS: usize = 112;
const RING: usize = TEXT + TEXT_WORDS;
/// The times of the last acks.
const ACKS: usize = RING + RING_ENTRIES * ENTRY_WORDS;

/// A generation is kept in the lower 48 bits of its word, its checksum in the upper 16.
const VALUE_BITS: u32 = 48;

/// A promise on the board is not one that the victim can have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overwritten;

/// Why init or a save failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In the target's own words, cut at 896 bytes.
    pub why: String,
    /// The system's error number; 0 for another kind of error.
    pub errno: i32,
}

/// Where a life stops of its own accord and waits for the kill: between two calls, in a gap that a kill by the clock hardly ever
/// hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// After so many calls of recovery, or when recovery is about to report.
    Recovery {
        /// Calls of any kind.
        calls: u64,
    },
    /// After so many file-changing calls of a save, or when that save was acked.
    Save {
        /// The saves before it in this life.
        after: u64,
        /// File-changing calls.
        calls: u64,
    },
    /// After so many calls of any kind of a save, or when that save was acked.
    Step {
        /// The saves before it in this life.
        after: u64,
        /// Calls of any kind.
        calls: u64,
    },
}

/// How often a life that is held looks whether it is asked to stop instead, or let go.
const HELD_LOOK: Duration = Duration::from_micros(200);

/// The board of one worker. Copies are views of the same words.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    words: &'static [AtomicU64],
    /// Numbers the calls of all who share a state.
    tickets: Option<&'static AtomicU64>,
}

impl Board {
    /// A view over `words`, of which there must be at least [`BOARD_WORDS`].
    ///
    /// # Panics
    /// If there are fewer: a mistake in the harness, made before any victim exists.
    #[must_use]
    pub fn over(words: &'static [AtomicU64]) -> Board {
        assert!(words.len() >= BOARD_WORDS, "a board takes {BOARD_WORDS} words");
        Board { words, tickets: None }
    }

    /// The same board, whose calls take their numbers from `tickets`.
    #[must_use]
    pub fn numbered_by(self, tickets: &'static AtomicU64) -> Board {
        Board { tickets: Some(tickets), ..self }
    }

    fn get(self, index: usize) -> u64 {
        self.words[index].load(Ordering::Acquire)
    }

    fn set(self, index: usize, value: u64) {
        self.words[index].store(value, Ordering::Release);
    }

    /// Clears everything for a new life that starts with the promises `acked` and `begun`.
    pub fn reset(self, acked: Generation, begun: Generation) {
        for word in &self.words[..TEXT] {
            word.store(0, Ordering::Relaxed);
        }
        self.set(ACKED, sealed(acked));
        self.set(BEGUN, sealed(begun));
    }

    // What the victim writes.

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

    /// Where this life is to be held.
    pub fn hold_at(self, hold: Hold) {
        let (activity, save, calls) = match hold {
            Hold::Recovery { calls } => (Activity::Recovery, 0, calls),
            Hold::Save { after, calls } | Hold::Step { after, calls } => (Activity::Save, after, calls),
        };
        self.set(HOLD_EVERY_CALL, u64::from(matches!(hold, Hold::Step { .. })));
        self.set(HOLD_SAVE, save);
        self.set(HOLD_CALLS, calls);
        self.set(HOLD, 1 + activity as u64);
    }

    /// Waits for the kill, if this life is to be held in `activity` and `reached`.
    fn hold_if(self, activity: Activity, reached: impl FnOnce(Board) -> bool) {
        if self.get(HOLD) == 1 + activity as u64 && reached(self) {
            let since = Instant::now();
            self.set(HELD, 1);
            while self.is_held() && !self.stop_asked() {
                std::thread::park_timeout(HELD_LOOK);
            }
            self.set(HELD_NS, since.elapsed().as_nanos() as u64);
        }
    }

    /// Whether a save has come as far as it is to be held.
    fn is_at_hold(self, changing: bool) -> bool {
        self.saves() == self.get(HOLD_SAVE)
            && match self.get(HOLD_EVERY_CALL) {
                0 => changing && self.changes() >= self.get(HOLD_CALLS),
                _ => self.calls_of_save() >= self.get(HOLD_CALLS),
            }
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
                self.text(&opened::lists(missing, parts));
                self.set(OPENED, 2 | sequence.0 << 8);
            }
            Err(refused) => {
                self.text(&refused.why);
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
        self.text(why);
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

    /// The word that a victim makes non-zero when it has let go of its target and is about to wait at the gate.
    #[must_use]
    pub fn standing(self) -> &'static AtomicU64 {
        &self.words[STANDING_BY]
    }

    // What the harness writes.

    /// Asks the victim to stop cleanly after its current save.
    pub fn ask_to_stop(self) {
        self.set(STOP, 1);
    }

    /// Lets a life that is held go on, up to `next`.
    pub fn let_go(self, next: Hold) {
        self.hold_at(next);
        self.set(HELD, 0);
    }

    /// The word that asks it, for a signal handler to set.
    #[must_use]
    pub fn stopping(self) -> &'static AtomicU64 {
        &self.words[STOP]
    }

    /// The word at which a victim that stands by waits until it is not zero.
    #[must_use]
    pub fn gate(self) -> &'static AtomicU64 {
        &self.words[GATE]
    }

    // What both read.
    /// Whether the victim waits for the kill where it was to be held.
    #[must_use]
    pub fn is_held(self) -> bool {
        self.get(HELD) != 0
    }

    /// Whether the victim waits at the gate, or is just about to.
    #[must_use]
    pub fn stands_by(self) -> bool {
        self.get(STANDING_BY) != 0
    }

    /// Whether the victim is asked to stop.
    #[must_use]
    pub fn stop_asked(self) -> bool {
        self.get(STOP) != 0
    }

    /// Where the victim is; `None` if the word was overwritten.
    #[must_use]
    pub fn phase(self) -> Option<Phase> {
        Phase::unpack(self.get(PHASE))
    }

    /// When the victim's body started, in ns; `None` before that.
    #[must_use]
    pub fn started_ns(self) -> Option<u64> {
        Some(self.get(STARTED_NS)).filter(|ns| *ns > 0)
    }

    /// When `init` returned, in ns; `None` before that.
    #[must_use]
    pub fn installed_ns(self) -> Option<u64> {
        Some(self.get(INSTALLED)).filter(|ns| *ns > 0)
    }

    /// What recovery reported; `None` while it is under way.
    #[must_use]
    pub fn recovery(self) -> Option<Opened> {
        let word = self.get(OPENED);
        let as_what = match word & 0xff {
            1 => OpenedAs::Fresh,
            2 => {
                let (missing, parts) = opened::of_lists(&self.read_text());
                let (sequence, digest) = (Generation(word >> 8), Digest(self.get(DIGEST)));
                OpenedAs::State { sequence, digest, missing, parts }
            }
            3 => OpenedAs::Refused { why: self.read_text(), damage: opened::damage_of(word >> 8) },
            _ => return None,
        };
        Some(Opened { at_ns: self.get(OPENED_NS), as_what })
    }

    /// The last generation whose save was begun.
    ///
    /// # Errors
    /// The word was overwritten.
    pub fn begun(self) -> Result<Generation, Overwritten> {
        unsealed(self.get(BEGUN))
    }

    /// The last generation whose save has returned.
    ///
    /// # Errors
    /// The word was overwritten.
    pub fn acked(self) -> Result<Generation, Overwritten> {
        unsealed(self.get(ACKED))
    }

    /// When the last save was begun, in ns; 0 before the first.
    #[must_use]
    pub fn begun_ns(self) -> u64 {
        self.get(BEGUN_NS)
    }

    /// Saves acked in this life.
    #[must_use]
    pub fn saves(self) -> u64 {
        self.get(SAVES)
    }

    /// File-changing calls begun in the current save.
    #[must_use]
    pub fn changes(self) -> u64 {
        self.get(CHANGES)
    }

    /// Calls of any kind begun in the current save.
    #[must_use]
    pub fn calls_of_save(self) -> u64 {
        self.get(CALLS).saturating_sub(self.get(CALLS_AT_BEGIN))
    }

    /// File-changing calls of the save that was acked last.
    #[must_use]
    pub fn changes_of_a_save(self) -> u64 {
        self.get(CHANGES_OF_A_SAVE)
    }

    /// Calls of the recovery that has completed.
    #[must_use]
    pub fn calls_of_recovery(self) -> u64 {
        self.get(CALLS_OF_RECOVERY)
    }

    /// The time that the acked saves of this life took together, in ns.
    #[must_use]
    pub fn saving_ns(self) -> u64 {
        self.get(SAVING_NS)
    }

    /// When the last saves of this life were acked, the last of which is `acked`, and how long they took.
    #[must_use]
    pub fn acks(self, acked: Generation) -> Acks {
        Acks::read(&self.words[ACKS..BOARD_WORDS], self.saves(), acked)
    }

    /// Why init or a save failed or the victim panicked, if it did.
    #[must_use]
    pub fn failure(self) -> Option<Failure> {
        let word = self.get(FAILED);
        (word != 0).then(|| Failure { why: self.read_text(), errno: (word >> 8) as i32 })
    }

    /// A copy of the victim's last calls.
    #[must_use]
    pub fn calls(self) -> CallLog {
        let entries = self.words[RING..ACKS].iter().map(|word| word.load(Ordering::Acquire)).collect();
        CallLog { entries, end: self.get(CALLS) }
    }

    // The ring of calls: phase word with the name's length in the upper 16 bits, offset, length, name.

    fn entry(self, n: u64) -> usize {
        RING + (n % RING_ENTRIES as u64) as usize * ENTRY_WORDS
    }

    fn mark(self, phase: Phase, name: &str, offset: u64, length: u64) {
        let n = self.get(CALLS);
        let at = self.entry(n);
        self.words[at].store(phase.pack(), Ordering::Relaxed);
        self.words[at + 1].store(offset, Ordering::Relaxed);
        self.words[at + 2].store(length, Ordering::Relaxed);
        let ticket = self.tickets.map_or(0, |tickets| tickets.fetch_add(1, Ordering::AcqRel) + 1);
        self.words[at + 3].store(ticket, Ordering::Relaxed);
        write_bytes(&self.words[at + 4..at + ENTRY_WORDS], name);
        self.set(CALLS, n + 1);
    }

    fn text(self, text: &str) {
        write_bytes(&self.words[TEXT..TEXT + TEXT_WORDS], text);
        self.set(TEXT_LENGTH, text.len() as u64);
    }

    fn read_text(self) -> String {
        let length = usize::try_from(self.get(TEXT_LENGTH)).unwrap_or(usize::MAX);
        text_of(self.words[TEXT..TEXT + TEXT_WORDS].iter().map(|word| word.load(Ordering::Acquire)), Some(length))
    }
}

fn sealed(generation: Generation) -> u64 {
    let value = generation.0 & ((1 << VALUE_BITS) - 1);
    value | checksum(value) << VALUE_BITS
}

fn unsealed(word: u64) -> Result<Generation, Overwritten> {
    let value = word & ((1 << VALUE_BITS) - 1);
    if word >> VALUE_BITS == checksum(value) { Ok(Generation(value)) } else { Err(Overwritten) }
}

/// 16 bits that a stray store is unlikely to get right; never right for an all-zero or all-one word.
fn checksum(value: u64) -> u64 {
    (value ^ 0x5eed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        fn a_promise_is_read_back_and_a_stray_store_is_noticed(generation in 0u64..1 << 48, flipped in 0u32..64) {
            prop_assert_eq!(unsealed(sealed(Generation(generation))), Ok(Generation(generation)));
            let stray = sealed(Generation(generation)) ^ (1 << flipped);
            prop_assert_eq!(unsealed(stray), Err(Overwritten));
        }

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
    fn a_zeroed_or_filled_board_holds_no_promise() {
        assert_eq!(unsealed(0), Err(Overwritten));
        assert_eq!(unsealed(u64::MAX), Err(Overwritten));
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
}
