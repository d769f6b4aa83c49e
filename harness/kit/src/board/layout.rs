//! Where each word of a board lies.

use crate::acks;
use crate::calls::{ENTRY_WORDS, RING_ENTRIES};

/// The words that a board takes: under 4 KiB.
pub const BOARD_WORDS: usize = ACKS + acks::WORDS;

pub(super) const PHASE: usize = 0;
pub(super) const BEGUN: usize = 1;
pub(super) const ACKED: usize = 2;
pub(super) const OPENED: usize = 3;
pub(super) const DIGEST: usize = 4;
pub(super) const STARTED_NS: usize = 5;
pub(super) const OPENED_NS: usize = 6;
pub(super) const BEGUN_NS: usize = 7;
pub(super) const SAVING_NS: usize = 8;
pub(super) const SAVES: usize = 9;
pub(super) const INSTALLED: usize = 10;
pub(super) const FAILED: usize = 11;
pub(super) const CALLS: usize = 12;
pub(super) const TEXT_LENGTH: usize = 13;
pub(super) const STOP: usize = 14;
pub(super) const LATCH: usize = 15;
pub(super) const AT_LATCH: usize = 16;
pub(super) const CHANGES: usize = 17;
pub(super) const CHANGES_OF_A_SAVE: usize = 18;
pub(super) const CALLS_OF_RECOVERY: usize = 19;
pub(super) const HOLD: usize = 20;
pub(super) const HOLD_SAVE: usize = 21;
pub(super) const HOLD_CALLS: usize = 22;
pub(super) const HELD: usize = 23;
pub(super) const CALLS_AT_BEGIN: usize = 24;
pub(super) const HOLD_EVERY_CALL: usize = 25;
pub(super) const HELD_NS: usize = 26;

pub(super) const TEXT: usize = 27;
pub(super) const TEXT_WORDS: usize = 112;
pub(super) const RING: usize = TEXT + TEXT_WORDS;
/// The times of the last acks.
pub(super) const ACKS: usize = RING + RING_ENTRIES * ENTRY_WORDS;
