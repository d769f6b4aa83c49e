//! From what was promised and what a restart gave to a verdict. Nothing here starts a process or reads a file.

pub(crate) mod file_state;
pub(crate) mod history;
pub(crate) mod judgement;
pub(crate) mod lost_acks;
pub(crate) mod oracle;
pub(crate) mod record;
pub(crate) mod replayed;
pub(crate) mod run_oracle;
