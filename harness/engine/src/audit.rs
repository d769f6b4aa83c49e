//! A program, run once and traced, and what that one run shows of its files; and what a checker says of the crash states.
//!
//! Its files are read before and after, into memory: a directory that holds very much is refused. A checker never sees the state
//! directory of a person, only copies in a directory of ours; nor does the program where a copy is asked for.

mod copied;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crashtest_kit::Generations;
use crashtest_linux::directory::{Directory, DirectoryError, Kind, Listed};
use crashtest_linux::scratch::{self, Scratch};
use crashtest_linux::supervision;
use crashtest_model::{
    Audit, Check, Checked, CheckedExample, CommandLine, CrashPoint, DIR, Observed, Program, Promise, Seed, Trace,
};
use crashtest_states::{CrashState, Selection, Snapshot, audited_states};

use crate::error::EngineError;
use crate::faults::points::{self, Source};
use crate::judge::judgement::Judgement;
use crate::state_dir::StateDir;
use crate::subject::Restarts;
use crate::subject::program::{Checker, Files, Place, set_up, try_out};
use crate::trace_once::trace_program;

/// Bytes that a state directory may hold.
const MOST_HELD: u64 = 1 << 30;

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
    /// Which files are judged.
    pub selection: Selection,
    /// How long the program and the set-up may take.
    pub limit: Duration,
    /// How long an answer of the checker may take.
    pub answer_limit: Duration,
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
}

/// Runs the program of `plan` once, audits what it does to the files of its state directory, and asks the checker about each crash
/// state, telling `progress` how many of how many it was asked about. What holds for [`trace_program`] holds for this.
///
/// # Errors
/// The directory cannot be read or holds too much, one of the commands cannot be started, the checker does not accept what the run itself
/// has left, or programs cannot be traced here.
pub fn audit_program(
    plan: &AuditPlan,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64, u64),
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
    let copies = match ours {
        Some(ours) => Some(Rc::new(StateDir::make(ours, "state")?.guarded(Directory::ours(ours.path())?))),
        None => None,
    };
    let dir = match (&plan.dir, &copies) {
        (Some(dir), _) => Rc::new(StateDir::of_a_person(Directory::named(dir)?)),
        (None, Some(copies)) => Rc::clone(copies),
        (None, None) => unreachable!("a directory of ours is made where no other one is named"),
    };
    let place = Place { dir: Rc::clone(&dir), cwd: plan.cwd.clone(), seed: Seed::default() };
    if let Some(words) = &plan.setup {
        set_up(words, &place, plan.limit)?;
    }
    if bytes_below(dir.dir(), 0)? > MOST_HELD {
        return Err(EngineError::Big { path: dir.path().to_owned(), most: MOST_HELD });
    }
    let before = dir.take()?;
    let traced = trace_program(&plan.command, dir.path(), &plan.cwd, true, plan.limit, stop)?;
    let after = dir.take()?;
    let excluded = |path: &Path| plan.selection.excludes(path);
    let audit = crashtest_states::audit(&traced.trace, &before, &after, &excluded);
    let checked = match (&plan.check, copies) {
        (Some(check), Some(copies)) => {
            let started = from(check, &plan.cwd);
            let below = plan.cwd.strip_prefix(dir.path());
            let cwd = below.map_or_else(|_| plan.cwd.clone(), |below| copies.path().join(below));
            let checker = Checker::new(started, Place { dir: Rc::clone(&copies), cwd, ..place }, plan.answer_limit);
            // What a checker leaves running is ours to end.
            supervision::adopt_orphans().map_err(EngineError::Wait)?;
            let files = Files::for_program(&Program { check: Some(check.clone()), ..Program::default() });
            let asked = Asked { checker, dir: copies, files };
            Some(check_all(check, asked, &traced.trace, [&before, &after], &audit, stop, progress)?)
        }
        _ => None,
    };
    Ok(AuditedProgram { audit, checked, status: traced.status })
}

/// `check` with its program named by its whole path, where it is named from `cwd`: it is started elsewhere.
fn from(check: &Check, cwd: &Path) -> Check {
    let mut check = check.clone();
    if let Some(program) =
        check.command_mut().first_mut().filter(|program| program.contains('/') && !program.contains(DIR))
    {
        *program = cwd.join(&*program).to_string_lossy().into_owned();
    }
    check
}

/// A checker that is asked about copies of crash states, as what they are restarted on with.
struct Asked {
    checker: Checker,
    dir: Rc<StateDir>,
    files: Files,
}

impl Restarts for Asked {
    fn generations(&mut self) -> &mut dyn Generations {
        &mut self.files
    }

