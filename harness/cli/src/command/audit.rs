//! `crashtest audit`: how a program writes its files, and what a kill could leave of each, from one recorded run.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use crashtest_engine::{AuditPlan, AuditedProgram, EngineError};
use crashtest_linux::directory::{Directory, DirectoryError};
use crashtest_linux::mounts;
use crashtest_model::{
    AUDIT_FORMAT, AuditFailure, AuditJudgement, AuditRecord, Check, CommandLine, DIR, FileSystem, Program, Recheck,
};
use crashtest_report::render;
use crashtest_report::{AuditOut, CrashStates, RecordedAudit};

use super::run::OutputFormat;
use crate::console;
use crate::exit::Exit;
use crate::host;
use crate::problem::Problem;
use crate::program;
use crate::progress::AuditLine;
use crate::selection::SelectionOptions;
use crate::signals;
use crate::until::UntilOptions;
use crate::values;

/// How a program writes its files, and what a kill could leave of each
///
/// Runs the program once, for real, in the working directory: what it does there is done. --copy runs it in a copy. Records every call that changes a file below the state directory, and derives from that recording the files
/// that a kill would leave before and after each call and at each page inside a write. Nothing is killed. It says how each state file is written (truncate-and-write, temp + rename, append, …), at which crash points it would be torn, empty
/// or missing, and which calls to add.
///
/// A state file is there before the run or after it. At each crash point it has to be as the last finished save left it, or as the one
/// under way will. What is appended or written in place beside other files (databases, logs) needs a checker: `--check` is said of it. A file that
/// the run makes under its own name, emptying what might be there, is judged as if it had been there; one that it makes once in another way is accepted. Where no file can be judged, that is no answer. With --check, each distinct crash state is put into a directory of ours and
/// the checker says whether the program gets over it. Power cuts are not tested.
///
/// The state directory is --dir; `{dir}` in the command and CRASHTEST_DIR in its environment name it. What the program prints goes to
/// standard error. Scratch files (*.log, *.pid, *.lock,
/// .git/COMMIT_EDITMSG, __pycache__) are not judged, and listed where there are any.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  crashtest audit -- python3 bot.py\n  crashtest audit --copy -- python3 bot.py\n  crashtest audit --dir state -- ./server --once\n  crashtest audit --setup 'cp -r fixtures/. {dir}' -- python3 bot.py {dir}\n  crashtest audit --exclude 'cache/**' --include trades.log -- npm run import\n  crashtest audit --check \"sh -c 'test $(sqlite3 a.db \\\"pragma integrity_check\\\") = ok'\" -- sqlite3 a.db 'insert into t values(1)'\n  crashtest audit --out results -- python3 bot.py\n  crashtest audit --output-format json -- git commit -m x\n\nExit status: 0 no file is broken · 1 a kill can leave a file torn, empty or missing · 2 usage, or the program cannot be started ·\n3 nothing was judged: the run wrote no state file, or only a checker can judge them (--accept-unchecked) · 5 programs cannot be traced here"
)]
pub(crate) struct AuditArgs {
    /// The state directory [default: the working directory; with `{dir}` in the command a temporary one, empty at first]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Run the program in a copy of the working directory, and of --dir where that lies elsewhere (`{dir}` has to name it then): neither
    /// is written. The set-up and the checker work on the copy, too. At most 1 GiB; what the program names elsewhere by its whole path is real
    #[arg(long)]
    pub copy: bool,
    /// What makes the state that the program starts from, before anything is recorded; `{dir}` and CRASHTEST_DIR name the directory
    #[arg(long, value_name = "CMD")]
    pub setup: Option<String>,
    /// What says whether a crash state is any good, as in `crashtest run`: exit status 0, or one of `crashtest: state N`, `fresh`, … It gets
    /// copies: `{dir}` and CRASHTEST_DIR name one, and where the state directory is the working directory it is started in one
    #[arg(long, value_name = "CMD", conflicts_with = "check_batch")]
    pub check: Option<String>,
    /// The same, started once: it reads the name of a directory per line and answers each with one such line
    #[arg(long, value_name = "CMD")]
    pub check_batch: Option<String>,
    /// The checker is asked about at most so many crash states, evenly spread [default: 500 with --check, all with --check-batch]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
    pub max_states: Option<u64>,
    /// Accept files that only a checker could judge: without it, where none of the files can be judged, that is no answer (exit status 3)
    #[arg(long)]
    pub accept_unchecked: bool,
    /// When the program is ended
    #[command(flatten)]
    pub until: UntilOptions,
    /// Which files are judged
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// How long the program, the set-up and each answer of the checker may take [default: 10m, 10m and 10s]
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    pub limit: Option<Duration>,
    /// Keep it in a new folder below this one, which `report` and `replay` read: audit.json, summary.md, junit.xml, and of each file that is
    /// broken the files that a kill leaves [default: nothing is kept]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What standard output gets: `text`, a table with examples and fixes, or `json`, all of it
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub output_format: OutputFormat,
    /// The program and its arguments, after `--`
    #[arg(value_name = "CMD", required = true, last = true)]
    pub command: Vec<OsString>,
}

