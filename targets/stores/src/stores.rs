//! The stores, one a file.

pub(crate) mod fjall;
pub(crate) mod lmdb;
mod records;
pub(crate) mod redb;
pub(crate) mod sled;
pub(crate) mod sqlite;
pub(crate) mod whole_file;
