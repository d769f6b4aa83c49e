//! A life that is traced: recorded, killed at a call, or made to fail at one.

use std::time::Duration;

use crashtest_kit::Board;
use crashtest_linux::process::Exit;
use crashtest_linux::trace::{self, Ending};
use crashtest_model::{Progress, Promise, Seed, Trace};
use crashtest_states::Snapshot;

use crate::context::bench::{self, Bench, just_installed};
use crate::error::EngineError;
use crate::subject::life::{Life, Script};
use crate::trace::recorder::{Orders, Recorder};

/// What a traced life starts from.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// The files.
    pub(crate) files: Snapshot,
    /// The operations that it persists.
    pub(crate) stream: Seed,
    /// Its temporary names.
    pub(crate) names: Seed,
    /// What is promised until its recovery has come to an end.
    pub(crate) before: Promise,
    /// What is promised from then on.
    pub(crate) after: Promise,
    /// What it does.
    pub(crate) script: Script,
}

impl Start {
    /// What generation 0 of `stream` is for a life that does `script`: installed now, and promised throughout.
    pub(crate) fn installed(bench: &mut Bench<'_>, stream: Seed, script: Script) -> Result<Start, EngineError> {
        let (files, promise) = match bench.program() {
            Some(runtime) => (runtime.set_up()?, runtime.promised_by_setup()),
            None => (bench.install(stream, stream.derive("install", 0))?, just_installed()),
        };
        Ok(Start { files, stream, names: stream.derive("names", 1), before: promise, after: promise, script })
    }
}

/// A traced life that is over.
#[derive(Debug)]
pub(crate) struct Recording {
    /// What it did.
    pub(crate) trace: Trace,
    /// Whether it was killed, or made to fail, where the orders said so.
    pub(crate) obeyed: bool,
    /// How it ended.
    pub(crate) ending: Ending,
    /// Why a save or its recovery failed, in its own words.
    pub(crate) complaint: Option<String>,
}

impl Recording {
    /// Whether it came to its end without an error.
    pub(crate) fn is_clean(&self) -> bool {
        self.ending == Ending::Exited(Exit::Status(0))
    }
}

/// Lives the life that `start` describes in the bench's directory, under `orders`.
pub(crate) fn record(bench: &mut Bench<'_>, start: &Start, orders: Orders) -> Result<Recording, EngineError> {
    if let Some(runtime) = bench.program() {
        return runtime.record(start, orders);
    }
    let dir = bench.dir.clone();
    dir.restore(&start.files)?;
    let board = bench.board;
    board.reset(start.before.acked, start.before.begun);
    let life = Life {
        registry: bench.registry,
        plan: bench.plan,
        stream: start.stream,
        names: start.names,
        dir: dir.path().to_owned(),
        board,
        member: None,
    };
    let progress = || progress(board, start);
    let mut recorder =
        Recorder::new(dir.path(), orders, &progress).map_err(EngineError::sandbox("read", dir.path()))?;
    recorder.stop_at(bench.stop);
    // One step may take the limit; a life makes some.
    let limit = Duration::from_millis(bench.plan.limit_ms.saturating_mul(4));
    let script = start.script;
    let traced = trace::trace(move || life.live(script), &mut recorder, limit)?;
    let (trace, obeyed) = recorder.finish();
    let complaint = board.failure().map(|failure| failure.why);
    Ok(Recording { trace, obeyed, ending: traced.ending, complaint })
}

/// How far a life is, by the board.
fn progress(board: Board, start: &Start) -> Progress {
    let opened = board.recovery().is_some();
    let base = if opened { start.after } else { start.before };
    // A board that was overwritten promises nothing more.
    let promise = bench::promise(board, base).unwrap_or(base);
    Progress { activity: board.phase().map(|phase| phase.activity), opened, promise }
}
