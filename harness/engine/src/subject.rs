//! What is under test, as the rest of the engine sees it: a target of a registry, or a program of somebody's own.

pub(crate) mod life;
pub(crate) mod program;
pub(crate) mod recording;
pub(crate) mod target;
pub(crate) mod timings;
