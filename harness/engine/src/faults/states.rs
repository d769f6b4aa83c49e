//! Fault `sweep`: everything that a kill can leave, at every call and inside every write.
//!
//! One life is recorded; the crash state at each point follows from the recording. Each distinct state is restarted on once, and
//! the result is judged against every point that leaves the state: the same files can be right before an ack and wrong after it.
//! What breaks a claim is confirmed by a real kill at that call before it is reported, and so is a seeded sample of the rest: should
//! a real kill leave other files than were derived, the trial is inconclusive.
//!
//! Then the life after each distinct state, its recovery and its first save, is swept in the same way.
//!
//! Where that cannot be trusted, as the files do not follow from the calls, or these overlap in too many ways, every point is reached by
//! a real kill.

mod again;
mod confirm;
pub(crate) mod findings;
mod interleaved;
mod life;
mod recorded;
mod reports;
mod share;
mod starts;
mod sweep;

pub(crate) use again::{once, restart_on};
pub(crate) use sweep::run;
