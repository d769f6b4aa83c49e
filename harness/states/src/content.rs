//! What is in a file: bytes that many states share, with their digest computed at most once. Of a long file only what is not zero lies
//! in memory.

mod blocks;

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use crashtest_model::Digest;

use self::blocks::{BLOCK, Blocks};

/// The longest file that is kept as it is, in bytes. Of a longer one, only the blocks that are not all zeros.
pub const LONGEST_WHOLE: u64 = 128 << 20;
/// Parts that are all zeros and so long, in bytes, are written as holes.
const HOLE: usize = BLOCK;

/// The bytes of a file. A clone is a pointer: states that follow each other differ in one file, and share all others.
#[derive(Clone, Default)]
pub struct Content(Arc<Shared>);

#[derive(Default)]
struct Shared {
    bytes: Bytes,
    digest: OnceLock<Digest>,
}

/// The length alone says which of the two it is.
#[derive(Clone, PartialEq, Eq)]
enum Bytes {
    Whole(Vec<u8>),
    Long(Blocks),
}

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes::Whole(Vec::new())
    }
}

/// Bytes are cloned only to be changed, so the digest is not.
impl Clone for Shared {
    fn clone(&self) -> Shared {
        Shared::from(self.bytes.clone())
    }
}

impl From<Bytes> for Shared {
    fn from(bytes: Bytes) -> Shared {
        Shared { bytes, digest: OnceLock::new() }
    }
}

impl Content {
    /// A file of zeros, of this length in bytes.
    #[must_use]
    pub fn zeros(length: u64) -> Content {
        let mut content = Content::default();
        content.resize(length);
        content
    }

    /// The digest of the bytes: equal for equal bytes, however they came about.
    #[must_use]
    pub fn digest(&self) -> Digest {
        *self.0.digest.get_or_init(|| match &self.0.bytes {
            Bytes::Whole(bytes) => Digest::of_bytes(bytes),
            Bytes::Long(blocks) => Digest::of_value(blocks),
        })
    }

    /// The length, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match &self.0.bytes {
            Bytes::Whole(bytes) => bytes.len() as u64,
            Bytes::Long(blocks) => blocks.length(),
        }
    }

    /// How many bytes lie in memory.
    #[must_use]
    pub fn stored(&self) -> u64 {
        match &self.0.bytes {
            Bytes::Whole(bytes) => bytes.len() as u64,
            Bytes::Long(blocks) => blocks.stored(),
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length() == 0
    }

    /// All of it; `None` of a file longer than [`LONGEST_WHOLE`].
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.0.bytes {
            Bytes::Whole(bytes) => Some(bytes),
            Bytes::Long(_) => None,
        }
    }

    /// The bytes of `from..until`, as far as they are there.
    #[must_use]
    pub fn range(&self, from: u64, until: u64) -> Cow<'_, [u8]> {
        match &self.0.bytes {
            Bytes::Whole(bytes) => {
                let until = index(until).min(bytes.len());
                Cow::Borrowed(&bytes[index(from).min(until)..until])
            }
            Bytes::Long(blocks) => Cow::Owned(blocks.range(from, until)),
        }
    }

    /// Whether it begins with `bytes`.
    #[must_use]
    pub fn starts_with(&self, bytes: &[u8]) -> bool {
        *self.range(0, bytes.len() as u64) == *bytes
    }

    /// The parts that have to be written into a file of zeros of this length, with where they begin.
    pub fn parts(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let (whole, long) = match &self.0.bytes {
            Bytes::Whole(bytes) => (Some(bytes), None),
            Bytes::Long(blocks) => (None, Some(blocks)),
        };
        let whole = whole.into_iter().flat_map(|bytes| (0..).step_by(HOLE).zip(bytes.chunks(HOLE)));
        let is_hole = |part: &[u8]| part.len() == HOLE && part.iter().all(|byte| *byte == 0);
        whole.filter(move |(_, part)| !is_hole(part)).chain(long.into_iter().flat_map(Blocks::parts))
    }

    /// At which byte it first differs from `other`: the length of the shorter one where that goes on.
    #[must_use]
    pub fn first_difference(&self, other: &Content) -> u64 {
        if let (Some(a), Some(b)) = (self.bytes(), other.bytes()) {
            return a.iter().zip(b).take_while(|(a, b)| a == b).count() as u64;
        }
        let shorter = self.length().min(other.length());
        // Zeros on both sides differ in nothing: only what is kept on either side is looked at.
        let kept =
            |content: &Content| content.parts().map(|(at, part)| (at, at + part.len() as u64)).collect::<Vec<_>>();
        let mut places = [kept(self), kept(other)].concat();
        places.sort_unstable();
        let differs = places.into_iter().find_map(|(from, until)| {
            let (a, b) = (self.range(from, until.min(shorter)), other.range(from, until.min(shorter)));
            a.iter().zip(b.iter()).position(|(a, b)| a != b).map(|n| from + n as u64)
        });
        differs.unwrap_or(shorter)
    }

    /// Writes `data` there, as write(2) does: what it leaves out before it are zeros.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        // A write of nothing does not lengthen a file, wherever it is.
        if data.is_empty() {
            return;
        }
        let end = offset.saturating_add(data.len() as u64);
        match self.edit(end) {
            Bytes::Whole(bytes) => {
                let range = index(offset)..index(end);
                if bytes.len() < range.end {
                    bytes.resize(range.end, 0);
                }
                bytes[range].copy_from_slice(data);
            }
            Bytes::Long(blocks) => blocks.write(offset, data),
        }
    }

    /// Cuts it, or lengthens it by zeros, to this length in bytes.
    pub fn resize(&mut self, length: u64) {
        match self.edit(length) {
            Bytes::Whole(bytes) => bytes.resize(index(length), 0),
            Bytes::Long(blocks) => {
                blocks.resize(length);
                if length <= LONGEST_WHOLE {
                    let bytes = blocks.range(0, length);
                    *self = Content::from(bytes);
                }
            }
        }
    }

    /// Zeroes what there is of a range; it does not lengthen the file.
    pub fn zero(&mut self, offset: u64, length: u64) {
        let end = offset.saturating_add(length);
        match self.edit(0) {
            Bytes::Whole(bytes) => {
                let end = index(end).min(bytes.len());
                bytes[index(offset).min(end)..end].fill(0);
            }
            Bytes::Long(blocks) => blocks.zero(offset, end),
        }
    }

    /// The bytes, to be changed, where they become at least so long: who shares them keeps what they were.
    fn edit(&mut self, length: u64) -> &mut Bytes {
        let shared = Arc::make_mut(&mut self.0);
        shared.digest.take();
        if let (Bytes::Whole(bytes), true) = (&shared.bytes, length > LONGEST_WHOLE) {
            let mut blocks = Blocks::default();
            blocks.write(0, bytes);
            shared.bytes = Bytes::Long(blocks);
        }
        &mut shared.bytes
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Content {
        if bytes.len() as u64 <= LONGEST_WHOLE {
            return Content(Arc::new(Shared::from(Bytes::Whole(bytes))));
        }
        let mut content = Content::default();
        content.write(0, &bytes);
        content
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Content) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.bytes == other.0.bytes
    }
}

