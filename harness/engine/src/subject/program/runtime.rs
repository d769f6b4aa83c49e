//! A program at work in its directory: set up, recorded, and asked what it finds after a crash.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crashtest_linux::process::Exit;
use crashtest_linux::trace::{self, Ending};
use crashtest_model::{Digest, Fault, Program, Promise, Seed, Sensitivity, Until};
use crashtest_states::Snapshot;

use crate::error::EngineError;
use crate::output::Output;
use crate::subject::life::Script;
use crate::subject::program::answer::Answer;
use crate::subject::program::canaries;
use crate::subject::program::checker::Checker;
use crate::subject::program::start::{self, Place};
use crate::subject::program::turns::Turns;
use crate::subject::program::versions::Files;
use crate::subject::{Beginning, Recording};
use crate::trace::line_protocol::Printed;
use crate::trace::orders::Orders;
use crate::trace::quiet::cut_to_quiet;
use crate::trace::recorder::{Recorded, Recorder};

/// The exit status of a process that could not execute its program, as shells have it; nobody looks at it.
pub(super) const NOT_STARTED: i32 = 127;
/// Without a checker: from two it shows whether they leave the same.
const RUNS_TO_LEARN_FROM: usize = 2;
/// With a checker: one shows which files a refusal may be about.
const RUNS_TO_LEARN_FILES_FROM: usize = 1;
/// How much longer than twice the recorded run another one may take that is to make as many saves, in ms.
const PATIENCE_MS: u64 = 1_000;
/// The most crash states whose answers are remembered.
const REMEMBERED: usize = 100_000;

/// A program under test.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) program: Program,
    pub(crate) place: Place,
    pub(crate) files: Files,
    pub(super) checker: Option<Checker>,
    /// How long one run, and one check, may take.
    pub(crate) limit: Duration,
    /// How the checker takes damage, once it was tried.
    sensitivity: Option<Sensitivity>,
    /// What was answered of each crash state.
    answers: HashMap<Digest, Answer>,
    /// Directories outside from which files come into the state directory.
    aside: RefCell<BTreeSet<PathBuf>>,
    /// Whether calls that read are recorded as well.
    pub(crate) reads: Cell<bool>,
    /// How long a run was recorded that has not ended by itself, in ms; `None` where each has.
    goes_on_ms: Cell<Option<u64>>,
    /// Recorded runs that nothing was done to, and that are wanted once more: each takes as long as the program is recorded.
    kept: Vec<Kept>,
    turns: Turns,
}

/// A recorded run that is kept.
#[derive(Debug)]
struct Kept {
    beginning: Beginning,
    recording: Recording,
    left: Snapshot,
}

impl Runtime {
    pub(crate) fn new(program: &Program, place: Place, limit: Duration) -> Runtime {
        let checker = program.check.clone().map(|check| Checker::new(check, place.clone(), limit));
        let files = Files::for_program(program);
        Runtime {
            program: program.clone(),
            place,
            files,
            checker,
            limit,
            sensitivity: None,
            answers: HashMap::new(),
            aside: RefCell::default(),
            reads: Cell::default(),
            goes_on_ms: Cell::default(),
            kept: Vec::new(),
            turns: Turns::default(),
        }
    }

    /// The same, of a worker of several: they lock the file of this name where their runs would meet outside.
    pub(crate) fn taking_turns(self, lock: PathBuf) -> Runtime {
        Runtime { turns: Turns::by(lock), ..self }
    }

    /// Waits until no other worker has a run that this one could meet; until the value is dropped none has.
    pub(crate) fn turn(&self) -> Result<Option<File>, EngineError> {
        self.turns.wait().map_err(EngineError::Wait)
    }

    /// Whether its checker names what survives, operation by operation.
    pub(crate) fn names_survivors(&self) -> bool {
        self.checker.as_ref().is_some_and(Checker::names_survivors)
    }

    /// Whether what becomes of the file of this name is judged.
    pub(super) fn counts(&self, path: &str) -> bool {
        match &self.sensitivity {
            // What is there only while the program runs is no state.
            Some(sensitivity) => sensitivity.judges(path) && self.files.knows(Path::new(path)),
            None => self.files.judges(Path::new(path)),
        }
    }

