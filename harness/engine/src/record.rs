//! From trapped system calls to a trace: which file a call is really about, what it did there, and how far the program was.
//!
//! Names and descriptors are looked up when the call is made, as the kernel will: nothing is remembered of open(2), dup(2) or
//! chdir(2), so nothing can be wrong about them. Only calls below the state directory are recorded.
//!
//! The same recorder carries orders out: a kill at a crash point of an earlier recording, or a call that fails.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crashtest_linux::trace::{self, Bytes, Enter, FileCall, Request, Return, Target, Tracee, Watcher};
use crashtest_model::{
    Action, At, CallFailure, CallIndex, CrashPoint, Data, Durable, FileId, Injection, Lasting, Operation, Progress,
    Trace,
};

use crate::printed::Printed;

/// What is done besides recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orders {
    /// Nothing.
    Record,
    /// Everything is killed there.
    Kill(CrashPoint),
    /// A call fails.
    Fail(Injection),
}

/// Watches a program and writes down what it does to the files below one directory.
pub(crate) struct Recorder<'p> {
    root: PathBuf,
    orders: Orders,
    /// How far the program is, as it tells outside its files.
    progress: &'p dyn Fn() -> Progress,
    files: HashMap<(u64, u64), FileId>,
    next_file: u32,
    processes: HashMap<i32, u32>,
    /// By thread: the operations that it is inside of, and what their returns have to be completed with. There are several where a
    /// signal has interrupted one and its handler makes another, which returns first.
    open: HashMap<i32, Vec<(usize, Unfinished)>>,
    /// The output of a program that prints how far it is, and where what it prints is taken.
    output: Option<(PathBuf, &'p RefCell<Printed>)>,
    /// Whether somebody wants no more of it.
    stop: Option<&'p AtomicBool>,
    /// By thread: what it is about to print.
    printing: HashMap<i32, Bytes>,
    /// The threads that have made calls, and their processes.
    callers: HashMap<i32, i32>,
    trace: Trace,
    /// Whether the orders were carried out.
    obeyed: bool,
}

/// What is not known of an operation before it has returned.
enum Unfinished {
    /// Nothing.
    Known,
    Open {
        existed: bool,
    },
    Write {
        fd: i32,
        at: Place,
        /// Whether it waits for another one to the same file, and another for it. See [`Recorder::is_being_written`].
        orderly: bool,
    },
    Fallocate {
        fd: i32,
    },
    Linked {
        path: PathBuf,
    },
    /// close(2) that is to fail, and close all the same.
    FailedClose {
        errno: i32,
    },
}

/// Where a write goes.
enum Place {
    /// To the descriptor's offset.
    Offset,
    /// There.
    At(u64),
    /// To the offset at this address, which the call moves on.
    Pointer(u64),
    /// Over everything.
    Whole,
}

