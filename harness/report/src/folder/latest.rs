//! `latest`: the link beside the runs to the newest of them. A convenience: when it cannot be made, the run goes on.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::layout;

/// Points `<out>/latest` to `run`, the name of a folder in `out`. What is there and is no link is left alone; the reason why the
/// link was not made comes back as a note.
pub(crate) fn point(out: &Path, run: &str) -> Option<String> {
    let latest = out.join(layout::LATEST);
    let refuse = |why: String| Some(format!("`{}` does not point to this run: {why}", latest.display()));
    match fs::symlink_metadata(&latest) {
        Ok(found) if !found.is_symlink() => return refuse("it exists and is no symbolic link".to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return refuse(error.to_string()),
        Ok(_) | Err(_) => {}
    }
    // The run's name is exclusively ours, so this name is as well.
    let fresh = out.join(format!(".latest-{run}"));
    match symlink(run, &fresh).and_then(|()| fs::rename(&fresh, &latest)) {
        Ok(()) => None,
        Err(error) => {
            let _ = fs::remove_file(&fresh);
            refuse(error.to_string())
        }
    }
}

/// `path`, or what it points to if it is a link: a report that names `latest` would name another run tomorrow.
pub(crate) fn resolve(path: &Path) -> PathBuf {
    // As its components: a link with a slash after it names what it points to.
    let path: PathBuf = path.components().collect();
    match fs::read_link(&path) {
        Ok(target) => path.parent().unwrap_or(Path::new("")).join(target),
        Err(_) => path,
    }
}
