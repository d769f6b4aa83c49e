//! A worker process: takes orders on its input, runs the trials, tells each outcome on its output. It has one thread, so that
//! forking a victim is safe and cheap.

use std::io::BufRead;

use crashtest_kit::Registry;
use crashtest_linux::directory::Directory;
use crashtest_linux::{clock, reaper, signals, stdio, supervision};

use crate::context::Context;
use crate::error::EngineError;
use crate::protocol::{Job, Report};
use crate::subject::UnderTest;
use crate::worker::dispatch;
use crate::worker::reports::ReportWriter;

/// Serves one supervisor on standard input and output, until the input ends.
///
/// Returns whether everything went well; what did not was told to the supervisor.
#[must_use]
pub fn serve(registry: &dyn Registry) -> bool {
    // First of all: what holds the ends of our pipes must be the process that works.
    let parent = reaper::under_reaper();
    let Ok(output) = stdio::own_stdout() else { return false };
    let mut reports = ReportWriter::new(output);
    let worked = match parent {
        Ok(parent) => work(registry, parent, &mut reports),
        Err(error) => Err(error.into()),
    };
    match worked {
        Ok(()) => true,
        Err(error) => {
            let report = Report::Failed { why: error.to_string(), hint: error.hint(), blame: error.blame() };
            let _ = reports.write(&report);
            false
        }
    }
}

/// Does what the supervisor asks for, which must be `parent`: the process that had started the reaper.
fn work(registry: &dyn Registry, parent: u32, reports: &mut ReportWriter) -> Result<(), EngineError> {
    stdio::silence_stdout().map_err(EngineError::system_refuses("point standard output at /dev/null"))?;
    signals::survive_the_file_size_limit().map_err(EngineError::system_refuses("ignore SIGXFSZ"))?;
    let mut lines = std::io::stdin().lock().lines();
    let mut next_line = || lines.next().transpose().map_err(EngineError::system_refuses("read an order"));
    let Some(line) = next_line()? else { return Ok(()) };
    let job: Job = parse(&line)?;
    if job.supervisor != parent {
        // It was gone before the reaper could hear of it: nobody is left to report to.
        return Ok(());
    }
    clock::precise_timers();
    supervision::usual_umask();
    let mut outlet = |report| reports.write(&report);
    let sandbox = Directory::ours(&job.sandbox)?;
    let memory = job.memory.as_deref().map(Directory::ours).transpose()?;
    let mut context = Context::new(&job.plan, Directory::ours(&job.spool)?, &mut outlet);
    let mut under_test = UnderTest::new(registry, &job.plan, sandbox, memory.as_ref())?;
    supervision::adopt_orphans().map_err(EngineError::system_refuses("adopt orphans"))?;
    dispatch::prepare(&mut context, &mut under_test)?;
    while let Some(line) = next_line()? {
        dispatch::carry_out(&mut context, &mut under_test, &parse(&line)?)?;
        (context.outlet)(Report::Done)?;
    }
    Ok(())
}

fn parse<M: serde::de::DeserializeOwned>(line: &str) -> Result<M, EngineError> {
    serde_json::from_str(line).map_err(|error| EngineError::Worker(format!("not a message: {error}")))
}
