//! A grid in each format: the comparison of its cells, then what each is documented to show. The same order everywhere: the plan's.

mod agreement;
mod conclusion;
mod conditions;
mod contender;
mod faults;
mod guarantee;
mod json;
mod junit;
mod markdown;
mod metadata;
mod table;
mod terminal;

pub use agreement::difference;
pub use conclusion::{GridConclusion, GridJudgement};
pub use contender::label;
pub use json::json;
pub use junit::junit;
pub use markdown::markdown;
pub use terminal::terminal;
