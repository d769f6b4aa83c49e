//! Somebody's own program as a target: how it is started, prepared and checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Damage;

/// What stands for the state directory in the words of a command.
pub const DIR: &str = "{dir}";

/// A command as its words: the program first. `{dir}` in a word stands for the state directory.
pub type CommandLine = Vec<String>;

/// Somebody's own program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The writer: it saves, and is crashed.
    pub command: CommandLine,
    /// What makes the state that it starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<CommandLine>,
    /// What says what there is after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// Whether each kill comes on what the one before has left, and not on the state that the set-up made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continues: bool,
    /// Files that are judged although they would be excluded, and files that are not judged. Globs. A checker need not notice damage to
    /// those that are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// See [`include`](Program::include).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// When a run of it is over that goes on for ever.
    #[serde(default, skip_serializing_if = "Until::is_never")]
    pub until: Until,
    /// Where they are started: relative names in their words are looked up there.
    pub cwd: PathBuf,
    /// Whether the writer, and nothing else, is started inside the state directory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inside: bool,
    /// Files outside the state directory that the words of a writer name which is started inside it. None may change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<NamedFile>,
}

/// When the run of a program is over that goes on for ever: whichever comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Until {
    /// So long after its first file-changing call, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    /// Once it has made so many saves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saves: Option<u64>,
}

impl Until {
    /// Where nobody says when, in ms.
    pub const USUAL_MS: u64 = 10_000;

    /// Returns whether somebody has said when, as one does of a program that goes on for ever.
    #[must_use]
    pub fn was_said(&self) -> bool {
        self.saves.is_some() || self.after_ms.is_some_and(|after| after != Until::USUAL_MS)
    }

    /// Returns whether it has to end by itself.
    #[must_use]
    pub fn is_never(&self) -> bool {
        *self == Until::default()
    }
}

/// A file that a word of a command names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedFile {
    /// Its name as it was typed.
    pub typed: String,
    /// Where it is: what stands in the recorded word.
    pub path: PathBuf,
}

impl NamedFile {
    /// Returns whether its name was typed from the working directory, and was made absolute.
    #[must_use]
    pub fn was_relative(&self) -> bool {
        Path::new(&self.typed).is_relative()
    }
}

/// A checker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Started for each crash state.
    Each(CommandLine),
    /// Started once: it reads a directory per line and answers each with a line.
    Batch(CommandLine),
}

impl Check {
    /// Its words.
    #[must_use]
    pub fn command(&self) -> &CommandLine {
        match self {
            Check::Each(words) | Check::Batch(words) => words,
        }
    }

    /// The same, to be changed.
    pub fn command_mut(&mut self) -> &mut CommandLine {
        match self {
            Check::Each(words) | Check::Batch(words) => words,
        }
    }
}

/// How a checker took damage that was done, once in each way, to all that a run had written. One that does not look at the files
/// would accept everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// Whether there was anything to damage.
    pub planted: bool,
    /// The kinds of damage of which it said what it says of whole files.
    pub unnoticed: Vec<Damage>,
    /// The files that the run had written and that nobody opened while it looked at whole ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unopened: Vec<String>,
    /// Where there are several files: the kinds of damage to each of them alone that it does not notice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overlooked: BTreeMap<String, Vec<Damage>>,
}

impl Sensitivity {
    /// Returns whether it notices nothing: then what it accepts says nothing.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        !self.planted || self.unnoticed.len() == Damage::ALL.len()
    }

    /// Returns whether it notices such damage to this file.
    #[must_use]
    pub fn sees(&self, path: &str, damage: Damage) -> bool {
        let alone = self.overlooked.get(path).is_some_and(|overlooked| overlooked.contains(&damage));
        let opened = !self.unopened.iter().any(|unopened| unopened == path);
        self.planted && !self.unnoticed.contains(&damage) && opened && !alone
    }

    /// Returns whether it notices no damage at all to this file, of several that were damaged each alone.
    #[must_use]
    pub fn overlooks(&self, path: &str) -> bool {
        self.overlooked.get(path).is_some_and(|overlooked| overlooked.len() == Damage::ALL.len())
    }

    /// Returns whether it notices some damage to this file: only then is what becomes of it judged.
    #[must_use]
    pub fn judges(&self, path: &str) -> bool {
        match self.overlooked.get(path) {
            Some(overlooked) => overlooked.len() < Damage::ALL.len(),
            None => !self.is_blind() && !self.unopened.iter().any(|unopened| unopened == path),
        }
    }
}

