//! Fault `kill`: SIGKILL at random moments, aimed by the position in the work of whoever is killed.

pub(crate) mod aim;
mod at_calls;
pub(crate) mod first_start;
pub(crate) mod metadata;
pub(crate) mod program;
pub(crate) mod series;
