//! What recovery reported, and how it is written on the board.

use crashtest_model::{Damage, Digest, Generation};

/// What recovery reported, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// When, on the monotonic clock in ns.
    pub at_ns: u64,
    /// What.
    pub as_what: OpenedAs,
}

/// What recovery reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenedAs {
    /// A fresh, empty state.
    Fresh,
    /// A state; its sequence is the target's own word.
    State {
        /// The generation that the state says it is.
        sequence: Generation,
        /// The digest of the content.
        digest: Digest,
        /// Generations that are not in it.
        missing: Vec<Generation>,
        /// The digest of each of its parts.
        parts: Vec<Digest>,
    },
    /// An error.
    Refused {
        /// In the target's own words, cut at 896 bytes.
        why: String,
        /// What the target found its file to be, where it can tell.
        damage: Option<Damage>,
    },
}

/// A kind of damage as a number on the board.
pub(crate) fn number_of(damage: Option<Damage>) -> u64 {
    let nth = Damage::ALL.into_iter().position(|known| Some(known) == damage);
    nth.map_or(0, |nth| nth as u64 + 1)
}

/// The kind of damage that [`number_of`] wrote.
pub(crate) fn damage_of(number: u64) -> Option<Damage> {
    let nth = usize::try_from(number).ok()?.checked_sub(1)?;
    Damage::ALL.get(nth).copied()
}

/// What stands between the generations that are missing and the digests of the parts.
const PARTS: &str = "parts";

/// The lists of a recovered state as the board's text.
pub(crate) fn lists(missing: &[Generation], parts: &[Digest]) -> String {
    let mut words: Vec<String> = missing.iter().map(Generation::to_string).collect();
    if !parts.is_empty() {
        words.push(PARTS.to_owned());
        words.extend(parts.iter().map(Digest::to_string));
    }
    words.join(" ")
}

/// The lists that [`lists`] wrote. One that did not fit is cut, and its digest then matches nothing.
pub(crate) fn of_lists(text: &str) -> (Vec<Generation>, Vec<Digest>) {
    let mut words = text.split_whitespace();
    let missing =
        words.by_ref().take_while(|word| *word != PARTS).filter_map(|n| n.parse().ok().map(Generation)).collect();
    (missing, words.filter_map(|digest| u64::from_str_radix(digest, 16).ok().map(Digest)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_of_damage_is_read_back() {
        for damage in Damage::ALL.into_iter().map(Some).chain([None]) {
            assert_eq!(damage_of(number_of(damage)), damage);
        }
    }

    proptest! {
        #[test]
        fn lists_are_read_back(missing: Vec<u64>, parts: Vec<u64>) {
            let missing: Vec<Generation> = missing.into_iter().map(Generation).collect();
            let parts: Vec<Digest> = parts.into_iter().map(Digest).collect();
            prop_assert_eq!(of_lists(&lists(&missing, &parts)), (missing, parts));
        }
    }
}
