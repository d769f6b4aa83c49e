//! Worker processes as the supervisor sees them: started, spoken to, and dead with all their victims when they are dropped.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use crashtest_linux::supervision::Group;

use crate::campaign::WorkerProgram;
use crate::error::EngineError;
use crate::message::{Job, Order, Report};

/// Something that happened to worker `worker`.
#[derive(Debug)]
pub(crate) enum FromWorker {
    /// It said something.
    Said { worker: usize, report: Report },
    /// It said something that is no message, or its output has ended: it is dead or as good as.
    Ended { worker: usize, note: Option<String> },
}

/// A worker process.
pub(crate) struct Worker {
    /// Declared first so that the process is dead before its pipe is closed.
    group: Group,
    input: ChildStdin,
    /// What it is working on.
    pub(crate) order: Option<Order>,
    /// How many trials of the order it has reported.
    pub(crate) reported: u64,
    /// When it last said something or was given something to do.
    pub(crate) heard: Instant,
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
            .map_err(|e| EngineError::Worker(format!("`{}`: {e}", program.path.display())))?;
        let group = Group::lead_by(&child);
        let (input, output) = pipes(&mut child)?;
        thread::spawn(move || {
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
        });
        let mut worker = Worker { group, input, order: None, reported: 0, heard: Instant::now() };
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
        if self.order.is_some() && self.heard.elapsed() > limit {
            self.group.kill();
        }
    }

    /// How it ended, once its output has: kills what is left of it.
    pub(crate) fn bury(mut self) -> String {
        let how = self.group.wait(Duration::from_secs(1));
        match how {
            Ok(Some(how)) => how,
            Ok(None) => "stopped talking".to_owned(),
            Err(error) => format!("is lost: {error}"),
        }
    }

    fn say<M: serde::Serialize>(&mut self, message: &M) -> Result<(), EngineError> {
        let mut line = serde_json::to_vec(message).map_err(|e| EngineError::Worker(e.to_string()))?;
        line.push(b'\n');
        // A worker that died is noticed by the end of its output, with the reason; a broken pipe here says less.
        match self.input.write_all(&line) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(EngineError::Worker(error.to_string())),
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
