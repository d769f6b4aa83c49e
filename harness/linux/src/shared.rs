//! Memory shared between a process and the children that it forks.
//!
//! Only atomic words are handed out, so that a peer killed at any instruction cannot make reading them undefined.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

/// Maps `words` zeroed 64-bit words that stay shared over fork(2). The mapping lives as long as the process.
///
/// # Errors
/// What mmap(2) says: no memory.
pub fn map(words: NonZeroUsize) -> io::Result<&'static [AtomicU64]> {
    let length = words.saturating_mul(const { NonZeroUsize::new(size_of::<AtomicU64>()).unwrap() });
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory that exists.
    let address =
        unsafe { mmap_anonymous(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED)? };
    // SAFETY: the mapping is page-aligned, `length` bytes long, zeroed (a valid AtomicU64), and never unmapped.
    Ok(unsafe { std::slice::from_raw_parts(address.as_ptr().cast::<AtomicU64>(), words.get()) })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn a_new_mapping_is_zeroed_and_writable() {
        let words = map(NonZeroUsize::new(1024).unwrap()).unwrap();
        assert_eq!(words.len(), 1024);
        assert!(words.iter().all(|w| w.load(Ordering::Relaxed) == 0));
        words[1023].store(7, Ordering::Relaxed);
        assert_eq!(words[1023].load(Ordering::Relaxed), 7);
    }
}
