//! What a state file is like when it is held against the contents that it may be.

use crashtest_model::{RawFile, RawState};

/// Classifies `content` against the contents that it may be, the likeliest first.
///
/// The tear offset is the first byte that differs from the candidate that it agrees with longest, in bytes.
#[must_use]
pub fn classify(content: &[u8], candidates: &[&[u8]]) -> RawFile {
    let length = Some(content.len() as u64);
    let undamaged = |state| RawFile { state, length, tear_offset: None, whole_length: None };
    if candidates.contains(&content) {
        return undamaged(RawState::Whole);
    }
    let closest =
        candidates.iter().map(|c| (common_prefix(content, c), c.len())).reduce(|a, b| if b.0 > a.0 { b } else { a });
    let (agreed, whole) = closest.unwrap_or((0, 0));
    let state = if content.is_empty() {
        RawState::Empty
    } else if content.iter().all(|byte| *byte == 0) {
        RawState::ZeroFilled
    } else if agreed == content.len() {
        RawState::Partial
    } else {
        RawState::Other
    };
    RawFile { state, length, tear_offset: Some(agreed as u64), whole_length: Some(whole as u64) }
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_proper_prefix_is_partial_and_torn_at_its_end(whole in "[a-z]{2,200}", cut in 1usize..199) {
            let cut = cut.min(whole.len() - 1);
            let raw = classify(&whole.as_bytes()[..cut], &[whole.as_bytes(), b""]);
            prop_assert_eq!(raw.state, RawState::Partial);
            prop_assert_eq!((raw.tear_offset, raw.whole_length), (Some(cut as u64), Some(whole.len() as u64)));
        }

        #[test]
        fn only_a_candidate_is_whole(content: Vec<u8>, a: Vec<u8>, b: Vec<u8>) {
            let raw = classify(&content, &[&a, &b]);
            prop_assert_eq!(raw.state == RawState::Whole, content == a || content == b);
        }
    }

    #[test]
    fn empty_zeroed_and_mixed_files_are_told_apart() {
        let whole: &[u8] = b"{\"a\":1}\n";
        assert_eq!(classify(b"", &[whole]).state, RawState::Empty);
        assert_eq!(classify(&[0; 8], &[whole]).state, RawState::ZeroFilled);
        let mixed = classify(b"{\"a\":2}\n", &[whole]);
        assert_eq!((mixed.state, mixed.tear_offset), (RawState::Other, Some(5)));
    }
}
