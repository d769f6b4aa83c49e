//! Several processes on one state at the same time: writers, and readers beside them. The writers may be threads of one process.
//!
//! A trial lets them run together, by the clock or call by call as a schedule says, kills all or one of them, lets the others finish, and
//! starts a process of its own on what is left. What that one loads, and what everybody loaded meanwhile, is held against what was
//! promised: for writers that each save a document of their own by the history of the saves ([`crate::judge::history`]), for a state that they
//! change between them by the rules of its domain.
//!
//! The control is the same with clean stops.

mod held;
mod judge;
mod participants;
mod process;
mod run;
mod schedule;
mod timeline;
mod watch;

pub(crate) use judge::restart_on;
pub(crate) use participants::Participants;
