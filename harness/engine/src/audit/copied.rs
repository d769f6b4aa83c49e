//! The copy in which a program is audited: its directories are read once and written below one of ours, and nothing else is touched.
//!
//! Modes are kept, but the owner may always write a directory, so that it can be removed again. Links are kept as links, and one that
//! points into what is copied by its whole path points into the copy. Pipes, sockets, owners and times are left out.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crashtest_linux::directory::Directory;
use crashtest_states::Entry;

use crate::audit::{AuditPlan, MOST_HELD, bytes_below};
use crate::error::EngineError;
use crate::snapshot::{self, Detail};

/// Copies the working directory of `plan`, and its state directory where that lies elsewhere, below `to`, which is made. Gives the plan
/// for the copies: words that name a file below one of the directories by its whole path name the one in the copy.
///
/// # Errors
/// A directory cannot be read or written, or the two hold more than [`MOST_HELD`].
pub(super) fn copy(plan: &AuditPlan, to: &Path) -> Result<AuditPlan, EngineError> {
    let real = |path: &Path| fs::canonicalize(path).map_err(EngineError::sandbox("copy", path));
    let cwd = real(&plan.cwd)?;
    let dir = plan.dir.as_deref().map(real).transpose()?;
    let originals = match &dir {
        Some(dir) if cwd.starts_with(dir) => vec![dir.clone()],
        Some(dir) if !dir.starts_with(&cwd) => vec![cwd.clone(), dir.clone()],
        _ => vec![cwd.clone()],
    };
    let mut held = 0;
    for original in &originals {
        held = bytes_below(&Directory::named(original)?, held)?;
        if held > MOST_HELD {
            return Err(EngineError::BigCopy { path: original.clone(), most: MOST_HELD });
        }
    }
    let beside = |(n, original): (usize, &PathBuf)| {
        let name = original.file_name().unwrap_or(OsStr::new("root"));
        Pair { copy: to.join(n.to_string()).join(name), original: original.clone() }
    };
    let pairs = Pairs(originals.iter().enumerate().map(beside).collect());
    for pair in &pairs.0 {
        pairs.write(pair)?;
    }
    let passed_over = plan.passed_over.iter().map(|path| pairs.path(path)).collect();
    let dir = dir.map(|dir| pairs.path(&dir));
    let mut copied = AuditPlan { cwd: pairs.path(&cwd), dir, passed_over, ..plan.clone() };
    copied.command.iter_mut().for_each(|word| *word = pairs.word(word));
    let words =
        copied.setup.iter_mut().chain(copied.check.iter_mut().map(crashtest_model::Check::command_mut)).flatten();
    for word in words {
        // What came from text and from paths of which the copies' are ours is text.
        *word = pairs.word(OsStr::new(word)).to_string_lossy().into_owned();
    }
    Ok(copied)
}

/// A directory and its copy.
struct Pair {
    original: PathBuf,
    copy: PathBuf,
}

/// The directories that are copied: none lies in another.
struct Pairs(Vec<Pair>);

