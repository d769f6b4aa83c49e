//! What every procedure of a worker is handed: its directories, its board, its timings, and where evidence goes.

pub(crate) mod bench;
mod evidence;
