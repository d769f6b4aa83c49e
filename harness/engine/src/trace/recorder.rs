//! From trapped system calls to a trace: which file a call is really about, what it did there, and how far the program was.
//!
//! Names and descriptors are looked up when the call is made, as the kernel will: nothing is remembered of open(2), dup(2) or
//! chdir(2), so nothing can be wrong about them. Only calls below the state directory are recorded.
//!
//! Calls are let into the kernel one at a time, in the order in which they are asked for, so that a run of several threads has one
//! order. Where one waits for another inside of a call, the other is let in after a while, and the trace says that they overlap.
//!
//! The same recorder carries orders out: a kill at a crash point of an earlier recording, or a call that fails.

mod action;
mod course;
mod ear;
mod failing;
mod left;
mod names;
mod overlaps;
mod recorded;
mod stores;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use crashtest_linux::mounts;
use crashtest_linux::trace::{Enter, FileCall, OpenFile, Request, Return, Stops, Tracee, Watcher};
use crashtest_model::{
    Action, At, CallFailure, CallIndex, CrashPoint, FileId, Lasting, Operation, Progress, Trace, Until,
};

use crate::output::Output;
use crate::trace::line_protocol::Printed;
use crate::trace::orders::Orders;
use action::Unfinished;
use course::Course;
pub use course::SoFar;
use ear::Ear;
use overlaps::Overlaps;
pub(crate) use recorded::{Cut, Recorded};
use stores::Mapped;

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
    /// The device of its file system.
    device: u64,
    /// Whether names may stand for something else than for us: somebody has another root, or other mounts.
    rerooted: bool,
    /// Directories outside from which files come into it: what is done to files there is recorded under their whole paths.
    aside: Vec<PathBuf>,
    /// The files that are mapped.
    mapped: Vec<Mapped>,
    /// What is known of calls that overlap.
    overlaps: Overlaps,
    /// By thread: the operations that it is inside of, and what their returns have to be completed with. There are several where a
    /// signal has interrupted one and its handler makes another, which returns first.
    open: BTreeMap<i32, Vec<(usize, Unfinished)>>,
    /// Where what it prints is heard.
    ear: Ear<'p>,
    /// How far the run is, and when it is over.
    course: Course<'p>,
    trace: Trace,
    /// Whether what is written is kept, besides how much it is.
    keeps_data: bool,
    /// Whether what files have besides their contents is kept.
    keeps_attributes: bool,
    /// Whether calls that read are recorded as well.
    reads: bool,
    /// The disk is full: the error number of what needs room, and how often it is returned.
    full: Option<(i32, Lasting)>,
    /// The first call that was made to fail.
    failed: Option<CallIndex>,
    /// Calls of the kind of the one that is to fail, so far.
    counted: u32,
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
        let device = fs::metadata(&root)?.dev();
        let certain = mounts::close_cannot_fail(&root).then_some(device);
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
            device,
            rerooted: false,
            aside: Vec::new(),
            mapped: Vec::new(),
            overlaps: Overlaps::default(),
            open: BTreeMap::new(),
            ear: Ear::Nobody,
            course: Course::default(),
            trace: Trace::default(),
            keeps_data: true,
            keeps_attributes: false,
            reads: false,
            full: None,
            failed: None,
            counted: 0,
            obeyed: false,
        };
        recorder.note_files(&recorder.root.clone())?;
        recorder.trace.files.sort();
        Ok(recorder)
    }

    /// Ends the run as soon as `stop` is set.
    pub(crate) fn stop_at(&mut self, stop: Option<&'p AtomicBool>) {
        self.course.stop = stop;
    }

    /// Ends the run once it is so far.
    pub(crate) fn end_at(&mut self, until: Until) {
        self.course.until = until;
    }

    /// Tells `tell` again and again how far the run is.
    pub(crate) fn tell(&mut self, tell: &'p dyn Fn(SoFar)) {
        self.course.tell = Some(tell);
    }

    /// Keeps how much is written, and not what: the crash states cannot be derived from such a trace.
    pub(crate) fn keep_lengths_only(&mut self) {
        self.keeps_data = false;
    }

    /// Keeps what files have besides their contents: a program may read it.
    pub(crate) fn keep_attributes(&mut self) {
        self.keeps_attributes = true;
    }

    /// Records calls that read as well.
    pub(crate) fn also_reads(&mut self) {
        self.reads = true;
    }

    /// Records what is done to files in these directories outside, from which files come into the state directory.
    pub(crate) fn look_aside(&mut self, aside: impl IntoIterator<Item = PathBuf>) {
        self.aside.extend(aside);
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

    fn unmodelled(&mut self, name: &str) {
        *self.trace.unmodelled.entry(name.to_owned()).or_default() += 1;
    }

    fn process(&mut self, process: i32) -> u32 {
        let next = self.processes.len() as u32;
        *self.processes.entry(process).or_insert(next)
    }
}

