//! `crashtest init`: the file of a project and a checker to start from, written after one recorded run.

mod checker;
mod seen;

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Component, Path};
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use crashtest_engine::{AuditPlan, AuditedProgram, EngineError};
use crashtest_model::{DIR, Program, UnderKill, Until};

use self::checker::Language;
use self::seen::{Format, SeenFile};
use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program;
use crate::progress::AuditLine;
use crate::project;
use crate::selection::SelectionOptions;
use crate::signals;
use crate::until::UntilOptions;
use crate::values;

/// How long the program and the set-up may take, where nobody says so.
const LIMIT: Duration = Duration::from_mins(10);

/// Write crashtest.toml, and a checker to start from, after one recorded run of a program
///
/// Runs the program once, with a state directory of ours where `{dir}` stands in its command, else in a copy of the working directory, and
/// looks at the files that it leaves. Then it writes two files into the working directory, and never over one that is there: crashtest.toml,
/// where the program has a name, so that `crashtest audit NAME` and `crashtest run NAME` need nothing else; and a checker in the program's
/// language (Python, where that is neither Python nor Node), which loads each state file and has places to fill in. What it could not guess
/// it says.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  crashtest init -- python3 bot.py {dir}\n  crashtest init --for 5s -- node service.mjs\n  crashtest init --name nightly --setup 'cp -r fixtures/. {dir}' -- ./import {dir}\n\nExit status: 0 both files are written · 2 usage, one of them is there already, or the program cannot be started · 3 the run wrote no\nstate file · 5 programs cannot be traced here"
)]
pub(crate) struct InitArgs {
    /// What the program is called in crashtest.toml [default: the name of its script, without the ending]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// What makes the state that the program starts from; `{dir}` and CRASHTEST_DIR name the directory
    #[arg(long, value_name = "CMD")]
    pub setup: Option<String>,
    /// When the program is ended
    #[command(flatten)]
    pub until: UntilOptions,
    /// Which files are looked at
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// How long the program and the set-up may take [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    pub limit: Option<Duration>,
    /// The program and its arguments, after `--`
    #[arg(value_name = "CMD", required = true, last = true)]
    pub command: Vec<OsString>,
}

impl InitArgs {
    fn words(&self) -> Result<Vec<String>, Problem> {
        let text = |word: &OsString| {
            let why =
                || Problem::usage(format!("`{}` is not UTF-8: it cannot be written down", word.to_string_lossy()));
            word.to_str().map(str::to_owned).ok_or_else(why)
        };
        self.command.iter().map(text).collect()
    }

    /// What it is called.
    fn name(&self, words: &[String]) -> Result<String, Problem> {
        let is_part = |c: char| c.is_alphanumeric() || "._-".contains(c);
        if let Some(name) = &self.name {
            return match name.chars().all(is_part) && !name.is_empty() && !name.starts_with('-') {
                true => Ok(name.clone()),
                false => {
                    Err(Problem::usage(format!("--name `{name}` is no word of letters, digits, `.`, `_` and `-`")))
                }
            };
        }
        let called = Program { command: words.to_vec(), ..Program::default() }.name();
        let stem =
            Path::new(&called).file_stem().map_or_else(|| called.clone(), |stem| stem.to_string_lossy().into_owned());
        let name: String = stem.chars().filter(|c| is_part(*c)).collect();
        Ok(if name.trim_matches('-').is_empty() {
            "program".to_owned()
        } else {
            name.trim_start_matches('-').to_owned()
        })
    }

    fn plan(&self, words: &[String]) -> Result<AuditPlan, Problem> {
        let cwd = program::working_directory()?;
        let setup = self.setup.as_deref().map(|setup| program::split_words("--setup", setup)).transpose()?;
        for words in setup.as_deref().into_iter().chain([words]) {
            program::can_be_found(words, &cwd)?;
        }
        let is_here = !words.iter().any(|word| word.contains(DIR));
        Ok(AuditPlan {
            command: self.command.clone(),
            setup,
            check: None,
            dir: is_here.then(|| ".".into()),
            copy: is_here,
            cwd,
            temporary: std::env::temp_dir(),
            passed_over: Vec::new(),
            selection: self.selection.selection()?,
            until: self.until.until(console::error_is_seen()),
            limit: self.limit.unwrap_or(LIMIT),
            answer_limit: self.limit.unwrap_or(LIMIT),
            max_states: None,
        })
    }
}

