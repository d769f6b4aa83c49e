//! A project's own file: a name on the command line stands for the program, and the options, that the file has under it.

use std::ffi::OsString;
use std::path::Path;

use crate::nearest;
use crate::problem::Problem;
use crate::scenario::{self, NamedProgram};

/// The file, in the working directory.
pub(crate) const FILE: &str = "crashtest.toml";

/// Commands that take a name, and the options of `run` that they do not have.
const COMMANDS: [(&str, &[&str]); 2] =
    [("run", &[]), ("audit", &["--cwd", "--uses-env", "--fault", "--max-time", "--iterations"])];

/// The arguments that `arguments` stand for, where these are a command, a name and options, and there is a file to look it up in.
pub(crate) fn expanded(arguments: &[OsString]) -> Result<Option<Vec<OsString>>, Problem> {
    looked_up(Path::new(FILE), arguments)
}

/// The same, in the file at `path`.
fn looked_up(path: &Path, arguments: &[OsString]) -> Result<Option<Vec<OsString>>, Problem> {
    let [command, name, typed @ ..] = arguments else { return Ok(None) };
    let (Some(command), Some(name)) = (command.to_str(), name.to_str()) else { return Ok(None) };
    let takes_names = COMMANDS.iter().find(|(named, _)| *named == command);
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    let is_name =
        !name.starts_with('-') && typed.first().is_none_or(is_option) && typed.iter().all(|word| word != "--");
    let (Some((_, lacks)), true) = (takes_names, is_name) else { return Ok(None) };
    if !path.exists() {
        return Ok(None);
    }
    let programs = scenario::programs(path)?;
    let Some(program) = programs.iter().find(|program| program.name == name) else {
        let names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
        let hint = format!("a program that is not in {FILE} comes after `--`: crashtest {command} -- {name} …");
        return Err(nearest::unknown(&format!("program of {FILE}"), name, &names).hint(hint));
    };
    let words = [OsString::from(command)].into_iter().chain(words_of(program, lacks, typed)).chain(typed.to_vec());
    Ok(Some(words.chain(["--".into()]).chain(program.command.iter().map(OsString::from)).collect()))
}

/// The options of `program` as words, but for those that the command lacks and those that somebody has `typed`. What starts in the state
/// directory is audited in a copy of the working directory: there it runs for real.
fn words_of(program: &NamedProgram, lacks: &[&str], typed: &[OsString]) -> Vec<OsString> {
    let is_typed = |option: &str| {
        let same = |word: &str| word == option || word.strip_prefix(option).is_some_and(|rest| rest.starts_with('='));
        let meant = |word: &str| match option {
            "--check" | "--check-batch" => word.starts_with("--check"),
            "--iterations" => same(word) || word.starts_with("-n"),
            _ => same(word),
        };
        typed.iter().any(|word| word.to_str().is_some_and(meant))
    };
    let mut words: Vec<OsString> = Vec::new();
    let is_elsewhere = |option: &str| matches!(option, "--cwd" | "--uses-env") && lacks.contains(&option);
    if program.options.iter().any(|(option, _)| is_elsewhere(option)) && !is_typed("--dir") && !is_typed("--copy") {
        words.push("--copy".into());
    }
    for (option, value) in program.options.iter().filter(|(option, _)| !lacks.contains(option) && !is_typed(option)) {
        words.push(option.into());
        words.extend(value.iter().map(OsString::from));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_counts_more_than_what_is_written_down() {
        let program = NamedProgram {
            name: "bot".to_owned(),
            command: vec!["bot".to_owned()],
            options: vec![
                ("--check", Some("c".to_owned())),
                ("--cwd", None),
                ("--fault", Some("sweep".to_owned())),
                ("--iterations", Some("5".to_owned())),
            ],
        };
        for (command, typed, wanted) in [
            ("run", "", "--check c --cwd --fault sweep --iterations 5"),
            ("run", "--fault=kill -n9 --check-batch b", "--cwd"),
            ("audit", "", "--copy --check c"),
            ("audit", "--copy --quiet", "--check c"),
        ] {
            let (_, lacks) = COMMANDS.iter().find(|(named, _)| *named == command).unwrap();
            let typed: Vec<OsString> = typed.split_whitespace().map(OsString::from).collect();
            let words: Vec<String> =
                words_of(&program, lacks, &typed).into_iter().map(|word| word.into_string().unwrap()).collect();
            assert_eq!(words.join(" "), wanted, "{command} {typed:?}");
        }
    }

    #[test]
    fn only_a_name_before_options_is_looked_up() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(FILE);
        let found = |line: &str| {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            let found = looked_up(&path, &words).unwrap_or_else(|problem| panic!("{line}: {problem}"))?;
            Some(found.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(found("run bot"), None, "there is no file");
        std::fs::write(&path, "[[program]]\nname = \"bot\"\nrun = \"./bot {dir}\"\nsaves = 3\n").unwrap();
        assert_eq!(found("run bot --seed 1").unwrap(), "run --saves 3 --seed 1 -- ./bot {dir}");
        for line in ["run", "run --seed 1", "list bot", "audit python3 bot.py", "run bot -- sh"] {
            assert_eq!(found(line), None, "{line}");
        }
    }
}
