//! The file of a scenario: read whole, as text, or refused with what there is instead.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::nearest::nearest;
use crate::problem::Problem;

/// A file larger than this was not written by hand.
const LARGEST: u64 = 1024 * 1024;

/// The text at `path`.
pub(crate) fn read(path: &Path) -> Result<String, Problem> {
    let shown = path.display();
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Err(unreadable(path, &error));
    }
    if bytes.len() as u64 > LARGEST {
        return Err(Problem::usage(format!("failed to read `{shown}`: it is larger than 1 MiB"))
            .hint(Some("it is meant to be a short text, in TOML".to_owned())));
    }
    String::from_utf8(bytes).map_err(|error| {
        let whole = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..whole].iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem::usage(format!("failed to read `{shown}`, line {line}: not UTF-8 at byte {whole}"))
            .hint(Some("it is meant to be TOML: save it as UTF-8 text".to_owned()))
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            let beside = scenarios(path.parent().unwrap_or(Path::new("")));
            Problem::usage(format!("failed to read `{shown}`: there is no such file")).hint(meant(path, &beside))
        }
        io::ErrorKind::IsADirectory => Problem::usage(format!("failed to read `{shown}`: it is a directory"))
            .hint(there_are("in it", &scenarios(path))),
        _ => Problem::usage(format!("failed to read `{shown}`: {error}")),
    }
}

/// The file that was probably meant, else those that there are.
fn meant(path: &Path, beside: &[String]) -> Option<String> {
    let names: Vec<&str> = beside.iter().map(String::as_str).collect();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    match (folder, nearest(&path.display().to_string(), &names)) {
        (Some(folder), _) => Some(format!("there is no directory `{}`", folder.display())),
        (None, Some(name)) => Some(format!("did you mean `{name}`?")),
        (None, None) => there_are("beside it", beside),
    }
}

fn there_are(place: &str, names: &[String]) -> Option<String> {
    match names {
        [] => Some(format!("{place} is no TOML file")),
        names => Some(format!("{place}: {}", names.join(", "))),
    }
}

/// The scenarios in `directory`, by name.
fn scenarios(directory: &Path) -> Vec<String> {
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let entries = std::fs::read_dir(listed).into_iter().flatten().flatten();
    let files = entries.map(|entry| directory.join(entry.file_name()));
    let mut names: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    names.sort();
    names.iter().map(|path| path.display().to_string()).collect()
}
