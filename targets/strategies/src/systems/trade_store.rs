//! `locked-store`: a trade log that a scanner and a position monitor write between them, under one lock.
//!
//! Read, decide by the risk rules, save, look at what was saved: all of it with the lock held, so that no other process comes in between.
//! The variants leave one thing out each: the lock, the rules inside it, or the care not to take it twice.

use std::io::{self, Write};
use std::path::PathBuf;

use crashtest_kit::fs::FsFile;
use crashtest_kit::{Place, Recovered, Refused, Target};
use crashtest_model::{
    Bytes, Digest, Documented, Expectation, Generation, Loader, Seed, Shape, StrategyInfo, TargetSpec, Verdict,
};

use crate::strategies::{processes_together, temporary};
use crate::workloads::desk::{Desk, FILE, Proposal};

/// The command line's names.
pub(crate) const LOCKED: &str = "locked-store";
pub(crate) const NOLOCK: &str = "locked-store-nolock";
pub(crate) const TOCTOU: &str = "locked-store-toctou";
pub(crate) const RELOCK: &str = "locked-store-relock";

const LOCK: &str = "trade_log.lock";

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// Nothing.
    Nothing,
    /// The lock.
    TheLock,
    /// The rules inside the lock: they are asked before it is taken.
    TheRulesInside,
    /// The care not to take the lock twice: to close a trade takes it, and so does what it calls.
    TheCare,
}

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: LOCKED.into(),
        summary: "a trade log of several writers: read, risk rules and save under one lock, temporary and rename".into(),
        shape: Shape::System,
        recipe: "open(lock) · flock · read(f) · create(f.tmp) · write × n · close · rename(f.tmp, f) · read(f) · close"
            .into(),
        origin: "the trade store of autonomous agents: fcntl.flock() around every change, after duplicate trades from two processes"
            .into(),
        documented: processes_together(&Expectation::default(), &Expectation::default()),
        planted: false,
    }
}

pub(crate) fn info_nolock() -> StrategyInfo {
    let shown = |damaged: &[Verdict]| Expectation {
        must: vec![Verdict::BrokenInvariant],
        may: [&[Verdict::FailedSave], damaged].concat(),
        ..Expectation::default()
    };
    StrategyInfo {
        name: NOLOCK.into(),
        summary: "as locked-store, without the lock".into(),
        recipe: "read(f) · create(f.tmp) · write × n · close · rename(f.tmp, f) · read(f)".into(),
        documented: processes_together(&shown(&[Verdict::Torn, Verdict::Empty]), &shown(&[Verdict::SilentReset])),
        ..info()
    }
}

pub(crate) fn info_toctou() -> StrategyInfo {
    let broken = Expectation { must: vec![Verdict::BrokenInvariant], ..Expectation::default() };
    StrategyInfo {
        name: TOCTOU.into(),
        summary: "as locked-store, with the risk rules asked before the lock is taken: time of check, time of use"
            .into(),
        recipe: format!("read(f) · {}", info().recipe),
        documented: processes_together(&broken, &broken),
        ..info()
    }
}

pub(crate) fn info_relock() -> StrategyInfo {
    let stuck = Expectation { must: vec![Verdict::Stuck], ..Expectation::default() };
    let documented: Vec<Documented> = processes_together(&stuck, &stuck);
    StrategyInfo {
        name: RELOCK.into(),
        summary: "as locked-store, but closing a trade takes the lock a second time, through another descriptor".into(),
        documented,
        ..info()
    }
}

/// The target.
pub(crate) struct TradeStore {
    leaves: Leaves,
    loader: Loader,
    stream: Seed,
    bound: Bytes,
    place: Place,
}

impl TradeStore {
    pub(crate) fn new(leaves: Leaves, spec: &TargetSpec, stream: Seed, place: Place) -> TradeStore {
        TradeStore { leaves, loader: spec.loader, stream, bound: spec.state_size, place }
    }

    fn path(&self) -> PathBuf {
        self.place.dir.join(FILE)
    }

    fn load(&self) -> Result<Desk, Refused> {
        let content = self.place.fs.read(&self.path())?;
        serde_json::from_slice(&content).map_err(|error| Refused::unreadable(FILE, &content, error))
    }

    /// The log as a save finds it: what it cannot read fails it, or is a new log to a lenient one.
    fn current(&self) -> io::Result<Desk> {
        match (self.load(), self.loader) {
            (Ok(desk), _) => Ok(desk),
            (Err(_), Loader::Lenient) => Ok(Desk::initial(self.stream, self.bound)),
            (Err(refused), Loader::Strict) => Err(io::Error::other(refused.why)),
        }
    }

    /// The lock, until it is closed.
    fn lock(&self) -> io::Result<FsFile<'_>> {
        let path = self.place.dir.join(LOCK);
        let file = match self.place.fs.overwrite(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.place.fs.create(&path)?,
            file => file?,
        };
        file.lock()?;
        Ok(file)
    }

    fn replace(&self, desk: &Desk) -> io::Result<()> {
        let (path, bytes) = (self.path(), serde_json::to_vec(desk)?);
        let temp = temporary(&path);
        let mut file = self.place.fs.create(&temp)?;
        for piece in bytes.chunks(8 * 1024) {
            file.write_all(piece)?;
        }
        file.close()?;
        self.place.fs.rename(&temp, &path)
    }

    /// Looks at what was saved. That it cannot be read is somebody's concern, not this save's failure.
    fn verify(&self) {
        let _ = self.load();
    }
}

impl Target for TradeStore {
    fn init(&mut self) -> io::Result<()> {
        if self.path().exists() {
            return Ok(());
        }
        self.place.fs.create(&self.place.dir.join(LOCK))?.close()?;
        self.replace(&Desk::initial(self.stream, self.bound))
    }

    fn open(&mut self) -> Result<Recovered, Refused> {
        match (self.load(), self.loader) {
            (Ok(desk), _) => Ok(Recovered::State {
                sequence: desk.operations(),
                digest: Digest::of_value(&desk),
                missing: Vec::new(),
                parts: Vec::new(),
            }),
            (Err(_), Loader::Lenient) => Ok(Recovered::Fresh),
            (Err(refused), Loader::Strict) => Err(refused),
        }
    }

    fn save(&mut self, number: Generation) -> io::Result<()> {
        let (writer, bound) = (self.place.writer, self.bound);
        let proposal = Proposal::derive(self.stream, writer, number);
        let early = match self.leaves {
            Leaves::TheRulesInside => Some(self.current()?.allows(&proposal).is_ok()),
            _ => None,
        };
        let lock = match self.leaves {
            Leaves::TheLock => None,
            _ => Some(self.lock()?),
        };
        let again = match (self.leaves, &proposal) {
            (Leaves::TheCare, Proposal::Close { .. }) => Some(self.lock()?),
            _ => None,
        };
        let mut desk = self.current()?;
        let allowed = early.unwrap_or_else(|| desk.allows(&proposal).is_ok());
        desk.apply(writer, number, &proposal, allowed, bound);
        self.replace(&desk)?;
        self.verify();
        again.into_iter().chain(lock).try_for_each(FsFile::close)
    }

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}
