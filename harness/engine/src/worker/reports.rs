//! What a worker says, line by line, on its output.
//!
//! What was told is in the pipe before anything else begins, whatever happens to this process next: its death costs one trial. Only
//! the points of a sweep that show nothing may wait for each other, for a moment: a restart on a derived state takes no longer than
//! waking the supervisor up for each does, and when a worker dies, its share of a sweep is inconclusive as a whole.

use std::fs::File;
use std::io::Write;

use crashtest_linux::clock::now_ns;
use crashtest_model::{Fault, Termination, Verdict};

use crate::error::EngineError;
use crate::protocol::Report;

/// So long may a line wait, in ns, and then until the next is told: nothing beside the time after which a worker counts as lost.
const MOMENT_NS: u64 = 20_000_000;
/// So much may wait, in bytes: well below what a pipe holds.
const ROOM: usize = 16 * 1024;

/// A worker's output.
pub(super) struct ReportWriter {
    output: File,
    waiting: Vec<u8>,
    /// When the first of them was told.
    since_ns: u64,
}

impl ReportWriter {
    pub(super) fn new(output: File) -> ReportWriter {
        ReportWriter { output, waiting: Vec::new(), since_ns: 0 }
    }

    /// Tells `report`, after what still waits, in one write; or lets it wait.
    pub(super) fn write(&mut self, report: &Report) -> Result<(), EngineError> {
        let failed = |error: String| EngineError::Worker(error);
        if self.waiting.is_empty() {
            self.since_ns = now_ns();
        }
        serde_json::to_writer(&mut self.waiting, report).map_err(|error| failed(error.to_string()))?;
        self.waiting.push(b'\n');
        if may_wait(report) && self.waiting.len() < ROOM && now_ns() < self.since_ns + MOMENT_NS {
            return Ok(());
        }
        let written = self.output.write_all(&self.waiting).map_err(|error| failed(error.to_string()));
        self.waiting.clear();
        written
    }
}

fn may_wait(report: &Report) -> bool {
    match report {
        Report::Trial(record, None) => {
            record.fault == Fault::Sweep
                && record.termination == Termination::Derived
                && record.verdict() == Some(Verdict::Intact)
        }
        _ => false,
    }
}
