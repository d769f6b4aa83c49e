//! From trapped system calls to a trace: which file a call is really about, what it did there, and how far the program was.
//!
//! Names and descriptors are looked up when the call is made, as the kernel will: nothing is remembered of open(2), dup(2) or
//! chdir(2), so nothing can be wrong about them. Only calls below the state directory are recorded.
//!
//! The same recorder carries orders out: a kill at a crash point of an earlier recording, or a call that fails.

mod action;
mod ear;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crashtest_linux::mounts;
use crashtest_linux::trace::{Descriptor, Enter, FileCall, OpenFile, Request, Return, Target, Tracee, Watcher};
use crashtest_model::{Action, At, CallFailure, CallIndex, CrashPoint, FileId, Lasting, Operation, Progress, Trace};
use crashtest_states::fits;

use crate::output::Output;
use crate::trace::line_protocol::Printed;
use crate::trace::orders::Orders;
use action::Unfinished;
use ear::Ear;

/// What is said of a name that is no text.
const NOT_TEXT: &str = "names that are not UTF-8";

/// Watches a program and writes down what it does to the files below one directory.
pub(crate) struct Recorder<'p> {
    root: PathBuf,
    /// How the paths of files below it begin.
    below_root: Vec<u8>,
    /// The device of its file system, where close(2) cannot fail there.
    certain: Option<u64>,
    orders: Orders,
    /// How far the program is, as it tells outside its files.
    progress: &'p dyn Fn() -> Progress,
    files: HashMap<(u64, u64), FileId>,
    next_file: u32,
    processes: BTreeMap<i32, u32>,
    /// By thread: the operations that it is inside of, and what their returns have to be completed with. There are several where a
    /// signal has interrupted one and its handler makes another, which returns first.
    open: BTreeMap<i32, Vec<(usize, Unfinished)>>,
    /// Where what it prints is heard.
    ear: Ear<'p>,
    /// Whether somebody wants no more of it.
    stop: Option<&'p AtomicBool>,
    /// The threads that have made calls, and their processes.
    callers: BTreeMap<i32, i32>,
    trace: Trace,
    /// Whether what is written is kept, besides how much it is.
    keeps_data: bool,
    /// Whether the orders were carried out.
    obeyed: bool,
}

