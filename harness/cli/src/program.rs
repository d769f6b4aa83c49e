//! Somebody's own program on the command line: what is run, what prepares it, what checks it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use crashtest_model::{
    Check, CommandLine, Conditions, DIR, Documented, Expectation, Fault, Loader, Program, Shape, Start, StrategyInfo,
    WorkloadInfo,
};

use crate::problem::Problem;
use crate::selection::SelectionOptions;
use crate::state_directory;
use crate::until::UntilOptions;

/// The name that stands in place of a workload's.
pub(crate) const WORKLOAD: &str = "program";

/// A program of one's own, after `--`.
#[derive(Debug, Args)]
pub(crate) struct ProgramOptions {
    /// The program and its arguments, after `--`: it saves and is crashed. One that goes on for ever is ended: see --for. `{dir}` in a word stands for the state
    /// directory, where it has to save; without it name --cwd or --uses-env. CRASHTEST_SEED is the seed. It may print
    /// `crashtest: ready`, `crashtest: begin N` and `crashtest: ack N` (flushed)
    #[arg(value_name = "CMD", last = true)]
    pub command: Vec<OsString>,
    /// Start the program inside the state directory, for one that saves in its working directory. Words of CMD that name files here
    /// are made absolute, and none of these files may change. The set-up and the checker start here, and get `{dir}`
    #[arg(long)]
    pub cwd: bool,
    /// The program reads the state directory from CRASHTEST_DIR in its environment
    #[arg(long)]
    pub uses_env: bool,
    /// What makes the state that it starts from; that state counts as long on disk
    #[arg(long, value_name = "CMD")]
    pub setup: Option<String>,
    /// What says whether a crash state is any good: exit status 0, it opened; or it prints one of `crashtest: state N`, `fresh`,
    /// `garbage WHY`, `has N`, `refused WHY`, `ok`. Started for each crash state [default: every file must be as some run has left it]
    #[arg(long, value_name = "CMD", conflicts_with = "check_batch")]
    pub check: Option<String>,
    /// The same, started once: it reads the name of a directory per line and answers each with one such line
    #[arg(long, value_name = "CMD")]
    pub check_batch: Option<String>,
    /// Without a checker: which files are judged
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// When it is ended
    #[command(flatten)]
    pub until: UntilOptions,
    /// Under `kill`: each life goes on with what the one before has left, and not with what --setup made
    #[arg(id = "continue", long = "continue")]
    pub continues: bool,
}

impl ProgramOptions {
    /// The program that was named, if one was.
    pub(crate) fn program(&self) -> Result<Option<Program>, Problem> {
        if self.command.is_empty() {
            return Ok(None);
        }
        let text = |word: &OsString| {
            let why = || Problem::usage(format!("`{}` is not UTF-8: it could not be recorded", word.to_string_lossy()));
            word.to_str().map(str::to_owned).ok_or_else(why)
        };
        let command: CommandLine = self.command.iter().map(text).collect::<Result<_, _>>()?;
        let check = check_of(self.check.as_deref(), self.check_batch.as_deref())?;
        let setup = self.setup.as_deref().map(|setup| split_words("--setup", setup)).transpose()?;
        let cwd = working_directory()?;
        // What is no glob is said now.
        self.selection.selection()?;
        let SelectionOptions { include, exclude } = self.selection.clone();
        for words in [Some(&command), setup.as_ref(), check.as_ref().map(Check::command)] {
            words.map_or(Ok(()), |words| can_be_found(words, &cwd))?;
        }
        if !(self.cwd || self.uses_env || command.iter().any(|word| word.contains(DIR))) {
            return Err(state_directory::not_named(&command));
        }
        let (command, named) =
            if self.cwd { state_directory::with_absolute_paths(&command, &cwd)? } else { (command, Vec::new()) };
        let (continues, until) = (self.continues, self.until.until(false));
        Ok(Some(Program { command, setup, check, until, continues, include, exclude, cwd, inside: self.cwd, named }))
    }
}

