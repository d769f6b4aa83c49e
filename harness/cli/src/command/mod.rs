//! The commands, one a file.

pub mod doctor;
pub mod list;
pub mod replay;
pub mod report;
pub mod run;
pub mod worker;
