//! The checker that a project starts from: it loads each file as the program is likely to, with the places to fill in.

use std::collections::BTreeSet;

use crashtest_model::{DIR, DatabaseKind, Program};

use super::seen::{Format, SeenFile};

/// The language that a checker is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    Node,
}

impl Language {
    /// That of a program with these words; Python where there is no checker in its own.
    pub(super) fn of(words: &[String]) -> Language {
        let name = |word: &String| word.rsplit('/').next().unwrap_or(word).to_owned();
        let is_script = |word: &String| [".js", ".mjs", ".cjs", ".ts"].iter().any(|ending| word.ends_with(ending));
        let runs_node =
            words.first().is_some_and(|word| ["node", "deno", "bun", "npm", "npx"].contains(&name(word).as_str()));
        if runs_node || words.first().is_some_and(is_script) { Language::Node } else { Language::Python }
    }

    /// Whether the program with these words is written in it.
    pub(super) fn is_that_of(self, words: &[String]) -> bool {
        self == Language::Node || interpreter(words).is_some() || words.iter().any(|word| word.ends_with(".py"))
    }

    /// The name of the checker's file.
    pub(super) fn file(self) -> &'static str {
        match self {
            Language::Python => "crashtest-check.py",
            Language::Node => "crashtest-check.mjs",
        }
    }

    /// The key of the project's file that names it, and the command: one interpreter for all crash states where it has threads, for then it
    /// cannot be copied.
    pub(super) fn asked_by(self, words: &[String]) -> (&'static str, String) {
        let (key, command) = match self {
            Language::Python => ("check", vec![interpreter(words).unwrap_or("python3"), self.file(), DIR]),
            Language::Node => ("check_batch", vec!["node", self.file()]),
        };
        (key, Program::words_for_a_shell(&command.into_iter().map(str::to_owned).collect::<Vec<_>>()))
    }
}

/// The Python that runs a program with these words: `/opt/bin/python3.12`.
fn interpreter(words: &[String]) -> Option<&str> {
    let name = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
    let is_version = |rest: &str| rest.chars().all(|c| c.is_ascii_digit() || c == '.');
    words.first().map(String::as_str).filter(|word| name(word).strip_prefix("python").is_some_and(is_version))
}

/// The text of a checker of `files` for the program called `name`.
pub(super) fn text(language: Language, name: &str, files: &[SeenFile]) -> String {
    match language {
        Language::Python => python(name, files),
        Language::Node => node(name, files),
    }
}

/// What stands behind a file in the list of files.
fn described(file: &SeenFile) -> String {
    match file.format {
        Format::Sqlite | Format::Database(_) => file.format.words().to_owned(),
        _ => format!("{}, {}", file.format.words(), file.written),
    }
}