/// Programs that run the program that is their first argument.
const INTERPRETERS: [&str; 10] = ["python", "node", "deno", "bun", "ruby", "perl", "sh", "bash", "dash", "env"];

impl Program {
    /// Returns what it is called in reports: `bot.py` for `python3 -u tools/bot.py {dir}`.
    #[must_use]
    pub fn name(&self) -> String {
        let file_name = |word: &str| {
            let name = Path::new(word).file_name().map(|name| name.to_string_lossy().into_owned());
            name.unwrap_or_else(|| word.to_owned())
        };
        let Some((first, rest)) = self.command.split_first() else { return String::new() };
        let own = file_name(first);
        let interpreted = INTERPRETERS.contains(&own.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'));
        let script = rest.iter().find(|word| !word.starts_with('-') && !word.contains(DIR) && !word.contains(' '));
        match script {
            Some(script) if interpreted => file_name(script),
            _ => own,
        }
    }

    /// Its words, and where it is started where that is the state directory. As in "python3 /home/u/bot.py, started inside the
    /// state directory; `bot.py` is /home/u/bot.py, outside of it".
    #[must_use]
    pub fn described(&self) -> String {
        let mut words = Program::words_for_a_shell(&self.command);
        if self.inside {
            words += ", started inside the state directory";
            if let Some(outside) = self.outside() {
                words += &format!("; {outside}");
            }
        }
        words
    }

    /// "`bot.py` is /home/u/bot.py, outside of it": the words that were made absolute; `None` where there are none.
    #[must_use]
    pub fn outside(&self) -> Option<String> {
        let relative = self.named.iter().filter(|named| named.was_relative());
        let each: Vec<String> =
            relative.map(|named| format!("`{}` is {}", named.typed, named.path.display())).collect();
        (!each.is_empty()).then(|| format!("{}, outside of it", each.join(", ")))
    }

    /// Its words as a shell would be given them.
    #[must_use]
    pub fn words_for_a_shell(words: &[String]) -> String {
        let quoted = |word: &String| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@%+{}".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        };
        words.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(words: &str) -> Program {
        let command = words.split_whitespace().map(str::to_owned).collect();
        Program { command, ..Program::default() }
    }

    #[test]
    fn a_program_is_called_by_the_script_that_an_interpreter_runs() {
        for (words, name) in [
            ("python3 -u tools/bot.py {dir}", "bot.py"),
            ("python3.11 bot.py", "bot.py"),
            ("/usr/bin/node {dir}/x server.mjs", "server.mjs"),
            ("./server --once script.py", "server"),
            ("sh", "sh"),
        ] {
            assert_eq!(program(words).name(), name, "{words}");
        }
    }

    #[test]
    fn a_program_that_starts_inside_names_what_lies_outside() {
        let named = |typed: &str, path: &str| NamedFile { typed: typed.into(), path: path.into() };
        let files = vec![named("bot.py", "/u/bot.py"), named("/etc/bot.conf", "/etc/bot.conf")];
        let inside = Program { inside: true, named: files, ..program("python3 /u/bot.py --config=/etc/bot.conf") };
        let words = "python3 /u/bot.py --config=/etc/bot.conf, started inside the state directory; `bot.py` is /u/bot.py, outside of it";
        assert_eq!(inside.described(), words);
        assert_eq!(program("python3 bot.py {dir}").described(), "python3 bot.py {dir}");
    }

    #[test]
    fn a_record_from_before_there_was_cwd_reads() {
        let old = r#"{"command":["sh"],"cwd":"/u"}"#;
        let read: Program = serde_json::from_str(old).unwrap();
        assert_eq!(read, Program { cwd: "/u".into(), ..program("sh") });
        assert_eq!(serde_json::to_string(&read).unwrap(), old, "and is written as before");
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        let words = ["python3", "a b.py", "{dir}", "it's", ""].map(str::to_owned);
        assert_eq!(Program::words_for_a_shell(&words), r"python3 'a b.py' {dir} 'it'\''s' ''");
    }
}
