//! A watcher that writes down every open and write below a directory. It holds the contract of [`Watcher`] against what it hears.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crashtest_linux::trace::{self, Ending, Enter, FileCall, Request, Return, Tracee, Watcher};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);

/// Everything is killed when a file of this name is opened.
pub(crate) const ENOUGH: &str = "enough";

/// An open or a write, as the tracer has shown it.
pub(crate) struct Seen {
    pub(crate) call: &'static str,
    pub(crate) tid: i32,
    pub(crate) process: i32,
    /// The name below the directory.
    pub(crate) file: String,
    pub(crate) data: Vec<u8>,
    /// `None` until it has returned.
    pub(crate) result: Option<Result<u64, i32>>,
}

/// A victim that was traced, and its files.
pub(crate) struct Traced {
    dir: TempDir,
    pub(crate) seen: Vec<Seen>,
    pub(crate) ending: Ending,
    pub(crate) tasks: usize,
}

struct Witness<'h> {
    dir: PathBuf,
    seen: Vec<Seen>,
    /// By thread: the calls that it is inside of. What a signal's handler calls comes inside of what it interrupts.
    inside: HashMap<i32, Vec<usize>>,
    at_entry: &'h mut dyn FnMut(&Tracee, &Seen),
}

/// Traces `body`, which is given an empty directory; `at_entry` is called before each of its opens and writes there.
pub(crate) fn trace(body: impl FnOnce(&Path) -> i32, at_entry: impl FnMut(&Tracee, &Seen)) -> Traced {
    trace_within(LIMIT, body, at_entry)
}

/// The same, for at most `limit`.
pub(crate) fn trace_within(
    limit: Duration,
    body: impl FnOnce(&Path) -> i32,
    mut at_entry: impl FnMut(&Tracee, &Seen),
) -> Traced {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    let mut witness = Witness { dir: path.clone(), seen: Vec::new(), inside: HashMap::new(), at_entry: &mut at_entry };
    let traced = trace::trace(|| body(&path), &mut witness, limit).unwrap();
    assert_ne!(traced.ending, Ending::TimeUp);
    assert_ne!(traced.ending, Ending::Exited(crashtest_linux::process::Exit::Status(101)), "the victim has panicked");
    Traced { seen: witness.seen, dir, ending: traced.ending, tasks: traced.tasks }
}

impl Watcher for Witness<'_> {
    fn enters(&mut self, tracee: &Tracee, call: &FileCall) -> Enter {
        let (path, data) = match call.request {
            Request::Open { target, .. } => (tracee.resolve(target, None).unwrap().path, Vec::new()),
            Request::Write { fd, bytes, .. } => (tracee.name_of(fd).unwrap(), tracee.bytes(bytes, u64::MAX).unwrap()),
            _ => return Enter::Pass,
        };
        let Ok(file) = path.strip_prefix(&self.dir) else { return Enter::Pass };
        if file == Path::new(ENOUGH) {
            return Enter::Kill;
        }
        let file = file.to_str().unwrap().to_owned();
        let (tid, process) = (tracee.tid(), tracee.process());
        let seen = Seen { call: call.name, tid, process, file, data, result: None };
        (self.at_entry)(tracee, &seen);
        self.inside.entry(tid).or_default().push(self.seen.len());
        self.seen.push(seen);
        Enter::Watch
    }

    fn returned(&mut self, tracee: &Tracee, call: &FileCall, result: Result<u64, i32>) -> Return {
        let index =
            self.inside.get_mut(&tracee.tid()).and_then(Vec::pop).expect("a call that has returned was entered");
        let seen = &mut self.seen[index];
        assert_eq!((seen.call, seen.result), (call.name, None));
        seen.result = Some(result);
        Return::Go
    }
}

impl Traced {
    /// What was done to one file.
    pub(crate) fn calls_on(&self, file: &str) -> impl Iterator<Item = &Seen> {
        self.seen.iter().filter(move |seen| seen.file == file)
    }

    /// Asserts that every record of `file` was seen once, whole and in order, as a call of the thread and process that wrote it.
    /// Together they are what the file holds.
    pub(crate) fn assert_whole(&self, file: &str, records: u64) {
        assert_eq!(self.calls_on(file).filter(|seen| seen.call != "write").count(), 1, "{file}: opened once");
        let writes: Vec<&Seen> = self.calls_on(file).filter(|seen| seen.call == "write").collect();
        assert_eq!(writes.len() as u64, records, "{file}");
        for (n, seen) in writes.iter().enumerate() {
            let record = format!("{} {} {n}\n", seen.process, seen.tid);
            assert_eq!(String::from_utf8_lossy(&seen.data), record, "{file}");
            assert_eq!(seen.result, Some(Ok(record.len() as u64)), "{file}");
        }
        let all: Vec<u8> = writes.iter().flat_map(|seen| seen.data.clone()).collect();
        assert!(fs::read(self.dir.path().join(file)).unwrap() == all, "{file} holds something else");
    }

    /// The processes that made calls.
    pub(crate) fn processes(&self) -> BTreeSet<i32> {
        self.seen.iter().map(|seen| seen.process).collect()
    }

    /// The threads that made calls.
    pub(crate) fn threads(&self) -> BTreeSet<i32> {
        self.seen.iter().map(|seen| seen.tid).collect()
    }
}

/// Whether a process is gone, or dead and not yet waited for by whoever has inherited it.
pub(crate) fn is_gone(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

/// The processes that this one still traces.
pub(crate) fn left_over() -> Vec<i32> {
    let ours = format!("TracerPid:\t{}", std::process::id());
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.lines().any(|line| line == ours))
    })
    .collect()
}
