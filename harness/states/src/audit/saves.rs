//! Which calls belong to one save of a file: from the first that changes it to the one after which it is whole again.
//!
//! A trace does not say where a save ends: descriptors are duplicated, inherited and left to the end of their process. So it is
//! read from what comes next. A save begins when a file is made or emptied, and when it is written over from its start to its end.
//! It also begins with the first change after the file was opened again, while nobody else could still write to it. So it does
//! after the file was synced, and after it was renamed or linked, once it was closed or had something in it. It ends with the last
//! change before the next save. What is in the file then is a version of it, unless another process was still writing.
//!
//! A file that was made or emptied and then opened again before anything was written to it (`touch`) is still in its first save.

use std::collections::BTreeMap;
use std::path::Path;

use crashtest_model::{Action, Durable, FileId, Operation, Trace};

use crate::Tree;

/// How a save begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The file is made.
    Create,
    /// It is emptied.
    Truncate,
    /// It is written over from its start to its end, and perhaps cut there.
    Rewrite,
    /// Parts of it are written over.
    InPlace,
    /// It is written behind what was there.
    Append,
}

/// A save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Save {
    pub(super) file: FileId,
    pub(super) kind: Kind,
    /// The operation that begins it.
    pub(super) first: usize,
    /// The last operation that changes the file.
    pub(super) last: usize,
    /// Whether what it comes to is a version of the file.
    pub(super) whole: bool,
    /// Of the last save of a run that somebody has ended: whether who wrote it has closed it, so that it may be whole.
    pub(super) closed: bool,
}

/// The saves of a trace.
#[derive(Debug, Default)]
pub(super) struct Saves {
    /// In the order in which they begin.
    pub(super) all: Vec<Save>,
    by_file: BTreeMap<FileId, Vec<usize>>,
}

impl Saves {
    /// The saves of `trace`; `tree` holds the files as they are at its start. Where the run has not `ended` by itself, only what it
    /// treats as finished is: synced, renamed once it was closed, or opened again.
    pub(super) fn collect(trace: &Trace, tree: Tree, ended: bool) -> Saves {
        let mut pass = Pass::new(trace, tree);
        for (n, operation) in trace.operations.iter().enumerate() {
            if operation.errno.is_none() {
                pass.take(n, operation);
            }
        }
        for writing in pass.files.values().filter(|writing| !ended && !writing.over) {
            if let Some(save) = writing.save {
                let save = &mut pass.found.all[save];
                (save.whole, save.closed) = (false, save.whole && writing.is_closed);
            }
        }
        pass.found
    }

    /// The save of `file` that has begun and is not finished after `done` operations.
    pub(super) fn under_way(&self, file: FileId, done: usize) -> Option<usize> {
        self.latest(file, done).filter(|save| done <= self.all[*save].last)
    }

    /// The save of `file` that was the last to begin in the first `done` operations.
    pub(super) fn latest(&self, file: FileId, done: usize) -> Option<usize> {
        let saves = self.by_file.get(&file)?;
        let begun = saves.partition_point(|save| self.all[*save].first < done);
        begun.checked_sub(1).map(|last| saves[last])
    }

    /// The save that operation `n` begins.
    pub(super) fn begun_by(&self, n: usize) -> Option<&Save> {
        let place = self.all.binary_search_by_key(&n, |save| save.first).ok()?;
        self.all.get(place)
    }

    /// The first change of `file` from operation `n` on that belongs to a later save.
    pub(super) fn next_after(&self, save: &Save) -> usize {
        let saves = self.by_file.get(&save.file).map_or(&[][..], Vec::as_slice);
        let later = saves.partition_point(|other| self.all[*other].first <= save.first);
        saves.get(later).map_or(usize::MAX, |next| self.all[*next].first)
    }
}

/// The file whose content a successful operation changes.
pub(super) fn changed(operation: &Operation) -> Option<FileId> {
    match &operation.action {
        _ if operation.errno.is_some() => None,
        Action::Open { file, created, truncated, .. } if *created || *truncated => Some(*file),
        Action::Write { file, data, .. } if data.length() > 0 => Some(*file),
        Action::Resize { file, .. } | Action::Zero { file, .. } => Some(*file),
        _ => None,
    }
}

