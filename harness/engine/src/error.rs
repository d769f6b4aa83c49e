//! What can go wrong with a campaign, as opposed to with its target.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crashtest_linux::directory::DirectoryError;
use crashtest_linux::process::ForkError;
use crashtest_linux::requirements::Missing;
use crashtest_linux::trace::TraceError;
use nix::errno::Errno;
use thiserror::Error;

/// Why a campaign cannot start or go on. Messages are fragments that fit "failed to {error}".
#[derive(Debug, Error)]
pub enum EngineError {
    /// The sandbox cannot be made or used.
    #[error("{doing} `{}`: {source}", path.display())]
    Sandbox {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The sandbox's file system is too small.
    #[error("use `{}` as sandbox: {free} bytes are free, {needed} are needed", path.display())]
    Small {
        /// Where.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// A program has done something to a directory of ours, besides working in it.
    #[error("go on: the program {0}; crashtest has touched nothing there")]
    Trespass(String),
    /// A directory of ours is no longer what it was.
    #[error(transparent)]
    Directory(DirectoryError),
    /// A state directory holds more than is kept in memory.
    #[error("use `{}` as state directory: it holds more than {most} bytes", path.display())]
    Big {
        /// Where.
        path: PathBuf,
        /// Bytes that it may hold.
        most: u64,
    },
    /// The machine failed while victims were running: not the target's doing.
    #[error("go on in `{}`: {why}", path.display())]
    Environment {
        /// Where.
        path: PathBuf,
        /// What happened.
        why: String,
        /// The number of the system's error, where it was one.
        errno: Option<i32>,
    },
    /// A binary that was named for its targets cannot be used.
    #[error("use the targets of `{}`: {source}", path.display())]
    Targets {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: TargetsError,
    },
    /// What a worker said that cannot go on.
    #[error("{why}")]
    Told {
        /// Why.
        why: String,
        /// What a person can do about it.
        hint: Option<String>,
        /// Whose affair it is.
        blame: Blame,
    },
    /// A worker process does not do what it should.
    #[error("run a worker: {0}")]
    Worker(String),
    /// The system refused what a worker process needs.
    #[error("{doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// This machine lacks what any run needs.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Somebody has stopped a worker, which would wait for ever.
    #[error("go on: the program, or another process, has stopped a worker process of crashtest, as by SIGSTOP")]
    Stopped,
    /// Somebody kills the workers, not we.
    #[error("go on: a worker process of crashtest {how}, by {}{}", if *beside_a_program { "the program or another process" } else { "another process" }, times_in_words(*times))]
    Killed {
        /// "was killed by SIGKILL".
        how: String,
        /// How many workers were killed.
        times: usize,
        /// Whether somebody's program was running, which may have done it.
        beside_a_program: bool,
    },
    /// No victim could be forked.
    #[error("fork a victim: {0}")]
    Fork(#[from] ForkError),
    /// This machine does not let a program be traced, which the fault needs.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A user's own program cannot be run.
    #[error("run a program: {0}")]
    Program(String),
    /// A program has changed a file outside of its state directory which its command names.
    #[error(
        "go on: the program changed `{typed}`, a file outside of its state directory that its command names ({})",
        path.display()
    )]
    Changed {
        /// Its name as it was typed.
        typed: String,
        /// Where it is.
        path: PathBuf,
    },
    /// A word of a command names a file outside of the state directory, and one in it.
    #[error(
        "begin: `{typed}` names two files, {} and the one that the set-up made in the state directory",
        path.display()
    )]
    Ambiguous {
        /// The name as it was typed.
        typed: String,
        /// The one outside.
        path: PathBuf,
    },
    /// A directory holds more than is copied.
    #[error("copy `{}`: it holds more than {most} bytes", path.display())]
    BigCopy {
        /// Which.
        path: PathBuf,
        /// Bytes that it may hold.
        most: u64,
    },
    /// A checker was asked in a directory that is gone.
    #[error("ask the checker where it was asked, in `{}`: {}", .0.display(), if .0.is_dir() { "that was a copy of it" } else { "it is not there" })]
    Gone(PathBuf),
    /// Somebody has had enough.
    #[error("go on: interrupted")]
    Interrupted,
    /// A program makes calls that this machine has for another architecture: they cannot be traced.
    #[error("trace `{0}`: it, or what it starts, is a program of 32 bits, whose calls cannot be followed")]
    Foreign(String),
    /// The checker of a program cannot be used.
    #[error("ask a checker: {0}")]
    Checker(String),
    /// What is ours would lie in a person's state directory.
    #[error("make a directory in `{}`: it lies in the state directory `{}`", temporary.display(), dir.display())]
    Inside {
        /// Where it would be.
        temporary: PathBuf,
        /// The state directory.
        dir: PathBuf,
    },
    /// A child could not be waited for.
    #[error("wait for a victim: {0}")]
    Wait(io::Error),
    /// No such strategy or workload in the registry.
    #[error("make the target `{0}`: it is not in the registry")]
    UnknownTarget(String),
}

