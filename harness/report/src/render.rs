//! Reports: a folder a format, each a pure function of a [`Recorded`](crate::Recorded) or a grid, over shared words.

mod format;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod text;
mod words;

pub use format::{Color, Format, Terminal};
pub use words::conclusion::{Conclusion, Judgement};
pub use words::grid::conclusion::{GridConclusion, GridJudgement};
pub use words::grid::conformance::difference;
pub use words::grid::variant::label;

/// Every format, in the order in which `report --format` names them.
///
/// The writer of a results folder makes the file of each that has one. A new format is a folder and a row.
pub const FORMATS: [Format; 4] = [text::FORMAT, markdown::FORMAT, junit::FORMAT, json::FORMAT];
