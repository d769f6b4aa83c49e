//! From the system calls of a traced program to a trace, with what the program promised in between.

pub(crate) mod line_protocol;
pub(crate) mod orders;
pub(crate) mod quiet;
pub(crate) mod recorder;
