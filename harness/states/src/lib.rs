//! From a trace to crash states: which states a crash can leave of a program's files, found without crashing it again.
//!
//! A trace holds the data of every write, so each state follows from it and the files at its start. Pure logic: no I/O, no process.
//! Reading states from a directory and writing them into one is the engine's business.

#[cfg(test)]
mod acked;
mod audit;
mod content;
mod crash;
mod durability;
mod failed_call;
mod failures;
mod interleavings;
mod losses;
mod saves_so_far;
mod selection;
mod shape;
mod snapshot;
mod tree;
mod unexplained;

pub use audit::{Oracle, Quiet, Severity, StateFile, audit, audited_states, quiet_moment, state_files};
pub use content::{Content, LONGEST_WHOLE};
pub use crash::{
    Alike, CrashPoints, CrashState, Kind, Places, crash_points, crash_states, distinct, first_look, kind_of,
};
pub use durability::{Durability, Persisted, moved_below};
pub use failed_call::failed_call;
pub use failures::{fits, injections, needs_room, reading_injections};
pub use interleavings::{Interleavings, interleavings};
pub use losses::passed_over;
pub use saves_so_far::SavesSoFar;
pub use selection::{BadGlob, SCRATCH, Selection};
pub use shape::{Difference, compare, same_place};
pub use snapshot::{Entry, Root, Snapshot};
pub use tree::Tree;
pub use unexplained::unexplained;