impl<'p> Recorder<'p> {
    /// A recorder for the directory `root`, which holds the files as they are at the start.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn new(root: &Path, orders: Orders, progress: &'p dyn Fn() -> Progress) -> io::Result<Recorder<'p>> {
        let root = fs::canonicalize(root)?;
        let certain = if mounts::close_cannot_fail(&root) { Some(fs::metadata(&root)?.dev()) } else { None };
        let below_root = root.join("").into_os_string().into_vec();
        let mut recorder = Recorder {
            root,
            below_root,
            certain,
            orders,
            progress,
            files: HashMap::new(),
            next_file: 0,
            processes: BTreeMap::new(),
            open: BTreeMap::new(),
            ear: Ear::Nobody,
            stop: None,
            callers: BTreeMap::new(),
            trace: Trace::default(),
            keeps_data: true,
            obeyed: false,
        };
        recorder.note_files(&recorder.root.clone())?;
        recorder.trace.files.sort();
        Ok(recorder)
    }

    /// Ends everything as soon as `stop` is set.
    pub(crate) fn stop_at(&mut self, stop: Option<&'p AtomicBool>) {
        self.stop = stop;
    }

    /// Keeps how much is written, and not what: the crash states cannot be derived from such a trace.
    pub(crate) fn keep_lengths_only(&mut self) {
        self.keeps_data = false;
    }

    /// Hands what the program prints on `output`, the name of an open file of ours, to `printed`.
    pub(crate) fn listen(&mut self, output: PathBuf, printed: &'p RefCell<Printed>) {
        self.ear = Ear::Calls { output, printed, printing: BTreeMap::new() };
    }

    /// Takes what the program prints from the pipes of `output`, which it prints into.
    pub(crate) fn take_from(&mut self, output: &'p RefCell<Output<Printed>>) {
        self.ear = Ear::Pipes(output);
    }

    /// How far the program is now.
    fn progress_now(&self) -> Progress {
        self.ear.hear();
        (self.progress)()
    }

    /// Whether close(2) of a descriptor that is open on `open` is done once it is called: nobody else can close it meanwhile, and
    /// no other call can come in between.
    fn closes_for_certain(&self, tracee: &Tracee, open: &OpenFile) -> bool {
        tracee.is_alone() && self.certain == Some(open.inode.0)
    }

    /// The trace, and whether the orders were carried out.
    pub(crate) fn finish(mut self) -> (Trace, bool) {
        self.trace.end = (self.progress)();
        self.trace.processes = self.processes.len() as u32;
        (self.trace, self.obeyed)
    }

    fn note_files(&mut self, dir: &Path) -> io::Result<()> {
        let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<io::Result<_>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                self.note_files(&entry.path())?;
            } else if metadata.is_file() {
                let id = self.id_of((metadata.dev(), metadata.ino()));
                self.trace.files.push((self.relative(&entry.path()).unwrap_or_default(), id));
                self.trace.lengths.insert(id, metadata.len());
            }
        }
        Ok(())
    }

    fn new_id(&mut self, inode: (u64, u64)) -> FileId {
        let id = FileId(self.next_file);
        self.next_file += 1;
        self.files.insert(inode, id);
        id
    }

    fn id_of(&mut self, inode: (u64, u64)) -> FileId {
        match self.files.get(&inode) {
            Some(id) => *id,
            None => self.new_id(inode),
        }
    }

    /// The name below the state directory; `None` for what lies outside.
    fn relative(&self, path: &Path) -> Option<String> {
        if path == self.root {
            return Some(".".to_owned());
        }
        // Both are resolved, without `.` and `..`: their bytes say it, which is asked of every descriptor.
        let below = path.as_os_str().as_bytes().strip_prefix(&self.below_root[..])?;
        let name = below.strip_suffix(b" (deleted)").unwrap_or(below);
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// The same, of what a call names. The names of a trace are text: one that is none is not modelled.
    fn named(&mut self, path: &Path) -> Option<String> {
        let name = self.relative(path)?;
        if path.to_str().is_none() {
            self.unmodelled(NOT_TEXT);
        }
        Some(name)
    }

    fn target(&mut self, tracee: &Tracee, target: Target) -> Option<(PathBuf, String)> {
        let path = tracee.resolve(target, &self.root).ok()?;
        let name = self.named(&path)?;
        Some((path, name))
    }

    /// The name of a descriptor below the state directory. A file that is written outside is noted.
    fn descriptor(&mut self, tracee: &Tracee, fd: i32, writes: bool) -> Option<String> {
        let path = tracee.name_of(fd).ok()?;
        let name = self.named(&path);
        if name.is_none() && writes && path.is_absolute() {
            let outside = path.to_string_lossy().into_owned();
            let memory = outside.starts_with("/dev/shm/");
            let device = ["/dev/", "/proc/", "/sys/", "/memfd:"].iter().any(|prefix| outside.starts_with(prefix));
            if (memory || !device) && !self.trace.outside.contains(&outside) {
                self.trace.outside.push(outside);
            }
        }
        name
    }

    fn of_descriptor(&mut self, tracee: &Tracee, fd: i32) -> Option<(FileId, OpenFile)> {
        let open = tracee.descriptor(fd).and_then(|descriptor| descriptor.file()).ok()?;
        Some((self.id_of(open.inode), open))
    }

    fn of_path(&mut self, path: &Path) -> FileId {
        // What is not there has no number: the call fails, and nothing is done to it.
        fs::metadata(path).map_or(FileId(u32::MAX), |metadata| self.id_of((metadata.dev(), metadata.ino())))
    }

    /// Whether another thread is inside a write to the same regular file. Where a write has gone is known by the offset and the length
    /// that it leaves: a second one meanwhile would move them on. Such a write waits for nobody, so that others can wait for it.
    fn is_being_written(&self, tid: i32, unfinished: &Unfinished) -> bool {
        let Unfinished::Write { fd, orderly: true, .. } = unfinished else { return false };
        let others = self.open.iter().filter(|(other, _)| **other != tid);
        let mut writing = others.flat_map(|(other, inside)| {
            inside.iter().filter_map(|(_, inside)| match inside {
                Unfinished::Write { fd, orderly: true, .. } => Some((*other, *fd)),
                _ => None,
            })
        });
        // Hardly ever is there another: nothing is looked up before.
        writing.any(|(other, its)| {
            let regular = |tid, fd| Descriptor::Named { tid, fd }.file().ok().filter(|open| open.regular);
            regular(tid, *fd).is_some_and(|open| regular(other, its).is_some_and(|its| its.inode == open.inode))
        })
    }

    fn unmodelled(&mut self, name: &str) {
        *self.trace.unmodelled.entry(name.to_owned()).or_default() += 1;
    }

    fn process(&mut self, process: i32) -> u32 {
        let next = self.processes.len() as u32;
        *self.processes.entry(process).or_insert(next)
    }

    /// Notes that this thread makes a call now, and whether another may as well have made one at this moment: it is inside of one, or
    /// it belongs to the same process.
    fn note_caller(&mut self, tracee: &Tracee) {
        let other_thread = |(tid, process): (&i32, &i32)| *process == tracee.process() && *tid != tracee.tid();
        let inside = self.open.iter().any(|(tid, calls)| *tid != tracee.tid() && !calls.is_empty());
        self.trace.concurrent |= inside || self.callers.iter().any(other_thread);
        self.callers.insert(tracee.tid(), tracee.process());
    }

    /// How the call `index`, which is about to do `action`, is to fail; `None` where it is not.
    fn failure(&self, index: CallIndex, action: &Action) -> Option<CallFailure> {
        let Orders::Fail(injection) = self.orders else { return None };
        let now = index == injection.call || (injection.lasting == Lasting::FromThenOn && index > injection.call);
        (now && fits(action, injection.failure)).then_some(injection.failure)
    }
}