    /// Whether the checker notices no damage to the file of this name, where it is damaged alone, or nobody is asked about that file.
    pub(super) fn overlooks(&self, path: &str) -> bool {
        let is_judged = self.files.judges(Path::new(path));
        self.sensitivity.as_ref().is_some_and(|sensitivity| !is_judged || sensitivity.overlooks(path))
    }

    /// The state that it starts from: an empty directory, prepared by the set-up.
    pub(crate) fn set_up(&self) -> Result<Snapshot, EngineError> {
        let dir = &self.place.dir;
        dir.empty()?;
        if let Some(words) = &self.program.setup {
            start::set_up(words, &self.place, self.limit)?;
        }
        let state = dir.take()?;
        self.files.begin_on(&state);
        Ok(state)
    }

    /// What is promised of the state that the set-up made.
    pub(crate) fn promised_by_setup(&self) -> Promise {
        Promise { installed: self.program.setup.is_some(), ..Promise::default() }
    }

    /// How a run begins on the files that the set-up made.
    pub(crate) fn beginning(&self, files: Snapshot, script: Script) -> Beginning {
        let (promise, stream) = (self.promised_by_setup(), Seed::default());
        Beginning { files, stream, names: stream, before: promise, after: promise, script }
    }

    /// What a checker says of `state`, or without one the files themselves; of states that it cannot tell from each other a checker is asked
    /// about one.
    pub(crate) fn ask(&mut self, state: &Snapshot) -> Result<Answer, EngineError> {
        let digest = state.digest();
        if let Some(answer) = self.answers.get(&digest) {
            return Ok(answer.clone());
        }
        let answer = match self.checker.as_ref().and_then(|checker| checker.known(state)) {
            Some(answer) => self.believed(answer, state),
            None => self.ask_anew(state)?,
        };
        // Without a checker the answer depends on what was learnt until now.
        if self.checker.is_some() && self.answers.len() < REMEMBERED {
            self.answers.insert(digest, answer.clone());
        }
        Ok(answer)
    }

    /// The same, whatever was asked before; the directory is left as the checker leaves it.
    pub(super) fn ask_anew(&mut self, state: &Snapshot) -> Result<Answer, EngineError> {
        match &mut self.checker {
            Some(checker) => {
                let answer = checker.ask_about(state)?;
                // It was asked about something else than was meant.
                let answer = self.place.dir.lost().map_or(answer, Answer::Unclear);
                Ok(self.believed(answer, state))
            }
            None => Ok(self.files.judge(state)),
        }
    }

    /// Runs it, recorded, on the files that `beginning` names, under `orders`.
    pub(crate) fn record(&self, beginning: &Beginning, orders: Orders) -> Result<Recording, EngineError> {
        let _turn = self.turn()?;
        let knew = self.goes_on_ms.get().is_some();
        let mut recording = self.record_once(beginning, orders)?;
        if self.goes_on_ms.get().is_some() && !knew && self.until(beginning.script) != self.program.until {
            // Now it is known that it makes no more saves than it is to make only if it is ended.
            recording = self.record_once(beginning, orders)?;
        }
        self.turns.learn(&recording.trace);
        let known = self.aside.borrow().len();
        self.aside.borrow_mut().extend(recording.trace.aside.iter().map(PathBuf::from));
        // Now it is known where files come from: what is done to them there belongs to the run.
        let is_new = self.aside.borrow().len() > known;
        if is_new && orders == Orders::Record { self.record_once(beginning, orders) } else { Ok(recording) }
    }