impl Watcher for Recorder<'_> {
    fn stops(&self) -> Stops {
        if self.reads { Stops::AlsoReads } else { Stops::Changes }
    }

    fn has_enough(&mut self) -> bool {
        self.course.look() && (self.nobody_is_inside() || self.course.is_overdue())
    }

    fn enters(&mut self, tracee: &Tracee, call: &FileCall) -> Enter {
        if call.request == Request::Ring {
            return Enter::Fail(libc::ENOSYS);
        }
        if let Some(enter) = self.ear.enters(tracee, call) {
            return enter;
        }
        if call.request == Request::Reroot {
            self.rerooted = true;
            return Enter::Pass;
        }
        let Some((action, mut unfinished)) = self.begin(tracee, call) else { return Enter::Pass };
        if self.has_to_wait(tracee.tid(), &unfinished) {
            return Enter::Hold;
        }
        self.course.begins(self.trace.operations.len(), self.nobody_is_inside());
        let before_stores = self.trace.operations.len();
        self.note_stores();
        if let Orders::Kill(CrashPoint { call, at: At::After }) = self.orders
            && call.0 as usize >= before_stores
            // Of several stores between two calls, which were seen at once, all are there.
            && call.0 as usize + 1 == self.trace.operations.len()
        {
            self.obeyed = true;
            return Enter::Kill;
        }
        let index = CallIndex(self.trace.operations.len() as u32);
        self.begins(tracee.tid(), before_stores..=index.0 as usize);
        let before = self.progress_now();
        let mut operation = Operation {
            process: self.process(tracee.process()),
            call: call.name.into(),
            action,
            errno: None,
            before,
            after: before,
            left: None,
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
            Some(CallFailure::Full { bytes, errno }) => {
                self.full = self.orders.injection().map(|injection| (errno, injection.lasting));
                // Another run may write less: then it has room for less.
                enter = Enter::Shorten(bytes.min(requested.saturating_sub(1)).max(1));
            }
        }
        if matches!(enter, Enter::Shorten(_)) && !call.can_be_shortened() {
            enter = Enter::Watch;
        }
        self.trace.operations.push(operation);
        let killed_behind = self.orders == Orders::Kill(CrashPoint { call: index, at: At::After });
        if matches!(unfinished, Unfinished::Certain) && !killed_behind {
            let calls = self.trace.operations.len();
            self.course.returns(&self.trace.operations[calls - 1], calls);
            return Enter::Pass;
        }
        self.goes_inside(tracee.tid(), index.0 as usize, unfinished);
        if let (Enter::Shorten(bytes), Some(_)) = (enter, self.orders.injection()) {
            self.obeyed |= bytes < requested;
        }
        enter
    }

    fn returned(&mut self, tracee: &Tracee, call: &FileCall, result: Result<u64, i32>) -> Return {
        if self.ear.returned(tracee, result) {
            return Return::Go;
        }
        let Some((index, unfinished)) = self.open.get_mut(&tracee.tid()).and_then(Vec::pop) else { return Return::Go };
        self.ends(tracee.tid(), index);
        if let Ok(value) = result {
            let mut operations = std::mem::take(&mut self.trace.operations);
            let operation = &mut operations[index];
            self.complete(tracee, call, &mut operation.action, &unfinished, value);
            operation.left = self.left(tracee, call, &operation.action, &unfinished, value);
            if let Action::Write { file, .. } | Action::Resize { file, .. } | Action::Zero { file, .. } =
                operation.action
            {
                self.is_changed(file);
            }
            self.trace.operations = operations;
        }
        // Meanwhile another one may have printed something.
        let after = if tracee.is_alone() { (self.progress)() } else { self.progress_now() };
        let operation = &mut self.trace.operations[index];
        // Of a call that copies nobody knows beforehand how much there is.
        let copies = matches!(unfinished, Unfinished::Write { orderly: false, .. });
        let cut = match &operation.action {
            Action::Write { data, requested, .. } => {
                Some(data.length()).filter(|written| copies || written < requested)
            }
            _ => None,
        };
        operation.errno = result.err();
        operation.after = after;
        let calls = self.trace.operations.len();
        self.course.returns(&self.trace.operations[index], calls);
        let operation = &mut self.trace.operations[index];
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
        self.course.report(self.trace.operations.len());
    }
}
