//! `crashtest audit`: how a program writes its files, and what a kill could leave of each, from one recorded run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use crashtest_model::{AUDIT_FORMAT, AuditRecord, UnderKill};
use crashtest_report::render;
use tempfile::TempDir;

use super::run::OutputFormat;
use crate::conduct;
use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program;
use crate::selection::Selection;

/// How a program writes its files, and what a kill could leave of each
///
/// Runs the program once, records every call that changes a file below the state directory, and derives from that recording the files
/// that a kill would leave before and after each call and at each page inside a write. Nothing is killed and nothing is started again.
/// It says how each state file is written (truncate-and-write, temp + rename, append, …), at which crash points it would be torn, empty
/// or missing, and which calls to add.
///
/// A state file is there before the run or after it. At each crash point it has to be as the last finished save left it, or as the one
/// under way will. What is appended or written in place beside other files (databases, logs) needs a checker: `--check` is said of it.
/// A file that the run makes once, and writes over nothing, is accepted. Power cuts are not tested.
///
/// The state directory is --dir; `{dir}` in the command and CRASHTEST_DIR in its environment name it. What the program prints goes to
/// standard error. Scratch files (*.log, *.pid, *.lock,
/// .git/COMMIT_EDITMSG, __pycache__) are not judged, and listed where there are any.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  crashtest audit -- python3 bot.py\n  crashtest audit --dir state -- ./server --once\n  crashtest audit --setup 'cp -r fixtures/. {dir}' -- python3 bot.py {dir}\n  crashtest audit --exclude 'cache/**' --include trades.log -- npm run import\n  crashtest audit --output-format json -- git commit -m x\n\nExit status: 0 no file is broken · 1 a kill can leave a file torn, empty or missing · 2 usage, or the program cannot be started ·\n3 nothing was tested: the run wrote no state file · 5 programs cannot be traced here"
)]
pub(crate) struct AuditArgs {
    /// The state directory [default: the working directory; with `{dir}` in the command a temporary one, empty at first]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// What makes the state that the program starts from, before anything is recorded; `{dir}` and CRASHTEST_DIR name the directory
    #[arg(long, value_name = "CMD")]
    pub setup: Option<String>,
    /// Judge these files although they are excluded, by default or by --exclude; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Do not judge these files, relative to the state directory; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// What standard output gets: `text`, a table with examples and fixes, or `json`, all of it
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub output_format: OutputFormat,
    /// The program and its arguments, after `--`
    #[arg(value_name = "CMD", required = true, last = true)]
    pub command: Vec<OsString>,
}

/// How long a program, or the set-up, takes at most.
const LIMIT: Duration = Duration::from_secs(600);

/// The state directory.
enum Place {
    /// The person's.
    Given(PathBuf),
    /// Ours: removed with everything in it when it is dropped.
    Temporary(TempDir),
}

impl Place {
    fn of(args: &AuditArgs) -> Result<Place, Problem> {
        let names_it = args.command.iter().any(|word| word.to_string_lossy().contains("{dir}"));
        match &args.dir {
            Some(dir) => Ok(Place::Given(dir.clone())),
            None if names_it => {
                let made = tempfile::Builder::new().prefix("crashtest-audit-").tempdir();
                let problem = |error| Problem::usage(format!("failed to make a state directory: {error}"));
                made.map(Place::Temporary).map_err(|error| {
                    problem(error).hint("name one with --dir, or a place for temporary files with TMPDIR".to_owned())
                })
            }
            None => Ok(Place::Given(PathBuf::from("."))),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Place::Given(path) => path,
            Place::Temporary(dir) => dir.path(),
        }
    }

    /// How a record names it.
    fn recorded(&self) -> Option<String> {
        match self {
            Place::Given(path) => {
                let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                Some(path.to_string_lossy().into_owned())
            }
            Place::Temporary(_) => None,
        }
    }
}

/// Runs the command.
pub(crate) fn audit(args: &AuditArgs) -> Result<Exit, Problem> {
    let selection = Selection::new(&args.include, &args.exclude)?;
    let stop = conduct::stop_on_signals()?;
    let place = Place::of(args)?;
    if let Some(setup) = &args.setup {
        crashtest_engine::set_up(&program::words("--setup", setup)?, place.path(), LIMIT)?;
    }
    let excluded = |path: &Path| selection.excludes(path);
    let audited = crashtest_engine::audit_program(&args.command, place.path(), &excluded, LIMIT, &stop)?;
    let record = AuditRecord {
        format: AUDIT_FORMAT,
        command: args.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        dir: place.recorded(),
        status: audited.status,
        audit: audited.audit,
    };
    console::print(&match args.output_format {
        OutputFormat::Text => render::audit::terminal(&record, console::width(), console::color()),
        OutputFormat::Json => render::audit::json(&record),
    });
    Ok(if stop.load(Ordering::Relaxed) { Exit::Interrupted } else { exit(&record) })
}

/// What an audit ends with.
fn exit(record: &AuditRecord) -> Exit {
    let audit = &record.audit;
    match () {
        () if audit.count(UnderKill::Broken) > 0 => Exit::Broken,
        () if audit.files.is_empty() || audit.count(UnderKill::Unknown) > 0 => Exit::Inconclusive,
        () => Exit::Clean,
    }
}
