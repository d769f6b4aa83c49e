//! The crashes of a recorded run: where they can come, and the states that they leave.

mod first_look;
mod kind;
mod points;
mod states;

pub use first_look::{Alike, first_look};
pub use kind::{Kind, Places, kind_of};
pub use points::{CrashPoints, crash_points};
pub use states::{CrashState, crash_states, distinct};