impl Pairs {
    /// Makes one copy. Nothing of the program has run yet: the names below `copy` are as we have made them.
    fn write(&self, pair: &Pair) -> Result<(), EngineError> {
        let Pair { original, copy } = pair;
        fs::create_dir_all(copy).map_err(EngineError::sandbox("copy to", copy))?;
        let taken = snapshot::take(&Directory::named(original)?, Detail::Contents)?;
        let taken = taken.changed(|_, entry| match entry {
            Entry::Link { target } => Some(Entry::Link { target: self.path(target) }),
            Entry::Special { .. } => None,
            entry => Some(entry.clone()),
        });
        snapshot::write_below(&taken, &Directory::named(copy)?)?;
        let set = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).map_err(EngineError::sandbox("copy to", path))
        };
        // The mask of this process has taken some of the modes away.
        for (path, entry) in taken.entries() {
            match entry {
                Entry::File { mode, .. } => set(&copy.join(path), *mode)?,
                Entry::Directory { mode } => set(&copy.join(path), *mode | 0o700)?,
                Entry::Link { .. } | Entry::Special { .. } => {}
            }
        }
        let mode = fs::metadata(original).map_err(EngineError::sandbox("copy", original))?.permissions().mode()
            & 0o7777
            | 0o700;
        set(copy, mode)
    }

    /// `path`, or where it is in a copy.
    fn path(&self, path: &Path) -> PathBuf {
        let below = |pair: &Pair| Some((pair.copy.clone(), path.strip_prefix(&pair.original).ok()?.to_owned()));
        match self.0.iter().find_map(below) {
            Some((copy, below)) if below.as_os_str().is_empty() => copy,
            Some((copy, below)) => copy.join(below),
            None => path.to_owned(),
        }
    }

    /// A word of a command: a path, `--option=PATH`, or something else.
    fn word(&self, word: &OsStr) -> OsString {
        match word.to_str().and_then(|word| word.split_once('=')) {
            Some((key, value)) if Path::new(value).is_absolute() => {
                let mut word = OsString::from(format!("{key}="));
                word.push(self.path(Path::new(value)));
                word
            }
            _ if Path::new(word).is_absolute() => self.path(Path::new(word)).into_os_string(),
            _ => word.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use crashtest_states::Selection;

    use crashtest_model::Until;

    use super::*;

    fn plan(cwd: &Path, dir: Option<&Path>, words: &[&str]) -> AuditPlan {
        AuditPlan {
            command: words.iter().map(OsString::from).collect(),
            setup: None,
            check: None,
            dir: dir.map(Path::to_owned),
            copy: true,
            cwd: cwd.to_owned(),
            temporary: PathBuf::new(),
            passed_over: Vec::new(),
            selection: Selection::new(&[], &[]).unwrap(),
            until: Until::default(),
            limit: Duration::from_secs(10),
            answer_limit: Duration::from_secs(10),
            max_states: None,
        }
    }

    #[test]
    fn a_copy_has_the_modes_and_the_links_and_no_pipes() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        let (bot, outside) = (root.join("bot"), root.join("outside"));
        fs::create_dir_all(bot.join("closed")).unwrap();
        fs::write(&outside, "outside").unwrap();
        fs::write(bot.join("closed/f"), "f").unwrap();
        fs::set_permissions(bot.join("closed/f"), Permissions::from_mode(0o666)).unwrap();
        fs::set_permissions(bot.join("closed"), Permissions::from_mode(0o555)).unwrap();
        symlink(&outside, bot.join("out")).unwrap();
        symlink(bot.join("closed/f"), bot.join("in")).unwrap();
        symlink("closed/f", bot.join("relative")).unwrap();
        nix::unistd::mkfifo(&bot.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let copied = copy(&plan(&bot, None, &["x"]), &root.join("to")).unwrap();
        let mode = |path: &str| fs::metadata(copied.cwd.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("closed/f"), mode("closed")), (0o666, 0o755));
        let link = |path: &str| fs::read_link(copied.cwd.join(path)).unwrap();
        assert_eq!((link("out"), link("in")), (outside, copied.cwd.join("closed/f")));
        assert_eq!(link("relative"), Path::new("closed/f"));
        assert!(!copied.cwd.join("pipe").exists());
        fs::set_permissions(bot.join("closed"), Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn whole_paths_in_the_words_name_the_copy() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        let [bot, state] = ["bot", "state"].map(|name| root.join(name));
        for dir in [&bot, &state] {
            fs::create_dir(dir).unwrap();
        }
        let words = [&format!("{}/x", bot.display()), &format!("--state={}", state.display()), "/bin/sh", "a=b"];
        let copied = copy(&plan(&bot, Some(&state), &words), &root.join("to")).unwrap();
        let dir = copied.dir.unwrap();
        assert!(copied.cwd.is_dir() && dir.is_dir() && copied.cwd.starts_with(&root) && copied.cwd != bot);
        let wanted = [&format!("{}/x", copied.cwd.display()), &format!("--state={}", dir.display()), "/bin/sh", "a=b"];
        assert_eq!(copied.command, wanted.map(OsString::from));
    }

    #[test]
    fn a_state_directory_keeps_its_place_beside_the_working_directory() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("bot/data")).unwrap();
        let (bot, data) = (root.join("bot"), root.join("bot/data"));
        let down = copy(&plan(&bot, Some(&data), &[]), &root.join("down")).unwrap();
        assert_eq!(down.dir, Some(down.cwd.join("data")));
        let up = copy(&plan(&data, Some(&bot), &[]), &root.join("up")).unwrap();
        assert_eq!(up.dir.map(|dir| dir.join("data")), Some(up.cwd));
    }

    #[test]
    fn too_much_is_not_copied() {
        let scratch = tempfile::tempdir().unwrap();
        let bot = scratch.path().join("bot");
        fs::create_dir(&bot).unwrap();
        crate::audit::tests::take_room(&bot.join("big"), MOST_HELD + 4096);
        let to = scratch.path().join("to");
        let error = copy(&plan(&bot, None, &[]), &to).unwrap_err();
        assert!(matches!(error, EngineError::BigCopy { .. }) && error.hint().is_some() && !to.exists(), "{error}");
    }
}
