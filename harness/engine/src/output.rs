//! What a command prints: two pipes that are read as it prints, and no files.
//!
//! A file has a name, which the command can give to something else, and grows with what is printed. Of a pipe whatever comes is
//! handed on piece by piece. Of standard error its end is kept, as its last line is quoted.
//!
//! A pipe that is full stops whoever prints: it is emptied again and again while the command runs. The end of a pipe is never waited
//! for: a process that the command has left running may hold it open.

use std::io::{self, PipeReader, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crashtest_linux::clock::{now_ns, sleep_until};
use crashtest_linux::deadline::Deadline;
use crashtest_linux::process::Exit;
use crashtest_linux::supervision::{self, Group};
use memchr::memchr;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::error::EngineError;

/// What a pipe is asked to hold, in bytes: as much as it may without privilege (/proc/sys/fs/pipe-max-size).
const ROOM: libc::c_int = 1 << 20;
/// What a pipe holds its bytes in, in bytes: each write may begin a new one.
const PAGE: u64 = 4096;
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// Bytes of standard error that are kept.
const KEPT: usize = 64 * 1024;
/// Pause between two looks at a command that prints, in ns: a pipe is not full sooner.
const LOOK_NS: u64 = 200_000;
/// How long more is waited for while somebody may be stopped by a full pipe, in ns.
const MORE_NS: u64 = 1_000_000;
/// How long is waited at most before it is looked whether anybody still listens, in ns.
const HEED_NS: u64 = 50_000_000;
/// What is expected where nobody knows how much comes.
const VERY_MUCH: u64 = 1 << 40;
/// The longest piece of what a command has complained of that is quoted, in characters.
const QUOTED: usize = 300;

/// Whoever is told what is printed.
pub(crate) trait Listener {
    /// The next bytes of standard output.
    fn hear(&mut self, bytes: &[u8]);
}

/// What a command prints, while it runs.
#[derive(Debug)]
pub(crate) struct Output<L> {
    said: Pipe,
    complained: Pipe,
    /// The end of what came on standard error.
    complaints: Vec<u8>,
    piece: Box<[u8]>,
    /// Bytes that are being printed and may not fit.
    expected: u64,
    /// Nobody listens any more once it is set.
    stop: Option<Arc<AtomicBool>>,
    listener: L,
}

/// A pipe that a command prints into.
#[derive(Debug)]
struct Pipe {
    reads: PipeReader,
    /// What a descriptor of it is called in /proc.
    name: PathBuf,
    /// Pages that it holds.
    pages: u64,
    /// Pages of it that may be in use.
    used: u64,
    /// Nobody can print into it any more.
    closed: bool,
}

impl Pipe {
    /// A pipe, and the end that a command is given.
    fn new() -> io::Result<(Pipe, io::PipeWriter)> {
        let (reads, writes) = io::pipe()?;
        fcntl(&reads, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // Refused where one user has very many pipes: then it holds less.
        let _ = fcntl(&reads, FcntlArg::F_SETPIPE_SZ(ROOM));
        let room = fcntl(&reads, FcntlArg::F_GETPIPE_SZ)?;
        let name = format!("pipe:[{}]", nix::sys::stat::fstat(&reads)?.st_ino).into();
        let pages = u64::try_from(room).unwrap_or(PAGE) / PAGE;
        Ok((Pipe { reads, name, pages, used: 0, closed: false }, writes))
    }

    /// Reads what there is, at most one piece; how much that is.
    fn take(&mut self, piece: &mut [u8]) -> usize {
        if self.closed {
            return 0;
        }
        let length = match self.reads.read(piece) {
            Ok(length) => {
                self.closed = length == 0;
                length
            }
            // Nothing is there now.
            Err(_) => 0,
        };
        if length < piece.len() {
            self.used = 0;
        }
        length
    }
}

impl<L: Listener> Output<L> {
    /// Makes `command` print to `listener`.
    ///
    /// # Errors
    /// There are no pipes.
    pub(crate) fn capture(command: &mut Command, listener: L) -> Result<Output<L>, EngineError> {
        let pipe = || Pipe::new().map_err(|error| EngineError::Program(format!("no pipe: {error}")));
        let ((said, says), (complained, complains)) = (pipe()?, pipe()?);
        command.stdout(says).stderr(complains);
        let piece = vec![0; PIECE].into_boxed_slice();
        Ok(Output { said, complained, complaints: Vec::new(), piece, expected: 0, stop: None, listener })
    }

    /// The same, and it is listened to no longer once `stop` is set.
    pub(crate) fn until(self, stop: Option<&Arc<AtomicBool>>) -> Output<L> {
        Output { stop: stop.map(Arc::clone), ..self }
    }

    /// Whether nobody listens any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    pub(crate) fn listener(&self) -> &L {
        &self.listener
    }

    /// Forgets what was printed: from now on `listener` is told.
    pub(crate) fn begin_anew(&mut self, listener: L) {
        self.listener = listener;
        self.complaints.clear();
    }

    pub(crate) fn listener_mut(&mut self) -> &mut L {
        &mut self.listener
    }

    pub(crate) fn into_listener(self) -> L {
        self.listener
    }

    /// Whether nobody can print to standard output any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.said.closed
    }

    /// Takes what standard output holds: at most as much as the pipe, as another process may go on printing.
    pub(crate) fn hear(&mut self) {
        let mut left = self.said.pages * PAGE;
        loop {
            let length = self.said.take(&mut self.piece);
            self.listener.hear(&self.piece[..length]);
            self.expected = self.expected.saturating_sub(length as u64);
            left = left.saturating_sub(length as u64);
            if length < PIECE || left == 0 {
                return;
            }
        }
    }

    /// Takes a piece of what was printed, if there is one; how many bytes that is.
    pub(crate) fn take(&mut self) -> usize {
        let said = self.said.take(&mut self.piece);
        self.listener.hear(&self.piece[..said]);
        let complained = self.complained.take(&mut self.piece);
        let complaint = &self.piece[..complained];
        if self.complaints.len() + complained > 2 * KEPT {
            let kept = KEPT.saturating_sub(complained).min(self.complaints.len());
            self.complaints.drain(..self.complaints.len() - kept);
        }
        self.complaints.extend_from_slice(complaint);
        let taken = said + complained;
        self.expected = self.expected.saturating_sub(taken as u64);
        taken
    }

    /// Takes all that was printed: at most what the pipes hold, as somebody may go on printing. How many bytes that is.
    pub(crate) fn take_all(&mut self) -> usize {
        let most = ((self.said.pages + self.complained.pages) * PAGE) as usize;
        let mut all = 0;
        while all < most {
            match self.take() {
                0 => break,
                taken => all += taken,
            }
        }
        all
    }

    /// Listens until `deadline_ns`, until nobody listens any more, or until it is `enough`, which is asked with how the leader of `group` has ended, once it has. Returns
    /// that.
    ///
    /// # Errors
    /// The leader cannot be waited for.
    pub(crate) fn listen(
        &mut self,
        group: &mut Group,
        deadline_ns: u64,
        mut enough: impl FnMut(&L, Option<Exit>) -> bool,
    ) -> io::Result<Option<Exit>> {
        loop {
            // First: all that it has printed by its end is there after it.
            let exit = group.exit_within(Duration::ZERO)?;
            let taken = if exit.is_some() { self.take_all() } else { self.take() };
            let now = now_ns();
            if enough(&self.listener, exit) || now >= deadline_ns || self.is_stopped() {
                return Ok(exit);
            }
            match taken {
                0 if exit.is_some() => self.wait(None, deadline_ns.min(now + LOOK_NS)),
                0 => match group.ends() {
                    Some(ends) => self.wait(Some((ends, PollFlags::POLLIN)), deadline_ns),
                    None => self.wait(None, deadline_ns.min(now + LOOK_NS)),
                },
                // One look for many small writes.
                1..PIECE => sleep_until(deadline_ns.min(now + LOOK_NS)),
                _ => {}
            }
        }
    }

    /// Listens as [`listen`](Output::listen) does, for at most `limit`: later where the machine holds up whoever runs below this process.
    ///
    /// # Errors
    /// The leader cannot be waited for.
    pub(crate) fn listen_for(
        &mut self,
        group: &mut Group,
        limit: Duration,
        mut enough: impl FnMut(&L, Option<Exit>) -> bool,
    ) -> io::Result<Option<Exit>> {
        let mut deadline = Deadline::after(limit);
        loop {
            let mut is_enough = false;
            let exit = self.listen(group, deadline.at_ns(), |listener, exit| {
                is_enough = enough(listener, exit);
                is_enough
            })?;
            if is_enough || self.is_stopped() || deadline.is_over(supervision::descendants()) {
                return Ok(exit);
            }
        }
    }

    /// Waits until something is printed, `also` is ready, or a moment has come.
    pub(crate) fn wait(&self, also: Option<(BorrowedFd<'_>, PollFlags)>, until_ns: u64) {
        let now = now_ns();
        let until_ns = if self.stop.is_some() { until_ns.min(now + HEED_NS) } else { until_ns };
        let left_ns = until_ns.saturating_sub(now);
        // poll(2) may be late by a thousandth of its time, and more: the rest is slept.
        let Some(polled_ns) = left_ns.checked_sub(left_ns / 64 + LOOK_NS / 2) else { return sleep_until(until_ns) };
        let open = [&self.said, &self.complained].into_iter().filter(|pipe| !pipe.closed);
        let mut polled: Vec<PollFd<'_>> = open.map(|pipe| PollFd::new(pipe.reads.as_fd(), PollFlags::POLLIN)).collect();
        polled.extend(also.map(|(descriptor, events)| PollFd::new(descriptor, events)));
        // Whatever it says, there is another look.
        let _ = ppoll(&mut polled, Some(TimeSpec::from(Duration::from_nanos(polled_ns))), None);
    }

    /// ": " and the last line of what it has complained of, or nothing.
    pub(crate) fn complaint(&self) -> String {
        let kept = &self.complaints[self.complaints.len().saturating_sub(KEPT)..];
        let text = String::from_utf8_lossy(kept);
        match text.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
            Some(line) => format!(": {}", line.chars().take(QUOTED).collect::<String>()),
            None => String::new(),
        }
    }
}

