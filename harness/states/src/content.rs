//! What is in a file: bytes that many states share, with their digest computed at most once.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crashtest_model::Digest;

/// The bytes of a file. A clone is a pointer: states that follow each other differ in one file, and share all others.
#[derive(Clone, Default)]
pub struct Content(Arc<Shared>);

#[derive(Default)]
struct Shared {
    bytes: Vec<u8>,
    digest: OnceLock<Digest>,
}

/// Bytes are cloned only to be changed, so the digest is not.
impl Clone for Shared {
    fn clone(&self) -> Shared {
        Shared::from(self.bytes.clone())
    }
}

impl From<Vec<u8>> for Shared {
    fn from(bytes: Vec<u8>) -> Shared {
        Shared { bytes, digest: OnceLock::new() }
    }
}

impl Content {
    /// The digest of the bytes: equal for equal bytes, however they came about.
    #[must_use]
    pub fn digest(&self) -> Digest {
        *self.0.digest.get_or_init(|| Digest::of_bytes(&self.0.bytes))
    }

    /// The bytes, to be changed: who shares them keeps what they were.
    pub(crate) fn edit(&mut self) -> &mut Vec<u8> {
        let shared = Arc::make_mut(&mut self.0);
        shared.digest.take();
        &mut shared.bytes
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Content {
        Content(Arc::new(Shared::from(bytes)))
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.bytes
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
        write!(f, "\"{}\"", self.escape_ascii())
    }
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
            edited.edit().clone_from(&after);
            prop_assert_eq!(edited.digest(), Content::from(after.clone()).digest(), "the digest follows an edit");
            edited.edit().push(0);
            let longer = Content::from([after, vec![0]].concat());
            prop_assert_eq!(edited.digest(), longer.digest(), "also where nobody shares the bytes");
            prop_assert_eq!(edited, longer);
            prop_assert_eq!(shared, Content::from(before), "who shares the bytes keeps what they were");
        }
    }

    #[test]
    fn a_clone_is_a_pointer() {
        let content = Content::from(vec![7; 1 << 16]);
        assert_eq!(content.clone().as_ptr(), content.as_ptr());
    }
}