/// Runs the command.
pub(crate) fn init(args: &InitArgs) -> Result<Exit, Problem> {
    let words = args.words()?;
    let (name, language) = (args.name(&words)?, Language::of(&words));
    for file in [project::FILE, language.file()] {
        if fs::symlink_metadata(file).is_ok() {
            let hint = "move it away, or write by hand what it lacks: see `[[program]]` in docs/programs.md".to_owned();
            return Err(Problem::usage(format!("`{file}` is there already, and nothing is written over")).hint(hint));
        }
    }
    let plan = args.plan(&words)?;
    let stop = signals::stop_on_signals()?;
    let shown = Program::words_for_a_shell(&words);
    if console::error_is_seen() {
        let place = if plan.copy { "in a copy of" } else { "for real, in" };
        console::complain(&format!("crashtest: runs `{shown}` once, {place} {}", plan.cwd.display()));
    }
    let progress = RefCell::new(AuditLine::new(&shown, plan.until));
    let audited = crashtest_engine::audit_program(&plan, &stop, &|so_far| progress.borrow_mut().show(so_far));
    drop(progress);
    let audited = match audited {
        Err(EngineError::Interrupted) if stop.load(Ordering::Relaxed) => return Ok(Exit::Interrupted),
        audited => audited?,
    };
    let files = seen::state_files(&audited);
    if files.is_empty() {
        let why =
            format!("the run ended with {} and left no state file: there is nothing to write down", audited.status);
        return Err(Problem::inconclusive(why).hint(format!(
            "run it where it saves: put {DIR} into its command where it names the directory, or start it where its files are"
        )));
    }
    let project = Project { name: &name, words: &words, args, files: &files, audited: &audited, language };
    make(language.file(), &checker::text(language, &name, &files))?;
    if let Err(problem) = make(project::FILE, &project.text()) {
        // It is ours, and of no use alone.
        let _ = fs::remove_file(language.file());
        return Err(problem);
    }
    console::print(&project.told());
    Ok(Exit::Clean)
}

/// Makes `file`, which must not be there.
fn make(file: &str, text: &str) -> Result<(), Problem> {
    let failed = |error: io::Error| Problem::lacking(format!("failed to write `{file}`: {error}"));
    let mut made = OpenOptions::new().write(true).create_new(true).open(file).map_err(failed)?;
    made.write_all(text.as_bytes()).map_err(|error| {
        // It is ours, and not whole.
        let _ = fs::remove_file(file);
        failed(error)
    })
}

/// The parts of the name in `word`, from the working directory.
fn named(word: &str) -> impl Iterator<Item = Component<'_>> {
    Path::new(word).components().filter(|part| *part != Component::CurDir)
}

/// A time as it is typed.
fn time(time: Duration) -> String {
    match values::millis(time) {
        millis if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}

/// What is written down.
struct Project<'a> {
    name: &'a str,
    words: &'a [String],
    args: &'a InitArgs,
    files: &'a [SeenFile],
    audited: &'a AuditedProgram,
    language: Language,
}

