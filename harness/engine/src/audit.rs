//! A program, run once and traced, and what that one run shows of its files; and what a checker says of the crash states.
//!
//! Its files are read before and after, into memory: a directory that holds very much is refused. A checker never sees the state
//! directory of a person, only copies in a directory of ours; nor does the program where a copy is asked for.

mod again;
mod checker;
mod copied;
mod interleaved;
mod shares;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crashtest_linux::directory::{Directory, DirectoryError, Kind, Listed};
use crashtest_linux::scratch::{self, Scratch};
use crashtest_model::{Action, Audit, AuditFailure, Check, Checked, CommandLine, Seed, Trace, Until};
use crashtest_states::{Entry, Interleavings, Selection, Snapshot, crash_states, interleavings};

pub use self::again::{Answered, ask_again};
use self::checker::{Asked, Recorded};
use crate::error::EngineError;
use crate::snapshot;
use crate::state_dir::StateDir;
use crate::subject::program::{Place, set_up};
use crate::trace::quiet::cut_to_quiet;
use crate::trace::recorder::SoFar;
use crate::trace_once::{Kept, Tracing, trace_program};

/// Bytes that a state directory may hold.
const MOST_HELD: u64 = 1 << 30;

/// Within this time two signals are one Ctrl-C.
const ONE_CTRL_C: Duration = Duration::from_millis(500);
/// Bytes of a file that are looked at to see what is in it, at most.
const MOST_LOOKED_AT: u64 = 16 << 20;
/// Calls that are shown around a crash, at most.
const MOST_CALLS: usize = 1000;

/// What is audited, and how.
#[derive(Clone, Debug)]
pub struct AuditPlan {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// What makes the state that it starts from.
    pub setup: Option<CommandLine>,
    /// What judges the crash states.
    pub check: Option<Check>,
    /// The state directory; `None`: one of ours, empty at first, and gone at the end.
    pub dir: Option<PathBuf>,
    /// Whether the directories are copied, and all of it works on the copies.
    pub copy: bool,
    /// Where all of it is started. A checker that would be started in the state directory is started in its copy.
    pub cwd: PathBuf,
    /// Where a directory of ours may be made.
    pub temporary: PathBuf,
    /// Results of crashtest, by their whole paths: where they lie in the state directory they are no part of it.
    pub passed_over: Vec<PathBuf>,
    /// Which files are judged.
    pub selection: Selection,
    /// When the program is ended that goes on for ever.
    pub until: Until,
    /// How long the program and the set-up may take.
    pub limit: Duration,
    /// How long an answer of the checker may take.
    pub answer_limit: Duration,
    /// The checker is asked about so many crash states, at most.
    pub max_states: Option<u64>,
}

/// A program that was audited.
#[derive(Clone, Debug)]
pub struct AuditedProgram {
    /// What its run shows.
    pub audit: Audit,
    /// What the checker said, if there is one.
    pub checked: Option<Checked>,
    /// How it ended: "exit status 0".
    pub status: String,
    /// Whether we ended it, as it did not end by itself.
    pub was_cut: bool,
    /// How long it ran.
    pub ran_for: Duration,
    /// Whether somebody had enough of the recording, and wanted to see what it shows.
    pub was_asked_to_end: bool,
    /// The run that was recorded, in each order in which its calls can have taken effect, and the files before it.
    traces: Vec<Trace>,
    before: Snapshot,
    after: Snapshot,
    /// Of the failures that the first of these orders does not show: which one does, by the name of the failure.
    shown_in: BTreeMap<String, usize>,
}

impl AuditedProgram {
    /// Writes the files that show `failure` into the directory `to`, unless they are more than `most` bytes: of a file that breaks this
    /// file, and the other one that holds a version of it then; of what a checker minds everything that it was given. Returns how many
    /// bytes they are.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write_crash_state(&self, failure: &AuditFailure, most: u64, to: &Directory) -> Result<u64, DirectoryError> {
        let trace = self.trace_of(failure);
        let Some((_, state)) = crash_states(trace, &self.before, &[failure.point()]).next() else { return Ok(0) };
        let state: Snapshot = match failure {
            AuditFailure::Checker(_) => state,
            AuditFailure::File { path, example } => {
                let kept = [Some(path), example.copy.as_ref()];
                let leads_to_one = |entry: &Path| kept.iter().flatten().any(|path| Path::new(path).starts_with(entry));
                state.only(leads_to_one)
            }
        };
        let length = |(_, entry): (&Path, &Entry)| match entry {
            Entry::File { content, .. } => content.stored(),
            _ => 0,
        };
        let bytes = state.entries().map(length).sum();
        if bytes <= most {
            snapshot::write_below(&state, to)?;
        }
        Ok(bytes)
    }

    /// Returns whether there was something of this name before the run.
    #[must_use]
    pub fn was_there(&self, path: &str) -> bool {
        self.before.entry(Path::new(path)).is_some()
    }

    /// Returns what the run has left in the file of this name, the first 16 MiB of it; `None` where there is no such file.
    #[must_use]
    pub fn left(&self, path: &str) -> Option<Cow<'_, [u8]>> {
        self.after.content(path).map(|content| content.range(0, content.length().min(MOST_LOOKED_AT)))
    }

    /// Returns the calls around the crash of `failure`, with the place of the crash between them, one a line.
    #[must_use]
    pub fn calls_around(&self, failure: &AuditFailure) -> Vec<String> {
        self.trace_of(failure).around(failure.point(), MOST_CALLS)
    }

    fn trace_of(&self, failure: &AuditFailure) -> &Trace {
        &self.traces[self.shown_in.get(&failure.signature()).copied().unwrap_or_default()]
    }
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditProgress {
    /// The program runs, and is recorded.
    Recording(SoFar),
    /// The checker was asked about so many crash states.
    Asked {
        /// So many.
        done: u64,
        /// Of so many.
        of: u64,
    },
}

