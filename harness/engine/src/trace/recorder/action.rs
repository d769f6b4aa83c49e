//! What a trapped call does to the files below the state directory: what is known when it is made, and what its return adds.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;

use crashtest_linux::trace::{Descriptor, FileCall, OpenFile, Request, SyncKind, Target, Tracee};
use crashtest_model::{Action, Data, Durable, FileId};

use crate::trace::recorder::Recorder;

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
    Linked {
        path: PathBuf,
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
            Request::SyncMapping => {
                let mapped = self.trace.operations.iter().any(|done| matches!(done.action, Action::Map { .. }));
                mapped.then(|| {
                    let action = Action::Sync { path: ".".to_owned(), file: None, durable: Durable::Mapping };
                    (action, Unfinished::Known)
                })
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
                let path = self.descriptor(tracee, fd, false)?;
                let descriptor = tracee.descriptor(fd).ok()?;
                let file = self.id_of(descriptor.file().ok()?.inode);
                // Read-only now can be made writable later, where the descriptor may write.
                let writes = descriptor.flags().ok()? & libc::O_ACCMODE == libc::O_RDWR;
                writes.then_some((Action::Map { path, file }, Unfinished::Known))
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
        let name = self.named(&path)?;
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
            (Unfinished::Linked { path }, Action::Link { file, .. }) => *file = self.of_path(path),
            (Unfinished::Linked { path }, Action::Mkdir { mode, .. }) => {
                *mode = fs::symlink_metadata(path).map_or(0, |metadata| metadata.mode() & 0o7777);
            }
            _ => {}
        }
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
