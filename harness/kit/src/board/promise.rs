//! A promise in one word that carries its own checksum, so that a stray store over it is noticed.

use crashtest_model::Generation;

/// A generation is kept in the lower 48 bits of its word, its checksum in the upper 16.
const VALUE_BITS: u32 = 48;

/// A promise on the board is not one that the victim can have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overwritten;

pub(super) fn sealed(generation: Generation) -> u64 {
    let value = generation.0 & ((1 << VALUE_BITS) - 1);
    value | checksum(value) << VALUE_BITS
}

pub(super) fn unsealed(word: u64) -> Result<Generation, Overwritten> {
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

    proptest! {
        #[test]
        fn a_promise_is_read_back_and_a_stray_store_is_noticed(generation in 0u64..1 << 48, flipped in 0u32..64) {
            prop_assert_eq!(unsealed(sealed(Generation(generation))), Ok(Generation(generation)));
            let stray = sealed(Generation(generation)) ^ (1 << flipped);
            prop_assert_eq!(unsealed(stray), Err(Overwritten));
        }
    }

    #[test]
    fn a_zeroed_or_filled_board_holds_no_promise() {
        assert_eq!(unsealed(0), Err(Overwritten));
        assert_eq!(unsealed(u64::MAX), Err(Overwritten));
    }
}