/// Runs the program of `plan` once, audits what it does to the files of its state directory, and asks the checker about each crash
/// state, telling `progress` how far it is. What holds for [`trace_program`] holds for this.
///
/// # Errors
/// The directory cannot be read or holds too much, one of the commands cannot be started, the checker does not accept what the run itself
/// has left, or programs cannot be traced here.
pub fn audit_program(
    plan: &AuditPlan,
    stop: &Arc<AtomicBool>,
    progress: &dyn Fn(AuditProgress),
) -> Result<AuditedProgram, EngineError> {
    let is_needed = plan.dir.is_none() || plan.setup.is_some() || plan.check.is_some() || plan.copy;
    for dir in plan.dir.iter().chain(plan.copy.then_some(&plan.cwd)).filter(|_| is_needed) {
        if let (Ok(temporary), Ok(dir)) = (std::fs::canonicalize(&plan.temporary), std::fs::canonicalize(dir))
            && temporary.starts_with(&dir)
        {
            return Err(EngineError::Inside { temporary, dir });
        }
    }
    scratch::sweep(&[&plan.temporary]);
    // The directory in memory goes with the other one, which it announces.
    let scratch = if is_needed { Some(Scratch::make_announced(&plan.temporary, "audit")?) } else { None };
    let ours = scratch.as_ref().map(|(_, scratch)| scratch.dir());
    let plan = &match ours.filter(|_| plan.copy) {
        Some(ours) => copied::copy(plan, &ours.path().join("copy"))?,
        None => plan.clone(),
    };
    let read = |dir: &StateDir| -> Result<Snapshot, EngineError> {
        let is_ours = |path: &Path| plan.passed_over.iter().any(|ours| dir.path().join(path).starts_with(ours));
        let taken = dir.take()?;
        Ok(taken.only(|path| !is_ours(path)))
    };
    let copies = match ours {
        Some(ours) => Some(Rc::new(StateDir::make(ours, "state")?.guarded(Directory::ours(ours.path())?))),
        None => None,
    };
    let dir = match (&plan.dir, &copies) {
        (Some(dir), _) => Rc::new(StateDir::of_a_person(Directory::named(dir)?)),
        (None, Some(copies)) => Rc::clone(copies),
        (None, None) => unreachable!("a directory of ours is made where no other one is named"),
    };
    let place =
        Place { dir: Rc::clone(&dir), cwd: plan.cwd.clone(), seed: Seed::default(), stop: Some(Arc::clone(stop)) };
    if let Some(words) = &plan.setup {
        set_up(words, &place, plan.limit)?;
    }
    if bytes_below(dir.dir(), 0)? > MOST_HELD {
        return Err(EngineError::Big { path: dir.path().to_owned(), most: MOST_HELD });
    }
    let before = read(&dir)?;
    place.go_on()?;
    let tell = |so_far| progress(AuditProgress::Recording(so_far));
    let tracing = Tracing {
        command: &plan.command,
        dir: dir.path(),
        cwd: &plan.cwd,
        kept: Kept::Everything,
        limit: plan.limit,
        until: plan.until,
        stop,
        tell: Some(&tell),
    };
    let begun = Instant::now();
    let traced = trace_program(&tracing)?;
    let ran_for = begun.elapsed();
    let mut after = read(&dir)?;
    let Interleavings { first: mut trace, mut others, too_many } = interleavings(traced.trace, &before, &after);
    if let Some(cut) = &traced.cut
        && let Some(quiet) = cut_to_quiet(&mut trace, &before, &after, cut)
    {
        interleaved::cut(&mut others, &trace, &before, &quiet);
        after = quiet;
    }
    let traces: Vec<Trace> = [trace].into_iter().chain(others).collect();
    let excluded = |path: &Path| {
        plan.selection.excludes(path).filter(|pattern| pattern != LOGS || is_only_a_log(&traces[0], path))
    };
    // Who ends the recording wants to see what it shows; who then asks again has had enough.
    let was_asked_to_end = stop.swap(false, Ordering::Relaxed);
    let asked_to_end = Instant::now();
    let enough = || {
        // Ctrl-C in a terminal comes twice: from there, and passed on by the process above.
        if was_asked_to_end && asked_to_end.elapsed() < ONE_CTRL_C {
            stop.store(false, Ordering::Relaxed);
        }
        stop.load(Ordering::Relaxed)
    };
    let each = traces.iter().map(|trace| crashtest_states::audit(trace, &before, &after, &excluded, &enough));
    let (mut audit, mut shown_in) = interleaved::together(each);
    if too_many {
        audit.unmodelled.insert(interleaved::TOO_MANY.to_owned(), traces[0].overlaps.len() as u64);
    }
    enough();
    let checked = match (&plan.check, copies) {
        (Some(check), Some(copies)) => {
            let cwd = checker::start_directory(&plan.cwd, dir.path(), copies.path());
            let asked = Asked::new(check, Place { dir: copies, cwd, ..place }, &plan.cwd, plan.answer_limit)?;
            let recorded = Recorded::new(&traces, [&before, &after], &audit);
            let mut asked_about = |done, of| progress(AuditProgress::Asked { done, of });
            let bounds = (plan.max_states, &**stop);
            let (checked, order) =
                checker::check_all(check, asked, &recorded, [&before, &after], bounds, &mut asked_about)?;
            let failure = checked.example.clone().map(AuditFailure::Checker);
            shown_in.extend(failure.map(|failure| (failure.signature(), order)));
            Some(checked)
        }
        _ => None,
    };
    let was_cut = traced.cut.is_some();
    Ok(AuditedProgram {
        audit,
        checked,
        status: traced.status,
        was_cut,
        ran_for,
        was_asked_to_end,
        traces,
        before,
        after,
        shown_in,
    })
}