/// Whose affair an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// What the person asked for cannot be had: another directory, more room.
    Input,
    /// This machine lacks what the fault needs.
    Machine,
    /// Something broke underway that should not.
    Us,
}

impl EngineError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let refused = match self {
            EngineError::Environment { errno, .. } => *errno,
            _ => self.system().and_then(io::Error::raw_os_error),
        };
        if let Some(hint) = refused.and_then(limit_hint) {
            return Some(hint.into());
        }
        match self {
            EngineError::Sandbox { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => Some("name a directory that you may write with --dir".into()),
                io::ErrorKind::ReadOnlyFilesystem => {
                    Some("name a directory on a writable file system with --dir".into())
                }
                io::ErrorKind::NotADirectory => Some("--dir takes a directory".into()),
                io::ErrorKind::NotFound => Some("make the directory first, or name another with --dir".into()),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("free some space, name another directory with --dir, or lower --state-size".into())
                }
                _ => None,
            },
            EngineError::Small { .. } => {
                Some("name another directory with --dir, or lower --state-size or --jobs".into())
            }
            EngineError::Trespass(_) => Some(
                "what is in {dir} is the program's; the directory itself, and those around it, are crashtest's".into(),
            ),
            EngineError::Big { .. } => {
                Some("name the directory that holds the state files, and little else, with --dir".into())
            }
            EngineError::BigCopy { .. } => Some(
                "start it in a directory that holds less, or leave --copy out: the program then runs for real".into(),
            ),
            EngineError::Changed { typed, .. } => Some(format!(
                "if it is what the program saves, write {} in place of `{typed}`; nothing was run again after that",
                in_dir(typed)
            )),
            EngineError::Ambiguous { typed, path } => Some(format!(
                "write {} for the one in the state directory, or {} for the other",
                in_dir(typed),
                path.display()
            )),
            EngineError::Environment { .. } => {
                Some("the results so far are kept; free some space or name another directory with --dir".into())
            }
            EngineError::Trace(TraceError::Forbidden(_)) => Some(
                "sweep, io and trace need ptrace(2) of own children and seccomp(2): allow them for this container; --fault kill needs neither (of a program of your own: with --check)".into(),
            ),
            EngineError::Foreign(_) => Some(
                "run a build of it for this machine, or kill it by the clock: --fault kill traces nothing (with --check)".into(),
            ),
            EngineError::Checker(_) => Some(
                "it works on copies, and is started in one where the state directory is the working directory: name what lies elsewhere by its whole path".into(),
            ),
            EngineError::Gone(_) => Some("run the audit again where that directory is, without --copy".into()),
            EngineError::Inside { .. } => Some("name another place for temporary files with TMPDIR".into()),
            EngineError::Targets { source, .. } => Some(source.hint().into()),
            EngineError::Told { hint, .. } => hint.clone(),
            EngineError::Missing(missing) => Some(missing.hint().into()),
            EngineError::Stopped => Some(
                "a program must leave its parent and its process group alone: what it stops there is crashtest".into(),
            ),
            EngineError::Killed { beside_a_program: true, .. } => Some(
                "look for what signals its parent or its process group: the program, its set-up, its checker; or memory ran out: the kernel's log names the OOM killer (dmesg)".into(),
            ),
            EngineError::Killed { .. } => {
                Some("if memory ran out, the kernel's log names the OOM killer (dmesg): lower --jobs or --state-size".into())
            }
            _ => None,
        }
    }

    /// Whose affair it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        if self.system().is_some_and(is_a_limit_of_the_machine) {
            return Blame::Machine;
        }
        match self {
            EngineError::Sandbox { .. }
            | EngineError::Small { .. }
            | EngineError::Big { .. }
            | EngineError::Trespass(_)
            | EngineError::Directory(_)
            | EngineError::Environment { .. }
            | EngineError::BigCopy { .. }
            | EngineError::Changed { .. }
            | EngineError::Ambiguous { .. }
            | EngineError::Targets { .. }
            | EngineError::Checker(_)
            | EngineError::Interrupted
            | EngineError::Gone(_)
            | EngineError::Stopped
            | EngineError::Killed { beside_a_program: true, .. }
            | EngineError::Inside { .. }
            | EngineError::Program(_) => Blame::Input,
            EngineError::Told { blame, .. } => *blame,
            EngineError::Trace(TraceError::Forbidden(_))
            | EngineError::Missing(_)
            | EngineError::Foreign(_)
            | EngineError::Killed { .. } => Blame::Machine,
            error => match error.system().and_then(io::Error::raw_os_error) {
                Some(errno) if is_environmental(errno) => Blame::Input,
                _ => Blame::Us,
            },
        }
    }

    /// What the system said, if it was the system.
    fn system(&self) -> Option<&io::Error> {
        match self {
            EngineError::Sandbox { source, .. } | EngineError::System { source, .. } | EngineError::Wait(source) => {
                Some(source)
            }
            EngineError::Fork(ForkError::Kernel(source))
            | EngineError::Trace(TraceError::System(source) | TraceError::Fork(ForkError::Kernel(source))) => {
                Some(source)
            }
            _ => None,
        }
    }

    pub(crate) fn system_refuses(doing: &'static str) -> impl FnOnce(io::Error) -> EngineError {
        move |source| EngineError::System { doing, source }
    }

    pub(crate) fn sandbox(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EngineError {
        let path = path.to_owned();
        move |source| EngineError::Sandbox { doing, path, source }
    }
}