/// A file while its saves are looked for.
#[derive(Debug, Default)]
struct Writing {
    /// Its latest save.
    save: Option<usize>,
    /// Whether that has put anything into it.
    wrote: bool,
    /// Whether the next change begins another one.
    over: bool,
    /// Up to which operation a rewriting goes.
    until: usize,
    /// How many descriptors each process has open on it, as far as that is seen.
    open: BTreeMap<u32, usize>,
    /// The process that has changed it last.
    changed_by: u32,
    /// Whether that has closed it since.
    is_closed: bool,
}

struct Pass<'t> {
    trace: &'t Trace,
    tree: Tree,
    /// By file: the operations that change it.
    changes: BTreeMap<FileId, Vec<usize>>,
    /// The last change that a process makes to a file.
    last_by: BTreeMap<(FileId, u32), usize>,
    files: BTreeMap<FileId, Writing>,
    found: Saves,
}

impl<'t> Pass<'t> {
    fn new(trace: &'t Trace, tree: Tree) -> Pass<'t> {
        let mut changes: BTreeMap<FileId, Vec<usize>> = BTreeMap::new();
        let mut last_by = BTreeMap::new();
        for (n, operation) in trace.operations.iter().enumerate() {
            if let Some(file) = changed(operation) {
                changes.entry(file).or_default().push(n);
                last_by.insert((file, operation.process), n);
            }
        }
        Pass { trace, tree, changes, last_by, files: BTreeMap::new(), found: Saves::default() }
    }

    fn take(&mut self, n: usize, operation: &Operation) {
        let process = operation.process;
        match &operation.action {
            Action::Open { file, created, truncated, .. } => {
                if *created {
                    self.begin(*file, Kind::Create, n);
                } else if *truncated {
                    self.empty(*file, n);
                } else if !self.is_held(*file, process, n) && !self.writing(*file).open.contains_key(&process) {
                    self.writing(*file).over = true;
                }
                *self.writing(*file).open.entry(process).or_default() += 1;
            }
            Action::Close { file, .. } => {
                let writing = self.writing(*file);
                match writing.open.get_mut(&process) {
                    Some(count) if *count > 1 => *count -= 1,
                    _ => {
                        writing.open.remove(&process);
                        // A shell closes what it has emptied before who writes it has written.
                        writing.is_closed |= writing.changed_by == process && writing.wrote;
                    }
                }
            }
            Action::Write { file, offset, data, .. } if data.length() > 0 => self.write(*file, *offset, n),
            Action::Resize { file, length: 0, .. } => self.empty(*file, n),
            Action::Resize { file, .. } => {
                // By its name: no descriptor is open for it.
                if operation.call == "truncate" && !self.is_held(*file, process, n) {
                    self.writing(*file).over = true;
                }
                self.change(*file, Kind::InPlace, n);
            }
            Action::Zero { file, .. } => self.change(*file, Kind::InPlace, n),
            Action::Sync { file: Some(file), durable: Durable::File | Durable::Data, .. } => self.mark(*file, n),
            _ => {}
        }
        if let Some(file) = changed(operation) {
            let writing = self.writing(file);
            (writing.changed_by, writing.is_closed) = (process, false);
        }
        self.tree.apply(operation);
        match &operation.action {
            Action::Rename { to, .. } => {
                if let Some(file) = self.tree.file(Path::new(to)) {
                    self.name(file, n);
                }
            }
            Action::Link { file, .. } => self.name(*file, n),
            _ => {}
        }
    }

    fn writing(&mut self, file: FileId) -> &mut Writing {
        self.files.entry(file).or_default()
    }

    fn length(&self, file: FileId) -> u64 {
        self.tree.content(file).map_or(0, |content| content.length())
    }

    /// Returns whether another process than `process` has `file` open and changes it after operation `n`.
    fn is_held(&self, file: FileId, process: u32, n: usize) -> bool {
        let Some(writing) = self.files.get(&file) else { return false };
        let mut others = writing.open.keys().filter(|other| **other != process);
        others.any(|other| self.last_by.get(&(file, *other)).is_some_and(|last| *last > n))
    }

    /// The program treats what is in `file` now as finished: a change from here on belongs to another save.
    fn mark(&mut self, file: FileId, n: usize) {
        let writing = self.writing(file);
        writing.over |= writing.wrote && n >= writing.until;
    }

    /// It gives `file` another name. Where that is empty and still open, what is to be in it comes later.
    fn name(&mut self, file: FileId, n: usize) {
        let writing = self.writing(file);
        writing.over |= writing.open.is_empty();
        self.mark(file, n);
    }

    fn begin(&mut self, file: FileId, kind: Kind, n: usize) {
        let held = self.is_held(file, self.trace.operations[n].process, n);
        let number = self.found.all.len();
        let writing = self.writing(file);
        let before = writing.save.replace(number);
        (writing.wrote, writing.over, writing.until) = (false, false, 0);
        if let Some(before) = before {
            self.found.all[before].whole = !held;
        }
        self.found.all.push(Save { file, kind, first: n, last: n, whole: true, closed: false });
        self.found.by_file.entry(file).or_default().push(number);
    }

    /// Operation `n` empties `file`.
    fn empty(&mut self, file: FileId, n: usize) {
        let writing = self.writing(file);
        match writing.save {
            Some(save) if !writing.wrote && !writing.over => {
                self.found.all[save].last = n;
            }
            _ => self.begin(file, Kind::Truncate, n),
        }
    }

    fn write(&mut self, file: FileId, offset: u64, n: usize) {
        let length = self.length(file);
        let rewriting = if offset == 0 && length > 0 { self.rewriting(file, n, length) } else { None };
        let writing = self.writing(file);
        let again = n > writing.until && rewriting.is_some() && writing.wrote;
        let kind = match rewriting {
            _ if offset >= length => Kind::Append,
            Some(_) => Kind::Rewrite,
            None => Kind::InPlace,
        };
        writing.over |= again;
        self.change(file, kind, n);
        if let (Kind::Rewrite, Some(until)) = (self.current_kind(file), rewriting) {
            let writing = self.writing(file);
            writing.until = writing.until.max(until);
        }
    }

    fn current_kind(&self, file: FileId) -> Kind {
        let save = self.files.get(&file).and_then(|writing| writing.save);
        save.map_or(Kind::InPlace, |save| self.found.all[save].kind)
    }

    /// Operation `n` changes `file`, in the way `kind` where nothing else is under way.
    fn change(&mut self, file: FileId, kind: Kind, n: usize) {
        let writing = self.writing(file);
        match writing.save.filter(|_| !writing.over) {
            None => self.begin(file, kind, n),
            Some(number) => {
                let until = writing.until;
                let save = &mut self.found.all[number];
                save.last = n;
                let behind = kind == Kind::Append;
                if (save.kind == Kind::Append && !behind) || (save.kind == Kind::Rewrite && n > until) {
                    save.kind = Kind::InPlace;
                }
            }
        }
        self.writing(file).wrote = true;
    }

    /// The last of the writes from operation `n` on that follow each other from the start of `file`, `length` bytes long, to its
    /// end. They may also go to where it is cut then; `None` if they do neither.
    fn rewriting(&self, file: FileId, n: usize, length: u64) -> Option<usize> {
        let changes = self.changes.get(&file)?;
        let (mut end, mut last) = (0, n);
        for change in &changes[changes.partition_point(|change| *change < n)..] {
            match &self.trace.operations[*change].action {
                Action::Write { offset, data, .. } if *offset == end => (end, last) = (end + data.length(), *change),
                Action::Resize { length: cut, .. } if *cut == end => return Some(*change),
                _ => break,
            }
        }
        (end >= length).then_some(last)
    }
}