    fn restart(&mut self, state: &CrashState, promise: Promise) -> Result<Observed, EngineError> {
        self.restart_anew(&state.snapshot, promise)
    }

    fn restart_anew(&mut self, state: &Snapshot, promise: Promise) -> Result<Observed, EngineError> {
        Ok(self.checker.ask_about(state)?.observed(promise, state.digest()))
    }

    fn files_after(&mut self, state: &CrashState, promise: Promise) -> Result<Snapshot, EngineError> {
        self.restart(state, promise)?;
        self.files_of_restart()
    }

    fn files_of_restart(&self) -> Result<Snapshot, EngineError> {
        self.dir.take()
    }
}

/// The recorded run, whose crash states are judged.
struct Recorded<'t> {
    trace: &'t Trace,
    /// What was there before the run counts as saved.
    installed: bool,
}

impl Recorded<'_> {
    fn with_installed(&self, promise: Promise) -> Promise {
        Promise { installed: promise.installed || self.installed, ..promise }
    }
}

impl Source for Recorded<'_> {
    fn promise(&self, point: CrashPoint) -> Promise {
        self.with_installed(self.trace.progress(point).promise)
    }
}

/// Asks the checker about each state that a kill of the recorded run could have left.
///
/// # Errors
/// The checker cannot be started, or does not accept what the run itself has left: then it says nothing of crashes.
fn check_all(
    check: &Check,
    mut asked: Asked,
    trace: &Trace,
    [before, after]: [&Snapshot; 2],
    audit: &Audit,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Checked, EngineError> {
    let paths: BTreeSet<PathBuf> = audit.files.iter().map(|file| PathBuf::from(&file.path)).collect();
    asked.files.begin_on(before);
    asked.files.learn(trace, before, true);
    let (healthy, tried) = try_out(&mut asked.checker, &paths, after)?;
    let source = Recorded { trace, installed: paths.iter().any(|path| before.entry(path).is_some()) };
    let promise = source.with_installed(trace.end.promise);
    let healthy = healthy.observed(promise, after.digest());
    let Judgement { verdict, why, .. } = Judgement::new(promise, after, &healthy, &mut asked.files);
    if verdict.is_violation() {
        let words = Program::words_for_a_shell(check.command());
        return Err(EngineError::Checker(format!(
            "the checker `{words}` does not accept what the run itself has left, without any crash: {why}"
        )));
    }
    let mut found =
        Checked { check: check.clone(), states: 0, left_out: 0, verdicts: BTreeMap::new(), example: None, tried };
    let states = audited_states(trace, before);
    for state in states.iter().take_while(|_| !stop.load(Ordering::Relaxed)) {
        points::judge(&mut asked, &source, state, &mut |_, point, Judgement { verdict, why, .. }| {
            *found.verdicts.entry(verdict).or_default() += 1;
            let is_worse = found.example.as_ref().is_none_or(|example| verdict < example.verdict);
            if verdict.is_violation() && is_worse {
                let (place, call) = (point.to_string(), trace.call_in_words(point));
                found.example = Some(CheckedExample { verdict, why, point, place, call });
            }
            Ok(verdict)
        })?;
        found.states += 1;
        progress(found.states, states.len() as u64);
    }
    found.left_out = states.len() as u64 - found.states;
    Ok(found)
}

/// The sizes of the files below `dir`, on top of `so_far`; no longer counted once they are too many.
fn bytes_below(dir: &Directory, mut so_far: u64) -> Result<u64, DirectoryError> {
    for Listed { name, kind } in dir.list()? {
        let name = Path::new(&name);
        match kind {
            Kind::Directory => so_far = bytes_below(&dir.open(name)?, so_far)?,
            Kind::File => so_far += dir.open_file(name)?.metadata().map_or(0, |metadata| metadata.len()),
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
            selection: Selection::new(&[], &[]).unwrap(),
            limit: Duration::from_secs(10),
            answer_limit: Duration::from_secs(10),
        };
        audit_program(&plan, &AtomicBool::new(false), &mut |_, _| ())
    }

    #[test]
    fn a_directory_that_holds_too_much_is_refused_before_anything_runs() {
        let dir = tempfile::tempdir().unwrap();
        // A hole: no disk is filled for this.
        std::fs::File::create(dir.path().join("big")).unwrap().set_len(MOST_HELD + 1).unwrap();
        let error = audit(dir.path(), &["touch", "ran"]).unwrap_err();
        assert!(matches!(error, EngineError::Big { .. }) && error.hint().is_some(), "{error}");
        assert!(!dir.path().join("ran").exists());
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        assert!(audit(Path::new("/nowhere/at/all"), &["true"]).is_err());
    }
}