/// How long a program, or the set-up, takes at most.
const LIMIT: Duration = Duration::from_secs(600);
/// The crash states that a checker is asked about which is started for each.
const MAX_STATES: u64 = 500;
/// How long an answer of the checker takes at most.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

impl AuditArgs {
    fn plan(&self) -> Result<AuditPlan, Problem> {
        let cwd = program::working_directory()?;
        let names_it = self.command.iter().any(|word| word.to_string_lossy().contains(DIR));
        let dir = self.dir.clone().or_else(|| (!names_it).then(|| PathBuf::from(".")));
        let setup = self.setup.as_deref().map(|setup| program::split_words("--setup", setup)).transpose()?;
        let check = program::check_of(self.check.as_deref(), self.check_batch.as_deref())?;
        let command: CommandLine = self.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        for words in setup.iter().chain(check.as_ref().map(Check::command)).chain([&command]) {
            program::can_be_found(words, &cwd)?;
        }
        if let (true, false, Some(dir)) = (self.copy, names_it, &dir)
            && let (Ok(dir), Ok(cwd)) = (dir.canonicalize(), cwd.canonicalize())
            && !(dir.starts_with(&cwd) || cwd.starts_with(&dir))
        {
            let why = format!("--copy copies `{}`, and no word of the command says where the copy is", dir.display());
            return Err(Problem::usage(why).hint(format!("put {DIR} into the command where it names that directory")));
        }
        Ok(AuditPlan {
            command: self.command.clone(),
            setup,
            check,
            dir,
            copy: self.copy,
            cwd,
            temporary: std::env::temp_dir(),
            passed_over: Vec::new(),
            selection: self.selection.selection()?,
            until: self.until.until(console::error_is_seen()),
            limit: self.limit.unwrap_or(LIMIT),
            answer_limit: self.limit.unwrap_or(ANSWER_LIMIT),
            max_states: self.max_states.or_else(|| self.check.as_ref().map(|_| MAX_STATES)),
        })
    }
}

/// `command` as one types it in a shell.
fn words(command: &[OsString]) -> String {
    let words: Vec<String> = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    Program::words_for_a_shell(&words)
}

/// What is done, before it is done: who only wanted to look has a moment to stop it, and knows the next time.
fn beginning(command: &[OsString], plan: &AuditPlan) -> String {
    let (words, cwd) = (words(command), plan.cwd.display());
    match plan.copy {
        true => format!("crashtest: runs `{words}` once, in a copy of {cwd}"),
        false => format!("crashtest: runs `{words}` once, for real, in {cwd}; --copy runs it in a copy"),
    }
}

/// What the results folder keeps of the crash states.
struct Evidence<'a>(&'a AuditedProgram);

impl CrashStates for Evidence<'_> {
    fn write(&self, failure: &AuditFailure, most: u64, to: &Directory) -> Result<u64, DirectoryError> {
        self.0.write_crash_state(failure, most, to)
    }

    fn calls(&self, failure: &AuditFailure) -> Vec<String> {
        self.0.calls_around(failure)
    }
}

