//! Whole systems as their authors describe them: protections, what is built on them, and the variants without each protection.

mod book_files;
pub(crate) mod derived_direct;
pub(crate) mod path_storage;
pub(crate) mod persistent_map;
pub(crate) mod reconciler;
pub(crate) mod trade_store;
