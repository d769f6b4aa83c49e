//! What the files of a program are like after a crash: whole, where they are as some run has left them between two of its writes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crashtest_kit::{Found, Generations, classify};
use crashtest_model::{Action, Consequences, Digest, FileId, Generation, Promise, RawFile, RawState, Trace};
use crashtest_states::{Content, Entry, Snapshot, Tree};

/// Of so many versions of a file the one is looked for that a damaged file is nearest to.
const NEAREST_OF: usize = 32;

/// What the recorded runs of a program have shown of its files. Copies know the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    known: Rc<RefCell<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// The state that the set-up made.
    installed: Option<Digest>,
    /// Those that a run of it begins or ends with.
    names: BTreeSet<String>,
    /// Those that each run begins and ends with: they are never to be missing.
    kept: BTreeSet<String>,
    /// By name: the digests of the contents that it had when nobody was writing it.
    whole: HashMap<String, HashSet<Digest>>,
    /// The last of these contents.
    last: BTreeMap<String, Vec<Content>>,
}

impl Files {
    /// Learns from a run that began on `initial`. What a crash has left of a file is not whole because a run begins on it.
    pub(crate) fn learn(&self, trace: &Trace, initial: &Snapshot) {
        let mut known = self.known.borrow_mut();
        let is_first = known.installed == Some(initial.digest());
        let mut tree = Tree::new(initial, &trace.files);
        let mut written: HashSet<FileId> = HashSet::new();
        for operation in trace.operations.iter().filter(|operation| operation.errno.is_none()) {
            tree.apply(operation);
            match &operation.action {
                // Emptied is not written: a shell empties a file and closes a copy of its descriptor first.
                Action::Write { file, .. } | Action::Resize { file, .. } | Action::Zero { file, .. } => {
                    written.insert(*file);
                }
                Action::Close { file, path } if written.remove(file) => known.note(&tree.snapshot(), Some(path)),
                Action::Rename { to, .. } | Action::Link { to, .. } => known.note(&tree.snapshot(), Some(to)),
                _ => {}
            }
        }
        if is_first {
            let left = tree.snapshot();
            known.note(&left, None);
            let kept = known.names.iter().filter(|name| initial.has(name) && left.has(name)).cloned();
            known.kept = kept.collect();
        }
    }

    /// What is wrong with the files of `state`, where that can be said without knowing what they mean: one that is damaged, or missing.
    pub(crate) fn damage(&self, state: &Snapshot) -> Option<String> {
        let known = self.known.borrow();
        if let Some(name) = known.kept.iter().find(|name| !state.has(name)) {
            return Some(format!("{name} is missing, which each run began and ended with"));
        }
        known.names.iter().find_map(|name| {
            let raw = known.classify(name, state.file(name)?);
            let words = || format!("{name} is {}: no run has left it so between two of its writes", raw.state.name());
            (raw.state != RawState::Whole).then(words)
        })
    }

    /// Learns what every run begins on.
    pub(crate) fn begin_on(&self, state: &Snapshot) {
        self.learn_state(state);
        self.known.borrow_mut().installed = Some(state.digest());
    }

    /// Learns what a run that nobody has traced left.
    pub(crate) fn learn_state(&self, state: &Snapshot) {
        self.known.borrow_mut().note(state, None);
    }
}

impl Known {
    /// What a content of the file `name` is like.
    fn classify(&self, name: &str, content: &[u8]) -> RawFile {
        if self.whole.get(name).is_some_and(|whole| whole.contains(&Digest::of_bytes(content))) {
            let length = Some(content.len() as u64);
            return RawFile { state: RawState::Whole, length, tear_offset: None, whole_length: None };
        }
        let last = self.last.get(name).map(Vec::as_slice).unwrap_or_default();
        classify(content, &last.iter().map(|content| &content[..]).collect::<Vec<_>>())
    }

