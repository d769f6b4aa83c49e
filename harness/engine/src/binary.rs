//! A binary that holds somebody else's targets: what it says of itself, how it is asked, and the program that it is.

pub(crate) mod description;
mod main;

pub use description::{DescribedStrategy, DescribedTarget, Description, PROTOCOL, TargetsError, describe};
pub use main::main;
