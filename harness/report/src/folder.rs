//! The parts of a results folder: the names in it, its files, its lock, its evidence. Whole folders are written by `write`.

pub(crate) mod evidence;
pub(crate) mod failure;
pub(crate) mod files;
pub(crate) mod index;
pub(crate) mod json;
pub(crate) mod latest;
pub(crate) mod layout;
pub(crate) mod lock;
pub(crate) mod place;
pub(crate) mod trials;
