//! What is stored through a shared mapping: no call says it, but the file shows it to whoever looks.
//!
//! Whenever the program makes a call, the mapped files are compared with what they held at the call before. What differs is one write,
//! `store`, between the two. In which order its bytes came is not known, and the trace says which files are mapped.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crashtest_linux::attributes;
use crashtest_linux::trace::Tracee;
use crashtest_model::{Action, Data, FileId, Operation, STORE};

use crate::snapshot::besides;
use crate::trace::recorder::Recorder;

/// Longer files are not compared, in bytes: they would be read at each call.
const LONGEST: u64 = 16 << 20;
/// Equal bytes between two that differ that make two stores of them.
const APART: usize = 64;
/// Stores between two calls; where there are more, they are one.
const MOST: usize = 64;

/// A mapped file.
#[derive(Debug)]
pub(super) struct Mapped {
    path: String,
    file: FileId,
    /// The same file, open for us.
    open: File,
    /// What it held when it was looked at last.
    held: Vec<u8>,
}

impl Mapped {
    fn read(open: &File) -> io::Result<Vec<u8>> {
        let length = open.metadata()?.len();
        let mut bytes = vec![0; usize::try_from(length.min(LONGEST)).unwrap_or(0)];
        let read = read_at_most(open, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

fn read_at_most(open: &File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match open.read_at(&mut bytes[read..], read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

impl Recorder<'_> {
    /// Descriptor `fd` of `tracee` is mapped from now on, `file` under the name `path`.
    pub(super) fn maps(&mut self, tracee: &Tracee, fd: i32, path: &str, file: FileId) {
        if !self.keeps_data || self.mapped.iter().any(|mapped| mapped.file == file) {
            return;
        }
        let open = File::open(format!("/proc/{}/fd/{fd}", tracee.tid()));
        let short = open.and_then(|open| Ok((open.metadata()?.len() <= LONGEST).then_some(open)));
        if let Ok(Some(open)) = short
            && let Ok(held) = Mapped::read(&open)
        {
            self.mapped.push(Mapped { path: path.to_owned(), file, open, held });
        }
    }

    /// Writes down what was stored through mappings since the call before.
    pub(super) fn note_stores(&mut self) {
        for n in 0..self.mapped.len() {
            let mapped = &mut self.mapped[n];
            let Ok(now) = Mapped::read(&mapped.open) else { continue };
            let runs = differing(&mapped.held, &now);
            let (path, file) = (mapped.path.clone(), mapped.file);
            mapped.held.clone_from(&now);
            for run in runs {
                let progress = self.progress_now();
                let data = now[run.clone()].to_vec();
                let requested = data.len() as u64;
                let offset = run.start as u64;
                let action = Action::Write { path: path.clone(), file, offset, data: Data::Kept(data), requested };
                let left = self.keeps_attributes.then(|| attributes::of(&self.mapped[n].open).ok()).flatten();
                let left = left.map(|found| besides(&found));
                self.trace.operations.push(Operation {
                    process: 0,
                    call: STORE.into(),
                    action,
                    errno: None,
                    before: progress,
                    after: progress,
                    left,
                });
            }
        }
    }

    /// A call has changed `file`: that is no store.
    pub(super) fn is_changed(&mut self, file: FileId) {
        for mapped in self.mapped.iter_mut().filter(|mapped| mapped.file == file) {
            if let Ok(now) = Mapped::read(&mapped.open) {
                mapped.held = now;
            }
        }
    }
}

/// Where `now` differs from `before`, as ranges of `now`, in order. What is only longer or shorter is no store: a store changes no length.
fn differing(before: &[u8], now: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    if before == now {
        return runs;
    }
    for (n, (a, b)) in before.iter().zip(now).enumerate() {
        if a == b {
            continue;
        }
        match runs.last_mut() {
            Some(run) if n - run.end <= APART => run.end = n + 1,
            _ => runs.push(n..n + 1),
        }
    }
    if runs.len() > MOST {
        let (first, last) = (runs[0].start, runs[runs.len() - 1].end);
        runs.clear();
        runs.push(first..last);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_a_range_and_what_lies_far_apart_are_two() {
        let before = vec![0; 300];
        let with = |at: &[usize]| {
            let mut now = before.clone();
            at.iter().for_each(|n| now[*n] = 1);
            now
        };
        let found = |now: &[u8]| differing(&before, now).iter().map(|run| (run.start, run.end)).collect::<Vec<_>>();
        assert_eq!(found(&before), []);
        assert_eq!(found(&with(&[7, 9])), [(7, 10)]);
        assert_eq!(found(&with(&[7, 200])), [(7, 8), (200, 201)]);
        assert_eq!(found(&before[..100]), [], "that is a call's doing");
    }
}