/// Of a command that is traced: whoever takes what it prints is stopped in the kernel most of the time, and has to be woken up.
impl<L: Listener> Output<L> {
    /// Whether a descriptor of this name is one of the pipes. If so there is room now for a write of this length, or what does not fit is
    /// waited for: see [`attend`](Output::attend).
    pub(crate) fn makes_room(&mut self, name: &Path, length: impl FnOnce() -> u64) -> bool {
        let is_said = self.said.name == name;
        if !is_said && self.complained.name != name {
            return false;
        }
        let length = length();
        let needed = length.div_ceil(PAGE) + 1;
        let pipe = if is_said { &self.said } else { &self.complained };
        if pipe.used + needed > pipe.pages {
            self.take_all();
            let pipe = if is_said { &self.said } else { &self.complained };
            if needed > pipe.pages {
                self.expected = self.expected.saturating_add(length);
            }
        }
        let pipe = if is_said { &mut self.said } else { &mut self.complained };
        pipe.used += needed;
        true
    }

    /// Whether somebody may be stopped by a full pipe, so that [`attend`](Output::attend) has to be called soon.
    pub(crate) fn is_awaited(&self) -> bool {
        self.expected > 0
    }

    /// Takes a piece; waits a moment for one where more is expected.
    pub(crate) fn attend(&mut self) {
        let expected = self.expected > 0;
        if expected {
            self.wait(None, now_ns() + MORE_NS);
        }
        match self.take() {
            // Nobody prints any more.
            0 => self.expected = 0,
            // Printed by calls that nobody saw.
            _ if !expected => self.expected = VERY_MUCH,
            _ => {}
        }
    }
}

/// The lines of a stream, in whatever pieces it comes. Of a longer line its first `MOST` bytes are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines<const MOST: usize> {
    begun: Vec<u8>,
}

impl<const MOST: usize> Lines<MOST> {
    /// Hands each line that ends in `bytes` to `take`, without its end.
    pub(crate) fn hear(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            if self.begun.is_empty() {
                take(&rest[..end.min(MOST)]);
            } else {
                self.keep(&rest[..end]);
                take(&self.begun);
                self.begun.clear();
            }
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    /// The line that has no end so far.
    pub(crate) fn begun(&self) -> &[u8] {
        &self.begun
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MOST - self.begun.len();
        self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}