    /// Takes the files of `state` for whole, or the one of this name.
    fn note(&mut self, state: &Snapshot, only: Option<&str>) {
        let files = state.entries().filter_map(|(path, entry)| match entry {
            Entry::File { content, .. } => Some((path.to_string_lossy().into_owned(), content)),
            _ => None,
        });
        for (name, content) in files.filter(|(name, _)| only.is_none_or(|only| only == name)) {
            if only.is_none() {
                self.names.insert(name.clone());
            }
            if self.whole.entry(name.clone()).or_default().insert(Digest::of_bytes(content)) {
                let last = self.last.entry(name).or_default();
                last.push(content.clone());
                if last.len() > NEAREST_OF {
                    last.remove(0);
                }
            }
        }
    }
}

impl Generations for Files {
    fn state_file(&self) -> String {
        self.files().into_iter().next().unwrap_or_default()
    }

    fn files(&self) -> Vec<String> {
        self.known.borrow().names.iter().cloned().collect()
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
        let name = known.names.iter().nth(file).map_or("", String::as_str);
        known.classify(name, content)
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
mod tests {
    use std::path::PathBuf;

    use crashtest_model::{Data, Operation, Progress};

    use super::*;

    fn state(files: &[(&str, &[u8])]) -> Snapshot {
        let entry = |content: &[u8]| Entry::File { mode: 0o644, content: content.to_vec().into() };
        files.iter().map(|(name, content)| (PathBuf::from(name), entry(content))).collect()
    }

    fn write(data: &[u8]) -> Action {
        let (path, file, requested) = ("f".to_owned(), FileId(0), data.len() as u64);
        Action::Write { path, file, offset: 0, data: Data::Kept(data.to_vec()), requested }
    }

    fn run(actions: Vec<Action>) -> Trace {
        let operation = |action| Operation {
            process: 0,
            call: "call".into(),
            action,
            errno: None,
            before: Progress::default(),
            after: Progress::default(),
        };
        let operations = actions.into_iter().map(operation).collect();
        Trace { operations, files: vec![("f".to_owned(), FileId(0))], ..Trace::default() }
    }

    fn close() -> Action {
        Action::Close { path: "f".to_owned(), file: FileId(0) }
    }

    fn emptied() -> Action {
        let (path, file) = ("f".to_owned(), FileId(0));
        Action::Open { path, file, created: false, truncated: true, synchronous: false, mode: 0 }
    }

    #[test]
    fn a_file_is_whole_as_a_run_has_left_it_and_damaged_in_between() {
        let files = Files::default();
        let installed = state(&[("f", b"old")]);
        files.begin_on(&installed);
        // As a shell does: the first descriptor is closed before anything is written.
        files.learn(&run(vec![emptied(), close(), write(b"newer"), close()]), &installed);
        for (content, damaged) in
            [(&b"old"[..], None), (b"newer", None), (b"", Some("empty")), (b"new", Some("partial"))]
        {
            let said = files.damage(&state(&[("f", content)]));
            assert_eq!(said.is_some(), damaged.is_some(), "{content:?} {said:?}");
            assert!(said.is_none_or(|said| said.contains(damaged.unwrap_or_default())), "{content:?}");
        }
        assert!(files.damage(&state(&[])).is_some_and(|said| said.contains("missing")));
        assert_eq!(
            files.damage(&state(&[("f", b"old"), ("f.tmp", b"n")])),
            None,
            "a temporary is no file of the state"
        );
    }

    #[test]
    fn what_a_crash_has_left_is_not_whole_because_the_next_run_begins_on_it() {
        let files = Files::default();
        let installed = state(&[("f", b"old")]);
        files.begin_on(&installed);
        files.learn(&run(vec![emptied(), write(b"newer"), close()]), &installed);
        files.learn(&run(vec![]), &state(&[("f", b""), ("f.tmp", b"new")]));
        assert!(files.damage(&state(&[("f", b"")])).is_some());
        assert_eq!(files.damage(&state(&[("f", b"newer")])), None, "and the temporary is none that has to be there");
    }
}