    fn record_once(&self, beginning: &Beginning, orders: Orders) -> Result<Recording, EngineError> {
        let dir = &self.place.dir;
        dir.restore(&beginning.files)?;
        let mut command = start::writer(&self.program, &self.place)?;
        command.stdin(Stdio::null());
        let output = RefCell::new(Output::capture(&mut command, Printed::after(beginning.before, beginning.after))?);
        let progress = || output.borrow().listener().progress();
        let mut recorder =
            Recorder::new(dir.path(), orders, &progress).map_err(EngineError::sandbox("read", dir.path()))?;
        recorder.take_from(&output);
        recorder.keep_attributes();
        recorder.look_aside(self.aside.borrow().iter().cloned());
        if self.reads.get() {
            recorder.also_reads();
        }
        let until = match orders {
            Orders::KillAfter(ms) => Until { after_ms: Some(ms), saves: None },
            _ => self.until(beginning.script),
        };
        recorder.end_at(until);
        let traced = execute(command, &self.command_line(), &mut recorder, self.longest(until))?;
        if traced.foreign && orders == Orders::Record {
            return Err(EngineError::Foreign(self.command_line()));
        }
        output.borrow_mut().take_all();
        dir.check()?;
        let Recorded { mut trace, obeyed, failed, cut } = recorder.finish();
        let cut = cut.filter(|_| traced.ending == Ending::Killed);
        // Of a run in which nothing was done to it: one that copes with a failed call may well begin anew, and be ready again.
        if matches!(orders, Orders::Record) {
            output.borrow().listener().make_sense()?;
        }
        let mut ended = traced.ending == Ending::Exited(Exit::Status(0));
        if let (Some(cut), Orders::Record | Orders::Watch) = (&cut, orders) {
            self.goes_on_ms.set(Some(self.goes_on_ms.get().unwrap_or(0).max(cut.lasted_ms)));
            if let Some(quiet) = cut_to_quiet(&mut trace, &beginning.files, &dir.take()?, cut) {
                dir.restore(&quiet)?;
                // In one that was ended sooner a temporary file may look like a state file.
                ended = until == self.program.until;
            }
        }
        match orders {
            Orders::Record => self.files.learn(&trace, &beginning.files, ended),
            Orders::Kill(_) | Orders::KillAfter(_) => self.files.learn(&trace, &beginning.files, false),
            // What it makes of a failure may be half a save.
            Orders::Watch | Orders::Fail(_) | Orders::FailNth { .. } => {}
        }
        let complaint = match traced.ending {
            Ending::Exited(Exit::Status(0)) | Ending::Killed => None,
            Ending::Exited(exit) => Some(format!("ended {exit}{}", output.borrow().complaint())),
            Ending::Lingers(_) => Some("left processes running that did not end".to_owned()),
            Ending::TimeUp => Some(format!("did not end within {} s", self.longest(until).as_secs_f64())),
        };
        let (reused, least_begun) = (output.borrow().listener().reused(), output.borrow().listener().least_begun());
        Ok(Recording { trace, obeyed, ending: traced.ending, complaint, reused, least_begun, failed, cut })
    }

    /// How long a run may take that is ended at `until`, once it has made its first call.
    pub(crate) fn longest(&self, until: Until) -> Duration {
        self.limit + until.after_ms.map_or(Duration::ZERO, Duration::from_millis)
    }

    /// Keeps a recorded run of a program that goes on for ever, to be given once to whoever asks for one that begins so and is as long.
    pub(crate) fn keep(&mut self, beginning: Beginning, recording: Recording, left: Snapshot) {
        self.kept.push(Kept { beginning, recording, left });
    }

    /// The files that the runs which are kept begin on.
    pub(super) fn kept_from(&self) -> Option<&Snapshot> {
        self.kept.first().map(|kept| &kept.beginning.files)
    }

    /// A run that was kept, as if it were recorded now.
    pub(super) fn take_kept(&mut self, beginning: &Beginning) -> Result<Option<Recording>, EngineError> {
        let is_wanted = |kept: &Kept| {
            let (its, wanted) = (&kept.beginning, beginning);
            its.files == wanted.files && self.until(its.script) == self.until(wanted.script)
        };
        let Some(found) = self.kept.iter().position(is_wanted) else { return Ok(None) };
        let kept = self.kept.remove(found);
        self.place.dir.restore(&kept.left)?;
        Ok(Some(kept.recording))
    }

    /// When a run that is to do `script` is ended, if it does not end by itself.
    fn until(&self, script: Script) -> Until {
        let Until { after_ms, saves } = self.program.until;
        let Some(lasted_ms) = self.goes_on_ms.get() else { return self.program.until };
        let saves = match script {
            // It may count as a save what comes before one: the first of two is made for certain.
            Script::SaveThenStop(1) => Some(2),
            Script::SaveThenDie(few) => Some(few),
            _ => saves,
        };
        // One that makes no more saves, as its calls fail, is not waited for.
        let after_ms = after_ms.or(Some(2 * lasted_ms + PATIENCE_MS));
        Until { after_ms, saves }
    }

