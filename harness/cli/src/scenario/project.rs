//! The file of a project: its programs, each with a name, its command and the options that go with it.

use std::path::Path;

use crashtest_states::Selection;
use toml::de::DeTable;

use super::campaign::faults;
use super::document;
use super::keys::{self, Key};
use super::mistake::{Mistake, Place};
use super::table::Table;
use crate::console;
use crate::problem::Problem;
use crate::program;
use crate::values;

/// A program of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedProgram {
    /// What it is called.
    pub name: String,
    /// Its words.
    pub command: Vec<String>,
    /// Options of `crashtest run` with their values; those that take none have none.
    pub options: Vec<(&'static str, Option<String>)>,
}

/// The programs of the project whose file is at `path`, in its order.
pub(crate) fn programs(path: &Path) -> Result<Vec<NamedProgram>, Problem> {
    let text = document::read(path)?;
    parse(&text)
        .map_err(|mistake| Problem::report(mistake.render(path, &text, console::error_width(), console::error_color())))
}

fn parse(text: &str) -> Result<Vec<NamedProgram>, Mistake> {
    let document = DeTable::parse(text).map_err(|error| Mistake::of_syntax(&error, text))?;
    let file = Table::new(&keys::PROJECT, 0..0, document.get_ref())?;
    let mut programs: Vec<(NamedProgram, Place)> = Vec::new();
    for table in file.need(&keys::PROGRAM)?.tables(&keys::IN_PROGRAM)? {
        let name = table.need(&keys::NAME)?;
        let program = read(&table)?;
        if let Some((_, first)) = programs.iter().find(|(other, _)| other.name == program.name) {
            let message = format!("two programs are called `{}`", program.name);
            return Err(Mistake::new(message, name.place(), "again").and(first.clone(), "here first"));
        }
        programs.push((program, name.place()));
    }
    Ok(programs.into_iter().map(|(program, _)| program).collect())
}

fn read(table: &Table<'_>) -> Result<NamedProgram, Mistake> {
    let name = table.need(&keys::NAME)?;
    let word = name.sentence()?;
    if !word.chars().all(|c| c.is_alphanumeric() || "._-".contains(c)) || word.starts_with('-') {
        return Err(name.refused("it is one word of letters, digits, `.`, `_` and `-`, as it is typed behind `run`"));
    }
    let run = table.need(&keys::RUN)?;
    let words = |key: &Key, text: &str| program::split_words(key.name, text).map_err(|problem| problem.message());
    let command = run.parsed(run.text()?, |text| words(&keys::RUN, text))?;
    if let (Some(_), Some(batch)) = (table.get(&keys::CHECK), table.get(&keys::CHECK_BATCH)) {
        let message = "`check` and `check_batch` are two ways to ask one checker";
        return Err(Mistake::new(message, batch.key_place, "the second one").help("keep one of the two"));
    }
    let mut options = Vec::new();
    for (key, option) in [(&keys::SETUP, "--setup"), (&keys::CHECK, "--check"), (&keys::CHECK_BATCH, "--check-batch")] {
        if let Some(value) = table.get(key) {
            value.parsed(value.text()?, |text| words(key, text))?;
            options.push((option, Some(value.text()?.to_owned())));
        }
    }
    for (key, option) in [(&keys::CWD, "--cwd"), (&keys::USES_ENV, "--uses-env")] {
        if table.get(key).map(|value| value.flag()).transpose()? == Some(true) {
            options.push((option, None));
        }
    }
    for (key, option) in [(&keys::INCLUDE, "--include"), (&keys::EXCLUDE, "--exclude")] {
        let Some(globs) = table.get(key) else { continue };
        for (glob, _) in globs.set(|glob| {
            glob.parsed(glob.text()?, |glob| {
                Selection::new(&[glob.to_owned()], &[]).map(|_| glob.to_owned()).map_err(|bad| bad.why)
            })
        })? {
            options.push((option, Some(glob)));
        }
    }
    if let Some(value) = table.get(&keys::FAULTS) {
        let named: Vec<&str> =
            value.filled_set(|value| value.one_of("fault", &faults()))?.iter().map(|(fault, _)| fault.name()).collect();
        options.push(("--fault", Some(named.join(","))));
    }
    for (key, option) in [(&keys::FOR, "--for"), (&keys::MAX_TIME, "--max-time"), (&keys::LIMIT, "--limit")] {
        if let Some(value) = table.get(key) {
            value.parsed(value.text()?, values::positive_duration)?;
            options.push((option, Some(value.text()?.to_owned())));
        }
    }
    for (key, option) in
        [(&keys::SAVES, "--saves"), (&keys::MAX_STATES, "--max-states"), (&keys::ITERATIONS, "--iterations")]
    {
        if let Some(value) = table.get(key) {
            let count = value.parsed(&value.number()?, values::count)?;
            options.push((option, Some(count.to_string())));
        }
    }
    Ok(NamedProgram { name: word, command, options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_its_command_and_the_options_that_go_with_it() {
        let text = r#"
            [[program]]
            name = "bot"
            run = "python3 'my bot.py' {dir}"
            check = "python3 check.py {dir}"
            cwd = false
            uses_env = true
            exclude = ["cache/**", "*.tmp"]
            faults = ["kill", "sweep"]
            for = "3s"
            max_states = 200
            [[program]]
            name = "once"
            run = "./once {dir}"
        "#;
        let [bot, once] = parse(text).unwrap().try_into().unwrap();
        assert_eq!(bot.command, ["python3", "my bot.py", "{dir}"]);
        let options = [
            ("--check", Some("python3 check.py {dir}")),
            ("--uses-env", None),
            ("--exclude", Some("cache/**")),
            ("--exclude", Some("*.tmp")),
            ("--fault", Some("kill,sweep")),
            ("--for", Some("3s")),
            ("--max-states", Some("200")),
        ];
        assert_eq!(bot.options, options.map(|(option, value)| (option, value.map(str::to_owned))));
        assert_eq!((once.name.as_str(), once.options.len()), ("once", 0));
    }

    #[test]
    fn every_mistake_is_shown_at_its_place() {
        let rendered = |text: &str| {
            parse(text).unwrap_err().render(
                Path::new("crashtest.toml"),
                text,
                80,
                crashtest_report::render::Color::Never,
            )
        };
        let program = |more: &str| format!("[[program]]\nname = \"bot\"\nrun = \"sh bot.sh {{dir}}\"\n{more}\n");
        for (text, at) in [
            (String::new(), "`program` is missing"),
            ("[[program]]\nname = \"bot\"".to_owned(), "`run` is missing"),
            (program("chek = \"x\""), "did you mean `check`?"),
            (program("must = [\"torn\"]"), "unknown key `must` in a program"),
            (program("check = \"a\"\ncheck_batch = \"b\""), "two ways to ask one checker"),
            (program("check = \"a | b\""), "means something to shells alone"),
            (program("for = \"0s\""), "invalid value for `for`"),
            (program("saves = 0"), "invalid value for `saves`"),
            (program("faults = [\"kil\"]"), "did you mean `kill`?"),
            (program("exclude = [\"[\"]"), "invalid value for `exclude`"),
            (program("") + &program(""), "two programs are called `bot`"),
            ("[[program]]\nname = \"a bot\"\nrun = \"x\"".to_owned(), "it is one word"),
        ] {
            let shown = rendered(&text);
            assert!(shown.contains(at) && shown.contains("crashtest.toml:"), "{at}: {shown}");
        }
    }
}
