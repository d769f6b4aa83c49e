//! A binary that holds somebody else's targets: what it says of itself, how it is asked, and the program that it is.

mod ask;
mod description;
mod main;

pub use ask::describe;
pub use description::{DescribedStrategy, DescribedTarget, Description};
pub use main::main;
