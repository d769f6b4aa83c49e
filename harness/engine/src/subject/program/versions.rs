//! The generic oracle of a program that has no checker: each file has to be as some run has left it between two of its saves.
//!
//! What a version of a file is, and which files only a checker can judge, [`crashtest_states::state_files`] says, as for an audit.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crashtest_kit::{Found, Generations, classify};
use crashtest_model::{Consequences, Damage, Digest, Generation, Program, Promise, RawFile, RawState, Trace};
use crashtest_states::{Content, Entry, Oracle, Selection, Snapshot, state_files};

use crate::judge::run_oracle::{NOTHING_JUDGED, in_parts};
use crate::subject::program::answer::Answer;

/// Of so many versions of a file the one is looked for that a damaged file is nearest to.
const NEAREST_OF: usize = 32;

/// What the recorded runs of a program have shown of its files. Copies know the same.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    known: Rc<RefCell<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Which are judged; `None`: all.
    selection: Option<Selection>,
    /// Whether a checker says what is wrong: then any file may be what it means.
    is_checked: bool,
    /// The state that the set-up made.
    installed: Snapshot,
    /// The state files of runs that began there and came to their end.
    files: BTreeMap<PathBuf, File>,
    /// How many these runs are.
    whole_runs: usize,
    /// What the first of these runs has left in them.
    first: Option<BTreeMap<PathBuf, Vec<Digest>>>,
    /// Whether a second one has left something else.
    differs: bool,
    /// What runs did to files that is not known: calls of which there is no model.
    unmodelled: BTreeSet<String>,
}

/// A state file.
#[derive(Debug, Default)]
struct File {
    is_kept: bool,
    is_remade: bool,
    is_emptied: bool,
    /// Whether a save of it leaves it empty.
    is_saved_empty: bool,
    in_parts: bool,
    is_made_once: bool,
    /// The digests of its versions.
    whole: HashSet<Digest>,
    /// The last of these versions.
    last: Vec<Content>,
}

impl Files {
    /// Those of `program`, of which nothing is known yet.
    pub(crate) fn for_program(program: &Program) -> Files {
        // The command line has looked at the globs.
        let selection = Selection::new(&program.include, &program.exclude).ok();
        let is_checked = program.check.is_some();
        Files { known: Rc::new(RefCell::new(Known { selection, is_checked, ..Known::default() })) }
    }

    /// Learns what every run begins on.
    pub(crate) fn begin_on(&self, installed: &Snapshot) {
        self.known.borrow_mut().installed = installed.clone();
    }

    /// Learns what a run that nobody has traced left, where a checker judges: which files it may mean, and which are always there.
    pub(crate) fn learn_state(&self, state: &Snapshot) {
        let mut known = self.known.borrow_mut();
        if !known.is_checked {
            return;
        }
        for (path, entry) in state.entries() {
            if let (Entry::File { content, .. }, true) = (entry, known.is_judged(path)) {
                let installed = known.installed_content(path);
                let is_kept = installed.is_some();
                let unseen = || File { is_kept, ..File::default() };
                let file = known.files.entry(path.to_owned()).or_insert_with(unseen);
                installed.into_iter().chain([content.clone()]).for_each(|content| file.note(content));
            }
        }
        for (path, file) in &mut known.files {
            file.is_kept &= state.entry(path).is_some();
        }
    }

    /// Whether the file of this name is one that is judged, if it is a state file.
    pub(crate) fn judges(&self, path: &Path) -> bool {
        self.known.borrow().is_judged(path)
    }

    /// Whether the file of this name is a state file.
    pub(crate) fn knows(&self, path: &Path) -> bool {
        self.known.borrow().files.contains_key(path)
    }

    /// Whether runs leave something else each time.
    pub(crate) fn differ(&self) -> bool {
        self.known.borrow().differs
    }

    /// From how many runs they were learnt that began on what the set-up made and came to their end.
    pub(crate) fn whole_runs(&self) -> usize {
        self.known.borrow().whole_runs
    }

