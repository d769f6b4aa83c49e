//! The crashes of a recorded run: where they can come, and the states that they leave.

mod points;
mod states;

pub use points::{CrashPoints, crash_points};
pub use states::{CrashState, crash_states, distinct};
