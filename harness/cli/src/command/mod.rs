//! The commands, one a file.

pub(crate) mod audit;
pub(crate) mod both;
pub(crate) mod compare;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod matrix;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod trace;
pub(crate) mod worker;
