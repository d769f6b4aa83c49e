//! What a trapped call does to the files below the state directory: what is known when it is made, and what its return adds.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crashtest_linux::trace::{Descriptor, FileCall, OpenFile, Request, SyncKind, Target, Tracee};
use crashtest_model::{Action, Data, Durable, FileId, Node};
use crashtest_states::LONGEST_WHOLE;

use crate::trace::recorder::Recorder;
use crate::trace::recorder::names::is_deleted;

/// openat2(2): where the flags of its `struct open_how` lie that say how names are resolved, and some of these.
const RESOLVE: u64 = 16;
const RESOLVE_NO_SYMLINKS: u64 = 0x04;
const RESOLVE_IN_ROOT: u64 = 0x10;
/// Where the path lies in a `struct sockaddr_un`.
const SUN_PATH: u64 = 2;

/// What is not known of an operation before it has returned.
pub(super) enum Unfinished {
    /// Nothing but whether it succeeds.
    Known,
    /// Nothing: it succeeds. There is no need to stop at its return, unless it is to be killed there.
    Certain,
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
    /// What it makes, empties or changes, by its path.
    At {
        path: PathBuf,
    },
    /// What comes from outside: from where, and where to.
    Arrives {
        from: PathBuf,
        to: PathBuf,
    },
    Mapped {
        fd: i32,
    },
    /// What it does, of which there is no model.
    Unmodelled {
        call: &'static str,
    },
    /// close(2) that is to fail, and close all the same.
    FailedClose {
        errno: i32,
    },
}

/// Where a write goes.
pub(super) enum Place {
    /// To the descriptor's offset.
    Offset,
    /// There.
    At(u64),
    /// To the offset at this address, which the call moves on.
    Pointer(u64),
    /// Over everything.
    Whole,
}

impl Place {
    /// The offset at which `written` bytes have just been written to `open`.
    fn offset(&self, tracee: &Tracee, descriptor: &Descriptor, open: &OpenFile, written: u64) -> io::Result<u64> {
        let end = match self {
            Place::Offset => descriptor.offset()?,
            // Linux appends all the same: pwrite(2), BUGS.
            Place::At(_) if descriptor.flags()? & libc::O_APPEND != 0 => open.length,
            Place::At(offset) => return Ok(*offset),
            Place::Pointer(address) => tracee.number(*address)?.unwrap_or(0),
            Place::Whole => 0,
        };
        Ok(end.saturating_sub(written))
    }
}