/// The function that loads a file of this kind: its name, and its text.
fn loader(language: Language, format: Format) -> (&'static str, &'static str) {
    match (language, format) {
        (Language::Python, Format::Json) => {
            ("json_value", "def json_value(path):\n    return json.loads(path.read_text(encoding=\"utf-8\"))\n")
        }
        (Language::Python, Format::JsonLines) => (
            "json_lines",
            "def json_lines(path):\n    # TODO: does the program get over a last line that is cut? Then leave it out here.\n    \
             lines = path.read_text(encoding=\"utf-8\").split(\"\\n\")\n    return [json.loads(line) for line in lines if line.strip()]\n",
        ),
        (Language::Python, Format::Sqlite) => (
            "sqlite_database",
            "def sqlite_database(path):\n    database = sqlite3.connect(path)\n    \
             (verdict,) = database.execute(\"pragma integrity_check(1)\").fetchone()\n    if verdict != \"ok\":\n        \
             raise ValueError(verdict)\n    return database\n",
        ),
        (Language::Python, Format::Pickle) => (
            "pickled",
            "def pickled(path):\n    # TODO: import what the program's classes need.\n    return pickle.loads(path.read_bytes())\n",
        ),
        (Language::Python, Format::Yaml) => {
            ("yaml_value", "def yaml_value(path):\n    return yaml.safe_load(path.read_text(encoding=\"utf-8\"))\n")
        }
        (Language::Python, Format::Text) => (
            "text",
            "def text(path):\n    content = path.read_text(encoding=\"utf-8\")\n    # TODO: what makes it whole? Whoever writes it over may leave half of it.\n    \
             return content\n",
        ),
        (Language::Python, Format::Binary) => (
            "binary",
            "def binary(path):\n    content = path.read_bytes()\n    # TODO: what makes it whole? Its length, a checksum?\n    \
             return content\n",
        ),
        (Language::Python, Format::Database(DatabaseKind::Git)) => (
            "git_repository",
            "def git_repository(path):\n    git = [\"git\", \"--git-dir\", str(path), \"fsck\", \"--strict\"]\n    \
             subprocess.run(git, check=True, capture_output=True)\n",
        ),
        (Language::Python, Format::Database(DatabaseKind::Mercurial)) => (
            "mercurial_repository",
            "def mercurial_repository(path):\n    subprocess.run([\"hg\", \"-R\", str(path.parent), \"verify\"], \
             check=True, capture_output=True)\n",
        ),
        (Language::Python, Format::Database(_)) => (
            "database",
            "def database(path):\n    # TODO: open it with the library that the program has, and read what it must hold.\n    \
             return path\n",
        ),
        (Language::Node, Format::Database(DatabaseKind::Git)) => (
            "gitRepository",
            "const gitRepository = path => execFileSync('git', ['--git-dir', path, 'fsck', '--strict'], { stdio: 'ignore' });\n",
        ),
        (Language::Node, Format::Database(DatabaseKind::Mercurial)) => (
            "mercurialRepository",
            "const mercurialRepository = path => execFileSync('hg', ['-R', dirname(path), 'verify'], { stdio: 'ignore' });\n",
        ),
        (Language::Node, Format::Database(_)) => (
            "database",
            "const database = path => {\n  // TODO: open it with the library that the program has, and read what it must hold.\n  \
             return path;\n};\n",
        ),
        (Language::Node, Format::Json) => {
            ("jsonValue", "const jsonValue = path => JSON.parse(readFileSync(path, 'utf8'));\n")
        }
        (Language::Node, Format::JsonLines) => (
            "jsonLines",
            "// TODO: does the program get over a last line that is cut? Then leave it out here.\nconst jsonLines = path =>\n  \
             readFileSync(path, 'utf8').split('\\n').filter(line => line.trim() !== '').map(line => JSON.parse(line));\n",
        ),
        (Language::Node, Format::Sqlite) => (
            "sqliteDatabase",
            "const sqliteDatabase = path => {\n  const database = new DatabaseSync(path);\n  \
             const verdict = database.prepare('pragma integrity_check(1)').get().integrity_check;\n  \
             if (verdict !== 'ok') throw new Error(verdict);\n  return database;\n};\n",
        ),
        (Language::Node, Format::Yaml) => {
            ("yamlValue", "const yamlValue = path => yaml.parse(readFileSync(path, 'utf8'));\n")
        }
        (Language::Node, Format::Text) => (
            "text",
            "const text = path => {\n  const content = readFileSync(path, 'utf8');\n  \
             // TODO: what makes it whole? Whoever writes it over may leave half of it.\n  return content;\n};\n",
        ),
        (Language::Node, Format::Pickle | Format::Binary) => (
            "binary",
            "const binary = path => {\n  const content = readFileSync(path);\n  \
             // TODO: what makes it whole? Its length, a checksum?\n  return content;\n};\n",
        ),
    }
}

/// Whether one of them is judged by a command of its own.
fn runs_a_command(files: &[SeenFile]) -> bool {
    let is_judged_so = |format| matches!(format, Format::Database(DatabaseKind::Git | DatabaseKind::Mercurial));
    files.iter().any(|file| is_judged_so(file.format))
}