    /// Whether any file is known.
    pub(crate) fn know_some(&self) -> bool {
        !self.known.borrow().files.is_empty()
    }

    /// Learns from a run that began on `initial`. What a crash has left of a file is no version because a run begins on it; of a run that
    /// has not `ended` by itself, neither is what it had not finished.
    pub(crate) fn learn(&self, trace: &Trace, initial: &Snapshot, ended: bool) {
        let mut known = self.known.borrow_mut();
        known.unmodelled.extend(trace.unmodelled.keys().cloned());
        let shown = state_files(trace, initial, ended, &|path| known.is_judged(path));
        if ended && known.installed == *initial {
            known.whole_runs += 1;
            let digests = |versions: &[Content]| versions.iter().map(Content::digest).collect();
            let left = shown.iter().map(|(path, file)| (path.clone(), digests(&file.versions))).collect();
            match &known.first {
                Some(first) => known.differs |= *first != left,
                None => known.first = Some(left),
            }
            for (path, file) in &shown {
                let content = known.installed_content(path);
                let unseen = || File { is_kept: true, is_made_once: true, ..File::default() };
                let file_known = known.files.entry(path.clone()).or_insert_with(unseen);
                file_known.is_kept &= file.is_kept;
                file_known.is_remade |= file.is_remade;
                file_known.is_emptied |= file.is_emptied;
                file_known.is_saved_empty |= file.versions.iter().any(|version| version.is_empty());
                file_known.in_parts |= file.in_parts;
                file_known.is_made_once &= file.is_made_once;
                content.into_iter().for_each(|content| file_known.note(content));
            }
        }
        for (path, file) in shown {
            if let Some(file_known) = known.files.get_mut(&path) {
                file.versions.into_iter().for_each(|content| file_known.note(content));
            }
        }
    }

    /// What the run of `trace`, which began on `before`, shows of the files that are judged. `None` where it is one of several and changes none
    /// of them: then they are as they were.
    pub(crate) fn oracle(&self, trace: &Trace, before: &Snapshot) -> Option<Oracle> {
        let known = self.known.borrow();
        // What a crash has left of a temporary is there before the life after it, and no state.
        let is_first = known.installed == *before;
        let is_state = |path: &Path| is_first || known.files.contains_key(path);
        let oracle = Oracle::new(trace, before, true, &|path| known.is_judged(path) && is_state(path));
        (is_first || known.files.is_empty() || oracle.judges_something()).then_some(oracle)
    }

    /// What a start on `state` comes to, as far as that can be said without knowing what is in the files, nor when the crash was.
    pub(crate) fn judge(&self, state: &Snapshot) -> Answer {
        let known = self.known.borrow();
        if known.first.is_some() && known.files.is_empty() {
            return Answer::Unclear(NOTHING_JUDGED.into());
        }
        let mut unclear = None;
        for (path, file) in &known.files {
            match file.judge(path, state.entry(path), known.differs) {
                Answer::Opened => {}
                answer @ Answer::Damaged { .. } => return answer,
                answer => drop(unclear.get_or_insert(answer)),
            }
        }
        if let (None, false) = (&unclear, known.unmodelled.is_empty()) {
            let calls = known.unmodelled.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            unclear = Some(Answer::Unclear(format!(
                "crashtest has no model of {calls}: only --check can say what a crash makes of the files"
            )));
        }
        unclear.unwrap_or(Answer::Opened)
    }
}

impl Known {
    /// What the set-up has made of a file.
    fn installed_content(&self, path: &Path) -> Option<Content> {
        match self.installed.entry(path) {
            Some(Entry::File { content, .. }) => Some(content.clone()),
            _ => None,
        }
    }

    fn is_judged(&self, path: &Path) -> bool {
        self.selection.as_ref().is_none_or(|some| some.excludes(path).is_none())
    }

    /// The files that a refusal can be about.
    fn meant(&self) -> impl Iterator<Item = (&PathBuf, &File)> {
        self.files.iter().filter(|(_, file)| self.is_checked || !(file.in_parts || file.is_made_once))
    }
}

