//! Work that is shared out to processes of ours: each does its share and says what comes of each piece, and this one listens.
//!
//! Processes, not threads: whoever asks a checker kills whatever that has left running, which is every child of its process.

use std::io::{self, PipeReader, Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use crashtest_linux::process::{Running, fork_child};
use crashtest_linux::supervision;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long is waited at most before it is looked whether anybody still listens, in ms.
const HEED_MS: u16 = 50;
/// Bytes that are read at once.
const PIECE: usize = 1 << 16;

/// Says what was found; gives whether somebody still listens.
pub(super) type Say<'s, T> = &'s mut dyn FnMut(&T) -> bool;

/// Has `work` done in `parts` processes, each of which is told which part is its own and says what it finds; hands each finding to `each`,
/// until all have ended or `stop` is set. A process that cannot be had, or that ends early, is missed by nobody here: what was not said was
/// not done.
pub(super) fn share_out<T: Serialize + DeserializeOwned>(
    parts: usize,
    work: &dyn Fn(usize, Say<'_, T>),
    each: &mut dyn FnMut(T),
    stop: &AtomicBool,
) {
    let mut shares: Vec<Share> = Vec::new();
    for part in 0..parts {
        match Share::begin(|say| work(part, say)) {
            Ok(share) => shares.push(share),
            // No process is to be had, or this one has threads.
            Err(_) => break,
        }
    }
    while !shares.is_empty() && !stop.load(Ordering::Relaxed) {
        let mut polled: Vec<PollFd> =
            shares.iter().map(|share| PollFd::new(std::os::fd::AsFd::as_fd(&share.reads), PollFlags::POLLIN)).collect();
        let ready = poll(&mut polled, PollTimeout::from(HEED_MS)).unwrap_or(0);
        let ready: Vec<bool> = polled.iter().map(|fd| ready > 0 && fd.any().unwrap_or(false)).collect();
        for (n, _) in ready.into_iter().enumerate().filter(|(_, ready)| *ready).collect::<Vec<_>>().into_iter().rev() {
            if !shares[n].listen(each) {
                shares.swap_remove(n);
            }
        }
    }
    // With each of them dies what it has started; what that has left comes here.
    drop(shares);
    supervision::kill_strays(&[]);
}

/// A process that does its share: killed when this is dropped.
struct Share {
    reads: PipeReader,
    /// What it has said of a line so far.
    begun: Vec<u8>,
    _process: Running,
}

impl Share {
    fn begin<T: Serialize>(work: impl FnOnce(Say<'_, T>)) -> io::Result<Share> {
        let (reads, mut writes) = io::pipe()?;
        let process = fork_child(|| {
            work(&mut |said| {
                let line = serde_json::to_vec(said).map(|mut line| {
                    line.push(b'\n');
                    line
                });
                line.is_ok_and(|line| writes.write_all(&line).is_ok())
            });
            0
        });
        let process = process.map_err(io::Error::other)?;
        Ok(Share { reads, begun: Vec::new(), _process: process })
    }

    /// Takes what it has said; says whether it may say more.
    fn listen<T: DeserializeOwned>(&mut self, each: &mut dyn FnMut(T)) -> bool {
        let mut piece = vec![0; PIECE];
        let read = match self.reads.read(&mut piece) {
            Ok(0) | Err(_) => return false,
            Ok(read) => read,
        };
        self.begun.extend_from_slice(&piece[..read]);
        while let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(said) => each(said),
                Err(_) => return false,
            }
        }
        true
    }
}
