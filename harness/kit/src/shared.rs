//! The oracle's side of a state that several writers read, change and save between them.

use crashtest_model::{Consequences, Generation, Promise};

/// What the state came to in the hands of its writers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// The rules of its domain that are broken, a sentence each.
    pub broken: Vec<String>,
    /// The last operation of each writer that is in it.
    pub applied: Vec<Generation>,
    /// What it costs.
    pub consequences: Consequences,
}

/// The rules of a state that is nobody's own: what each writer was promised is in it, and what holds whoever wrote last.
pub trait Shared {
    /// The name of the state file, relative to the state directory.
    fn state_file(&self) -> String;

    /// Judges `content`, which a restart has accepted, after `promises` to each of its writers. `None`: it is no such state.
    fn judge(&self, content: &[u8], promises: &[Promise]) -> Option<Judged>;
}
