//! A subject for tests: a program that saves numbers into one file, in a way that the test chooses. No process, and no file.

use crashtest_kit::{Found, Generations, classify};
use crashtest_linux::process::Exit;
use crashtest_linux::trace::Ending;
use crashtest_model::{
    Action, Activity, CallIndex, Consequences, Data, Digest, FileId, Generation, Observed, Operation, Progress,
    Promise, RawFile, Seed, Start, Trace,
};
use crashtest_states::{CrashState, Entry, Snapshot, Tree, crash_states};

use super::life::Script;
use super::{Beginning, Confirms, Pace, Recording, Restarts, SecondLives, Subject};
use crate::error::EngineError;
use crate::trace::orders::Orders;

/// The file that it saves to.
pub(crate) const FILE: &str = "state";
const TEMPORARY: &str = "state.tmp";

/// How it saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Empties the file and writes it.
    Direct,
    /// Writes a sibling and renames it over the file.
    Atomic,
    /// The same, but acknowledges the save before it is made.
    AckFirst,
    /// As `Atomic`, and goes on whatever call fails.
    IgnoresErrors,
}

/// The program.
pub(crate) struct Fake {
    way: Way,
    saves: u64,
    numbers: Numbers,
    files: Snapshot,
    restarted: Snapshot,
    /// The states that were restarted on, one after the other.
    pub(crate) restarts: Vec<Digest>,
}

impl Fake {
    /// One that makes so many saves in its first life.
    pub(crate) fn new(way: Way, saves: u64) -> Fake {
        let (files, restarted) = (holding(Some(&content(0))), Snapshot::default());
        Fake { way, saves, numbers: Numbers, files, restarted, restarts: Vec::new() }
    }
}

/// The content that save `n` leaves.
pub(crate) fn content(n: u64) -> Vec<u8> {
    format!("save {n};").into_bytes()
}

/// The files where the file holds `content`.
pub(crate) fn holding(content: Option<&[u8]>) -> Snapshot {
    let entry = |content: &[u8]| (FILE.into(), Entry::File { mode: 0o644, content: content.to_vec().into() });
    content.map(entry).into_iter().collect()
}

fn number_of(content: &[u8]) -> Option<u64> {
    std::str::from_utf8(content).ok()?.strip_prefix("save ")?.strip_suffix(';')?.parse().ok()
}

impl Restarts for Fake {
    fn generations(&mut self) -> &mut dyn Generations {
        &mut self.numbers
    }

    fn restart(&mut self, state: &CrashState, promise: Promise) -> Result<Observed, EngineError> {
        self.restart_anew(&state.snapshot, promise)
    }

    fn restart_anew(&mut self, state: &Snapshot, _promise: Promise) -> Result<Observed, EngineError> {
        self.restarts.push(state.digest());
        self.restarted = state.clone();
        Ok(match state.file(FILE) {
            None => Observed::Refused { why: "there is no file".to_owned(), damage: None },
            Some(content) => match number_of(content) {
                Some(n) => Observed::State {
                    generation: Some(Generation(n)),
                    digest: Digest(n),
                    missing: Vec::new(),
                    mixed: Vec::new(),
                },
                None => Observed::Refused { why: "it is no number".to_owned(), damage: None },
            },
        })
    }

    fn files_after(&mut self, state: &CrashState, _promise: Promise) -> Result<Snapshot, EngineError> {
        Ok(state.snapshot.clone())
    }

    fn files_of_restart(&self) -> Result<Snapshot, EngineError> {
        Ok(self.restarted.clone())
    }
}

impl Subject for Fake {
    fn pace(&self) -> Pace {
        Pace {
            starts: &[Start::Again],
            saves: self.saves,
            confirms: Confirms::OneIn { first: 4, nested: 16 },
            second_lives: SecondLives::All,
            starts_on_damage: 0,
            looks_around_first: false,
            follows_scripts: true,
            repeats: true,
        }
    }

    fn install(&mut self, script: Script) -> Result<Beginning, EngineError> {
        let promise = Promise { installed: true, ..Promise::default() };
        let (files, stream) = (holding(Some(&content(0))), Seed::default());
        Ok(Beginning { files, stream, names: stream, before: promise, after: promise, script })
    }

