//! Somebody's own programs in tests: the examples in three languages, and scripts.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::skip::skip;
use super::{Place, Ran};

/// The example programs.
pub(crate) const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../targets/external");

/// A language that the examples are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    Node,
    Shell,
}

impl Language {
    /// The name of the examples' directory and the ending of their files.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Language::Python => ("python", "py"),
            Language::Node => ("node", "mjs"),
            Language::Shell => ("shell", "sh"),
        }
    }
}

/// The interpreter of a language, as it is started.
#[derive(Clone, Debug)]
pub(crate) struct Interpreter {
    language: Language,
    words: Vec<String>,
}

impl Interpreter {
    /// The one of `language`; `None`, said loudly, where it is not here.
    pub(crate) fn find(language: Language) -> Option<Interpreter> {
        // A Python is started a thousand times: itself, past a version manager's script in front of it, and without what is installed
        // beside it (-S), of which the examples use nothing. That is a tenth of its time.
        let (program, ask) = match language {
            Language::Python => ("python3", "import sys; print(sys.executable)"),
            Language::Node => ("node", "console.log(process.execPath)"),
            Language::Shell => ("sh", "echo sh"),
        };
        let option = if language == Language::Node { "-e" } else { "-c" };
        let output = Command::new(program).args([option, ask]).stdin(Stdio::null()).stderr(Stdio::null()).output();
        let Some(output) = output.ok().filter(|output| output.status.success()) else {
            skip(&format!("{program}, for the {} examples", language.names().0));
            return None;
        };
        let mut words = vec![String::from_utf8(output.stdout).unwrap().trim().to_owned()];
        words.extend((language == Language::Python).then(|| "-S".to_owned()));
        Some(Interpreter { language, words })
    }

    /// Its words and then those of a script.
    pub(crate) fn words<'a>(&'a self, script: &[&'a str]) -> Vec<&'a str> {
        self.words.iter().map(String::as_str).chain(script.iter().copied()).collect()
    }

    /// The command that starts the example `name` with `arguments`, for an option that is split as a shell would.
    pub(crate) fn example(&self, name: &str, arguments: &str) -> String {
        let (directory, ending) = self.language.names();
        let words: Vec<String> = self.words.iter().map(|word| format!("'{word}'")).collect();
        format!("{} '{EXAMPLES}/{directory}/{name}.{ending}' {arguments}", words.join(" "))
    }
}

/// `crashtest run` of a writer among the examples, with its checker, which gets `checked_as`.
pub(crate) fn run_example(
    place: &Place,
    interpreter: &Interpreter,
    writer: &str,
    checked_as: &str,
    more: &[&str],
) -> (Option<i32>, Value) {
    let (directory, ending) = interpreter.language.names();
    let program = format!("{EXAMPLES}/{directory}/{writer}.{ending}");
    let setup = interpreter.example(writer, "{dir} init");
    // A Python for each crash state takes long.
    let (option, check) = match interpreter.language {
        Language::Python => ("--check-batch", interpreter.example("check_batch", checked_as)),
        Language::Node | Language::Shell => ("--check", interpreter.example("check", "{dir}")),
    };
    // Nothing here hangs; beside other work an interpreter takes its time.
    let mut command = place.command("run --quiet --output-format json --seed 1 --limit 60s");
    command.args(["--setup", &setup, option, &check]).args(more).arg("--");
    command.args(interpreter.words(&[&program, "{dir}"]));
    let ran = Ran::from(command.output().unwrap());
    let summary = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {} {}", ran.out, ran.err));
    (ran.exit, summary)
}

/// `crashtest run … -- CMD` with these words after `run`.
pub(crate) fn run(place: &Place, words: &[&str]) -> Ran {
    Ran::from(place.command("run --quiet --seed 1").args(words).output().unwrap())
}

/// Replays the failure whose folder is called so, in `place`.
pub(crate) fn assert_shows_again(place: &Place, called: &str) {
    let folders = place.kept_failures();
    let failure = folders.iter().find(|folder| folder.to_string_lossy().contains(called));
    let failure = failure.unwrap_or_else(|| panic!("{called} in {folders:?}"));
    let verdict = if called.contains("torn") { "torn" } else { "empty" };
    let replayed = Ran::from(place.command("replay").arg(failure).output().unwrap());
    assert_eq!(replayed.exit, Some(1), "{}{}", replayed.out, replayed.err);
    let again = format!("{verdict} reproduced 20 of 20");
    assert!(
        replayed.out.contains(&format!("{verdict} shows again")) && replayed.out.contains(&again),
        "{}",
        replayed.out
    );
}
