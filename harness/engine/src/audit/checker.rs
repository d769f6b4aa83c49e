//! The checker of an audit: each crash state of the recorded run is put into a directory of ours, and it is asked about that.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crashtest_kit::Generations;
use crashtest_linux::directory::Directory;
use crashtest_linux::{machine, supervision};
use crashtest_model::{
    Audit, Check, Checked, CheckedExample, CrashPoint, DIR, Observed, Program, Promise, Sensitivity, Trace, Verdict,
};
use crashtest_states::{CrashState, Entry, Snapshot, audited_states};

use serde::{Deserialize, Serialize};

use crate::audit::shares::{self, Say};
use crate::error::EngineError;
use crate::faults::points::{self, Source};
use crate::judge::judgement::Judgement;
use crate::state_dir::StateDir;
use crate::subject::Restarts;
use crate::subject::program::{Checker, Files, Place, try_out};

/// A process has at least so many states to ask about: fewer are asked about sooner than it has started.
const LEAST_SHARE: usize = 4;

/// A checker that is asked about copies of crash states, as what they are restarted on with.
pub(super) struct Asked {
    checker: Checker,
    dir: Rc<StateDir>,
    files: Files,
    /// As it was made, for others like it.
    check: Check,
    place: Place,
    limit: Duration,
}

impl Asked {
    /// Makes `check` work in `place`, with so much time for each answer. It was named in `cwd`.
    ///
    /// # Errors
    /// What it leaves running could not be adopted.
    pub(super) fn new(check: &Check, place: Place, cwd: &Path, limit: Duration) -> Result<Asked, EngineError> {
        // What a checker leaves running is ours to end.
        supervision::adopt_orphans().map_err(EngineError::Wait)?;
        let files = Files::for_program(&Program { check: Some(check.clone()), ..Program::default() });
        let dir = Rc::clone(&place.dir);
        let check = named_from(check, cwd);
        Ok(Asked { checker: Checker::new(check.clone(), place.clone(), limit), dir, files, check, place, limit })
    }

    /// Another checker that works in a directory of its own beside this one's, and knows as much.
    fn beside(&self, number: usize) -> Result<Asked, EngineError> {
        let above = self.dir.path().parent().unwrap_or(Path::new("/"));
        let ours = Directory::ours(above)?;
        let dir = Rc::new(StateDir::make(&ours, &format!("state-{number}"))?.guarded(Directory::ours(above)?));
        let cwd = start_directory(&self.place.cwd, self.dir.path(), dir.path());
        let place = Place { dir, cwd, ..self.place.clone() };
        let files = self.files.clone();
        Ok(Asked { files, ..Asked::new(&self.check, place, &self.place.cwd, self.limit)? })
    }

    /// What it says of `state`, which is number `number`.
    fn about(&mut self, recorded: InOrder<'_>, number: usize, state: &CrashState) -> Result<AboutState, EngineError> {
        let mut about = AboutState { number, verdicts: Vec::new(), example: None };
        points::judge(self, &recorded, state, &mut |_, point, judgement| {
            about.verdicts.push(judgement.verdict);
            let is_worse = about.example.as_ref().is_none_or(|example| judgement.verdict < example.verdict);
            if judgement.verdict.is_violation() && is_worse {
                about.example = Some(example(recorded.trace, point, &judgement));
            }
            Ok(judgement.verdict)
        })?;
        Ok(about)
    }

    fn go_on(&self) -> Result<(), EngineError> {
        self.place.go_on()
    }
}

impl Restarts for Asked {
    fn generations(&mut self) -> &mut dyn Generations {
        &mut self.files
    }

    fn restart(&mut self, state: &CrashState, promise: Promise) -> Result<Observed, EngineError> {
        match self.checker.known(&state.snapshot) {
            Some(answer) => Ok(answer.observed(promise, state.digest)),
            None => self.restart_anew(&state.snapshot, promise),
        }
    }

    fn answers_by_promise(&self) -> bool {
        self.checker.names_survivors()
    }

    fn restart_anew(&mut self, state: &Snapshot, promise: Promise) -> Result<Observed, EngineError> {
        Ok(self.checker.ask_about(state)?.observed(promise, state.digest()))
    }

    fn files_after(&mut self, state: &CrashState, promise: Promise) -> Result<Snapshot, EngineError> {
        self.restart_anew(&state.snapshot, promise)?;
        self.files_of_restart()
    }

    fn files_of_restart(&self) -> Result<Snapshot, EngineError> {
        self.dir.take()
    }
}

