//! A run that is made up call by call, and what its audit comes to.

use crashtest_model::{Action, Audit, AuditedFile, Data, Durable, FileId, Operation, Progress, Trace};

use super::super::audit;
use crate::{Entry, Snapshot, Tree};

/// A run that is made up, call by call, by process 0 unless it is said otherwise.
#[derive(Default)]
pub(super) struct Run {
    pub(super) before: Vec<(&'static str, Vec<u8>)>,
    pub(super) operations: Vec<Operation>,
    pub(super) next: u32,
    pub(super) process: u32,
}

impl Run {
    /// A run that finds these files, numbered in this order.
    pub(super) fn finding(files: &[(&'static str, &[u8])]) -> Run {
        let before: Vec<_> = files.iter().map(|(name, content)| (*name, content.to_vec())).collect();
        Run { next: before.len() as u32, before, ..Run::default() }
    }

    pub(super) fn does(&mut self, action: Action) -> &mut Run {
        let [before, after] = [Progress::default(); 2];
        let call = action.word().into();
        self.operations.push(Operation { process: self.process, call, action, errno: None, before, after, left: None });
        self
    }

    pub(super) fn by_process(&mut self, process: u32) -> &mut Run {
        self.process = process;
        self
    }

    /// Makes a file; gives its number.
    pub(super) fn create(&mut self, path: &str) -> FileId {
        let file = FileId(self.next);
        self.next += 1;
        let path = path.to_owned();
        self.does(Action::Open { path, file, created: true, truncated: false, synchronous: false, mode: 0o644 });
        file
    }

    pub(super) fn open(&mut self, file: u32, truncated: bool) -> &mut Run {
        let (path, file) = (String::new(), FileId(file));
        self.does(Action::Open { path, file, created: false, truncated, synchronous: false, mode: 0 })
    }

    pub(super) fn write(&mut self, file: FileId, offset: u64, data: &[u8]) -> &mut Run {
        let (path, requested) = (String::new(), data.len() as u64);
        self.does(Action::Write { path, file, offset, data: Data::Kept(data.to_vec()), requested })
    }

    pub(super) fn close(&mut self, file: FileId) -> &mut Run {
        self.does(Action::Close { path: String::new(), file })
    }

    pub(super) fn cut(&mut self, file: FileId, length: u64) -> &mut Run {
        self.does(Action::Resize { path: String::new(), file, length });
        // By its descriptor, not by its name.
        self.operations.last_mut().expect("it was just made").call = "ftruncate".into();
        self
    }

    pub(super) fn fsync(&mut self, file: FileId) -> &mut Run {
        self.does(Action::Sync { path: String::new(), file: Some(file), durable: Durable::File })
    }

    pub(super) fn fsync_directory(&mut self, path: &str) -> &mut Run {
        self.does(Action::Sync { path: path.into(), file: None, durable: Durable::Directory })
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> &mut Run {
        self.does(Action::Rename { from: from.into(), to: to.into(), exchange: false })
    }

    pub(super) fn unlink(&mut self, path: &str) -> &mut Run {
        self.does(Action::Unlink { path: path.into() })
    }

    /// `open(path, "w").write(data)` over the file that is numbered `file`.
    pub(super) fn save_direct(&mut self, file: u32, data: &[u8]) -> &mut Run {
        self.open(file, true).write(FileId(file), 0, data).close(FileId(file))
    }

    /// Writes a temporary and renames it to `path`.
    pub(super) fn save_by_rename(&mut self, path: &str, data: &[u8]) -> &mut Run {
        let temporary = format!("{path}.tmp");
        let file = self.create(&temporary);
        self.write(file, 0, data).close(file).rename(&temporary, path)
    }

    pub(super) fn before(&self) -> Snapshot {
        let entry = |content: &Vec<u8>| Entry::File { mode: 0o644, content: content.clone().into() };
        self.before.iter().map(|(name, content)| ((*name).into(), entry(content))).collect()
    }

    pub(super) fn trace(&self) -> Trace {
        let files = (0u32..).zip(&self.before).map(|(n, (name, _))| ((*name).to_owned(), FileId(n))).collect();
        Trace { files, operations: self.operations.clone(), processes: 1, ..Trace::default() }
    }

    pub(super) fn after(&self) -> Snapshot {
        let mut tree = Tree::new(&self.before(), &self.trace().files);
        self.operations.iter().for_each(|operation| tree.apply(operation));
        tree.snapshot()
    }

    pub(super) fn audited(&self) -> Audit {
        audit(&self.trace(), &self.before(), &self.after(), &|_| None, &|| false)
    }

    /// Returns what it comes to for `path`.
    pub(super) fn file(&self, path: &str) -> AuditedFile {
        let audit = self.audited();
        audit.files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{audit:#?}")).clone()
    }
}
