//! The file operations of the built-in targets: std's, with the phase marked on the board before and after each call.
//!
//! One method is one system call wherever std allows it. Marking costs a few stores and no system call, so that a trace of a
//! victim shows its file operations and nothing else. Names on the board are relative to the state directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crashtest_model::Call;

use crate::Board;

/// File operations that mark the phase on one board.
#[derive(Clone, Debug)]
pub struct Fs {
    board: Board,
    root: PathBuf,
}

/// A file open for writing. [`close`](FsFile::close) it to see its error and to have the phase marked.
#[derive(Debug)]
pub struct FsFile<'fs> {
    fs: &'fs Fs,
    file: File,
    name: String,
    offset: u64,
}

impl Fs {
    /// Operations on paths below `root`, marked on `board`.
    #[must_use]
    pub fn new(board: Board, root: PathBuf) -> Fs {
        Fs { board, root }
    }

    fn name(&self, path: &Path) -> String {
        match path.strip_prefix(&self.root) {
            Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
            Ok(inside) => inside.display().to_string(),
            Err(_) => path.display().to_string(),
        }
    }

    fn marked<T>(&self, call: Call, name: &str, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.board.call_begins(call, name, 0, 0);
        let result = run();
        self.board.call_returned(0);
        result
    }

    fn opened(&self, call: Call, path: &Path, options: &OpenOptions) -> io::Result<FsFile<'_>> {
        let name = self.name(path);
        let file = self.marked(call, &name, || options.open(path))?;
        Ok(FsFile { fs: self, file, name, offset: 0 })
    }

    /// open(2) with O_WRONLY, O_CREAT and O_TRUNC: what `open(path, "w")` does in every language.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn create(&self, path: &Path) -> io::Result<FsFile<'_>> {
        self.opened(Call::Create, path, OpenOptions::new().write(true).create(true).truncate(true))
    }

    /// open(2) with O_WRONLY, O_CREAT and O_EXCL.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn create_new(&self, path: &Path) -> io::Result<FsFile<'_>> {
        self.opened(Call::Create, path, OpenOptions::new().write(true).create_new(true))
    }

    /// open(2) with O_WRONLY: writes go over what is there, from offset 0.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn overwrite(&self, path: &Path) -> io::Result<FsFile<'_>> {
        self.opened(Call::Open, path, OpenOptions::new().write(true))
    }

    /// open(2) with O_WRONLY and O_APPEND.
    ///
    /// # Errors
    /// What open(2) and fstat(2) say.
    pub fn append(&self, path: &Path) -> io::Result<FsFile<'_>> {
        let file = self.opened(Call::Open, path, OpenOptions::new().append(true))?;
        let offset = file.file.metadata()?.len();
        Ok(FsFile { offset, ..file })
    }

    /// The whole content of a file.
    ///
    /// # Errors
    /// What open(2) and read(2) say.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let name = self.name(path);
        let mut file = self.marked(Call::Open, &name, || File::open(path))?;
        let mut content = Vec::new();
        self.marked(Call::Read, &name, || file.read_to_end(&mut content))?;
        Ok(content)
    }

    /// rename(2).
    ///
    /// # Errors
    /// What rename(2) says.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let name = format!("{} → {}", self.name(from), self.name(to));
        self.marked(Call::Rename, &name, || std::fs::rename(from, to))
    }

    /// unlink(2).
    ///
    /// # Errors
    /// What unlink(2) says.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.marked(Call::Unlink, &self.name(path), || std::fs::remove_file(path))
    }

    /// Makes a directory and those above it that are missing; returns the ones that were made, outermost first.
    ///
    /// # Errors
    /// What mkdir(2) says.
    pub fn create_dir_all(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let missing: Vec<&Path> = dir.ancestors().take_while(|d| !d.as_os_str().is_empty() && !d.exists()).collect();
        missing
            .into_iter()
            .rev()
            .map(|d| {
                self.marked(Call::Mkdir, &self.name(d), || std::fs::create_dir(d))?;
                Ok(d.to_owned())
            })
            .collect()
    }

    /// fsync(2) of a directory: makes the names in it durable.
    ///
    /// # Errors
    /// What open(2) and fsync(2) say.
    pub fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let name = self.name(dir);
        let handle = self.marked(Call::Open, &name, || File::open(dir))?;
        self.marked(Call::FsyncDir, &name, || handle.sync_all())
    }

    /// The entries of a directory, sorted.
    ///
    /// # Errors
    /// What open(2) and getdents(2) say.
    pub fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.marked(Call::List, &self.name(dir), || {
            let mut paths: Vec<PathBuf> =
                std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
            paths.sort();
            Ok(paths)
        })
    }

    /// Removes `path` if no process holds its lock; says whether it did. Its writer locks it for as long as it lives, so an
    /// unlocked one has no owner any more.
    ///
    /// # Errors
    /// What open(2), flock(2) and unlink(2) say, but for a file that is gone.
    pub fn remove_if_unlocked(&self, path: &Path) -> io::Result<bool> {
        let name = self.name(path);
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let file = match self.marked(Call::Open, &name, || File::open(path)) {
            Err(error) if gone(&error) => return Ok(false),
            result => result?,
        };
        match self.marked(Call::Lock, &name, || file.try_lock().map_err(io::Error::from)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            result => result?,
        }
        match self.remove(path) {
            Err(error) if gone(&error) => Ok(false),
            result => result.map(|()| true),
        }
    }
}

impl FsFile<'_> {
    /// Returns where the next write goes, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// ftruncate(2): cuts the file, or lengthens it with zeros.
    ///
    /// # Errors
    /// What ftruncate(2) says.
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        self.fs.marked(Call::Truncate, &self.name, || self.file.set_len(length))
    }

    /// fdatasync(2): the data and what is needed to find it again.
    ///
    /// # Errors
    /// What fdatasync(2) says: as fsync(2).
    pub fn sync_data(&self) -> io::Result<()> {
        self.fs.marked(Call::Fdatasync, &self.name, || self.file.sync_data())
    }

    /// fsync(2).
    ///
    /// # Errors
    /// What fsync(2) says: the data may be lost, and a second fsync repairs nothing.
    pub fn sync_all(&self) -> io::Result<()> {
        self.fs.marked(Call::Fsync, &self.name, || self.file.sync_all())
    }

    /// Takes the file's lock (flock(2)) until it is closed. Says whether the file still has a name: somebody may have removed it
    /// before it was locked.
    ///
    /// # Errors
    /// What flock(2) and fstat(2) say.
    pub fn lock(&self) -> io::Result<bool> {
        self.fs.marked(Call::Lock, &self.name, || {
            self.file.lock()?;
            Ok(self.file.metadata()?.nlink() > 0)
        })
    }

    /// close(2), with its error.
    ///
    /// # Errors
    /// What close(2) says: some file systems report a failed write only here.
    pub fn close(self) -> io::Result<()> {
        let FsFile { fs, file, name, .. } = self;
        fs.marked(Call::Close, &name, || Ok(nix::unistd::close(file)?))
    }
}

impl Write for FsFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fs.board.call_begins(Call::Write, &self.name, self.offset, bytes.len() as u64);
        let result = self.file.write(bytes);
        let written = *result.as_ref().unwrap_or(&0) as u64;
        self.fs.board.call_returned(written);
        self.offset += written;
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