impl Eq for Content {}

impl Hash for Content {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest().hash(state);
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes() {
            Some(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            None => write!(f, "{} bytes, {} of them kept", self.length(), self.stored()),
        }
    }
}

/// A place in bytes that lie in memory.
fn index(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equal_bytes_have_equal_digests_however_they_came_about(before: Vec<u8>, after: Vec<u8>) {
            let mut edited = Content::from(before.clone());
            let shared = edited.clone();
            prop_assert_eq!(edited.digest(), Content::from(before.clone()).digest());
            edited.resize(0);
            edited.write(0, &after);
            prop_assert_eq!(edited.digest(), Content::from(after.clone()).digest(), "the digest follows an edit");
            edited.resize(after.len() as u64 + 1);
            let longer = Content::from([after, vec![0]].concat());
            prop_assert_eq!(edited.digest(), longer.digest(), "also where nobody shares the bytes");
            prop_assert_eq!(edited, longer);
            prop_assert_eq!(shared, Content::from(before), "who shares the bytes keeps what they were");
        }
    }

    #[test]
    fn a_clone_is_a_pointer() {
        let content = Content::from(vec![7; 1 << 16]);
        assert_eq!(content.clone().bytes().unwrap().as_ptr(), content.bytes().unwrap().as_ptr());
    }

    #[test]
    fn a_file_of_a_tebibyte_takes_the_room_of_what_is_in_it() {
        let mut long = Content::zeros(1 << 40);
        let empty = long.clone();
        long.write(1 << 39, b"state");
        assert_eq!((long.length(), long.stored(), long.bytes()), (1 << 40, BLOCK as u64, None));
        assert_eq!(*long.range((1 << 39) - 1, (1 << 39) + 6), *b"\0state\0");
        assert_eq!((long.first_difference(&empty), empty.first_difference(&empty)), (1 << 39, 1 << 40));
        assert!(long != empty && long.digest() != empty.digest());
        let mut again = empty.clone();
        let parts: Vec<(u64, Vec<u8>)> = long.parts().map(|(at, part)| (at, part.to_vec())).collect();
        parts.iter().for_each(|(at, part)| again.write(*at, part));
        assert_eq!((again.digest(), &again), (long.digest(), &long));
        long.zero(0, u64::MAX);
        assert_eq!(long, empty);
        again.resize(5);
        assert_eq!(again, Content::from(vec![0; 5]), "one that is cut is kept whole again");
    }

    #[test]
    fn what_is_written_is_what_differs_from_zeros() {
        let content = Content::from([&[1; 10][..], &[0; 3 * HOLE], &[2; 5]].concat());
        let parts: Vec<(u64, usize)> = content.parts().map(|(at, part)| (at, part.len())).collect();
        let last = 3 * HOLE as u64;
        assert_eq!(parts, [(0, HOLE), (last, 15)]);
        assert!(content.starts_with(&[1; 10]) && !content.starts_with(&[1; 11]));
    }
}
