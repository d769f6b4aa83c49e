//! Damage that nobody who looks at the files can overlook, planted to see whether a checker looks.
//!
//! A checker that accepts everything would make every run pass.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crashtest_model::{Damage, Sensitivity};
use crashtest_states::{Entry, Snapshot};

use crate::error::EngineError;
use crate::subject::program::answer::Answer;
use crate::subject::program::checker::Checker;

/// So many files are damaged each alone.
const MOST_ALONE: usize = 8;

/// What `checker` says of the state `whole`, and how it takes damage to all of `files` there.
pub(crate) fn try_out(
    checker: &mut Checker,
    files: &BTreeSet<PathBuf>,
    whole: &Snapshot,
) -> Result<(Answer, Sensitivity), EngineError> {
    let (healthy, opened) = checker.ask_and_watch(whole)?;
    let mut sensitivity = Sensitivity {
        planted: files.iter().any(|path| whole.entry(path).is_some_and(has_content)),
        ..Sensitivity::default()
    };
    if !sensitivity.planted || matches!(healthy, Answer::Refused(_) | Answer::Broke(_) | Answer::Hung(_)) {
        return Ok((healthy, sensitivity));
    }
    if let Some(opened) = opened {
        let unopened = files.iter().filter(|path| !opened.contains(*path));
        sensitivity.unopened = unopened.map(|path| path.to_string_lossy().into_owned()).collect();
    }
    sensitivity.unnoticed = overlooked(checker, files, whole, &healthy)?;
    let with_content = files.iter().filter(|path| whole.entry(path).is_some_and(has_content));
    if files.len() > 1 && !sensitivity.is_blind() {
        for path in with_content.take(MOST_ALONE) {
            let alone = overlooked(checker, &BTreeSet::from([path.clone()]), whole, &healthy)?;
            if !alone.is_empty() {
                sensitivity.overlooked.insert(path.to_string_lossy().into_owned(), alone);
            }
        }
    }
    Ok((healthy, sensitivity))
}

/// The kinds of damage to all of `files` of which `checker` says what it says of healthy ones.
fn overlooked(
    checker: &mut Checker,
    files: &BTreeSet<PathBuf>,
    whole: &Snapshot,
    healthy: &Answer,
) -> Result<Vec<Damage>, EngineError> {
    let mut overlooked = Vec::new();
    for damage in Damage::ALL {
        match checker.ask_about(&damaged(whole, files, damage)) {
            Ok(Answer::Refused(_) | Answer::Broke(_) | Answer::Hung(_)) => {}
            Ok(answer) if answer == *healthy => overlooked.push(damage),
            // Where it says what nobody understands, it has noticed as well.
            Ok(_) | Err(EngineError::Program(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(overlooked)
}

/// The files of `whole`, of those that `is_judged`, that a run has changed since `before`; all where it has made the same of them.
pub(crate) fn changed(before: &Snapshot, whole: &Snapshot, is_judged: &dyn Fn(&Path) -> bool) -> BTreeSet<PathBuf> {
    let files = || whole.entries().filter(|(path, entry)| has_content(entry) && is_judged(path));
    let changed: BTreeSet<PathBuf> =
        files().filter(|(path, entry)| before.entry(path) != Some(entry)).map(|(path, _)| path.to_owned()).collect();
    if changed.is_empty() { files().map(|(path, _)| path.to_owned()).collect() } else { changed }
}

fn has_content(entry: &Entry) -> bool {
    matches!(entry, Entry::File { content, .. } if !content.is_empty())
}

/// `whole` with this damage done to each of `files`.
fn damaged(whole: &Snapshot, files: &BTreeSet<PathBuf>, damage: Damage) -> Snapshot {
    whole.changed(|path, entry| match (entry, damage) {
        _ if !files.contains(path) => Some(entry.clone()),
        (Entry::File { mode, content }, Damage::Torn) => {
            let mut torn = content.clone();
            torn.resize(content.length() / 2);
            Some(Entry::File { mode: *mode, content: torn })
        }
        (Entry::File { mode, .. }, Damage::Empty) => Some(Entry::File { mode: *mode, content: Vec::new().into() }),
        (_, Damage::Missing) => None,
        _ => Some(entry.clone()),
    })
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use crashtest_linux::directory::Directory;
    use crashtest_model::{Check, Seed};

    use super::*;
    use crate::state_dir::StateDir;
    use crate::subject::program::Place;

    fn state(files: &[(&str, &[u8])]) -> Snapshot {
        let entry = |content: &[u8]| Entry::File { mode: 0o644, content: content.to_vec().into() };
        files.iter().map(|(name, content)| (PathBuf::from(name), entry(content))).collect()
    }

    fn place(scratch: &tempfile::TempDir) -> Place {
        let ours = scratch.path().to_owned();
        let dir = Rc::new(StateDir::make(&Directory::named(&ours).unwrap(), "state").unwrap());
        Place { dir, cwd: ours, seed: Seed(0), stop: None }
    }

    fn checker(line: &str, place: Place) -> Checker {
        let check = Check::Each(["sh", "-c", line].map(str::to_owned).to_vec());
        Checker::new(check, place, Duration::from_secs(20))
    }

    #[test]
    fn a_checker_is_told_by_what_it_overlooks() {
        let scratch = tempfile::tempdir().unwrap();
        let place = place(&scratch);
        let before = state(&[("config", b"c"), ("f", b"old")]);
        let whole = state(&[("config", b"c"), ("f", b"newer")]);
        for (line, overlooked, unopened) in [
            ("true", &Damage::ALL[..], true),
            ("test -e {dir}/f", &[Damage::Torn, Damage::Empty], true),
            ("test -s {dir}/f", &[Damage::Torn], true),
            ("grep -q newer {dir}/f", &[], false),
            // Starting anew, and saying so, is noticing.
            ("if grep -q . {dir}/f; then echo crashtest: ok; else echo crashtest: fresh; fi", &[Damage::Torn], false),
            // Only a file that never changes.
            ("grep -q c {dir}/config", &Damage::ALL[..], true),
        ] {
            let mut checker = checker(line, place.clone());
            let (healthy, sensitivity) = try_out(&mut checker, &changed(&before, &whole, &|_| true), &whole).unwrap();
            assert_eq!((&sensitivity.unnoticed[..], sensitivity.planted), (overlooked, true), "{line} {healthy:?}");
            assert_eq!(sensitivity.unopened, if unopened { vec!["f".to_owned()] } else { vec![] }, "{line}");
        }
    }

    #[test]
    fn one_that_is_no_good_on_whole_files_is_not_tried_further() {
        let scratch = tempfile::tempdir().unwrap();
        let asked = scratch.path().join("asked");
        let mut checker = checker(&format!("echo x >> {}; exit 1", asked.display()), place(&scratch));
        let whole = state(&[("f", b"newer")]);
        let (healthy, _) = try_out(&mut checker, &changed(&Snapshot::default(), &whole, &|_| true), &whole).unwrap();
        assert!(matches!(healthy, Answer::Broke(_)), "{healthy:?}");
        assert_eq!(std::fs::read_to_string(asked).unwrap(), "x\n", "once");
    }
}