impl Watcher for Recorder<'_> {
    fn has_enough(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    fn enters(&mut self, tracee: &Tracee, call: &FileCall) -> Enter {
        if call.request == Request::Ring {
            return Enter::Fail(libc::ENOSYS);
        }
        if let Some(enter) = self.ear.enters(tracee, call) {
            return enter;
        }
        let Some((action, mut unfinished)) = self.begin(tracee, call) else { return Enter::Pass };
        if self.is_being_written(tracee.tid(), &unfinished) {
            self.trace.concurrent = true;
            return Enter::Hold;
        }
        let index = CallIndex(self.trace.operations.len() as u32);
        let before = self.progress_now();
        let mut operation = Operation {
            process: self.process(tracee.process()),
            call: call.name.into(),
            action,
            errno: None,
            before,
            after: before,
        };
        if self.orders == Orders::Kill(CrashPoint { call: index, at: At::Before }) {
            self.obeyed = true;
            // It is named in what is told of the kill.
            self.trace.operations.push(operation);
            return Enter::Kill;
        }
        let mut enter = Enter::Watch;
        if let Orders::Kill(CrashPoint { call, at: At::Inside(bytes) }) = self.orders
            && call == index
        {
            enter = Enter::Shorten(bytes);
        }
        let requested = match &operation.action {
            Action::Write { requested, .. } => *requested,
            _ => 0,
        };
        match self.failure(index, &operation.action) {
            None => {}
            Some(CallFailure::Errno(errno)) if matches!(operation.action, Action::Close { .. }) => {
                unfinished = Unfinished::FailedClose { errno };
            }
            Some(CallFailure::Errno(errno)) => {
                self.obeyed = true;
                operation.errno = Some(errno);
                self.trace.operations.push(operation);
                return Enter::Fail(errno);
            }
            Some(CallFailure::Short(bytes)) => enter = Enter::Shorten(bytes),
            Some(CallFailure::Half) => enter = Enter::Shorten(requested.div_ceil(2)),
        }
        if matches!(enter, Enter::Shorten(_)) && !call.can_be_shortened() {
            enter = Enter::Watch;
        }
        self.trace.operations.push(operation);
        self.note_caller(tracee);
        let killed_behind = self.orders == Orders::Kill(CrashPoint { call: index, at: At::After });
        if matches!(unfinished, Unfinished::Certain) && !killed_behind {
            return Enter::Pass;
        }
        self.open.entry(tracee.tid()).or_default().push((index.0 as usize, unfinished));
        if let (Enter::Shorten(bytes), Orders::Fail(_)) = (enter, self.orders) {
            self.obeyed |= bytes < requested;
        }
        enter
    }

    fn returned(&mut self, tracee: &Tracee, call: &FileCall, result: Result<u64, i32>) -> Return {
        if self.ear.returned(tracee, result) {
            return Return::Go;
        }
        let Some((index, unfinished)) = self.open.get_mut(&tracee.tid()).and_then(Vec::pop) else { return Return::Go };
        if let Ok(value) = result {
            let mut operations = std::mem::take(&mut self.trace.operations);
            self.complete(tracee, call, &mut operations[index].action, &unfinished, value);
            self.trace.operations = operations;
        }
        // Meanwhile another one may have printed something.
        let after = if tracee.is_alone() { (self.progress)() } else { self.progress_now() };
        let operation = &mut self.trace.operations[index];
        let cut = match &operation.action {
            Action::Write { data, requested, .. } => Some(data.length()).filter(|written| written < requested),
            _ => None,
        };
        operation.errno = result.err();
        operation.after = after;
        if let Unfinished::FailedClose { errno } = unfinished {
            self.obeyed = true;
            operation.errno = Some(errno);
            return Return::Fail(errno);
        }
        let there = match self.orders {
            Orders::Kill(CrashPoint { call, at }) if call.0 as usize == index => match at {
                At::Before => false,
                // Another run may write something else there, or in another way.
                At::Inside(bytes) => cut == Some(bytes),
                At::After => true,
            },
            _ => false,
        };
        if there {
            self.obeyed = true;
            return Return::Kill;
        }
        Return::Go
    }

    fn ended(&mut self, tid: i32) {
        self.open.remove(&tid);
        self.ear.ended(tid);
    }

    fn is_awaited(&self) -> bool {
        self.ear.is_awaited()
    }

    fn idle(&mut self) {
        self.ear.attend();
    }
}
