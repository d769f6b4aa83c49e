//! A long file as the blocks of it that hold anything but zeros: a file of 1 TiB with one written page is one block here.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes in a block.
pub(super) const BLOCK: usize = 64 * 1024;
const BYTES: u64 = BLOCK as u64;

/// The bytes of a file. Equal bytes are equal here, however they came about: no block is all zeros, and behind the end all are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Blocks {
    length: u64,
    /// By their number. A clone shares them.
    blocks: BTreeMap<u64, Arc<[u8]>>,
}

impl Blocks {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How many bytes are kept.
    pub(super) fn stored(&self) -> u64 {
        self.blocks.len() as u64 * BYTES
    }

    /// The parts that are not all zeros, with where they begin, in order.
    pub(super) fn parts(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.blocks.iter().map(|(number, block)| {
            let at = number * BYTES;
            (at, &block[..within(self.length - at)])
        })
    }

    /// The bytes of `from..until`, as far as they are there.
    pub(super) fn range(&self, from: u64, until: u64) -> Vec<u8> {
        let until = until.min(self.length);
        let mut bytes = vec![0; usize::try_from(until.saturating_sub(from)).unwrap_or(0)];
        for (at, part) in self.parts().filter(|(at, part)| *at < until && at + part.len() as u64 > from) {
            let (begin, end) = (at.max(from), (at + part.len() as u64).min(until));
            bytes[(begin - from) as usize..(end - from) as usize]
                .copy_from_slice(&part[(begin - at) as usize..(end - at) as usize]);
        }
        bytes
    }

    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        self.length = self.length.max(offset + data.len() as u64);
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let begin = (at % BYTES) as usize;
            let some = (BLOCK - begin).min(data.len() - done);
            self.change(at / BYTES, |block| block[begin..begin + some].copy_from_slice(&data[done..done + some]));
            done += some;
        }
    }

    pub(super) fn resize(&mut self, length: u64) {
        self.zero(length, u64::MAX);
        self.length = length;
    }

    /// Zeroes what there is of `from..until`; it does not change the length.
    pub(super) fn zero(&mut self, from: u64, until: u64) {
        let touched: Vec<u64> = match from / BYTES <= until / BYTES {
            true => self.blocks.range(from / BYTES..=until / BYTES).map(|(number, _)| *number).collect(),
            false => Vec::new(),
        };
        for number in touched {
            let at = number * BYTES;
            let (begin, end) = (within(from.saturating_sub(at)), within(until.saturating_sub(at)));
            self.change(number, |block| block[begin..end.max(begin)].fill(0));
        }
    }

    fn change(&mut self, number: u64, change: impl FnOnce(&mut [u8])) {
        let before = self.blocks.remove(&number);
        let mut block = before.map_or_else(|| vec![0; BLOCK], |before| before.to_vec());
        change(&mut block);
        if block.iter().any(|byte| *byte != 0) {
            self.blocks.insert(number, block.into());
        }
    }
}

/// So many bytes, as far as they lie in one block.
fn within(bytes: u64) -> usize {
    bytes.min(BYTES) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Change {
        Write(u64, Vec<u8>),
        Resize(u64),
        Zero(u64, u64),
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let place = 0..5 * BYTES;
        let write = (place.clone(), 0_u8..3, 1..3 * BLOCK).prop_map(|(at, byte, n)| Change::Write(at, vec![byte; n]));
        let zero = (place.clone(), place.clone()).prop_map(|(from, until)| Change::Zero(from, until));
        prop::collection::vec(prop_oneof![write, place.prop_map(Change::Resize), zero], 1..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn blocks_are_the_bytes_that_a_vector_would_hold(changes in changes()) {
            let (mut blocks, mut bytes) = (Blocks::default(), Vec::new());
            for change in changes {
                match change {
                    Change::Write(offset, data) => {
                        blocks.write(offset, &data);
                        let end = offset as usize + data.len();
                        bytes.resize(bytes.len().max(end), 0);
                        bytes[offset as usize..end].copy_from_slice(&data);
                    }
                    Change::Resize(length) => {
                        blocks.resize(length);
                        bytes.resize(length as usize, 0);
                    }
                    Change::Zero(from, until) => {
                        blocks.zero(from, until);
                        let until = bytes.len().min(until as usize);
                        bytes[(from as usize).min(until)..until].fill(0);
                    }
                }
            }
            prop_assert_eq!(blocks.length(), bytes.len() as u64);
            prop_assert!(blocks.range(0, u64::MAX) == bytes);
            prop_assert!(blocks.range(BYTES / 2, 3 * BYTES) == bytes[bytes.len().min(BLOCK / 2)..bytes.len().min(3 * BLOCK)]);
            let mut anew = Blocks::default();
            anew.resize(bytes.len() as u64);
            bytes.chunks(1000).enumerate().for_each(|(n, part)| anew.write(n as u64 * 1000, part));
            prop_assert_eq!(&anew, &blocks);
            let mut from_parts = Blocks::default();
            from_parts.resize(blocks.length());
            blocks.parts().for_each(|(at, part)| from_parts.write(at, part));
            prop_assert_eq!(from_parts, blocks);
        }
    }
}
