//! This very program and the machine that it runs on, as a record names them.

use std::path::PathBuf;

use crashtest_engine::WorkerProgram;
use crashtest_linux::machine;
use crashtest_model::{Digest, Environment, FileSystem};

use crate::problem::Problem;

/// This very program, run as worker.
pub(crate) fn this_program() -> Result<WorkerProgram, Problem> {
    let path: PathBuf =
        std::env::current_exe().map_err(|error| Problem::lacking(format!("failed to find this program: {error}")))?;
    Ok(WorkerProgram { path, arguments: vec!["worker".to_owned()] })
}

/// The environment of a run by `program` on `file_system`.
pub(crate) fn environment(program: &WorkerProgram, file_system: FileSystem) -> Environment {
    let binary =
        std::fs::read(&program.path).map_or_else(|_| "unknown".to_owned(), |b| Digest::of_bytes(&b).to_string());
    Environment {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        binary,
        targets: None,
        kernel: machine::kernel(),
        processors: machine::processors(),
        file_system,
    }
}