/// Where commands are started.
pub(crate) fn working_directory() -> Result<PathBuf, Problem> {
    std::env::current_dir().map_err(|error| Problem::usage(format!("failed to find the working directory: {error}")))
}

/// The checker that was named by one of the two options, if one was.
pub(crate) fn check_of(each: Option<&str>, batch: Option<&str>) -> Result<Option<Check>, Problem> {
    Ok(match (each, batch) {
        (Some(check), _) => Some(Check::Each(split_words("--check", check)?)),
        (None, Some(batch)) => Some(Check::Batch(split_words("--check-batch", batch)?)),
        (None, None) => None,
    })
}

/// Words that only a shell understands.
const SHELL_OPERATORS: [&str; 8] = [">", ">>", "<", "|", "||", "&&", "&", ";"];

/// Splits a command into its words, as a shell would.
pub(crate) fn split_words(option: &str, text: &str) -> Result<CommandLine, Problem> {
    let words = shell_words::split(text).map_err(|error| {
        Problem::usage(format!("{option} `{text}`: {error}")).hint(Some("quote it as for a shell".into()))
    })?;
    if let Some(word) = words.iter().find(|word| SHELL_OPERATORS.contains(&word.as_str())) {
        let why = format!("{option} `{text}`: no shell runs it, and `{word}` means something to shells alone");
        return Err(Problem::usage(why).hint(Some("write sh -c '…' around it".into())));
    }
    if words.is_empty() {
        return Err(Problem::usage(format!("{option} is empty")));
    }
    Ok(words)
}

/// Whether the program of `words` is there, before anything is begun.
pub(crate) fn can_be_found(words: &[String], cwd: &Path) -> Result<(), Problem> {
    let Some(program) = words.first().filter(|program| !program.contains(DIR)) else { return Ok(()) };
    let found = match program.contains('/') {
        true => cwd.join(program).exists(),
        false => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|dir| dir.join(program).exists())
        }
    };
    if found {
        return Ok(());
    }
    let whole = Program::words_for_a_shell(words);
    let why = format!("`{program}` is not there: it cannot be run as `{whole}`");
    let hint = match program.contains('/') {
        true => "name it from the working directory, or by its whole path",
        false => "install it, put it on the PATH, or name it by its path",
    };
    Err(Problem::usage(why).hint(Some(hint.into())))
}

/// Describes `program` as a strategy and its workload, for reports. It claims everything, as programs do.
pub(crate) fn as_strategy(program: &Program) -> (StrategyInfo, WorkloadInfo) {
    let intact = |fault| Documented {
        loader: Loader::Strict,
        fault,
        start: Start::Again,
        conditions: Conditions::default(),
        expectation: Expectation::default(),
    };
    let strategy = StrategyInfo {
        name: program.name(),
        summary: "a program of your own".into(),
        shape: Shape::System,
        recipe: program.described(),
        origin: String::new(),
        documented: Fault::ALL.into_iter().map(intact).collect(),
        planted: false,
    };
    let summary = "whatever the program saves".into();
    let workload = WorkloadInfo { name: WORKLOAD.into(), summary, shapes: vec![Shape::System], phrases: Vec::new() };
    (strategy, workload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(split_words("--check", "python3 'a b.py' {dir}").unwrap(), ["python3", "a b.py", "{dir}"]);
        assert!(split_words("--check", "python3 'a b.py").is_err() && split_words("--check", " ").is_err());
    }

    #[test]
    fn what_is_not_there_is_said_before_anything_is_begun() {
        let missing = ["no-such-interpreter-9".to_owned(), "x.py".to_owned()];
        let problem = can_be_found(&missing, Path::new("/")).unwrap_err().to_string();
        assert!(problem.contains("no-such-interpreter-9") && problem.contains("PATH"), "{problem}");
        assert!(can_be_found(&["sh".to_owned()], Path::new("/")).is_ok());
        assert!(can_be_found(&["{dir}/x".to_owned()], Path::new("/")).is_ok(), "not known yet");
    }
}
