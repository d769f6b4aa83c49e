//! A worker process: takes orders, has the procedures carry them out, and reports each outcome.

mod dispatch;
mod replay;
mod reports;
mod serve;

pub use serve::serve;
