//! Typed Linux: processes, shared memory, clocks, mounts. All unsafe code of the workspace lives in this crate.
//!
//! It knows nothing of crashtest's own notions: no victim, no board, no verdict. What must be undone is a guard.

pub mod attributes;
pub mod clock;
pub mod deadline;
pub mod directory;
pub mod held_up;
pub mod locks;
pub mod machine;
pub mod mounts;
pub mod opened;
pub mod pinned;
pub mod process;
pub mod reaper;
pub mod requirements;
pub mod scratch;
pub mod shared;
pub mod signals;
pub mod stdio;
pub mod supervision;
pub mod trace;
