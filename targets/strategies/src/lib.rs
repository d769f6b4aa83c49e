//! The built-in strategies and workloads of crashtest, and the canaries of its self-test.
//!
//! A strategy says *how* a document is persisted, a workload *what* it holds; `document` joins any of the first with any of
//! the second. Each strategy's ground truth stands beside its code.

mod builtin;
mod document;
mod log;
mod planted;
mod recipe;
mod strategies;
mod systems;
mod workloads;

pub use builtin::Builtin;
pub use recipe::recipe_words;
pub use systems::path_storage::{PathStorage, Refusal, StorageCorruption, StorageError};
pub use workloads::fills::{Drift, Fill, FillAuditLog, Side, Symbol, reconcile};
pub use workloads::signals::SignalTracker;
