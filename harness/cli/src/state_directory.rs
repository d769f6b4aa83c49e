//! How a program of one's own learns its state directory: by `{dir}` in a word, from CRASHTEST_DIR, or started inside it (`--cwd`).
//!
//! A program that learns nothing would run in the working directory, for real, as often as a campaign runs it: that is refused. One that
//! is started inside the state directory gets the files that its words name by their whole path: it cannot find them otherwise.

use std::path::Path;

use crashtest_model::{CommandLine, DIR, NamedFile, Program};

use crate::problem::Problem;

/// Shells, to which a script is given as a word.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "zsh", "ksh"];

/// The problem that nothing in `command` says where it has to save.
pub(crate) fn not_named(command: &CommandLine) -> Problem {
    let whole = Program::words_for_a_shell(command);
    let problem =
        Problem::usage(format!("`{whole}` is not told where to save: it would run here, for real, again and again"));
    let typed: CommandLine = std::env::args().skip(1).collect();
    let Some(dashes) = typed.iter().position(|word| word == "--") else {
        // It comes from the project's file.
        let key = format!("put {DIR} into its `run` in crashtest.toml, where it stands for the state directory");
        let other = "or write `cwd = true` there, for one that saves in its working directory, or `uses_env = true`, for one that \
                     reads CRASHTEST_DIR";
        return problem.hint(key).hint(other.to_owned());
    };
    let all = [&typed[..=dashes], &with_placeholder(command)].concat();
    problem
        .hint(format!(
            "`{DIR}` stands for the state directory, which crashtest makes anew for each run: put it into the command"
        ))
        .hint(format!("crashtest {}", Program::words_for_a_shell(&all)))
        .hint("--cwd starts a program that saves in its working directory inside the state directory".to_owned())
        .hint("--uses-env is for a program that reads its directory from CRASHTEST_DIR in its environment".to_owned())
}

/// Puts `{dir}` into `command`: where its script begins, or at the end.
fn with_placeholder(command: &CommandLine) -> CommandLine {
    let mut words = command.clone();
    let shell =
        words.first().and_then(|first| Path::new(first).file_name()?.to_str()).is_some_and(|f| SHELLS.contains(&f));
    let script = words.iter().position(|word| word == "-c").filter(|_| shell).and_then(|at| words.get_mut(at + 1));
    match script {
        Some(script) => *script = format!("cd {DIR} && {script}"),
        None => words.push(DIR.to_owned()),
    }
    words
}

/// Makes the files that the words of `command` name from `cwd` absolute, for a start elsewhere. A first word without a slash is looked up
/// on the PATH. Directories keep their names: those of the state directory may be meant.
pub(crate) fn with_absolute_paths(command: &CommandLine, cwd: &Path) -> Result<(CommandLine, Vec<NamedFile>), Problem> {
    let mut named = Vec::new();
    let mut whole = |typed: &str| -> Result<Option<String>, Problem> {
        let path = cwd.join(typed);
        if !path.is_file() {
            return Ok(None);
        }
        let path = std::path::absolute(&path).unwrap_or(path);
        let Some(text) = path.to_str().map(str::to_owned) else {
            return Err(Problem::usage(format!("`{}` is not UTF-8: it could not be recorded", path.display())));
        };
        named.push(NamedFile { typed: typed.to_owned(), path });
        Ok(Some(text))
    };
    let mut words = CommandLine::new();
    for (n, word) in command.iter().enumerate() {
        let on_the_path = n == 0 && !word.contains('/');
        let moved = match word.split_once('=') {
            _ if on_the_path || word.contains(DIR) => None,
            Some((key, value)) => match whole(value)? {
                Some(value) => Some(format!("{key}={value}")),
                None => whole(word)?,
            },
            None => whole(word)?,
        };
        words.push(moved.unwrap_or_else(|| word.clone()));
    }
    Ok((words, named))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> CommandLine {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn words_that_name_files_are_made_absolute() {
        let scratch = tempfile::tempdir().unwrap();
        let cwd = scratch.path();
        std::fs::create_dir(cwd.join("data")).unwrap();
        for name in ["bot", "bot.py", "conf.json", "data/a"] {
            std::fs::write(cwd.join(name), "").unwrap();
        }
        let at = cwd.display();
        for (typed, moved_to, files) in [
            ("python3 bot.py", format!("python3 {at}/bot.py"), 1),
            ("./bot -v", format!("{at}/bot -v"), 1),
            ("bot data", "bot data".to_owned(), 0),
            (
                "python3 bot.py --config=conf.json data/a",
                format!("python3 {at}/bot.py --config={at}/conf.json {at}/data/a"),
                3,
            ),
            (
                "env CONF=conf.json {dir}/bot.py none.json",
                format!("env CONF={at}/conf.json {{dir}}/bot.py none.json"),
                1,
            ),
        ] {
            let (moved, named) = with_absolute_paths(&split(typed), cwd).unwrap();
            assert_eq!((moved, named.len()), (split(&moved_to), files), "{typed}");
            assert!(named.iter().all(|named| named.was_relative() && named.path.is_file()), "{named:?}");
        }
        // A file that is named by its whole path may be somebody's state as well.
        let (moved, named) = with_absolute_paths(&split(&format!("cat {at}/conf.json")), cwd).unwrap();
        assert_eq!((moved, named.len()), (split(&format!("cat {at}/conf.json")), 1));
    }

    #[test]
    fn a_command_is_shown_with_a_place_for_the_directory() {
        assert_eq!(with_placeholder(&split("python3 bot.py")), split("python3 bot.py {dir}"));
        let script = ["/bin/bash", "-c", "echo hi > f"].map(str::to_owned).to_vec();
        assert_eq!(with_placeholder(&script)[2], "cd {dir} && echo hi > f");
    }
}