/// The text of each loader that `files` need, once, with `between` between them.
fn loaders(language: Language, files: &[SeenFile], between: &str) -> String {
    let formats: BTreeSet<Format> = files.iter().map(|file| file.format).collect();
    let mut texts: Vec<&str> = Vec::new();
    for format in formats {
        let (_, text) = loader(language, format);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts.join(between)
}

fn python(name: &str, files: &[SeenFile]) -> String {
    let has = |format: Format| files.iter().any(|file| file.format == format);
    let mut imports = vec!["import pathlib", "import sys"];
    let needed = [
        (has(Format::Json) || has(Format::JsonLines), "import json"),
        (has(Format::Sqlite), "import sqlite3"),
        (runs_a_command(files), "import subprocess"),
        (has(Format::Pickle), "import pickle"),
        (has(Format::Yaml), "import yaml  # as the program has it"),
    ];
    imports.extend(needed.into_iter().filter(|(needed, _)| *needed).map(|(_, line)| line));
    imports.sort_unstable();
    let row = |file: &SeenFile| {
        let (load, must) = (loader(Language::Python, file.format).0, if file.was_there { "True" } else { "False" });
        format!("    ({}, {load}, {must}),  # {}\n", quoted(&file.path), described(file))
    };
    let rows: String = files.iter().map(row).collect();
    format!(
        r#""""What {name} finds in its files when it is started after a crash. crashtest asks it about copies of them.

Written by `crashtest init` from one recorded run. The places to fill in are marked TODO.
"""
{imports}


{loaders}

# Each state file, what loads it, and whether it is always there.
FILES = [
{rows}]


def look(directory):
    """Loads what is there, as the program does; an exception says that it would not get over it."""
    found = {{}}
    for name, load, must_be_there in FILES:
        if (directory / name).exists():
            found[name] = load(directory / name)
        elif must_be_there:
            raise FileNotFoundError(name)
    # TODO: what must hold of them, also of one beside the other? For example:
    # assert found["account.json"]["cash"] >= 0
    return found


try:
    found = look(pathlib.Path(sys.argv[1]))
except Exception as error:
    print("crashtest: refused", f"{{type(error).__name__}}: {{error}}".replace("\n", " "))
else:
    # TODO: name the newest save that is there, and a lost one is noticed: print("crashtest: state", n)
    print("crashtest: ok")
"#,
        imports = imports.join("\n"),
        loaders = loaders(Language::Python, files, "\n\n"),
    )
}

fn node(name: &str, files: &[SeenFile]) -> String {
    let has = |format: Format| files.iter().any(|file| file.format == format);
    let database =
        "import { DatabaseSync } from 'node:sqlite'; // Node 22.5; TODO: or the package that the program has\n";
    let yaml = "import yaml from 'yaml'; // TODO: or the package that the program has\n";
    let command = "import { execFileSync } from 'node:child_process';\n";
    let imports = [(runs_a_command(files), command), (has(Format::Sqlite), database), (has(Format::Yaml), yaml)];
    let imports: String = imports.into_iter().filter(|(needed, _)| *needed).map(|(_, line)| line).collect();
    let row = |file: &SeenFile| {
        let load = loader(Language::Node, file.format).0;
        format!("  [{}, {load}, {}], // {}\n", quoted(&file.path), file.was_there, described(file))
    };
    let rows: String = files.iter().map(row).collect();
    format!(
        r#"// What {name} finds in its files when it is started after a crash. crashtest asks it about copies of them.
//
// Written by `crashtest init` from one recorded run. The places to fill in are marked TODO.
import {{ existsSync, readFileSync }} from 'node:fs';
import {{ {path} }} from 'node:path';
import {{ createInterface }} from 'node:readline';
{imports}
{loaders}
// Each state file, what loads it, and whether it is always there.
const FILES = [
{rows}];

// Loads what is there, as the program does; an exception says that it would not get over it.
function look(directory) {{
  const found = {{}};
  for (const [name, load, mustBeThere] of FILES) {{
    const path = join(directory, name);
    if (existsSync(path)) found[name] = load(path);
    else if (mustBeThere) throw new Error(`${{name}} is not there`);
  }}
  // TODO: what must hold of them, also of one beside the other? For example:
  // if (found['account.json'].cash < 0) throw new Error('no cash');
  return found;
}}

// One interpreter for all crash states: each line names a directory, and gets one line.
for await (const directory of createInterface({{ input: process.stdin }})) {{
  try {{
    look(directory);
    // TODO: name the newest save that is there, and a lost one is noticed: `crashtest: state ${{n}}`
    console.log('crashtest: ok');
  }} catch (error) {{
    console.log(`crashtest: refused ${{error}}`.replaceAll('\n', ' '));
  }}
}}
"#,
        path = if has(Format::Database(DatabaseKind::Mercurial)) { "dirname, join" } else { "join" },
        loaders = loaders(Language::Node, files, "\n"),
    )
}

/// `text` as a string of Python and of JavaScript: what JSON has is good in both.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_checker_is_in_the_language_of_the_program_where_there_is_one() {
        for (line, language, key, command) in [
            ("python3.11 bot.py", Language::Python, "check", "python3.11 crashtest-check.py {dir}"),
            ("./bot.py", Language::Python, "check", "python3 crashtest-check.py {dir}"),
            ("/usr/bin/node bot.mjs {dir}", Language::Node, "check_batch", "node crashtest-check.mjs"),
            ("./bot.js", Language::Node, "check_batch", "node crashtest-check.mjs"),
            ("java Bot", Language::Python, "check", "python3 crashtest-check.py {dir}"),
            ("python-bot {dir}", Language::Python, "check", "python3 crashtest-check.py {dir}"),
            ("uv run bot.py", Language::Python, "check", "python3 crashtest-check.py {dir}"),
        ] {
            let found = Language::of(&words(line));
            assert_eq!((found, found.asked_by(&words(line))), (language, (key, command.to_owned())), "{line}");
        }
        let spaced = ["/my env/bin/python3".to_owned(), "bot.py".to_owned()];
        assert_eq!(Language::Python.asked_by(&spaced).1, "'/my env/bin/python3' crashtest-check.py {dir}");
        assert!(
            Language::Python.is_that_of(&words("uv run bot.py")) && !Language::Python.is_that_of(&words("python-bot"))
        );
        assert!(!Language::Python.is_that_of(&words("java Bot")) && Language::Node.is_that_of(&words("node x")));
    }

    #[test]
    fn files_of_two_kinds_that_are_loaded_alike_have_one_loader() {
        let file = |path: &str, format| SeenFile { path: path.to_owned(), format, was_there: false, written: "append" };
        let files = [file("a", Format::Pickle), file("b", Format::Text), file("c", Format::Binary)];
        let checker = text(Language::Node, "bot", &files);
        assert_eq!(checker.matches("const binary = ").count(), 1, "{checker}");
    }
}