    /// How the checker takes damage to what differs between the states `before` and `whole`; `None` where there is none. It is tried out
    /// once.
    pub(crate) fn try_checker(
        &mut self,
        before: &Snapshot,
        whole: &Snapshot,
    ) -> Result<Option<&Sensitivity>, EngineError> {
        if let (Some(checker), None) = (&mut self.checker, &self.sensitivity) {
            let changed = canaries::changed(before, whole, &|path| self.files.judges(path));
            let (healthy, sensitivity) = canaries::try_out(checker, &changed, whole)?;
            self.answers.insert(whole.digest(), healthy);
            self.sensitivity = Some(sensitivity);
        }
        Ok(self.sensitivity.as_ref())
    }

    /// `answer`, of which nothing is known where the checker only says that `state` opens, and what it does not notice is damaged there. One
    /// that says which state it finds is believed.
    fn believed(&self, answer: Answer, state: &Snapshot) -> Answer {
        let (Answer::Opened, Some(sensitivity)) = (&answer, &self.sensitivity) else { return answer };
        match self.files.judge(state) {
            Answer::Damaged { path, damage, .. } if !sensitivity.sees(&path, damage) => Answer::Unclear(format!(
                "the checker accepts a state in which {path} is {damage}, and does not see that kind of damage, or does not open that file (let it say `crashtest: state N`)"
            )),
            _ => answer,
        }
    }

    /// Learns from recorded runs, as many as are still missing, what its files hold between its saves. With a checker they only say what
    /// a refused file is like: for kills by the clock, which trace nothing, the files that a run leaves say it as well.
    pub(crate) fn learn(&self, installed: &Snapshot, fault: Fault) -> Result<(), EngineError> {
        let runs = match (&self.checker, fault) {
            (None, _) => RUNS_TO_LEARN_FROM,
            (Some(_), fault) if fault.is_exhaustive() => RUNS_TO_LEARN_FILES_FROM,
            (Some(_), _) => 0,
        };
        for _ in self.files.whole_runs()..runs {
            let beginning = self.beginning(installed.clone(), Script::Install);
            self.record(&beginning, Orders::Record)?;
        }
        Ok(())
    }

    /// The processes beside those of its runs.
    pub(crate) fn ours(&self) -> Vec<i32> {
        self.checker.as_ref().and_then(Checker::process).into_iter().collect()
    }

    /// Whether nobody but its own runs says what its files are to hold, and no two of them leave the same.
    pub(crate) fn has_other_files_each_time(&self) -> bool {
        self.checker.is_none() && self.files.differ()
    }

    /// Who did not answer within the limit, where somebody did not.
    pub(crate) fn silent(&self) -> Option<String> {
        let words = Program::words_for_a_shell(self.program.check.as_ref()?.command());
        Some(format!("the checker `{words}` did not answer within {} s", self.limit.as_secs_f64()))
    }

    /// Its command, as one types it in a shell.
    pub(crate) fn command_line(&self) -> String {
        Program::words_for_a_shell(&self.program.command)
    }
}

/// Executes `command`, traced; an error says that it could not be started.
pub(crate) fn execute(
    mut command: std::process::Command,
    words: &str,
    recorder: &mut Recorder<'_>,
    limit: Duration,
) -> Result<trace::Traced, EngineError> {
    // Both ends close when the program is executed: what is read here says why it was not.
    let (mut complaint, mut complains) = std::io::pipe().map_err(|e| EngineError::Program(format!("no pipe: {e}")))?;
    let started = move || {
        let error = command.exec();
        let _ = write!(complains, "{error}");
        NOT_STARTED
    };
    let traced = trace::trace(started, recorder, limit)?;
    let mut why = String::new();
    complaint.read_to_string(&mut why).map_err(EngineError::Wait)?;
    if why.is_empty() { Ok(traced) } else { Err(EngineError::Program(format!("failed to start `{words}`: {why}"))) }
}