/// `check` with its program named by its whole path, where it is named from `cwd`: it is started elsewhere.
fn named_from(check: &Check, cwd: &Path) -> Check {
    let mut check = check.clone();
    let words = check.command_mut();
    if let Some(program) = words.first_mut().filter(|program| program.contains('/') && !program.contains(DIR)) {
        *program = cwd.join(&*program).to_string_lossy().into_owned();
    }
    check
}

/// The directory in which a checker is started: `cwd`, but where that lies in the state directory `dir`, the same place in `copies`.
pub(super) fn start_directory(cwd: &Path, dir: &Path, copies: &Path) -> PathBuf {
    cwd.strip_prefix(dir).map_or_else(|_| cwd.to_owned(), |below| copies.join(below))
}

/// The recorded run, whose crash states are judged.
pub(super) struct Recorded<'t> {
    /// In each order in which its calls can have taken effect; at least one.
    traces: &'t [Trace],
    /// The state files.
    paths: BTreeSet<PathBuf>,
    /// What was there before the run counts as saved.
    installed: bool,
    /// How many distinct states there are.
    states: u64,
}

impl<'t> Recorded<'t> {
    /// The run of `traces`, on files that were as in `before`, and were as in `after` at its end.
    pub(super) fn new(traces: &'t [Trace], [before, after]: [&Snapshot; 2], audit: &Audit) -> Recorded<'t> {
        let mut paths = BTreeSet::new();
        for file in &audit.files {
            // A database that is a directory is one row: of its files, those that the run has changed.
            let above = Path::new(if file.path == "." { "" } else { &file.path });
            let its_own = after.entries().filter(|(path, entry)| {
                matches!(entry, Entry::File { .. }) && before.entry(path) != Some(entry) && path.starts_with(above)
            });
            match file.database {
                Some(_) if !matches!(after.entry(above), Some(Entry::File { .. })) => {
                    paths.extend(its_own.map(|(path, _)| path.to_owned()));
                }
                _ => drop(paths.insert(PathBuf::from(&file.path))),
            }
        }
        let installed = paths.iter().any(|path| before.entry(path).is_some());
        Recorded { traces, paths, installed, states: audit.distinct_states }
    }

    fn in_order(&self, order: usize) -> InOrder<'_> {
        InOrder { trace: &self.traces[order], installed: self.installed }
    }

    /// Its crash states, each with the first order that shows it, until it is `enough`.
    fn states(&self, before: &Snapshot, enough: &dyn Fn() -> bool) -> Vec<(usize, CrashState)> {
        let mut known = HashSet::new();
        let all = self.traces.iter().enumerate().flat_map(|(order, trace)| {
            audited_states(trace, before, enough).into_iter().map(move |state| (order, state))
        });
        all.filter(|(_, state)| known.insert(state.digest)).collect()
    }
}

/// The recorded run in one order.
#[derive(Clone, Copy)]
struct InOrder<'t> {
    trace: &'t Trace,
    installed: bool,
}

impl InOrder<'_> {
    fn with_installed(&self, promise: Promise) -> Promise {
        Promise { installed: promise.installed || self.installed, ..promise }
    }
}

impl Source for InOrder<'_> {
    fn promise(&self, point: CrashPoint) -> Promise {
        self.with_installed(self.trace.progress(point).promise)
    }
}

