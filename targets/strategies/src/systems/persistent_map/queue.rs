//! The queue of what is to be written, and the threads that serve it in the background.
//!
//! One thread and only the newest content of each file: an older save cannot overtake a newer one. Several threads and every request,
//! and it can: each takes the oldest request that waits, and whoever is done first has renamed first.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crashtest_kit::Place;

use super::replace;

/// What is kept of the requests for one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// The newest: an outdated one is dropped.
    Newest,
    /// All of them.
    Every,
}

/// What waits to be written: file and content, in the order in which they were asked for.
#[derive(Default)]
struct Queue {
    waiting: Vec<(usize, Vec<u8>)>,
    closed: bool,
    failed: Option<io::Error>,
}

/// The queue with its threads.
pub(super) struct Background {
    queue: Arc<(Mutex<Queue>, Condvar)>,
    keep: Keep,
    threads: Vec<JoinHandle<()>>,
}

impl Background {
    /// Starts one thread, or two where every request is kept.
    pub(super) fn start(place: &Place, keep: Keep) -> io::Result<Background> {
        let queue = Arc::new((Mutex::new(Queue::default()), Condvar::new()));
        let suffixes: &[&str] = match keep {
            Keep::Newest => &[""],
            Keep::Every => &["", "2"],
        };
        let start = |suffix: &&'static str| {
            let (place, its, suffix) = (place.clone(), Arc::clone(&queue), *suffix);
            std::thread::Builder::new().name(format!("writer{suffix}")).spawn(move || serve(&place, suffix, &its))
        };
        let threads = suffixes.iter().map(start).collect::<io::Result<Vec<_>>>()?;
        Ok(Background { queue, keep, threads })
    }

    /// Hands over the contents of files, each by its part.
    pub(super) fn enqueue(&self, files: Vec<(usize, Vec<u8>)>) -> io::Result<()> {
        let (queue, changed) = &*self.queue;
        let mut queue = locked(queue);
        if let Some(error) = queue.failed.take() {
            return Err(error);
        }
        for (n, bytes) in files {
            match queue.waiting.iter_mut().find(|(waiting, _)| *waiting == n && self.keep == Keep::Newest) {
                Some((_, outdated)) => *outdated = bytes,
                None => queue.waiting.push((n, bytes)),
            }
        }
        changed.notify_all();
        Ok(())
    }

    /// Writes what waits, and ends.
    pub(super) fn finish(self) -> io::Result<()> {
        let (queue, changed) = &*self.queue;
        locked(queue).closed = true;
        changed.notify_all();
        for thread in self.threads {
            thread.join().map_err(|_| io::Error::other("a writer panicked"))?;
        }
        locked(queue).failed.take().map_or(Ok(()), Err)
    }
}

fn locked(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(place: &Place, suffix: &str, shared: &(Mutex<Queue>, Condvar)) {
    let (queue, changed) = shared;
    loop {
        let mut state = locked(queue);
        while state.waiting.is_empty() && !state.closed {
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.waiting.is_empty() {
            return;
        }
        let (n, bytes) = state.waiting.remove(0);
        drop(state);
        if let Err(error) = replace(place, n, suffix, &bytes) {
            locked(queue).failed = Some(error);
        }
    }
}
