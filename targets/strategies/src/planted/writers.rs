//! Canaries whose save is wrong.

use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use crashtest_kit::Place;
use nix::sys::signal::{SigSet, Signal};

use crate::document::{Content, Strategy};
use crate::strategies::atomic::Atomic;
use crate::strategies::direct::Direct;
use crate::strategies::{stream, temporary};

/// Renames the still empty temporary over the file, then writes through the open descriptor.
pub(super) struct RenameFirst;

impl Strategy for RenameFirst {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let temp = temporary(path);
        let file = place.fs.create(&temp)?;
        place.fs.rename(&temp, path)?;
        stream(file, content)?.close()
    }
}

/// Removes the file, then writes the new one.
pub(super) struct UnlinkFirst;

impl Strategy for UnlinkFirst {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        if path.exists() {
            place.fs.remove(path)?;
        }
        Direct.persist(place, path, content)
    }
}

/// Says that a save is done and makes it at the start of the next one, or at a clean stop.
#[derive(Default)]
pub(super) struct AckFirst {
    pending: Option<Vec<u8>>,
}

impl Strategy for AckFirst {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        if !path.exists() {
            return Atomic.persist(place, path, content);
        }
        self.close(place, path)?;
        let mut bytes = Vec::new();
        content(&mut bytes)?;
        self.pending = Some(bytes);
        Ok(())
    }

    fn close(&mut self, place: &Place, path: &Path) -> io::Result<()> {
        match self.pending.take() {
            Some(bytes) => Atomic.persist(place, path, &|out: &mut dyn Write| out.write_all(&bytes)),
            None => Ok(()),
        }
    }
}

/// Makes two saves of three, and reports three.
#[derive(Default)]
pub(super) struct Skip {
    saves: u64,
}

impl Strategy for Skip {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        self.saves += 1;
        if self.saves.is_multiple_of(3) { Ok(()) } else { Atomic.persist(place, path, content) }
    }
}

/// Copies each save to a name of its own as well.
#[derive(Default)]
pub(super) struct Leak {
    saves: u64,
}

impl Strategy for Leak {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let unique = place.names.derive("leak", self.saves);
        self.saves += 1;
        let leaked = path.with_extension(format!("{unique}.tmp"));
        stream(place.fs.create(&leaked)?, content)?.close()?;
        Atomic.persist(place, path, content)
    }
}

/// Ends its process in the second save.
#[derive(Default)]
pub(super) struct Exit {
    saves: u64,
}

impl Strategy for Exit {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        self.saves += 1;
        if self.saves == 2 {
            std::process::exit(0);
        }
        Atomic.persist(place, path, content)
    }
}

/// Reports an error from every fourth save.
#[derive(Default)]
pub(super) struct Fail {
    saves: u64,
}

impl Strategy for Fail {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        self.saves += 1;
        if self.saves.is_multiple_of(4) {
            return Err(io::Error::other("planted: the save failed"));
        }
        Atomic.persist(place, path, content)
    }
}

/// Never returns from the fourth save.
#[derive(Default)]
pub(super) struct Stall {
    saves: u64,
}

impl Strategy for Stall {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        self.saves += 1;
        if self.saves == 4 {
            loop {
                std::thread::park();
            }
        }
        Atomic.persist(place, path, content)
    }
}

/// Does not hear SIGTERM from its first save on.
pub(super) struct Deaf;

impl Strategy for Deaf {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let mut sigterm = SigSet::empty();
        sigterm.add(Signal::SIGTERM);
        sigterm.thread_block()?;
        Atomic.persist(place, path, content)
    }
}

/// Writes like `direct`, in pieces of a length that the clock decides: no two runs make the same calls.
pub(super) struct Undecided;

impl Strategy for Undecided {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        content(&mut bytes)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
        let mut file = place.fs.create(path)?;
        for piece in bytes.chunks(3_000 + now as usize % 6_000) {
            file.write_all(piece)?;
        }
        file.close()
    }
}
