//! The model against the kernel. Random file operations are done in a real directory and traced. Every crash state that follows
//! from the trace is held against what the directory held at that moment. Where they disagree, the model is wrong.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crashtest_model::Tears;
use crashtest_model::{Action, At, CallIndex, CrashPoint, Data, FileId, Node, Operation, Progress, Seed, Trace};
use crashtest_states::{Entry, Snapshot, crash_points, crash_states, distinct};
use nix::fcntl::{AT_FDCWD, AtFlags, FallocateFlags, OFlag, RenameFlags, fallocate, renameat2};
use nix::sys::stat::Mode;
use nix::unistd::{linkat, mkfifo, truncate};
use proptest::prelude::*;

/// Few names, so that operations meet each other; some lie below others.
const NAMES: [&str; 7] = ["a", "b", "d", "d/a", "d/b", "d/d", "d/d/a"];

/// How many descriptors a run holds at a time.
const DESCRIPTORS: usize = 4;

type Name = prop::sample::Index;
type Descriptor = prop::sample::Index;

/// One thing to try; the kernel says whether it can be done.
#[derive(Clone, Debug)]
enum Step {
    Open { descriptor: Descriptor, name: Name, create: bool, truncate: bool },
    OpenNameless { descriptor: Descriptor },
    LinkDescriptor { descriptor: Descriptor, to: Name },
    Close { descriptor: Descriptor },
    Write { descriptor: Descriptor, offset: u64, data: Vec<u8> },
    ResizeDescriptor { descriptor: Descriptor, length: u64 },
    Zero { descriptor: Descriptor, offset: u64, length: u64 },
    Resize { name: Name, length: u64 },
    Rename { from: Name, to: Name, exchange: bool },
    Link { from: Name, to: Name },
    Symlink { name: Name },
    Unlink { name: Name },
    Mkdir { name: Name },
    Rmdir { name: Name },
    Mkfifo { name: Name },
    Chmod { name: Name, mode: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<prop::sample::Index>;
    let mode = prop::sample::select(vec![0o700, 0o740, 0o755]);
    prop_oneof![
        6 => (which(), which(), prop::bool::weighted(0.8), any::<bool>())
            .prop_map(|(descriptor, name, create, truncate)| Step::Open { descriptor, name, create, truncate }),
        1 => which().prop_map(|descriptor| Step::OpenNameless { descriptor }),
        2 => (which(), which()).prop_map(|(descriptor, to)| Step::LinkDescriptor { descriptor, to }),
        1 => which().prop_map(|descriptor| Step::Close { descriptor }),
        8 => (which(), 0u64..12, prop::collection::vec(any::<u8>(), 0..6))
            .prop_map(|(descriptor, offset, data)| Step::Write { descriptor, offset, data }),
        1 => (which(), 0u64..12).prop_map(|(descriptor, length)| Step::ResizeDescriptor { descriptor, length }),
        1 => (which(), 0u64..12, 1u64..9)
            .prop_map(|(descriptor, offset, length)| Step::Zero { descriptor, offset, length }),
        1 => (which(), 0u64..12).prop_map(|(name, length)| Step::Resize { name, length }),
        6 => (which(), which(), prop::bool::weighted(0.3))
            .prop_map(|(from, to, exchange)| Step::Rename { from, to, exchange }),
        6 => (which(), which()).prop_map(|(from, to)| Step::Link { from, to }),
        1 => which().prop_map(|name| Step::Symlink { name }),
        2 => which().prop_map(|name| Step::Unlink { name }),
        3 => which().prop_map(|name| Step::Mkdir { name }),
        2 => which().prop_map(|name| Step::Rmdir { name }),
        1 => which().prop_map(|name| Step::Mkfifo { name }),
        2 => (which(), mode).prop_map(|(name, mode)| Step::Chmod { name, mode }),
    ]
}

/// An open file as a tracer knows it.
struct Open {
    file: File,
    id: FileId,
    path: String,
}

/// A real directory, what was done in it, and what it held at each moment.
struct Run {
    dir: tempfile::TempDir,
    descriptors: [Option<Open>; DESCRIPTORS],
    /// The file that an inode number stands for by now: the kernel gives numbers out again.
    ids: BTreeMap<u64, FileId>,
    next: FileId,
    operations: Vec<Operation>,
    seen: Vec<(CrashPoint, Snapshot)>,
}

impl Run {
    fn new() -> Run {
        Run {
            dir: tempfile::tempdir().unwrap(),
            descriptors: [const { None }; DESCRIPTORS],
            ids: BTreeMap::new(),
            next: FileId(0),
            operations: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// The trace starts here, with the files that are there now and no descriptors.
    fn start_trace(&mut self) -> (Snapshot, Vec<(String, FileId)>) {
        self.descriptors = [const { None }; DESCRIPTORS];
        self.operations.clear();
        self.seen.clear();
        let held = self.held();
        // Renamed directories put files under more names than NAMES.
        let names = held.entries().map(|(path, _)| path.to_str().unwrap().to_owned());
        let files = names.filter_map(|name| self.regular(&name).map(|file| (name, file))).collect();
        (held, files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What the directory holds now.
    fn held(&self) -> Snapshot {
        type Names = BTreeMap<u64, Vec<PathBuf>>;
        fn read(root: &Path, below: &Path, entries: &mut Vec<(PathBuf, Entry)>, files: &mut Names) {
            for found in fs::read_dir(root.join(below)).unwrap() {
                let path = below.join(found.unwrap().file_name());
                let full = root.join(&path);
                let metadata = fs::symlink_metadata(&full).unwrap();
                let mode = metadata.mode() & 0o7777;
                let entry = if metadata.is_symlink() {
                    Entry::Link { target: fs::read_link(&full).unwrap() }
                } else if metadata.is_dir() {
                    read(root, &path, entries, files);
                    Entry::Directory { mode }
                } else if metadata.is_file() {
                    Entry::File { mode, content: fs::read(&full).unwrap().into() }
                } else {
                    Entry::Special { node: Node::Pipe, mode }
                };
                if metadata.is_file() {
                    files.entry(metadata.ino()).or_default().push(path.clone());
                }
                entries.push((path, entry));
            }
        }
        let (mut entries, mut files) = (Vec::new(), BTreeMap::new());
        read(self.dir.path(), Path::new(""), &mut entries, &mut files);
        let twins = files.into_values().flat_map(|mut names| {
            names.sort();
            let first = names.remove(0);
            names.into_iter().map(move |name| (name, first.clone()))
        });
        entries.into_iter().collect::<Snapshot>().with_twins(twins)
    }

    fn mode(&self, name: &str) -> u32 {
        fs::symlink_metadata(self.path(name)).map_or(0, |metadata| metadata.mode() & 0o7777)
    }

    /// The regular file of this name.
    fn regular(&self, name: &str) -> Option<FileId> {
        let metadata = fs::symlink_metadata(self.path(name)).ok().filter(fs::Metadata::is_file)?;
        Some(self.ids[&metadata.ino()])
    }

    fn made(&mut self, inode: u64) -> FileId {
        let id = self.next;
        self.next.0 += 1;
        self.ids.insert(inode, id);
        id
    }

    fn descriptor(&self, descriptor: &Descriptor) -> Option<&Open> {
        self.descriptors[descriptor.index(DESCRIPTORS)].as_ref()
    }

    /// Notes an operation that has just been done, and what the directory held in the middle of it and holds now.
    fn note(&mut self, before: Snapshot, inside: Vec<Snapshot>, action: Action, done: io::Result<()>) {
        let call = CallIndex(self.operations.len() as u32);
        let inside = inside.into_iter().zip(1..).map(|(state, bytes)| (At::Inside(bytes), state));
        let states = [(At::Before, before)].into_iter().chain(inside).chain([(At::After, self.held())]);
        self.seen.extend(states.map(|(at, state)| (CrashPoint { call, at }, state)));
        self.operations.push(Operation {
            process: 0,
            call: action.word().into(),
            action,
            errno: done.err().map(|error| error.raw_os_error().unwrap()),
            before: Progress::default(),
            after: Progress::default(),
            left: None,
        });
    }

    fn take(&mut self, step: &Step) {
        let before = self.held();
        let mut inside = Vec::new();
        let name = |name: &Name| NAMES[name.index(NAMES.len())].to_owned();
        let done = match step {
            Step::Open { descriptor, name: path, create, truncate } => {
                Some(self.open(descriptor, name(path), *create, *truncate))
            }
            Step::OpenNameless { descriptor } => Some(self.open_nameless(descriptor)),
            Step::Close { descriptor } => self.descriptors[descriptor.index(DESCRIPTORS)]
                .take()
                .map(|Open { path, id, .. }| (Action::Close { path, file: id }, Ok(()))),
            Step::Write { descriptor, offset, data } => self.descriptor(descriptor).map(|Open { file, id, path }| {
                let action = Action::Write {
                    path: path.clone(),
                    file: *id,
                    offset: *offset,
                    data: Data::Kept(data.clone()),
                    requested: data.len() as u64,
                };
                // Byte for byte, to see the directory as a crash inside the write would leave it.
                for (n, byte) in data.iter().enumerate() {
                    if n > 0 {
                        inside.push(self.held());
                    }
                    file.write_all_at(&[*byte], offset + n as u64).unwrap();
                }
                (action, Ok(()))
            }),
            Step::ResizeDescriptor { descriptor, length } => self.descriptor(descriptor).map(|open| {
                let action = Action::Resize { path: open.path.clone(), file: open.id, length: *length };
                (action, open.file.set_len(*length))
            }),
            Step::Zero { descriptor, offset, length } => self.descriptor(descriptor).map(|open| {
                let action = Action::Zero { path: open.path.clone(), file: open.id, offset: *offset, length: *length };
                let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
                (action, fallocate(&open.file, flags, *offset as i64, *length as i64).map_err(io::Error::from))
            }),
            Step::LinkDescriptor { descriptor, to } => self.descriptor(descriptor).map(|open| {
                let from = format!("/proc/self/fd/{}", open.file.as_raw_fd());
                let target = self.path(&name(to));
                let flags = AtFlags::AT_SYMLINK_FOLLOW;
                let done = linkat(AT_FDCWD, from.as_str(), AT_FDCWD, &target, flags).map_err(io::Error::from);
                (Action::Link { file: open.id, to: name(to) }, done)
            }),
            Step::Link { from, to } => self.regular(&name(from)).map(|file| {
                let done = fs::hard_link(self.path(&name(from)), self.path(&name(to)));
                (Action::Link { file, to: name(to) }, done)
            }),
            Step::Resize { name: path, length } => self.regular(&name(path)).map(|file| {
                let done = truncate(&self.path(&name(path)), *length as i64).map_err(io::Error::from);
                (Action::Resize { path: name(path), file, length: *length }, done)
            }),
            Step::Rename { from, to, exchange } => {
                let flags = if *exchange { RenameFlags::RENAME_EXCHANGE } else { RenameFlags::empty() };
                let (from, to) = (name(from), name(to));
                let done = renameat2(AT_FDCWD, &self.path(&from), AT_FDCWD, &self.path(&to), flags);
                Some((Action::Rename { from, to, exchange: *exchange }, done.map_err(io::Error::from)))
            }
            Step::Symlink { name: path } => {
                let target = "nowhere".to_owned();
                let done = symlink(&target, self.path(&name(path)));
                Some((Action::Symlink { target, path: name(path) }, done))
            }
            Step::Unlink { name: path } => {
                Some((Action::Unlink { path: name(path) }, fs::remove_file(self.path(&name(path)))))
            }
            Step::Mkdir { name: path } => {
                let done = DirBuilder::new().mode(0o755).create(self.path(&name(path)));
                Some((Action::Mkdir { path: name(path), mode: self.mode(&name(path)) }, done))
            }
            Step::Rmdir { name: path } => {
                Some((Action::Rmdir { path: name(path) }, fs::remove_dir(self.path(&name(path)))))
            }
            Step::Mkfifo { name: path } => {
                let done = mkfifo(&self.path(&name(path)), Mode::S_IRWXU).map_err(io::Error::from);
                Some((Action::Mknod { path: name(path), node: Node::Pipe, mode: self.mode(&name(path)) }, done))
            }
            Step::Chmod { name: path, mode } => {
                let done = fs::set_permissions(self.path(&name(path)), Permissions::from_mode(*mode));
                Some((Action::Chmod { path: name(path), mode: *mode }, done))
            }
        };
        if let Some((action, done)) = done {
            self.note(before, inside, action, done);
        }
    }

    fn open(&mut self, descriptor: &Descriptor, path: String, create: bool, cut: bool) -> (Action, io::Result<()>) {
        let created = create && fs::symlink_metadata(self.path(&path)).is_err();
        // Without O_NONBLOCK a pipe would wait for a reader.
        let opened = OpenOptions::new()
            .write(true)
            .create(create)
            .truncate(cut)
            .mode(0o640)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(self.path(&path));
        let (id, mode, done) = match opened {
            Ok(file) => {
                let inode = file.metadata().unwrap().ino();
                let id = if created { self.made(inode) } else { self.ids[&inode] };
                self.descriptors[descriptor.index(DESCRIPTORS)] = Some(Open { file, id, path: path.clone() });
                (id, self.mode(&path), Ok(()))
            }
            Err(error) => (self.next, 0, Err(error)),
        };
        (Action::Open { path, file: id, created, truncated: cut && !created, synchronous: false, mode }, done)
    }

    fn open_nameless(&mut self, descriptor: &Descriptor) -> (Action, io::Result<()>) {
        let opened =
            OpenOptions::new().write(true).mode(0o600).custom_flags(OFlag::O_TMPFILE.bits()).open(self.dir.path());
        let (id, mode, done) = match opened {
            Ok(file) => {
                let metadata = file.metadata().unwrap();
                let id = self.made(metadata.ino());
                self.descriptors[descriptor.index(DESCRIPTORS)] = Some(Open { file, id, path: String::new() });
                (id, metadata.mode() & 0o7777, Ok(()))
            }
            Err(error) => (self.next, 0, Err(error)),
        };
        let path = String::new();
        (Action::Open { path, file: id, created: true, truncated: false, synchronous: false, mode }, done)
    }
}

#[test]
fn every_crash_state_of_a_trace_is_what_the_directory_held_at_that_moment() {
    let succeeded = RefCell::new(BTreeMap::<String, u64>::new());
    let steps = || prop::collection::vec(step(), 0..60);
    proptest!(ProptestConfig::with_cases(256), |(setup in steps(), steps in steps())| {
        let mut run = Run::new();
        setup.iter().for_each(|step| run.take(step));
        let (initial, files) = run.start_trace();
        steps.iter().for_each(|step| run.take(step));

        let mut seen = run.seen.clone();
        let end = CallIndex(run.operations.len() as u32);
        seen.push((CrashPoint { call: end, at: At::Before }, run.held()));
        let trace = Trace { files, operations: run.operations.clone(), ..Trace::default() };
        let points = crash_points(&trace, Tears::Posix, usize::MAX, Seed(0)).points;
        let states: Vec<_> = crash_states(&trace, &initial, &points).collect();
        prop_assert_eq!(&points, &seen.iter().map(|(point, _)| *point).collect::<Vec<_>>());
        for ((point, model), (_, kernel)) in states.iter().zip(&seen) {
            prop_assert_eq!(model, kernel, "{}", point);
            prop_assert_eq!(model.digest(), kernel.digest(), "{}", point);
        }
        for (n, state) in distinct(states).iter().enumerate() {
            let same = seen.iter().filter(|(_, kernel)| *kernel == state.snapshot).count();
            prop_assert_eq!(same, state.points.len(), "distinct state {}", n);
        }
        for operation in trace.operations.iter().filter(|operation| operation.errno.is_none()) {
            *succeeded.borrow_mut().entry(operation.call.to_string()).or_default() += 1;
        }
    });
    let words = [
        "create", "truncate", "open", "write", "rename", "link", "symlink", "unlink", "mkdir", "rmdir", "mknod",
        "chmod",
    ];
    let succeeded = succeeded.into_inner();
    for word in words {
        assert!(succeeded.contains_key(word), "no {word} succeeded in any run: {succeeded:?}");
    }
}