impl File {
    /// What is found of it under `path`, whenever the crash was. `differs`: what runs leave is not always the same.
    fn judge(&self, path: &Path, found: Option<&Entry>, differs: bool) -> Answer {
        let name = path.display();
        let unclear = |why: String| Answer::Unclear(format!("{name} {why}: only --check can say what it is"));
        let damaged = |damage: Damage, why: &str| Answer::Damaged {
            path: path.to_string_lossy().into_owned(),
            damage,
            why: format!("{name} is {damage}: {why}"),
        };
        let content = match found {
            Some(Entry::File { content, .. }) => content,
            None if self.is_kept => return damaged(Damage::Missing, "each run began and ended with it"),
            None if self.is_remade => {
                return unclear("is missing, which the run makes, removes and makes again".into());
            }
            _ => return Answer::Opened,
        };
        match self.classify(content).state {
            RawState::Whole if content.is_empty() && self.is_emptied && !self.is_saved_empty => {
                unclear("is empty, as it was at first and as it is while it is written".into())
            }
            RawState::Whole => Answer::Opened,
            RawState::Empty | RawState::ZeroFilled if !self.is_made_once => {
                damaged(Damage::Empty, "no run has left it so between two of its saves")
            }
            _ if self.in_parts => Answer::Unclear(in_parts(path)),
            _ if self.is_made_once => unclear("is not whole while the run makes it".into()),
            RawState::Partial if !differs => damaged(Damage::Torn, "no run has left it so between two of its saves"),
            _ => unclear("is no version that was seen, and what it holds may differ from run to run".into()),
        }
    }

    /// What a content of it is like.
    fn classify(&self, content: &Content) -> RawFile {
        let length = Some(content.length());
        if self.whole.contains(&content.digest()) {
            return RawFile { state: RawState::Whole, length, tear_offset: None, whole_length: None };
        }
        if let Some(bytes) = content.bytes() {
            return classify(bytes, &self.last.iter().filter_map(Content::bytes).collect::<Vec<_>>());
        }
        let agreed = self.last.iter().map(|version| (content.first_difference(version), version.length())).max();
        let state = match agreed {
            _ if content.parts().next().is_none() => RawState::ZeroFilled,
            Some((agreed, _)) if agreed == content.length() => RawState::Partial,
            _ => RawState::Other,
        };
        let (tear_offset, whole_length) = agreed.unzip();
        RawFile { state, length, tear_offset, whole_length }
    }

    /// Takes a content for a version.
    fn note(&mut self, content: Content) {
        if self.whole.insert(content.digest()) {
            self.last.push(content);
            if self.last.len() > NEAREST_OF {
                self.last.remove(0);
            }
        }
    }
}

impl Generations for Files {
    fn state_file(&self) -> String {
        self.files().into_iter().next().unwrap_or_default()
    }

    fn files(&self) -> Vec<String> {
        self.known.borrow().meant().map(|(path, _)| path.to_string_lossy().into_owned()).collect()
    }

    fn digest(&mut self, _generation: Generation) -> Digest {
        // Only the checker knows what a state is.
        Digest::default()
    }

    fn digest_without(&mut self, _generation: Generation, _missing: &[Generation]) -> Option<Digest> {
        None
    }

    fn classify(&mut self, content: &[u8], promise: Promise) -> RawFile {
        self.classify_file(0, content, promise)
    }

    fn classify_file(&mut self, file: usize, content: &[u8], _promise: Promise) -> RawFile {
        let known = self.known.borrow();
        known
            .meant()
            .nth(file)
            .map_or_else(|| classify(content, &[]), |(_, file)| file.classify(&Content::from(content.to_vec())))
    }

    fn completes(&mut self, _generation: Generation, _end: u64) -> bool {
        false
    }

    fn prepare(&mut self, _promise: Promise) {}

    fn consequences(
        &mut self,
        _promised: Generation,
        _found: Found<Generation>,
        _missing: &[Generation],
    ) -> Consequences {
        Consequences::default()
    }
}

#[cfg(test)]
mod tests;