impl Project<'_> {
    fn names_dir(&self) -> bool {
        self.words.iter().any(|word| word.contains(DIR))
    }

    /// The words that start it. Where it starts in the state directory, a name of what the run wrote there means what is there.
    fn run(&self) -> Vec<String> {
        let all = self.words.iter().enumerate().map(|(n, word)| match (n, word.split_once('=')) {
            (0, _) if !word.contains('/') => word.clone(),
            _ if self.wrote(word) => format!("{DIR}/{word}"),
            (_, Some((key, value))) if self.wrote(value) => format!("{key}={DIR}/{value}"),
            _ => word.clone(),
        });
        if self.names_dir() { self.words.to_vec() } else { all.collect() }
    }

    /// Whether `word` is the name of something that the run wrote.
    fn wrote(&self, word: &str) -> bool {
        let audit = &self.audited.audit;
        let files = audit.files.iter().map(|file| &file.path);
        let mut all = files.chain(&audit.temporaries).chain(audit.excluded.iter().map(|file| &file.path));
        all.any(|path| Path::new(path).components().eq(named(word)))
    }

    /// How long each run is let go on, where that has to be said: `run` ends it sooner than this one was, or it goes on for ever.
    fn until(&self) -> Vec<String> {
        let ran_for = self.audited.ran_for;
        let may_take_longer = 2 * ran_for > Duration::from_millis(Until::USUAL_MS);
        let in_whole_seconds = |time: Duration| Duration::from_secs(time.as_secs() + 1);
        let UntilOptions { after, saves } = self.args.until;
        let (after, saves) = match (self.audited.was_cut, self.audited.was_asked_to_end) {
            // Somebody had seen enough.
            (true, true) => (Some(in_whole_seconds(ran_for)), None),
            (true, false) if after.is_none() && saves.is_none() => (Some(in_whole_seconds(ran_for)), None),
            (true, false) => (after, saves),
            (false, _) => (may_take_longer.then(|| in_whole_seconds(2 * ran_for)), None),
        };
        let mut lines: Vec<String> = after.map(|after| format!("for = \"{}\"", time(after))).into_iter().collect();
        lines.extend(saves.map(|saves| format!("saves = {saves}")));
        if !lines.is_empty() {
            let why = match self.audited.was_cut {
                true => "# It goes on for ever: this ends each run.",
                false => "# It ends by itself; a run that takes longer than this is ended.",
            };
            lines.insert(0, why.to_owned());
        }
        lines
    }

    /// What makes the state that a run starts from, where it is known.
    fn setup(&self) -> Option<String> {
        if let Some(setup) = &self.args.setup {
            return Some(setup.clone());
        }
        let there: Vec<&SeenFile> = self.files.iter().filter(|file| file.was_there).collect();
        (!there.is_empty() && !self.names_dir()).then(|| {
            let shown = |names: Vec<String>| Program::words_for_a_shell(&names);
            let files = shown(there.iter().map(|file| file.path.clone()).collect());
            // An audit works in a copy of the working directory, where they are already.
            let copy = format!("cp -pr --parents -- {files} \"$0\"");
            let databases = there.iter().filter(|file| file.format == Format::Sqlite);
            let journals: Vec<String> =
                databases.flat_map(|file| ["-wal", "-journal"].map(|ending| file.path.clone() + ending)).collect();
            let script = if journals.is_empty() {
                format!("test . -ef \"$0\" || {copy}")
            } else {
                // They belong to the database while they are there.
                let each = "test ! -e \"$f\" || cp -p --parents -- \"$f\" \"$0\" || exit";
                format!("test . -ef \"$0\" && exit; {copy} && for f in {}; do {each}; done", shown(journals))
            };
            Program::words_for_a_shell(&["sh".to_owned(), "-c".to_owned(), script, DIR.to_owned()])
        })
    }

    /// The file of the project.
    fn text(&self) -> String {
        // What JSON has in a string is good in TOML.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut lines = vec![
            format!(
                "# What crashtest does to the programs of this project: `crashtest audit {0}`, `crashtest run {0}`.",
                self.name
            ),
            "# Written by `crashtest init` from one recorded run.".to_owned(),
            String::new(),
            "[[program]]".to_owned(),
            format!("name = {}", quoted(self.name)),
            format!("run = {}", quoted(&Program::words_for_a_shell(&self.run()))),
        ];
        if !self.names_dir() {
            lines.push(
                "# It saves in its working directory: there it is started inside the state directory.".to_owned(),
            );
            lines.push("cwd = true".to_owned());
        }
        if let Some(setup) = self.setup() {
            lines.push("# Makes the state that each run starts from.".to_owned());
            if self.args.setup.is_none() {
                lines.push("# TODO: what else does the program read from its working directory?".to_owned());
            }
            lines.push(format!("setup = {}", quoted(&setup)));
        }
        let (key, checker) = self.language.asked_by(self.words);
        lines.push("# Says what a crash has left: see the places marked TODO in it.".to_owned());
        lines.push(format!("{key} = {}", quoted(&checker)));
        for (key, globs) in [("include", &self.args.selection.include), ("exclude", &self.args.selection.exclude)] {
            if !globs.is_empty() {
                lines.push(format!("{key} = {}", serde_json::Value::from(globs.as_slice())));
            }
        }
        lines.push("faults = [\"sweep\", \"io\"]".to_owned());
        lines.extend(self.until());
        lines.join("\n") + "\n"
    }

    /// What could not be guessed, a line each.
    fn unknown(&self) -> Vec<String> {
        let mut unknown = vec![
            "which save a state is: until the checker says `crashtest: state N`, and".to_owned(),
            "  the program prints `crashtest: ack N`, a lost save is not noticed".to_owned(),
        ];
        if !self.language.is_that_of(self.words) {
            unknown.push("how the program reads its files: the checker is in Python".to_owned());
        }
        for file in self.files.iter().filter(|file| !file.format.tells_damage()) {
            unknown.push(format!("what makes {} whole: it is {}", file.path, file.format.words()));
        }
        if !self.names_dir() && self.args.setup.is_none() {
            unknown.push("what else the program reads from its working directory: `run` starts it".to_owned());
            unknown.push(match self.setup() {
                Some(_) => "  where there is nothing else than what the set-up copies".to_owned(),
                None => "  in an empty one, as there is no set-up".to_owned(),
            });
        }
        for (word, meant) in self.words.iter().zip(self.run()).filter(|(word, meant)| *word != meant) {
            unknown.push(format!("whether `{word}` in its command means the state file: `run` has {meant}"));
        }
        if self.audited.was_cut {
            unknown.push("how long a run has to be to show every way in which it saves".to_owned());
        }
        unknown
    }

    /// What standard output gets.
    fn told(&self) -> String {
        let width = self.files.iter().map(|file| file.path.chars().count()).max().unwrap_or(0);
        let mut text = format!("Written: {}, where it is called {}\n", project::FILE, self.name);
        text += &format!("         {}, a checker that loads\n", self.language.file());
        for file in self.files {
            text += &format!("           {:<width$}  {}\n", file.path, file.format.words());
        }
        text += "\nNot guessed\n";
        self.unknown().iter().for_each(|line| text += &format!("  {line}\n"));
        let broken = self.audited.audit.count(UnderKill::Broken);
        text += &format!("\nNext: crashtest audit {0}, then crashtest run {0}\n", self.name);
        if broken > 0 {
            let files = if broken == 1 { "1 file".to_owned() } else { format!("{broken} files") };
            text += &format!("The recorded run shows already that a kill can damage {files}.\n");
        }
        text
    }
}