/// Why a binary cannot be used for its targets.
#[derive(Debug, Error)]
pub enum TargetsError {
    /// Nothing is there.
    #[error("there is no such file")]
    Missing,
    /// It cannot be run.
    #[error("it is not an executable file")]
    NotExecutable,
    /// It could not be started, or spoken to.
    #[error("it cannot be run: {0}")]
    Run(io::Error),
    /// It takes too long.
    #[error("it did not describe itself within {} s", .0.as_secs_f64())]
    Silent(Duration),
    /// It says something else, or nothing.
    #[error("it does not describe itself: {0}")]
    Mute(String),
    /// It was built with another version.
    #[error("it speaks protocol {theirs} (crashtest {version}), and this crashtest protocol {ours}")]
    Protocol {
        /// The protocol of this crashtest.
        ours: u32,
        /// Its protocol.
        theirs: u32,
        /// The version that it was built with, if it says.
        version: String,
    },
}

impl TargetsError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            TargetsError::Missing => "build it, or name the place where it was built",
            TargetsError::NotExecutable => "name a program that was built, not its source or its folder",
            TargetsError::Protocol { .. } => "build it again with the version of this crashtest",
            TargetsError::Run(_) | TargetsError::Silent(_) | TargetsError::Mute(_) => {
                "a targets binary is one whose main() calls crashtest_engine::main with its registry"
            }
        }
    }
}

impl From<DirectoryError> for EngineError {
    fn from(error: DirectoryError) -> EngineError {
        match error {
            DirectoryError::Io { doing, path, source } => EngineError::Sandbox { doing, path, source },
            other => EngineError::Directory(other),
        }
    }
}

/// "{dir}/state.json": the name of a file, as one in the state directory.
fn in_dir(typed: &str) -> String {
    let typed = Path::new(typed);
    let below = if typed.is_absolute() { typed.file_name().map_or(typed, Path::new) } else { typed };
    let below: PathBuf = below.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    Path::new(crashtest_model::DIR).join(below).to_string_lossy().into_owned()
}

/// ", and so were 20 before it": nothing for one.
fn times_in_words(times: usize) -> String {
    match times {
        0 | 1 => String::new(),
        2 => ", and so was the one before it".to_owned(),
        more => format!(", and so were {} before it", more - 1),
    }
}

/// Whether the system refused because this machine, or whoever set its limits, gives no more.
fn is_a_limit_of_the_machine(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::EAGAIN | Errno::ENOMEM))
}

/// Which limit was met, and what a person can do about it.
fn limit_hint(errno: i32) -> Option<&'static str> {
    Some(match Errno::from_raw(errno) {
        Errno::EMFILE | Errno::ENFILE => "raise the limit on open files (ulimit -n), or lower --jobs",
        Errno::EAGAIN => "raise the limit on processes (ulimit -u), or lower --jobs",
        Errno::ENOMEM => "raise the limit on memory (ulimit -v), or lower --jobs or --state-size",
        Errno::EFBIG => "raise the limit on the size of files (ulimit -f), or lower --state-size",
        _ => return None,
    })
}

/// Whether an error of a victim's save says something about the machine and nothing about the target.
pub(crate) fn is_environmental(errno: i32) -> bool {
    matches!(
        Errno::from_raw(errno),
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG | Errno::EROFS | Errno::EIO | Errno::EMFILE | Errno::ENFILE
    )
}
