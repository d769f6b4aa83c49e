//! Memory shared between a process and the children that it forks.
//!
//! Only atomic words are handed out, so that a peer killed at any instruction cannot make reading them undefined.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use std::time::Duration;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::time::TimeSpec;

use crate::clock::now_ns;

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

/// Waits in the kernel until `latch` is not zero (futex(2), shared between processes).
pub fn wait_at(latch: &AtomicU64) {
    while latch.load(Ordering::Acquire) == 0 {
        futex(latch, libc::FUTEX_WAIT, 0, None);
    }
}

/// Waits in the kernel until `latch` is not zero, for at most `limit`; says whether it is.
pub fn wait_at_for(latch: &AtomicU64, limit: Duration) -> bool {
    let deadline = now_ns().saturating_add(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
    loop {
        if latch.load(Ordering::Acquire) != 0 {
            return true;
        }
        let left = deadline.saturating_sub(now_ns());
        if left == 0 {
            return false;
        }
        futex(latch, libc::FUTEX_WAIT, 0, Some(Duration::from_nanos(left)));
    }
}

/// Makes `latch` zero again.
pub fn close(latch: &AtomicU64) {
    latch.store(0, Ordering::Release);
}

/// Makes `latch` non-zero and wakes everybody who waits at it.
pub fn open(latch: &AtomicU64) {
    latch.store(1, Ordering::Release);
    futex(latch, libc::FUTEX_WAKE, i32::MAX, None);
}

/// A futex is 32 bits: the lower half of the word, which comes first on the little-endian machines that we run on. Every error
/// (the value has changed, a signal came) means to look at the word again, which the callers do.
fn futex(word: &AtomicU64, operation: libc::c_int, value: libc::c_int, limit: Option<Duration>) {
    const { assert!(cfg!(target_endian = "little")) };
    let limit = limit.map(TimeSpec::from);
    let limit = limit.as_ref().map_or(std::ptr::null(), |limit| std::ptr::from_ref(limit.as_ref()));
    // SAFETY: the address is that of a live, aligned word, which these operations read at most; the limit lives until the call returns.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr().cast::<u32>(), operation, value, limit) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_mapping_is_zeroed_and_writable() {
        let words = map(NonZeroUsize::new(1024).unwrap()).unwrap();
        assert_eq!(words.len(), 1024);
        assert!(words.iter().all(|w| w.load(Ordering::Relaxed) == 0));
        words[1023].store(7, Ordering::Relaxed);
        assert_eq!(words[1023].load(Ordering::Relaxed), 7);
    }

    #[test]
    fn whoever_waits_at_a_gate_goes_on_when_it_opens() {
        let words = map(NonZeroUsize::new(1).unwrap()).unwrap();
        let waiting = std::thread::spawn(|| wait_at(&words[0]));
        assert!(!waiting.is_finished());
        open(&words[0]);
        waiting.join().unwrap();
        wait_at(&words[0]);
    }
}
