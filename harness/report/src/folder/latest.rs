//! `latest`: the link beside the runs to the newest of them. A convenience: when it cannot be made, the run goes on.

use std::fs;
use std::path::{Path, PathBuf};

use crashtest_linux::directory::{Directory, Kind};

use super::layout;

/// Points `<out>/latest` to `run`, the name of a folder in `out`. What is there and is no link is left alone; the reason why the
/// link was not made comes back as a note.
pub(crate) fn point(out: &Path, run: &str) -> Option<String> {
    let latest = Path::new(layout::LATEST);
    let refuse =
        |why: String| Some(format!("`{}` does not point to this run: {why}", out.join(layout::LATEST).display()));
    let out = match Directory::named(out) {
        Ok(out) => out,
        Err(error) => return refuse(error.to_string()),
    };
    match out.kind(latest) {
        Ok(None | Some(Kind::Link)) => {}
        Ok(Some(_)) => return refuse("it exists and is no symbolic link".to_owned()),
        Err(error) => return refuse(error.to_string()),
    }
    // The run's name is exclusively ours, so this name is as well.
    let fresh = PathBuf::from(format!(".latest-{run}"));
    match out.link(Path::new(run), &fresh).and_then(|()| out.rename(&fresh, &out, latest)) {
        Ok(()) => None,
        Err(error) => {
            let _ = out.remove_file(&fresh);
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
