//! The words of a grid: its conclusion, its conditions, what each variant guarantees and how it conforms.

pub(crate) mod conclusion;
pub(crate) mod conditions;
pub(crate) mod conformance;
pub(crate) mod faults;
pub(crate) mod guarantee;
pub(crate) mod metadata;
pub(crate) mod variant;
