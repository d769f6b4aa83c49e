//! The faults: how each comes to its crash states, and what it makes of them.

pub(crate) mod io;
pub(crate) mod kill;
pub(crate) mod points;
mod shares;
pub(crate) mod states;
pub(crate) mod together;
