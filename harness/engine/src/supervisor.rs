//! The side of a campaign that plans and counts: it starts the workers, hands the work out and hears what came of it.

mod campaign;
mod pool;
mod replayer;
mod sandbox;

pub use campaign::{CONTROL_LIVES, End, Ended, WorkerProgram, run};
pub use replayer::Replayer;
pub use sandbox::Sandbox;