/// Runs the command.
pub(crate) fn audit(args: &AuditArgs) -> Result<Exit, Problem> {
    let mut plan = args.plan()?;
    // Before anything runs: it runs once, and may put something else there.
    let out = args.out.as_deref().map(AuditOut::find).transpose()?;
    plan.passed_over = out.as_ref().map_or_else(Vec::new, AuditOut::results);
    let stop = signals::stop_on_signals()?;
    if console::error_is_seen() {
        console::complain(&beginning(&args.command, &plan));
    }
    let started = jiff::Timestamp::now().to_string();
    let progress = RefCell::new(AuditLine::new(&words(&args.command), plan.until));
    let audited = crashtest_engine::audit_program(&plan, &stop, &|so_far| progress.borrow_mut().show(so_far));
    drop(progress);
    let is_interrupted = stop.load(Ordering::Relaxed);
    let audited = match audited {
        // Before anything was recorded.
        Err(EngineError::Interrupted) if is_interrupted => return Ok(Exit::Interrupted),
        audited => audited?,
    };
    let mut record = record(args, &plan, &audited);
    record.interrupted = is_interrupted;
    let kept = out.map(|out| keep(out, started, &plan, &mut record, &audited)).transpose();
    console::print(&match (args.output_format, &kept) {
        (OutputFormat::Text, Ok(Some(kept))) => render::text::recorded_audit(kept, console::terminal()),
        // What cannot be kept was still found.
        (OutputFormat::Text, Ok(None) | Err(_)) => render::text::audit(&record, console::terminal()),
        (OutputFormat::Json, _) => render::json::audit(&record),
    });
    kept?;
    Ok(match record.judgement() {
        _ if is_interrupted || audited.was_asked_to_end => Exit::Interrupted,
        AuditJudgement::Broken => Exit::Broken,
        AuditJudgement::Inconclusive => Exit::Inconclusive,
        AuditJudgement::Unbroken => Exit::Clean,
    })
}

/// What is said of the program and its files.
fn record(args: &AuditArgs, plan: &AuditPlan, audited: &AuditedProgram) -> AuditRecord {
    AuditRecord {
        format: AUDIT_FORMAT,
        started: None,
        environment: None,
        command: args.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        dir: whole(plan.dir.as_ref()).map(|dir| dir.to_string_lossy().into_owned()),
        copy_of: plan.copy.then(|| plan.cwd.to_string_lossy().into_owned()),
        status: audited.status.clone(),
        cut: audited.was_cut,
        interrupted: false,
        audit: audited.audit.clone(),
        checked: audited.checked.clone(),
        accept_unchecked: args.accept_unchecked,
    }
}

/// `dir` by its whole path, where it is still there.
fn whole(dir: Option<&PathBuf>) -> Option<PathBuf> {
    dir.map(|dir| std::fs::canonicalize(dir).unwrap_or_else(|_| dir.clone()))
}

/// Keeps the audit that began at `started` in a new folder below `out`.
fn keep(
    out: AuditOut,
    started: String,
    plan: &AuditPlan,
    record: &mut AuditRecord,
    audited: &AuditedProgram,
) -> Result<RecordedAudit, Problem> {
    let worked_on = plan.dir.as_ref().filter(|_| !plan.copy).unwrap_or(&plan.temporary);
    let mount = mounts::mount_of(worked_on).map(|mount| FileSystem { kind: mount.kind, options: mount.options });
    record.started = Some(started);
    record.environment = Some(host::environment(&host::this_program()?, mount.unwrap_or_default()));
    let recheck = plan.check.as_ref().map(|check| Recheck {
        check: check.clone(),
        cwd: plan.cwd.clone(),
        dir: whole(plan.dir.as_ref()),
        copied: plan.copy,
        limit_ms: u64::try_from(plan.answer_limit.as_millis()).unwrap_or(u64::MAX),
    });
    let (recorded, notes) = out.keep(record, recheck.as_ref(), &Evidence(audited))?;
    notes.iter().for_each(|note| console::complain(&format!("note: {note}")));
    Ok(recorded)
}
