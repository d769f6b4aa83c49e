//! A file system that a test may fill, or cannot write: needs the right to mount, and skips loudly without it.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount, umount};

use super::skip::skip;

/// A tmpfs of a test's own, unmounted when it is dropped.
pub(crate) struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts one at `dir`; `None`, said loudly, where that is not allowed.
    pub(crate) fn mount(dir: &Path, flags: MsFlags, options: &str) -> Option<Tmpfs> {
        fs::create_dir(dir).unwrap();
        match mount(Some("tmpfs"), dir, Some("tmpfs"), flags, Some(options)) {
            Ok(()) => Some(Tmpfs(dir.to_owned())),
            Err(error) => {
                skip(&format!("to mount a tmpfs: {error}"));
                None
            }
        }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = umount(&self.0);
    }
}
