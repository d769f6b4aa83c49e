//! Runs campaigns: hands series of trials to worker processes, which fork victims, kill them, restart them and judge what is left.
//!
//! The engine never prints, reads the environment or exits: what happens is told as [`Event`]s, and every output is a fold over
//! them. It knows targets only through the registry that it is handed, and nothing of how results are shown.
//!
//! [`main`] is no part of it but a program of its own: what a binary with somebody else's targets is.

mod audit;
mod binary;
mod context;
mod error;
mod event;
mod faults;
mod judge;
mod lists;
mod output;
mod protocol;
mod snapshot;
mod state_dir;
mod subject;
mod supervisor;
mod trace;
mod trace_once;
mod worker;

pub use audit::{Answered, AuditPlan, AuditProgress, AuditedProgram, ask_again, audit_program};
pub use binary::{DescribedStrategy, DescribedTarget, Description, describe, main};
pub use error::{Blame, EngineError, TargetsError};
pub use event::Event;
pub use judge::oracle::judge;
pub use protocol::PROTOCOL;
pub use supervisor::{CONTROL_LIVES, End, Ended, Replayer, Sandbox, WorkerProgram, run};
pub use trace::recorder::SoFar;
pub use trace_once::{Kept, TracedProgram, Tracing, trace_program, trace_target};
pub use worker::serve;
