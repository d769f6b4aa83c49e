//! One file a format. Each is a pure function of a [`Recorded`](crate::Recorded).

pub mod audit;
mod conclusion;
mod findings;
pub mod grid;
mod histogram;
mod json;
mod junit;
mod markdown;
mod page;
mod row;
mod swept;
mod table;
mod terminal;
pub mod trace;

pub use conclusion::{Conclusion, Judgement};
pub use json::json;
pub use junit::junit;
pub use markdown::markdown;
pub use page::Color;
pub use terminal::terminal;