/// Asks the checker about each state that a kill of the recorded run could have left, telling `progress` of how many it was asked, until
/// somebody has had enough. Also the number of the order that shows the worst of them.
///
/// # Errors
/// The checker cannot be started, or does not accept what the run itself has left: then it says nothing of crashes.
pub(super) fn check_all(
    check: &Check,
    mut asked: Asked,
    recorded: &Recorded<'_>,
    [before, after]: [&Snapshot; 2],
    (most, stop): (Option<u64>, &AtomicBool),
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(Checked, usize), EngineError> {
    let enough = || stop.load(Ordering::Relaxed);
    let states = recorded.states(before, &enough);
    let all = recorded.states.max(states.len() as u64);
    let states = spread(states, most);
    let checked = Checked {
        check: check.clone(),
        states: 0,
        left_out: all,
        verdicts: BTreeMap::new(),
        example: None,
        sensitivity: Sensitivity::default(),
        names_states: false,
    };
    let mut found = Found { checked, worst: None };
    if !enough() {
        match learn_and_ask(&mut found, &mut asked, recorded, &states, [before, after], stop, progress) {
            // What it was asked about until then is known.
            Ok(()) | Err(EngineError::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    let order = found.worst.map_or(0, |(_, number)| states[number].0);
    Ok((found.checked, order))
}

/// What the checker has said so far.
struct Found {
    checked: Checked,
    /// The worst verdict, and the number of its state.
    worst: Option<(Verdict, usize)>,
}

/// As many as `most` of `states`, evenly, the first and the last among them.
fn spread<T>(states: Vec<T>, most: Option<u64>) -> Vec<T> {
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX).max(2);
    let of = states.len();
    if of <= most {
        return states;
    }
    let chosen: BTreeSet<usize> = (0..most).map(|n| n * (of - 1) / (most - 1)).collect();
    states.into_iter().enumerate().filter(|(n, _)| chosen.contains(n)).map(|(_, state)| state).collect()
}

fn learn_and_ask(
    found: &mut Found,
    asked: &mut Asked,
    recorded: &Recorded<'_>,
    states: &[(usize, CrashState)],
    [before, after]: [&Snapshot; 2],
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), EngineError> {
    asked.files.begin_on(before);
    let trace = &recorded.traces[0];
    asked.files.learn(trace, before, true);
    let (healthy, sensitivity) = try_out(&mut asked.checker, &recorded.paths, after)?;
    found.checked.sensitivity = sensitivity;
    let promise = recorded.in_order(0).with_installed(trace.end.promise);
    let healthy = healthy.observed(promise, after.digest());
    found.checked.names_states = matches!(healthy, Observed::State { .. });
    let Judgement { verdict, why, .. } = Judgement::new(promise, after, &healthy, &mut asked.files);
    if verdict.is_violation() {
        let words = Program::words_for_a_shell(found.checked.check.command());
        return Err(EngineError::Checker(format!(
            "the checker `{words}` does not accept what the run itself has left, without any crash: {why}"
        )));
    }
    ask_about_all(found, asked, recorded, states, stop, progress)
}

/// Asks about all of `states`: in a process on each processor, and here about those that are left over.
fn ask_about_all(
    found: &mut Found,
    asked: &mut Asked,
    recorded: &Recorded<'_>,
    states: &[(usize, CrashState)],
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), EngineError> {
    let mut is_asked = vec![false; states.len()];
    let mut take = |state: AboutState, is_asked: &mut Vec<bool>| {
        is_asked[state.number] = true;
        let checked = &mut found.checked;
        checked.states += 1;
        checked.left_out -= 1;
        state.verdicts.iter().for_each(|verdict| *checked.verdicts.entry(*verdict).or_default() += 1);
        if let Some(example) = state.example
            && found.worst.is_none_or(|worst| (example.verdict, state.number) < worst)
        {
            found.worst = Some((example.verdict, state.number));
            checked.example = Some(example);
        }
        progress(checked.states, states.len() as u64);
    };
    let processes = match machine::processors().min(states.len() / LEAST_SHARE) {
        1 => 0,
        processes => processes,
    };
    let work = |part: usize, say: Say<'_, AboutState>| {
        // What goes wrong in a share goes wrong again where it is asked about what is left over, and is told then.
        let Ok(mut asked) = asked.beside(part) else { return };
        for (number, (order, state)) in states.iter().enumerate().skip(part).step_by(processes) {
            match asked.about(recorded.in_order(*order), number, state) {
                Ok(about) if say(&about) => {}
                _ => return,
            }
        }
    };
    shares::share_out(processes, &work, &mut |about| take(about, &mut is_asked), stop);
    for (number, (order, state)) in states.iter().enumerate() {
        if !is_asked[number] {
            asked.go_on()?;
            let about = asked.about(recorded.in_order(*order), number, state)?;
            take(about, &mut is_asked);
        }
    }
    Ok(())
}

/// What the checker said of one state.
#[derive(Serialize, Deserialize)]
struct AboutState {
    number: usize,
    /// One for each crash point that leaves it.
    verdicts: Vec<Verdict>,
    /// The worst of them, if that breaks a claim.
    example: Option<CheckedExample>,
}

/// `judgement` of the state that a kill at `point` leaves, to be shown.
fn example(trace: &Trace, point: CrashPoint, judgement: &Judgement<'_>) -> CheckedExample {
    CheckedExample {
        verdict: judgement.verdict,
        why: judgement.why.clone(),
        point,
        place: point.to_string(),
        call: trace.call_in_words(point),
        promise: judgement.promise,
        raw: Some(judgement.raw.clone()),
    }
}
