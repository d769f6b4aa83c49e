//! A victim's last calls, as it marked them on the board: a ring of entries, each with a name.

use std::sync::atomic::{AtomicU64, Ordering};

use crashtest_model::{CallMark, Moment, Phase};

/// The calls that are kept.
pub(crate) const RING_ENTRIES: usize = 24;
/// What, offset, length, ticket, and the name.
pub(crate) const ENTRY_WORDS: usize = 4 + NAME_WORDS;
const NAME_WORDS: usize = 10;

/// Writes as much of `text` as fits, and a zero byte where there is room.
pub(crate) fn write_bytes(words: &[AtomicU64], text: &str) {
    let used = (text.len() / 8 + 1).min(words.len());
    for (n, word) in words[..used].iter().enumerate() {
        let mut bytes = [0; 8];
        let rest = &text.as_bytes()[n * 8..];
        let length = rest.len().min(8);
        bytes[..length].copy_from_slice(&rest[..length]);
        word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
    }
}

/// A text of `length` bytes, or up to its zero byte; a character that was cut in two is dropped.
pub(crate) fn text_of(words: impl Iterator<Item = u64>, length: Option<usize>) -> String {
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    let end = length.or_else(|| bytes.iter().position(|b| *b == 0)).unwrap_or(bytes.len());
    bytes.truncate(end);
    match std::str::from_utf8(&bytes) {
        Err(cut) if cut.error_len().is_none() => bytes.truncate(cut.valid_up_to()),
        _ => {}
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A victim's last calls as they stood on the board: cheap to take after every kill, decoded only for failures.
#[derive(Clone, Debug, Default)]
pub struct CallLog {
    pub(crate) entries: Vec<u64>,
    pub(crate) end: u64,
}

impl CallLog {
    /// The calls, oldest first.
    #[must_use]
    pub fn marks(&self) -> Vec<CallMark> {
        let start = self.end.saturating_sub(RING_ENTRIES as u64);
        (start..self.end).filter_map(|n| self.mark(n)).collect()
    }

    /// The calls with their tickets, oldest first.
    #[must_use]
    pub fn numbered(&self) -> Vec<(u64, CallMark)> {
        let ticket = |n: u64| self.entries.get((n % RING_ENTRIES as u64) as usize * ENTRY_WORDS + 3).copied();
        let start = self.end.saturating_sub(RING_ENTRIES as u64);
        (start..self.end).filter_map(|n| Some((ticket(n)?, self.mark(n)?))).collect()
    }

    /// The last call.
    #[must_use]
    pub fn last(&self) -> Option<CallMark> {
        self.end.checked_sub(1).and_then(|n| self.mark(n))
    }

    fn mark(&self, n: u64) -> Option<CallMark> {
        let at = (n % RING_ENTRIES as u64) as usize * ENTRY_WORDS;
        let [phase, offset, length, _ticket, name @ ..] = self.entries.get(at..at + ENTRY_WORDS)? else { return None };
        let phase = Phase::unpack(*phase)?;
        let (call, returned) = match phase.moment {
            Moment::In(call) => (call, false),
            Moment::After(call) => (call, true),
            Moment::Before => return None,
        };
        let on = text_of(name.iter().copied(), None);
        Some(CallMark { activity: phase.activity, call, on, offset: *offset, length: *length, returned })
    }
}