impl Recorder<'_> {
    /// What a call is about to do, if that is below the state directory.
    pub(super) fn begin(&mut self, tracee: &Tracee, call: &FileCall) -> Option<(Action, Unfinished)> {
        let known = |action| Some((action, Unfinished::Known));
        match call.request {
            Request::Open { target, flags } => self.begin_open(tracee, target, flags),
            Request::OpenHow { target, how } => {
                let flags = i32::try_from(tracee.number(how).ok()??).ok()?;
                let resolve = tracee.number(how + RESOLVE).ok()?.unwrap_or(0);
                let follow = flags & libc::O_NOFOLLOW == 0
                    && flags & (libc::O_CREAT | libc::O_EXCL) != libc::O_CREAT | libc::O_EXCL
                    && resolve & RESOLVE_NO_SYMLINKS == 0;
                self.begin_open(tracee, Target { follow, in_root: resolve & RESOLVE_IN_ROOT != 0, ..target }, flags)
            }
            Request::Write { fd, bytes, offset } => {
                let path = self.descriptor(tracee, fd, true)?;
                let requested = tracee.length(bytes).unwrap_or(0);
                let at = offset.map_or(Place::Offset, Place::At);
                Some(write(path, requested, Unfinished::Write { fd, at, orderly: true }))
            }
            Request::Copy { fd, offset, length, .. } => {
                let path = self.descriptor(tracee, fd, true)?;
                let at = if offset == 0 { Place::Offset } else { Place::Pointer(offset) };
                // May wait for a pipe, which somebody else fills: nobody waits for it.
                Some(write(path, length, Unfinished::Write { fd, at, orderly: false }))
            }
            Request::Reflink { fd } => {
                let path = self.descriptor(tracee, fd, true)?;
                Some(write(path, 0, Unfinished::Write { fd, at: Place::Whole, orderly: false }))
            }
            Request::Punch { fd, range } => {
                let path = self.descriptor(tracee, fd, true)?;
                let (file, open) = self.of_descriptor(tracee, fd)?;
                // struct space_resv (include/uapi/linux/falloc.h): 16 bits each of type and whence, then start and length.
                let (kind, start) = (tracee.number(range).ok()??, tracee.number(range + 8).ok()??);
                let length = tracee.number(range + 16).ok()??;
                let from_start = (kind >> 16) & 0xffff == 0;
                if from_start && start.checked_add(length).is_some_and(|end| end <= open.length) {
                    return known(Action::Zero { path, file, offset: start, length });
                }
                Some((Action::Attribute { path }, Unfinished::Unmodelled { call: "ioctl" }))
            }
            Request::Control { fd } => {
                let path = self.descriptor(tracee, fd, true)?;
                Some((Action::Attribute { path }, Unfinished::Unmodelled { call: "ioctl" }))
            }
            Request::Truncate { target, length } => {
                let (full, path) = self.target(tracee, target)?;
                Some((Action::Resize { path, file: self.of_path(&full), length }, Unfinished::At { path: full }))
            }
            Request::Ftruncate { fd, length } => {
                let path = self.descriptor(tracee, fd, true)?;
                let (file, _) = self.of_descriptor(tracee, fd)?;
                known(Action::Resize { path, file, length })
            }
            Request::Fallocate { fd, mode, offset, length } => {
                let path = self.descriptor(tracee, fd, true)?;
                let (file, open) = self.of_descriptor(tracee, fd)?;
                let (keep, punch, zero) =
                    (libc::FALLOC_FL_KEEP_SIZE, libc::FALLOC_FL_PUNCH_HOLE, libc::FALLOC_FL_ZERO_RANGE);
                match mode {
                    0 => Some((Action::Resize { path, file, length: open.length }, Unfinished::Fallocate { fd })),
                    mode if mode == keep => known(Action::Attribute { path }),
                    mode if mode & !keep == punch || mode == zero | keep => {
                        known(Action::Zero { path, file, offset, length })
                    }
                    mode if mode == zero && offset + length <= open.length => {
                        known(Action::Zero { path, file, offset, length })
                    }
                    _ => Some((Action::Attribute { path }, Unfinished::Unmodelled { call: "fallocate" })),
                }
            }
            Request::Rename { from, to, flags } => self.begin_rename(tracee, from, to, flags),
            Request::Link { from, to, .. } => {
                let to = self.target(tracee, to)?;
                let from = self.resolve(tracee, from)?;
                let is_below = self.relative(&from.path).is_some();
                if self.knows(&from.path) || is_deleted(&from.path) || is_below {
                    return Some((Action::Link { file: FileId(u32::MAX), to: to.1 }, Unfinished::At { path: to.0 }));
                }
                Some(arrives(from.path, to))
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
                Some((Action::Mkdir { path: name, mode: 0 }, Unfinished::At { path }))
            }
            Request::Mknod { target, mode } => {
                let (path, name) = self.target(tracee, target)?;
                let node = match mode & libc::S_IFMT {
                    libc::S_IFIFO => Node::Pipe,
                    libc::S_IFSOCK => Node::Socket,
                    libc::S_IFREG | 0 => {
                        let (file, created) = (FileId(u32::MAX), true);
                        let (truncated, synchronous) = (false, false);
                        let action = Action::Open { path: name, file, created, truncated, synchronous, mode: 0 };
                        return Some((action, Unfinished::At { path }));
                    }
                    _ => Node::Device,
                };
                Some((Action::Mknod { path: name, node, mode: 0 }, Unfinished::At { path }))
            }
            Request::Bind { address, length } => {
                let family = tracee.read(address, 2).ok()?;
                let is_local = family == (libc::AF_UNIX as u16).to_ne_bytes();
                // Without a path, or with one that begins with a zero, it is no file.
                if !is_local || length <= SUN_PATH || tracee.read(address + SUN_PATH, 1).ok()? == [0] {
                    return None;
                }
                let at = crashtest_linux::trace::At::Cwd;
                let target = Target { at, path: address + SUN_PATH, follow: false, in_root: false };
                let (path, name) = self.target(tracee, target)?;
                Some((Action::Mknod { path: name, node: Node::Socket, mode: 0 }, Unfinished::At { path }))
            }
            Request::Chmod { target, mode } => {
                known(Action::Chmod { path: self.target(tracee, target)?.1, mode: mode & 0o7777 })
            }
            Request::Fchmod { fd, mode } => {
                known(Action::Chmod { path: self.descriptor(tracee, fd, false)?, mode: mode & 0o7777 })
            }
            Request::Attribute { target } => {
                let (path, name) = self.target(tracee, target)?;
                Some((Action::Attribute { path: name }, Unfinished::At { path }))
            }
            Request::AttributeOf { fd } => known(Action::Attribute { path: self.descriptor(tracee, fd, false)? }),
            Request::Sync { fd, kind } => {
                let path = self.descriptor(tracee, fd, false)?;
                let (file, open) = self.of_descriptor(tracee, fd)?;
                let durable = match kind {
                    SyncKind::FileSystem => Durable::Everything,
                    SyncKind::Range => Durable::Range,
                    SyncKind::File | SyncKind::Data if open.directory => Durable::Directory,
                    SyncKind::Data => Durable::Data,
                    SyncKind::File => Durable::File,
                };
                known(Action::Sync { path, file: (!open.directory).then_some(file), durable })
            }
            Request::SyncAll => known(Action::Sync { path: ".".to_owned(), file: None, durable: Durable::Everything }),
            Request::SyncMapping { address } => {
                let mapped = tracee.mapping(address).ok()??;
                let file = self.files.get(&mapped.inode).copied()?;
                let path = self.relative(&mapped.path)?;
                known(Action::Sync { path, file: Some(file), durable: Durable::Mapping })
            }
            Request::Close { fd } => {
                let path = self.descriptor(tracee, fd, false)?;
                let open = tracee.descriptor(fd).ok().filter(Descriptor::is_writable)?.file().ok()?;
                let file = self.id_of(open.inode);
                let unfinished =
                    if self.closes_for_certain(tracee, &open) { Unfinished::Certain } else { Unfinished::Known };
                Some((Action::Close { path, file }, unfinished))
            }
            Request::Map { fd } => {
                let descriptor = tracee.descriptor(fd).ok()?;
                // Read-only now can be made writable later, where the descriptor may write.
                let writes = descriptor.flags().ok()? & libc::O_ACCMODE == libc::O_RDWR;
                let path = self.descriptor(tracee, fd, writes)?;
                let file = self.id_of(descriptor.file().ok()?.inode);
                writes.then_some((Action::Map { path, file }, Unfinished::Mapped { fd }))
            }
            Request::Read { fd } => {
                let path = self.descriptor(tracee, fd, false)?;
                self.of_descriptor(tracee, fd).filter(|(_, open)| open.regular)?;
                known(Action::Read { path, opens: false })
            }
            Request::Unmodelled => {
                self.unmodelled(call.name);
                None
            }
            Request::Ring | Request::Reroot => None,
        }
    }

    fn begin_open(&mut self, tracee: &Tracee, target: Target, flags: i32) -> Option<(Action, Unfinished)> {
        let changes = libc::O_CREAT | libc::O_TRUNC | libc::O_WRONLY | libc::O_RDWR;
        if flags & changes == 0 && (!self.reads || flags & (libc::O_PATH | libc::O_DIRECTORY) != 0) {
            return None;
        }
        let resolved = self.resolve(tracee, target)?;
        let name = self.named(&resolved)?;
        let found = fs::symlink_metadata(&resolved.path);
        if flags & changes == 0 {
            let is_file = found.is_ok_and(|found| found.is_file());
            return is_file.then_some((Action::Read { path: name, opens: true }, Unfinished::Known));
        }
        let unnamed = flags & libc::O_TMPFILE == libc::O_TMPFILE;
        let truncates = flags & libc::O_TRUNC != 0;
        // What lies outside when the run begins is in no tree: emptied, it is as if it were made.
        let unknown = || found.as_ref().is_ok_and(|found| !self.files.contains_key(&(found.dev(), found.ino())));
        let is_new_here = truncates && Path::new(&name).is_absolute() && unknown();
        let existed = !unnamed && !is_new_here && (found.is_ok() || is_deleted(&resolved.path));
        let action = Action::Open {
            path: if unnamed { String::new() } else { name },
            file: FileId(u32::MAX),
            created: !existed,
            truncated: truncates && !unnamed,
            synchronous: flags & (libc::O_SYNC | libc::O_DSYNC) != 0,
            mode: 0,
        };
        Some((action, Unfinished::Open { existed }))
    }

    /// A rename: within the state directory, out of it, or into it.
    fn begin_rename(&mut self, tracee: &Tracee, from: Target, to: Target, flags: u32) -> Option<(Action, Unfinished)> {
        let exchange = flags & libc::RENAME_EXCHANGE != 0;
        let (from, to) = (self.resolve(tracee, from)?, self.resolve(tracee, to)?);
        match (self.named(&from), self.named(&to)) {
            // What lay outside when the run began is in no tree.
            (Some(aside), Some(name)) if Path::new(&aside).is_absolute() && !exchange && !self.knows(&from.path) => {
                Some(arrives(from.path, (to.path, name)))
            }
            (Some(from), Some(to)) => Some((Action::Rename { from, to, exchange }, Unfinished::Known)),
            (Some(_), None) | (None, Some(_)) if exchange => {
                self.unmodelled("rename that exchanges a name outside");
                None
            }
            (Some(path), None) => Some((Action::Unlink { path }, Unfinished::Known)),
            (None, Some(name)) => Some(arrives(from.path, (to.path, name))),
            (None, None) => None,
        }
    }

    /// Completes an action by what its call has returned.
    pub(super) fn complete(
        &mut self,
        tracee: &Tracee,
        call: &FileCall,
        action: &mut Action,
        unfinished: &Unfinished,
        result: u64,
    ) {
        match (unfinished, action) {
            (Unfinished::Open { existed }, Action::Open { file, mode, .. }) => {
                let opened = tracee.descriptor(result as i32).and_then(|descriptor| descriptor.file());
                let Ok(opened) = opened else { return };
                *file = if *existed { self.id_of(opened.inode) } else { self.new_id(opened.inode) };
                if !*existed {
                    *mode = opened.mode;
                }
            }
            (Unfinished::Write { fd, at, .. }, Action::Write { file, offset, data, requested, .. }) => {
                let Ok(descriptor) = tracee.descriptor(*fd) else { return };
                let Ok(open) = descriptor.file() else { return };
                let Ok(place) = at.offset(tracee, &descriptor, &open, result) else { return };
                *file = self.id_of(open.inode);
                *offset = place;
                let length = if matches!(at, Place::Whole) { open.length } else { result };
                if !matches!(call.request, Request::Write { .. }) {
                    // Programs ask for as much as there may be: that is no measure of anything.
                    *requested = length;
                }
                *data = match call.request {
                    _ if !self.keeps_data => Data::Length(length),
                    Request::Write { bytes, .. } => Data::Kept(tracee.bytes(bytes, length).unwrap_or_default()),
                    _ => Data::Kept(read_back(tracee, *fd, *offset, length).unwrap_or_default()),
                };
            }
            (Unfinished::Fallocate { fd }, Action::Resize { length, .. }) => {
                let open = tracee.descriptor(*fd).and_then(|descriptor| descriptor.file());
                *length = open.map_or(*length, |open| open.length);
            }
            (Unfinished::At { path }, Action::Link { file, .. }) => *file = self.of_path(path),
            (Unfinished::At { path }, Action::Mkdir { mode, .. } | Action::Mknod { mode, .. }) => {
                *mode = mode_of(path);
            }
            (Unfinished::At { path }, Action::Open { file, mode, .. }) => {
                if let Ok(metadata) = fs::symlink_metadata(path) {
                    *file = self.new_id((metadata.dev(), metadata.ino()));
                    *mode = metadata.mode() & 0o7777;
                }
            }
            (Unfinished::Arrives { from, to }, action) => self.complete_arrival(from, to, action),
            // A call that failed has done nothing that needs a model.
            (Unfinished::Unmodelled { call }, _) => self.unmodelled(call),
            (Unfinished::Mapped { fd }, Action::Map { path, file }) => self.maps(tracee, *fd, path, *file),
            _ => {}
        }
    }

    /// Completes `action`, by which what was `from` is now `to`, with all that is in it.
    fn complete_arrival(&mut self, from: &Path, to: &Path, action: &mut Action) {
        let Action::Arrive { path, file, data, mode } = action else { return };
        let Ok(metadata) = fs::symlink_metadata(to) else { return };
        if let Some(parent) = from.parent().and_then(Path::to_str)
            && !self.trace.aside.iter().any(|known| known == parent)
        {
            self.trace.aside.push(parent.to_owned());
        }
        if metadata.is_file() {
            *file = self.id_of((metadata.dev(), metadata.ino()));
            *mode = metadata.mode() & 0o7777;
            if self.keeps_data && metadata.len() > LONGEST_WHOLE {
                self.unmodelled("rename of a file of more than 128 MiB into the state directory");
                return;
            }
            *data = match self.keeps_data {
                true => Data::Kept(fs::read(to).unwrap_or_default()),
                false => Data::Length(metadata.len()),
            };
        } else if metadata.is_symlink() {
            let target = fs::read_link(to).unwrap_or_default().to_string_lossy().into_owned();
            *action = Action::Symlink { target, path: std::mem::take(path) };
        } else {
            self.unmodelled("rename of a directory into the state directory");
        }
    }
}

fn arrives(from: PathBuf, (to, name): (PathBuf, String)) -> (Action, Unfinished) {
    let action = Action::Arrive { path: name, file: FileId(u32::MAX), data: Data::default(), mode: 0 };
    (action, Unfinished::Arrives { from, to })
}

fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).map_or(0, |metadata| metadata.mode() & 0o7777)
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