/// The pattern of files that are logs, if they are only appended to.
const LOGS: &str = "*.log";

/// Whether a run only appends to the file of this name, if it changes it at all: nobody depends on a log.
fn is_only_a_log(trace: &Trace, path: &Path) -> bool {
    let is_it = |name: &String| Path::new(name) == path;
    !trace.operations.iter().filter(|operation| operation.errno.is_none()).any(|operation| match &operation.action {
        Action::Open { path, truncated, created, .. } => is_it(path) && *truncated && !created,
        Action::Resize { path, .. } | Action::Zero { path, .. } => is_it(path),
        Action::Rename { to, .. } => is_it(to),
        _ => false,
    })
}

/// The sizes of the files below `dir`, on top of `so_far`; no longer counted once they are too many.
fn bytes_below(dir: &Directory, mut so_far: u64) -> Result<u64, DirectoryError> {
    for Listed { name, kind } in dir.list()? {
        let name = Path::new(&name);
        match kind {
            Kind::Directory => so_far = bytes_below(&dir.open(name)?, so_far)?,
            Kind::File => {
                let metadata = dir.open_file(name)?.metadata();
                // Its holes are not read.
                so_far += metadata.map_or(0, |metadata| metadata.len().min(metadata.blocks() * 512));
            }
            Kind::Link | Kind::Special => {}
        }
        if so_far > MOST_HELD {
            break;
        }
    }
    Ok(so_far)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(dir: &Path, command: &[&str]) -> Result<AuditedProgram, EngineError> {
        let plan = AuditPlan {
            command: command.iter().map(OsString::from).collect(),
            setup: None,
            check: None,
            dir: Some(dir.to_owned()),
            copy: false,
            cwd: dir.to_owned(),
            temporary: dir.to_owned(),
            passed_over: Vec::new(),
            selection: Selection::new(&[], &[]).unwrap(),
            until: Until::default(),
            limit: Duration::from_secs(10),
            answer_limit: Duration::from_secs(10),
            max_states: None,
        };
        audit_program(&plan, &Arc::default(), &|_| ())
    }

    /// Makes a file that takes room on the disk, without a byte being written.
    pub(super) fn take_room(path: &Path, length: u64) {
        let file = std::fs::File::create(path).unwrap();
        nix::fcntl::fallocate(file, nix::fcntl::FallocateFlags::empty(), 0, length.cast_signed()).unwrap();
    }

    #[test]
    fn a_directory_that_holds_too_much_is_refused_before_anything_runs() {
        let dir = tempfile::tempdir().unwrap();
        take_room(&dir.path().join("big"), MOST_HELD + 4096);
        let error = audit(dir.path(), &["touch", "ran"]).unwrap_err();
        assert!(matches!(error, EngineError::Big { .. }) && error.hint().is_some(), "{error}");
        assert!(!dir.path().join("ran").exists());
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        assert!(audit(Path::new("/nowhere/at/all"), &["true"]).is_err());
    }
}
