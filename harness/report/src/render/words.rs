//! The words that every format shares: whatever the format, a run is told in the same sentences.

pub(crate) mod audit;
pub(crate) mod conclusion;
pub(crate) mod counts;
pub(crate) mod coverage;
pub(crate) mod findings;
pub(crate) mod grid;
pub(crate) mod row;
