//! Worker processes as the supervisor sees them: started, spoken to, and dead with all their victims when they are dropped.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use crashtest_linux::process::Exit;
use crashtest_linux::reaper::Ended;
use crashtest_linux::supervision::Group;

use crate::error::EngineError;
use crate::protocol::{Job, Order, Report};
use crate::supervisor::campaign::WorkerProgram;

/// Something that happened to worker `worker`.
#[derive(Debug)]
pub(crate) enum FromWorker {
    /// It said something.
    Said { worker: usize, report: Report },
    /// It said something that is no message, or its output has ended: it is dead or as good as.
    Ended { worker: usize, note: Option<String> },
}

/// How a worker has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// As its process did.
    Ended(Exit),
    /// It was killed, as it had said nothing for so long.
    Silent(Duration),
    /// It was stopped by a signal, and killed.
    Stopped,
    /// Its output has ended, and it has not.
    Mute,
}

impl Death {
    /// Whether somebody else has killed it. A program may send any signal to its parent, also one that means a bug of ours elsewhere.
    pub(crate) fn is_foreign(&self, beside_a_program: bool) -> bool {
        match self {
            Death::Ended(Exit::Signal(_)) if beside_a_program => true,
            Death::Ended(exit) => exit.was_sent_a_signal(),
            _ => false,
        }
    }
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Death::Ended(exit) => f.write_str(&exit.in_words()),
            Death::Silent(limit) => write!(f, "said nothing for {} s", limit.as_secs()),
            Death::Stopped => f.write_str("was stopped"),
            Death::Mute => f.write_str("stopped talking"),
        }
    }
}

/// How long a worker's reaper has for whatever that has started, before the worker's group is killed without it.
const GRACE: Duration = Duration::from_secs(6);

/// A worker process, below its reaper: dead with everything that it has started when this is dropped.
pub(crate) struct Worker {
    /// The process and its reaper: dead before its pipe is closed, see `drop`.
    group: Group,
    input: ChildStdin,
    /// What it is working on.
    pub(crate) order: Option<Order>,
    /// How many trials of the order it has reported.
    pub(crate) reported: u64,
    /// When it last said something or was given something to do.
    pub(crate) heard: Instant,
    /// For how long it had said nothing when it was killed for that.
    silent: Option<Duration>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.group.end(GRACE);
    }
}

impl Worker {
    /// Starts a worker and hands it its job; its messages go to `sender` under the name `worker`.
    ///
    /// Must be called by a thread that lives as long as the worker: the kernel kills the worker when that thread ends.
    pub(crate) fn start(
        program: &WorkerProgram,
        job: &Job,
        worker: usize,
        sender: Sender<FromWorker>,
    ) -> Result<Worker, EngineError> {
        let mut child = Command::new(&program.path)
            .args(&program.arguments)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(EngineError::system_refuses("start a worker"))?;
        let group = Group::lead_by(&child);
        let (input, output) = pipes(&mut child)?;
        let listen = move || {
            let mut note = None;
            for line in BufReader::with_capacity(1 << 16, output).lines() {
                match line.map_err(|e| e.to_string()).and_then(|l| parse(&l)) {
                    Ok(report) => {
                        if sender.send(FromWorker::Said { worker, report }).is_err() {
                            return;
                        }
                    }
                    Err(why) => {
                        note = Some(why);
                        break;
                    }
                }
            }
            // The receiver may be gone: then nobody waits for this worker any more.
            let _ = sender.send(FromWorker::Ended { worker, note });
        };
        let mut worker = Worker { group, input, order: None, reported: 0, heard: Instant::now(), silent: None };
        thread::Builder::new().spawn(listen).map_err(EngineError::system_refuses("start a thread for a worker"))?;
        worker.say(job)?;
        Ok(worker)
    }

    /// Gives it an order.
    pub(crate) fn give(&mut self, order: Order) -> Result<(), EngineError> {
        self.reported = 0;
        self.heard = Instant::now();
        self.say(&order)?;
        self.order = Some(order);
        Ok(())
    }

    /// Kills it with its victim if it has been silent over an order for longer than `limit`: its output ends, which says the rest.
    pub(crate) fn kill_if_silent(&mut self, limit: Duration) {
        if self.order.is_some() && self.silent.is_none() && self.heard.elapsed() > limit {
            self.silent = Some(limit);
            self.group.end(GRACE);
        }
    }

    /// Asks it to end with all that it has started, without waiting for that: dropping it waits.
    pub(crate) fn ask_to_end(&self) {
        self.group.ask_to_end();
    }

    /// Whether somebody has stopped its reaper, which can then do nothing for it.
    pub(crate) fn is_stopped(&self) -> bool {
        self.group.is_stopped()
    }

    /// The process by which it is waited for.
    pub(crate) fn process(&self) -> i32 {
        self.group.leader()
    }

    /// How it ended, once its output has: kills what is left of it.
    pub(crate) fn reap(mut self) -> Death {
        match (self.silent, self.group.exit_within(GRACE)) {
            (Some(limit), _) => Death::Silent(limit),
            (None, Ok(Some(exit))) => match Ended::of_reaper(exit) {
                Ended::Stopped => Death::Stopped,
                Ended::Exit(exit) => Death::Ended(exit),
            },
            (None, Ok(None) | Err(_)) if self.is_stopped() => Death::Stopped,
            (None, Ok(None) | Err(_)) => Death::Mute,
        }
    }

    fn say<M: serde::Serialize>(&mut self, message: &M) -> Result<(), EngineError> {
        let mut line = serde_json::to_vec(message).map_err(|e| EngineError::Worker(e.to_string()))?;
        line.push(b'\n');
        // A worker that died is noticed by the end of its output, with the reason; a broken pipe here says less.
        match self.input.write_all(&line) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(EngineError::system_refuses("talk to a worker")(error))
            }
            _ => Ok(()),
        }
    }
}

fn pipes(child: &mut Child) -> Result<(ChildStdin, std::process::ChildStdout), EngineError> {
    child.stdin.take().zip(child.stdout.take()).ok_or_else(|| EngineError::Worker("no pipe".to_owned()))
}

fn parse(line: &str) -> Result<Report, String> {
    serde_json::from_str(line).map_err(|error| format!("it said something that is no message: {error}"))
}
