//! Runs campaigns: hands series of trials to worker processes, which fork victims, kill them, restart them and judge what is left.
//!
//! The engine never prints, reads the environment or exits: what happens is told as [`Event`]s, and every output is a fold over
//! them. It knows targets only through the registry that it is handed, and nothing of how results are shown.
//!
//! [`main`] is no part of it but a program of its own: what a binary with somebody else's targets is.

mod aim;
mod audit;
mod bench;
mod campaign;
mod chain;
mod crew;
mod deadline;
mod error;
mod event;
mod evidence;
mod first_start;
mod io;
mod life;
mod lost;
mod message;
mod metadata;
mod oracle;
mod output;
mod pool;
mod printed;
mod program;
mod raw;
mod record;
mod recording;
mod replay;
mod replayer;
mod restarts;
mod sandbox;
mod snapshot;
mod state_dir;
mod sweep;
mod targets;
mod worker;

pub use audit::{AuditPlan, AuditedProgram, audit_program};
pub use campaign::{CONTROL_LIVES, End, Ended, WorkerProgram, run};
pub use error::{Blame, EngineError};
pub use event::Event;
pub use oracle::judge;
pub use program::{TracedProgram, trace_program, trace_target};
pub use replayer::Replayer;
pub use sandbox::Sandbox;
pub use targets::{DescribedStrategy, DescribedTarget, Description, PROTOCOL, TargetsError, describe, main};
pub use worker::serve;
