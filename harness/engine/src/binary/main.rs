//! The program that a targets binary is: all of it, given its registry.
//!
//! It stands in `engine` and not in `kit`, which is what authors write their targets with, as the life of a worker is here. It is
//! not a part of the engine but a program of its own: the one place here that reads arguments and prints.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use crashtest_kit::Registry;

use super::ask::DESCRIBE;
use super::description::Description;
use crate::worker::serve;

/// The argument that makes it a worker.
const WORKER: &str = "worker";

/// The exit status of a worker that could not go on: a bug of crashtest.
const BUG: u8 = 70;
/// The exit status of a program that was called with arguments that it does not know.
const USAGE: u8 = 2;

/// The `main` of a targets binary: a program of your own that holds what you want to put under test.
///
/// Write your targets against `crashtest_kit`: a [`Target`](crashtest_kit::Target) saves and loads, a
/// [`Generations`](crashtest_kit::Generations) knows what must come back ([`Folded`](crashtest_kit::Folded) is one for every
/// [`Workload`](crashtest_kit::Workload)), and a [`Registry`] names them, with what each is documented to show. Then this is the rest:
///
/// ```no_run
/// # use crashtest_kit::{Generations, Place, Registry, Target};
/// # use crashtest_model::{Seed, StrategyInfo, TargetSpec, WorkloadInfo};
/// # struct MyTargets;
/// # impl Registry for MyTargets {
/// #     fn strategies(&self) -> Vec<StrategyInfo> { Vec::new() }
/// #     fn workloads(&self) -> Vec<WorkloadInfo> { Vec::new() }
/// #     fn target(&self, _: &TargetSpec, _: Seed, _: Place) -> Option<Box<dyn Target>> { None }
/// #     fn generations(&self, _: &TargetSpec, _: Seed) -> Option<Box<dyn Generations>> { None }
/// # }
/// fn main() -> std::process::ExitCode {
///     crashtest_engine::main(&MyTargets)
/// }
/// ```
///
/// `crashtest run --targets PATH --strategy NAME` then tests them at full speed: it starts the binary as its worker, which forks
/// the victims itself. `list`, `compare` and `matrix` take `--targets` as well, and a failure's replay finds the binary again.
///
/// Two arguments are understood, both written by crashtest and not by people: `worker`, which serves a supervisor on standard input
/// and output until the input ends, and `describe`, which prints the registry as one JSON object. Anything else prints what the
/// binary holds and how it is used. Do nothing before calling this that starts a thread: victims are forked from this process.
///
/// `harness/cli/examples/notes.rs` is a whole one.
#[must_use]
pub fn main(registry: &dyn Registry) -> ExitCode {
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_else(|| OsString::from("targets"));
    let words: Vec<OsString> = words.collect();
    let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    match words[..] {
        [WORKER] => ExitCode::from(if serve(registry) { 0 } else { BUG }),
        [DESCRIBE] => match serde_json::to_string(&Description::from_registry(registry)) {
            Ok(description) => said(&mut io::stdout(), &description),
            Err(error) => {
                said(&mut io::stderr(), &format!("failed to describe the targets: {error}"));
                ExitCode::from(BUG)
            }
        },
        ["--help" | "-h" | "help"] => said(&mut io::stdout(), &help(registry, &program.to_string_lossy())),
        _ => {
            said(&mut io::stderr(), &help(registry, &program.to_string_lossy()));
            ExitCode::from(USAGE)
        }
    }
}

/// Prints `text`. Where that fails nobody listens any more.
fn said(out: &mut dyn Write, text: &str) -> ExitCode {
    match writeln!(out, "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What the binary at `program` holds, and how it is used.
fn help(registry: &dyn Registry, program: &str) -> String {
    let strategies: Vec<String> =
        registry.strategies().into_iter().filter(|info| !info.planted).map(|info| info.name).collect();
    let first = strategies.first().map_or("NAME", String::as_str);
    format!(
        "Targets for crashtest, which runs this program itself:\n\n  \
         crashtest list strategies --targets {program}\n  \
         crashtest run --targets {program} --strategy {first}\n\n\
         Strategies: {}",
        strategies.join(", ")
    )
}
