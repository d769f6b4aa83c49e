//! What a victim links: the board of its progress, the seeded stream of operations, the traits of targets and workloads, and marked
//! file operations.
//!
//! Nothing here knows how or when the victim is killed.

mod acks;
mod board;
mod calls;
pub mod fs;
mod log;
mod opened;
mod raw;
mod registry;
mod shared;
mod stream;
mod target;
pub mod testing;
mod tickets;
mod workload;

pub use acks::Acks;
pub use board::{BOARD_WORDS, Board, Failure, Hold, Overwritten};
pub use calls::CallLog;
pub use log::{LogWorkload, Logged, chained, empty_log};
pub use opened::{Opened, OpenedAs};
pub use raw::classify;
pub use registry::Registry;
pub use shared::{Judged, Shared};
pub use stream::operation_rng;
pub use target::{Place, Recovered, Refused, Target};
pub use tickets::{Deed, Event, Tickets};
pub use workload::{Folded, Found, Generations, Workload, encode, state_file};