    fn live(&mut self, beginning: &Beginning, orders: Orders) -> Result<Recording, EngineError> {
        let saves = match beginning.script {
            Script::SaveThenStop(saves) | Script::SaveThenDie(saves) => saves,
            _ => 0,
        };
        let failed = orders.injection().map(|injection| injection.call);
        let mut life = FakeLife::new(beginning, failed);
        for n in 1..=saves {
            if !life.save(self.way, beginning.after.acked.0 + n) {
                break;
            }
        }
        let mut trace = life.end();
        let obeyed = match orders {
            Orders::Record | Orders::Watch | Orders::KillAfter(_) => false,
            Orders::Fail(_) | Orders::FailNth { .. } => true,
            Orders::Kill(point) => (point.call.0 as usize) < trace.operations.len(),
        };
        let mut ending = Ending::Exited(Exit::Status(0));
        self.files = match orders {
            Orders::Kill(point) if obeyed => {
                ending = Ending::Killed;
                let state = crash_states(&trace, &beginning.files, &[point]).next();
                trace.end = trace.progress(point);
                trace.operations.truncate(point.call.0 as usize);
                state.map(|(_, state)| state).unwrap_or_default()
            }
            _ => {
                let mut tree = Tree::new(&beginning.files, &trace.files);
                trace.operations.iter().for_each(|operation| tree.apply(operation));
                tree.snapshot()
            }
        };
        Ok(Recording { trace, obeyed, ending, complaint: None, reused: None, least_begun: None, failed, cut: None })
    }

    fn files(&self) -> Result<Snapshot, EngineError> {
        Ok(self.files.clone())
    }
}

/// A life under construction.
struct FakeLife {
    trace: Trace,
    progress: Progress,
    failing: Option<CallIndex>,
    next_file: u32,
}

impl FakeLife {
    fn new(beginning: &Beginning, failing: Option<CallIndex>) -> FakeLife {
        let files = beginning.files.entries().zip(0..).map(|((path, _), n)| (path.display().to_string(), FileId(n)));
        let files: Vec<(String, FileId)> = files.collect();
        let progress = Progress { activity: Some(Activity::Idle), opened: true, promise: beginning.after };
        FakeLife { next_file: files.len() as u32, trace: Trace { files, ..Trace::default() }, progress, failing }
    }

    /// Makes save `n`; says whether the program goes on.
    fn save(&mut self, way: Way, n: u64) -> bool {
        self.progress.activity = Some(Activity::Save);
        self.progress.promise.begun = Generation(n);
        if way == Way::AckFirst {
            self.progress.promise.acked = Generation(n);
        }
        let (path, is_new) = if way == Way::Direct { (FILE, false) } else { (TEMPORARY, true) };
        let file = match is_new {
            true => {
                self.next_file += 1;
                FileId(self.next_file - 1)
            }
            false => FileId(0),
        };
        let path = path.to_owned();
        let open = Action::Open {
            path: path.clone(),
            file,
            created: is_new,
            truncated: !is_new,
            synchronous: false,
            mode: 0o644,
        };
        let data = content(n);
        let requested = data.len() as u64;
        let write = Action::Write { path: path.clone(), file, offset: 0, data: Data::Kept(data), requested };
        let rename = Action::Rename { from: path.clone(), to: FILE.to_owned(), exchange: false };
        let calls = [("openat", open), ("write", write), ("close", Action::Close { path, file }), ("rename", rename)];
        let calls = calls.into_iter().take(if is_new { 4 } else { 3 });
        for (call, action) in calls {
            let failed = self.failing == Some(CallIndex(self.trace.operations.len() as u32));
            let errno = failed.then_some(5);
            let (before, after) = (self.progress, self.progress);
            self.trace.operations.push(Operation {
                process: 0,
                call: call.into(),
                action,
                errno,
                before,
                after,
                left: None,
            });
            if failed && way != Way::IgnoresErrors {
                return false;
            }
        }
        self.progress.promise.acked = Generation(n);
        self.progress.activity = Some(Activity::Idle);
        if let Some(last) = self.trace.operations.last_mut() {
            last.after = self.progress;
        }
        true
    }

    fn end(self) -> Trace {
        Trace { end: self.progress, processes: 1, ..self.trace }
    }
}

/// What its saves leave.
struct Numbers;

impl Generations for Numbers {
    fn state_file(&self) -> String {
        FILE.to_owned()
    }

    fn digest(&mut self, generation: Generation) -> Digest {
        Digest(generation.0)
    }

    fn digest_without(&mut self, _generation: Generation, _missing: &[Generation]) -> Option<Digest> {
        None
    }

    fn classify(&mut self, found: &[u8], promise: Promise) -> RawFile {
        let whole: Vec<Vec<u8>> = (0..=promise.begun.0 + 1).map(content).collect();
        classify(found, &whole.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    fn completes(&mut self, _generation: Generation, _end: u64) -> bool {
        false
    }

    fn prepare(&mut self, _promise: Promise) {}

    fn consequences(&mut self, _: Generation, _: Found<Generation>, _: &[Generation]) -> Consequences {
        Consequences::default()
    }
}