impl<'p> Recorder<'p> {
    /// A recorder for the directory `root`, which holds the files as they are at the start.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn new(root: &Path, orders: Orders, progress: &'p dyn Fn() -> Progress) -> io::Result<Recorder<'p>> {
        let root = fs::canonicalize(root)?;
        let mut recorder = Recorder {
            root,
            orders,
            progress,
            files: HashMap::new(),
            next_file: 0,
            processes: HashMap::new(),
            open: HashMap::new(),
            output: None,
            stop: None,
            printing: HashMap::new(),
            callers: HashMap::new(),
            trace: Trace::default(),
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

    /// Hands what the program prints on `output`, the name of an open file of ours, to `printed`.
    pub(crate) fn listen(&mut self, output: PathBuf, printed: &'p RefCell<Printed>) {
        self.output = Some((output, printed));
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
        let below = path.strip_prefix(&self.root).ok()?.to_string_lossy();
        let name = below.strip_suffix(" (deleted)").unwrap_or(&below);
        Some(if name.is_empty() { ".".to_owned() } else { name.to_owned() })
    }

    fn target(&self, tracee: &Tracee, target: Target) -> Option<(PathBuf, String)> {
        let path = tracee.resolve(target, &self.root).ok()?;
        let name = self.relative(&path)?;
        Some((path, name))
    }

    /// The name of a descriptor below the state directory. A file that is written outside is noted.
    fn descriptor(&mut self, tracee: &Tracee, fd: i32, writes: bool) -> Option<String> {
        let path = tracee.name_of(fd).ok()?;
        let name = self.relative(&path);
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

    fn of_descriptor(&mut self, tracee: &Tracee, fd: i32) -> Option<(FileId, crashtest_linux::trace::Descriptor)> {
        let descriptor = tracee.descriptor(fd).ok()?;
        Some((self.id_of(descriptor.inode), descriptor))
    }

    fn of_path(&mut self, path: &Path) -> FileId {
        // What is not there has no number: the call fails, and nothing is done to it.
        fs::metadata(path).map_or(FileId(u32::MAX), |metadata| self.id_of((metadata.dev(), metadata.ino())))
    }

    /// What a call is about to do, if that is below the state directory.
    fn begin(&mut self, tracee: &Tracee, call: &FileCall) -> Option<(Action, Unfinished)> {
        let known = |action| Some((action, Unfinished::Known));
        match call.request {
            Request::Open { target, flags } => self.begin_open(tracee, target, flags),
            Request::OpenHow { target, how } => {
                let flags = tracee.number(how).ok()??;
                let changes = libc::O_CREAT | libc::O_TRUNC | libc::O_WRONLY | libc::O_RDWR;
                let flags = i32::try_from(flags).ok().filter(|flags| flags & changes != 0)?;
                self.begin_open(tracee, target, flags)
            }
            Request::Write { fd, bytes, offset } => {
                let path = self.descriptor(tracee, fd, true)?;
                let requested = tracee.length(bytes).unwrap_or(0);
                let at = offset.map_or(Place::Offset, Place::At);
                Some(write(path, requested, Unfinished::Write { fd, at, orderly: true }))
            }
            Request::Copy { fd, offset, length } => {
                let path = self.descriptor(tracee, fd, true)?;
                let at = if offset == 0 { Place::Offset } else { Place::Pointer(offset) };
                // May wait for a pipe, which somebody else fills: nobody waits for it.
                Some(write(path, length, Unfinished::Write { fd, at, orderly: false }))
            }
            Request::Reflink { fd } => {
                let path = self.descriptor(tracee, fd, true)?;
                Some(write(path, 0, Unfinished::Write { fd, at: Place::Whole, orderly: false }))
            }
            Request::Truncate { target, length } => {
                let (full, path) = self.target(tracee, target)?;
                known(Action::Resize { path, file: self.of_path(&full), length })
            }
            Request::Ftruncate { fd, length } => {
                let path = self.descriptor(tracee, fd, true)?;
                let (file, _) = self.of_descriptor(tracee, fd)?;
                known(Action::Resize { path, file, length })
            }
            Request::Fallocate { fd, mode, offset, length } => {
                let path = self.descriptor(tracee, fd, true)?;
                let (file, descriptor) = self.of_descriptor(tracee, fd)?;
                let (keep, punch, zero) =
                    (libc::FALLOC_FL_KEEP_SIZE, libc::FALLOC_FL_PUNCH_HOLE, libc::FALLOC_FL_ZERO_RANGE);
                match mode {
                    0 => Some((Action::Resize { path, file, length: descriptor.length }, Unfinished::Fallocate { fd })),
                    mode if mode == keep => known(Action::Attribute { path }),
                    mode if mode & !keep == punch || mode == zero | keep => {
                        known(Action::Zero { path, file, offset, length })
                    }
                    mode if mode == zero && offset + length <= descriptor.length => {
                        known(Action::Zero { path, file, offset, length })
                    }
                    _ => {
                        self.unmodelled("fallocate");
                        None
                    }
                }
            }
            Request::Rename { from, to, flags } => {
                let (from, to) = (self.target(tracee, from), self.target(tracee, to));
                match (from, to) {
                    (Some((_, from)), Some((_, to))) => {
                        known(Action::Rename { from, to, exchange: flags & libc::RENAME_EXCHANGE != 0 })
                    }
                    (Some((_, path)), None) => known(Action::Unlink { path }),
                    (None, Some(_)) => {
                        self.unmodelled("rename into the state directory");
                        None
                    }
                    (None, None) => None,
                }
            }
            Request::Link { to, .. } => {
                let (path, to) = self.target(tracee, to)?;
                Some((Action::Link { file: FileId(u32::MAX), to }, Unfinished::Linked { path }))
            }
            Request::Symlink { content, target } => {
                let (_, path) = self.target(tracee, target)?;
                let target = tracee.path(content).ok()?.to_string_lossy().into_owned();
                known(Action::Symlink { target, path })
            }
            Request::Unlink { target, directory } => {
                let (_, path) = self.target(tracee, target)?;
                known(if directory { Action::Rmdir { path } } else { Action::Unlink { path } })
            }
            Request::Mkdir { target } => {
                let (path, name) = self.target(tracee, target)?;
                Some((Action::Mkdir { path: name, mode: 0 }, Unfinished::Linked { path }))
            }
            Request::Mknod { target } => known(Action::Mknod { path: self.target(tracee, target)?.1 }),
            Request::Chmod { target, mode } => known(Action::Chmod { path: self.target(tracee, target)?.1, mode }),
            Request::Fchmod { fd, mode } => known(Action::Chmod { path: self.descriptor(tracee, fd, false)?, mode }),
            Request::Attribute { target } => known(Action::Attribute { path: self.target(tracee, target)?.1 }),
            Request::AttributeOf { fd } => known(Action::Attribute { path: self.descriptor(tracee, fd, false)? }),
            Request::Sync { fd } => {
                let path = self.descriptor(tracee, fd, false)?;
                let (file, descriptor) = self.of_descriptor(tracee, fd)?;
                let durable = match call.name {
                    "syncfs" => Durable::Everything,
                    "sync_file_range" => Durable::Range,
                    _ if descriptor.directory => Durable::Directory,
                    "fdatasync" => Durable::Data,
                    _ => Durable::File,
                };
                known(Action::Sync { path, file: (!descriptor.directory).then_some(file), durable })
            }
            Request::SyncAll if call.name == "sync" => {
                known(Action::Sync { path: ".".to_owned(), file: None, durable: Durable::Everything })
            }
            Request::SyncAll => {
                let mapped = self.trace.operations.iter().any(|done| matches!(done.action, Action::Map { .. }));
                mapped.then(|| {
                    let action = Action::Sync { path: ".".to_owned(), file: None, durable: Durable::Mapping };
                    (action, Unfinished::Known)
                })
            }
            Request::Close { fd } => {
                let path = self.descriptor(tracee, fd, false)?;
                if !tracee.is_writable(fd) {
                    return None;
                }
                let (inode, _) = tracee.inode(fd).ok()?;
                known(Action::Close { path, file: self.id_of(inode) })
            }
            Request::Map { fd } => {
                let path = self.descriptor(tracee, fd, false)?;
                let (file, descriptor) = self.of_descriptor(tracee, fd)?;
                // Read-only now can be made writable later, where the descriptor may write.
                let writes = descriptor.flags & libc::O_ACCMODE == libc::O_RDWR;
                if writes { known(Action::Map { path, file }) } else { None }
            }
            Request::Unmodelled => {
                self.unmodelled(call.name);
                None
            }
            Request::Ring => None,
        }
    }

    fn begin_open(&mut self, tracee: &Tracee, target: Target, flags: i32) -> Option<(Action, Unfinished)> {
        let named = tracee.resolve(target, &self.root).ok()?;
        let (path, exists) = match fs::symlink_metadata(&named) {
            // A link may lead out of the state directory, or into it.
            Ok(metadata) if metadata.is_symlink() => match fs::canonicalize(&named) {
                Ok(path) => (path, true),
                Err(_) => (named, false),
            },
            found => (named, found.is_ok()),
        };
        let name = self.relative(&path)?;
        let unnamed = flags & libc::O_TMPFILE == libc::O_TMPFILE;
        let existed = exists && !unnamed;
        let action = Action::Open {
            path: if unnamed { String::new() } else { name },
            file: FileId(u32::MAX),
            created: !existed,
            truncated: existed && flags & libc::O_TRUNC != 0,
            synchronous: flags & (libc::O_SYNC | libc::O_DSYNC) != 0,
            mode: 0,
        };
        Some((action, Unfinished::Open { existed }))
    }

    /// Completes an action by what its call has returned.
    fn complete(
        &mut self,
        tracee: &Tracee,
        call: &FileCall,
        action: &mut Action,
        unfinished: &Unfinished,
        result: u64,
    ) {
        match (unfinished, action) {
            (Unfinished::Open { existed }, Action::Open { file, mode, .. }) => {
                let Ok((inode, permissions)) = tracee.inode(result as i32) else { return };
                *file = if *existed { self.id_of(inode) } else { self.new_id(inode) };
                if !*existed {
                    *mode = permissions;
                }
            }
            (Unfinished::Write { fd, at, .. }, Action::Write { file, offset, data, requested, .. }) => {
                let Some((id, descriptor)) = self.of_descriptor(tracee, *fd) else { return };
                *file = id;
                let appends = descriptor.flags & libc::O_APPEND != 0;
                *offset = match at {
                    Place::Offset => descriptor.offset.saturating_sub(result),
                    // Linux appends all the same: pwrite(2), BUGS.
                    Place::At(_) if appends => descriptor.length.saturating_sub(result),
                    Place::At(offset) => *offset,
                    Place::Pointer(address) => {
                        tracee.number(*address).ok().flatten().unwrap_or(0).saturating_sub(result)
                    }
                    Place::Whole => 0,
                };
                data.0 = match call.request {
                    Request::Write { bytes, .. } => tracee.bytes(bytes, result).unwrap_or_default(),
                    _ => {
                        let length = if matches!(at, Place::Whole) { descriptor.length } else { result };
                        // Programs ask for as much as there may be: that is no measure of anything.
                        *requested = length;
                        read_back(tracee, *fd, *offset, length).unwrap_or_default()
                    }
                };
            }
            (Unfinished::Fallocate { fd }, Action::Resize { length, .. }) => {
                *length = tracee.descriptor(*fd).map_or(*length, |descriptor| descriptor.length);
            }
            (Unfinished::Linked { path }, Action::Link { file, .. }) => *file = self.of_path(path),
            (Unfinished::Linked { path }, Action::Mkdir { mode, .. }) => {
                *mode = fs::symlink_metadata(path).map_or(0, |metadata| metadata.mode() & 0o7777);
            }
            _ => {}
        }
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
            trace::regular_file(tid, *fd).is_some_and(|file| trace::regular_file(other, its) == Some(file))
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
        (now && crate::io::fits(action, injection.failure)).then_some(injection.failure)
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
        if let (Request::Write { fd, bytes, .. }, Some((output, _))) = (call.request, &self.output)
            && tracee.name_of(fd).is_ok_and(|name| name == *output)
        {
            self.printing.insert(tracee.tid(), bytes);
            return Enter::Watch;
        }
        let Some((action, mut unfinished)) = self.begin(tracee, call) else { return Enter::Pass };
        if self.is_being_written(tracee.tid(), &unfinished) {
            self.trace.concurrent = true;
            return Enter::Hold;
        }
        let index = CallIndex(self.trace.operations.len() as u32);
        let before = (self.progress)();
        let mut operation = Operation {
            process: self.process(tracee.process()),
            call: call.name.to_owned(),
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
        self.open.entry(tracee.tid()).or_default().push((index.0 as usize, unfinished));
        if let (Enter::Shorten(bytes), Orders::Fail(_)) = (enter, self.orders) {
            self.obeyed |= bytes < requested;
        }
        enter
    }

    fn returned(&mut self, tracee: &Tracee, call: &FileCall, result: Result<u64, i32>) -> Return {
        if let Some(bytes) = self.printing.remove(&tracee.tid()) {
            if let (Some((_, printed)), Ok(length)) = (&self.output, result) {
                printed.borrow_mut().hear(tracee.process(), &tracee.bytes(bytes, length).unwrap_or_default());
            }
            return Return::Go;
        }
        let Some((index, unfinished)) = self.open.get_mut(&tracee.tid()).and_then(Vec::pop) else { return Return::Go };
        let mut action = self.trace.operations[index].action.clone();
        if let Ok(value) = result {
            self.complete(tracee, call, &mut action, &unfinished, value);
        }
        let operation = &mut self.trace.operations[index];
        let cut = match &action {
            Action::Write { data, requested, .. } => Some(data.0.len() as u64).filter(|written| written < requested),
            _ => None,
        };
        operation.action = action;
        operation.errno = result.err();
        operation.after = (self.progress)();
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
        self.printing.remove(&tid);
    }
}

fn write(path: String, requested: u64, unfinished: Unfinished) -> (Action, Unfinished) {
    let action = Action::Write { path, file: FileId(u32::MAX), offset: 0, data: Data::default(), requested };
    (action, unfinished)
}

/// What a call inside the kernel has put into a file.
fn read_back(tracee: &Tracee, fd: i32, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let file = fs::File::open(format!("/proc/{}/fd/{fd}", tracee.tid()))?;
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}
