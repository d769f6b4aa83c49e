//! Threads kept on one processor: two that take turns need not wake another processor up each time.

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

/// This thread.
const THIS: Pid = Pid::from_raw(0);

/// This thread, kept on one processor, with the children that it forks; free again when this is dropped.
///
/// Where the kernel does not let us, nobody is pinned: it is only slower.
#[derive(Debug)]
pub struct Pinned {
    free: Option<CpuSet>,
}

impl Pinned {
    /// On the processor that it runs on.
    #[must_use]
    pub fn here() -> Pinned {
        Pinned::to_one(|_| sched_getcpu().ok())
    }

    /// The pin of thread `number` of `of` threads that share the processors. Each has its own processor where there is exactly one
    /// for each; else it stays where it runs.
    #[must_use]
    pub fn among(number: u64, of: u64) -> Pinned {
        Pinned::to_one(|free| {
            let processors: Vec<usize> =
                (0..CpuSet::count()).filter(|cpu| free.is_set(*cpu).unwrap_or(false)).collect();
            let own = processors.get(usize::try_from(number).ok()?).filter(|_| of == processors.len() as u64);
            own.copied().or_else(|| sched_getcpu().ok())
        })
    }

    fn to_one(choose: impl FnOnce(&CpuSet) -> Option<usize>) -> Pinned {
        let pin = |free: &CpuSet| {
            let mut one = CpuSet::new();
            choose(free).is_some_and(|cpu| one.set(cpu).and_then(|()| sched_setaffinity(THIS, &one)).is_ok())
        };
        Pinned { free: sched_getaffinity(THIS).ok().filter(pin) }
    }

    /// Lets task `tid` run wherever it could before, and this thread too: there is more than one to serve.
    pub(crate) fn release(&mut self, tid: i32) {
        if let Some(free) = &self.free {
            // A task that is gone needs no processor.
            let _ = sched_setaffinity(Pid::from_raw(tid), free);
            let _ = sched_setaffinity(THIS, free);
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(free) = &self.free {
            let _ = sched_setaffinity(THIS, free);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Vec<usize> {
        let set = sched_getaffinity(THIS).unwrap();
        (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap()).collect()
    }

    #[test]
    fn a_pinned_thread_has_one_processor_and_gets_the_others_back() {
        let before = allowed();
        let pinned = Pinned::here();
        assert_eq!(allowed().len(), 1);
        drop(pinned);
        assert_eq!(allowed(), before);
    }

    #[test]
    fn threads_that_share_all_processors_get_one_each() {
        let before = allowed();
        let of = before.len() as u64;
        for (number, own) in (0..).zip(&before) {
            let _pinned = Pinned::among(number, of);
            assert_eq!(allowed(), [*own]);
        }
        let _pinned = Pinned::among(0, of + 1);
        assert_eq!(allowed().len(), 1, "where there are too few, it stays where it is");
    }
}
